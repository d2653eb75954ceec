"""Checks small files against what must and what must not be read of them.

    python bench/cases.py FOLDER

FOLDER holds the files and expect.jsonl: lines of `file`, `must` and `must_not`, pieces of text that
are looked for with whitespace as one space. Every file goes through the sandbox, with its limits.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import Settings
from app.errors import FolioError
from ingest.formats import resolve_media_type
from ingest.sandbox import Sandbox


def _read(sandbox: Sandbox, path: Path) -> str:
    data = path.read_bytes()
    try:
        article = sandbox.parse(resolve_media_type("", path.name, data), data)
    except FolioError as error:
        return f"refused: {error.code}"
    # What a file says of itself is found too, and answers show it.
    attributes = json.dumps(dict(article.attributes or {}), ensure_ascii=False)
    return " ".join(f"{article.title} {article.text} {attributes}".split())


def _find_faults(text: str, must: Sequence[str], must_not: Sequence[str]) -> list[str]:
    missing = [f"lacks {words!r}" for words in must if " ".join(words.split()) not in text]
    return missing + [f"has {words!r}" for words in must_not if " ".join(words.split()) in text]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    lines = (folder / "expect.jsonl").read_text(encoding="utf-8").splitlines()
    held = 0
    with closing(Sandbox(Settings())) as sandbox:
        for line in lines:
            case = json.loads(line)
            faults = _find_faults(
                _read(sandbox, folder / case["file"]), case["must"], case["must_not"]
            )
            held += not faults
            for fault in faults:
                print(f"{case['file']}: {fault}")
    print(f"{held} of {len(lines)} cases hold")


if __name__ == "__main__":
    main()
