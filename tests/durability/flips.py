"""Flips single bits of the database file, at random places, one at a time.

    python -m tests.durability.flips [--flips N] [--seed N]

After each flip the folder is opened, every article and its file are read, and it is searched for,
by its words and as searches are by default. What comes back must be right, or be refused by name:
as damage, at the start or at the read. An answer that differs from the truth without a word is
counted as wrong, an article that is not there and has no error as lost, and an exception without a
code as uncoded; any of them ends the run with 1.
"""

import argparse
import random
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from traceback import print_exc

from app.config import Settings
from app.domain import Mode
from app.errors import FolioError, NotFound
from app.runtime.resources import Resources, open_resources
from app.services.articles.collections import create_collection
from app.services.articles.documents import Upload
from app.services.articles.originals import get_original
from ingest.sandbox import Sandbox
from ingest.worker import drain_queue
from tests.checkpoints import make_jina_v3
from tests.durability.table import Row, finish
from tests.named import get_document, put_documents, ref_of, search_documents

_DOCUMENTS = 30
_NAMES = ("flips", "refused", "harmless", "wrong", "lost", "uncoded")


def text_of(number: int) -> str:
    """Return an article that only one word tells from the others."""
    return f"word{number} " + "Steep the tea for three minutes. " * 30 + "End."


def fill(settings: Settings) -> None:
    """Make a folder with articles that are ready."""
    sandbox = Sandbox(settings)
    try:
        with open_resources(settings) as resources:
            create_collection(resources.database, "help")
            uploads = [
                Upload(f"d{n}", text_of(n).encode(), "text/plain", title=f"Title {n}")
                for n in range(_DOCUMENTS)
            ]
            put_documents(resources, "help", uploads)
            drain_queue(resources, sandbox, Event())
    finally:
        sandbox.close()


def examine(settings: Settings) -> str:
    """Open the folder and ask for everything; returns what became of it, in one of _NAMES."""
    try:
        with open_resources(settings) as resources:
            return _examine_articles(resources)
    except FolioError:
        return "refused"
    except Exception as error:  # noqa: BLE001  # what is looked for
        print(f"uncoded: {type(error).__name__}: {error}", flush=True)
        print_exc()
        return "uncoded"


def _examine_articles(resources: Resources) -> str:
    worst = "harmless"
    for number in range(_DOCUMENTS):
        document_id, verdict = f"d{number}", "harmless"
        try:
            document = get_document(resources, "help", document_id, with_text=True)
        except NotFound:
            return "lost"
        if document.error is not None:
            verdict = "refused"
        elif (document.text, document.title) != (text_of(number), f"Title {number}"):
            return "wrong"
        help_ = ref_of(resources, "help")
        if get_original(resources.database, help_, document_id).data.decode() != text_of(number):
            return "wrong"
        for mode in (Mode.LEXICAL, Mode.HYBRID):
            hits = search_documents(resources, "help", f"word{number}", limit=1, mode=mode).results
            if hits and hits[0].document_id == document_id:
                passage = hits[0].passages[0]
                if passage.text != text_of(number)[passage.start : passage.end]:
                    return "wrong"
            elif get_document(resources, "help", document_id).error is None:
                return "wrong"
            else:
                verdict = "refused"
        worst = verdict if verdict != "harmless" else worst
    return worst


def run(folder: Path, *, flips: int, seed: int) -> dict[str, int]:
    """Flip one bit after the other in copies of one folder; returns the counts."""
    randomness = random.Random(seed)
    model = str(make_jina_v3(folder / "model"))
    whole = folder / "whole"
    fill(Settings(data=whole, model=model, passage_tokens=32))
    content = (whole / "folio.db").read_bytes()
    counts = dict.fromkeys(_NAMES, 0)
    for _ in range(flips):
        damaged = bytearray(content)
        at, bit = randomness.randrange(len(content)), randomness.randrange(8)
        damaged[at] ^= 1 << bit
        data = folder / "data"
        data.mkdir()
        (data / "folio.db").write_bytes(damaged)
        verdict = examine(Settings(data=data, model=model, passage_tokens=32))
        if verdict in {"wrong", "lost"}:
            print(f"{verdict}: bit {bit} of byte {at}, near {content[at - 20 : at + 20]!r}")
        counts[verdict] += 1
        counts["flips"] += 1
        shutil.rmtree(data)
    return counts


def describe(counts: dict[str, int]) -> Row:
    """Return what the counts say of the promise."""
    bad = counts["wrong"] + counts["lost"] + counts["uncoded"]
    return Row(
        "corruption is detected",
        f"{counts['flips']} flipped bits",
        f"{counts['refused']} named, {counts['harmless']} in what no answer needs, "
        f"{counts['wrong']} wrong answers",
        held=not bad and counts["refused"] > 0,
        lost=counts["lost"] + counts["wrong"],
        errors_500=counts["uncoded"],
    )


def main() -> None:
    """Flip the bits and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--flips", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=Path, help="file for the row of the table")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="folio-durability-") as folder:
        counts = run(Path(folder), flips=arguments.flips, seed=arguments.seed)
    finish([describe(counts)], arguments.rows)


if __name__ == "__main__":
    main()
