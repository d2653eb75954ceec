"""Long documents with a sentence of its own at each of several depths, in four formats.

    python -m tests.ingest.sentinels --kb FOLDER

adds them to a copy of a data folder that holds many real articles, and asks for each sentence.
"""
# ruff: noqa: T201  a command: what it prints is its result

import argparse
import shutil
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from app.config import Settings
from app.domain import Mode
from app.embedding.engine import Engine
from app.runtime.resources import Resources, open_resources
from app.services.articles.documents import Upload
from ingest.sandbox import Sandbox
from ingest.worker import drain_queue
from tests.ingest.bad_files import make_docx, word_paragraph
from tests.ingest.pdf_files import make_pdf
from tests.named import build_context, get_document, put_documents, search_documents

PLACES = (100, 5_000, 8_100, 9_000, 30_000)
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_LINES_A_PAGE = 36
_CONTEXT_TOKENS = 2000


def write_lines(engine: Engine, word: str = "zq") -> list[str]:
    """Return lines with a sentinel after each of PLACES: the cellar `word` and the place.

    A PDF joins them with fewer tokens.
    """
    waiting = list(PLACES)
    lines, tokens, number = [], 0, 0
    while tokens < PLACES[-1] + 3_000:
        number += 1
        line = f"Steep the tea for {number} minutes and pour the milk."
        if waiting and tokens >= waiting[0]:
            line = f"The password of cellar {word}{waiting.pop(0)} is marmalade."
        lines.append(line)
        # Of a line that follows another: the first of a text can begin with a token of its own.
        tokens += len(engine.token_starts(f"{line}\n\n{line}")) - len(engine.token_starts(line))
    return lines


def as_pages(lines: list[str]) -> Iterator[list[str]]:
    for first in range(0, len(lines), _LINES_A_PAGE):
        yield lines[first : first + _LINES_A_PAGE]


FORMATS: dict[str, Callable[[list[str]], tuple[bytes, str]]] = {
    "pdf": lambda lines: (make_pdf(list(as_pages(lines))), "application/pdf"),
    "docx": lambda lines: (make_docx("".join(map(word_paragraph, lines))), DOCX),
    "html": lambda lines: (
        f"<main>{''.join(f'<p>{escape(line)}</p>' for line in lines)}</main>".encode(),
        "text/html",
    ),
    "markdown": lambda lines: ("\n\n".join(lines).encode(), "text/markdown"),
}


def add_documents(resources: Resources, collection: str) -> None:
    """Add a document a format, under the word of its sentinels."""
    sandbox = Sandbox(resources.settings)
    try:
        for name in FORMATS:
            data, media_type = FORMATS[name](
                write_lines(resources.generations.live().engine(), f"zq{name}")
            )
            put_documents(resources, collection, [Upload(f"zq{name}", data, media_type)])
        if drain_queue(resources, sandbox, Event()) is not None:
            raise SystemExit("the queue was given up")
    finally:
        sandbox.close()


def count_found(resources: Resources, collection: str, name: str) -> list[int]:
    """Count the sentinels whose document is a search's first hit, by mode, and those in a context.

    Raises SystemExit when the receipt does not say that all was read.
    """
    word = f"zq{name}"
    receipt = get_document(resources, collection, word).receipt
    if receipt is None or not receipt["tokens_counted"] == receipt["tokens_embedded"] > PLACES[-1]:
        raise SystemExit(f"{name}: {receipt}")
    counts = [0] * (len(Mode) + 1)
    for place in PLACES:
        sentinel = f"cellar {word}{place}"
        query = f"password of {sentinel}"
        for i, mode in enumerate(Mode):
            hits = search_documents(resources, collection, query, limit=1, mode=mode).results
            counts[i] += hits[0].document_id == word
        context = build_context(resources, collection, query, max_tokens=_CONTEXT_TOKENS)
        counts[-1] += any(sentinel in block.text for block in context.blocks)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--kb", type=Path, required=True, help="a data folder; it is copied")
    parser.add_argument("--collection", default="default")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        kb = Path(folder) / "kb"
        shutil.copytree(arguments.kb, kb)
        with open_resources(Settings(data=kb)) as resources:
            add_documents(resources, arguments.collection)
            columns = [*(f"first hit, {mode}" for mode in Mode), f"in {_CONTEXT_TOKENS:,} tokens"]
            print("format    " + "".join(f"{column:>20}" for column in columns))
            for name in FORMATS:
                counts = count_found(resources, arguments.collection, name)
                print(f"{name:10}" + "".join(f"{f'{n} of {len(PLACES)}':>20}" for n in counts))


if __name__ == "__main__":
    main()
