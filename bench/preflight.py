"""Asks what articles would do to the first hits of golden questions, and looks whether they do.

    python bench/preflight.py --data SETS --set scifact_beir --kb FOLDER [--articles 100]

FOLDER is a data folder that holds the set; a copy of it is written to. Each new article is made of
real ones: two thirds of one, every other time one that answers a golden question, and the beginning
of another, so that it may overtake the first. Every fourth is a whole one again, a near-duplicate
that must be found.
"""

import argparse
import random
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from time import perf_counter

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import Settings
from app.evaluation.golden import GoldenQuery
from app.runtime.resources import Resources
from app.services.articles.documents import Upload, put_documents
from app.services.quality.preflight import preflight
from app.services.search.search import search_documents
from bench.collection import collection_of, open_analysed, request_of
from bench.ingest import check_folder
from bench.report import describe_machine, print_table
from bench.sets import LabelledSet, read_set
from ingest.sandbox import Sandbox
from ingest.worker import drain_queue

_SEED = 8
_QUESTIONS = 60
_DUPLICATE_EVERY = 4


@dataclass(slots=True)
class Outcome:
    """How often what was said came true."""

    articles: int = 0
    agreed: int = 0
    predicted: int = 0
    """First hits that were said to change."""
    changed: int = 0
    """First hits that changed."""
    hit: int = 0
    """Those that changed as it was said."""
    duplicates: int = 0
    found: int = 0
    preflight_s: float = 0.0


def make_article(
    labelled: LabelledSet, asked: list[GoldenQuery], number: int, chance: random.Random
) -> tuple[Upload, str | None]:
    """Return an article, and which one it is a near-duplicate of."""
    answers = [d for d in labelled.documents if any(d.id in query.relevant for query in asked)]
    base = chance.choice(answers if number % 2 else labelled.documents)
    is_duplicate = number % _DUPLICATE_EVERY == 1
    text = base.text
    if not is_duplicate:
        other = chance.choice(labelled.documents)
        text = f"{base.text[: 2 * len(base.text) // 3]} {other.text[:200]}"
    data = f"# {base.title}\n\n{text}".encode()
    return Upload(f"new-{number}", data, "text/markdown"), base.id if is_duplicate else None


def first_hits(resources: Resources, asked: list[GoldenQuery]) -> dict[str, str | None]:
    """Return the first hit of each question."""
    found = {
        query.text: search_documents(resources, request_of(resources, query.text))
        for query in asked
    }
    return {
        text: result.results[0].document_id if result.results else None
        for text, result in found.items()
    }


def measure(resources: Resources, labelled: LabelledSet, articles: int) -> Outcome:
    """Ask before and look after each article goes live."""
    chance = random.Random(_SEED)
    queries = chance.sample(list(labelled.queries), min(_QUESTIONS, len(labelled.queries)))
    asked = [GoldenQuery(query.id, query.text, labelled.grades[query.id]) for query in queries]
    sandbox = Sandbox(resources.settings)
    outcome = Outcome()
    try:
        before = first_hits(resources, asked)
        for number in range(articles):
            upload, original = make_article(labelled, asked, number, chance)
            started = perf_counter()
            said = preflight(resources, sandbox, collection_of(resources), upload, asked)
            outcome.preflight_s += perf_counter() - started
            put_documents(resources, collection_of(resources), [upload])
            drain_queue(resources, sandbox, Event())
            after = first_hits(resources, asked)
            predicted = {c.query: c.after for c in said.changes if c.golden}
            outcome.articles += 1
            outcome.agreed += all(
                after[text] == predicted.get(text, before[text]) for text in after
            )
            changed = {text for text in after if after[text] != before[text]}
            outcome.predicted += len(predicted)
            outcome.changed += len(changed)
            outcome.hit += sum(predicted.get(text) == after[text] for text in changed)
            if original is not None:
                outcome.duplicates += 1
                outcome.found += original in {near.document_id for near in said.near_duplicates}
            before = after
    finally:
        sandbox.close()
    return outcome


def main() -> None:
    """Measure on a copy of a data folder, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--set", required=True, help="name of the set: a folder in --data")
    parser.add_argument("--kb", type=Path, required=True, help="data folder with the set")
    parser.add_argument("--articles", type=int, default=100)
    arguments = parser.parse_args()
    check_folder(arguments.kb)
    labelled = read_set(arguments.data / arguments.set)
    with TemporaryDirectory(prefix="folio-preflight-") as scratch:
        kb = Path(shutil.copytree(arguments.kb, Path(scratch) / "kb"))
        with open_analysed(Settings(data=kb), holder="bench") as resources:
            outcome = measure(resources, labelled, arguments.articles)
    print(f"{arguments.set}: {len(labelled.documents):,} documents; {describe_machine()}")
    print_table(
        ("measure", "value"),
        [
            ("articles whose prediction came true", f"{outcome.agreed} of {outcome.articles}"),
            (
                "first hits: said to change / changed / both, to the same article",
                f"{outcome.predicted} / {outcome.changed} / {outcome.hit}",
            ),
            ("near-duplicates found", f"{outcome.found} of {outcome.duplicates}"),
            ("s a preflight", f"{outcome.preflight_s / outcome.articles:.2f}"),
        ],
    )


if __name__ == "__main__":
    main()
