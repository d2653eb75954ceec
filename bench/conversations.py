"""What the turns before bring to a search, and what they cost where the topic changes.

    python bench/conversations.py --data SETS --set mtrag_un_dev --kb FOLDER [--model MODEL]

Questions of the set have `messages`. Each is asked by itself, with its own conversation, and with
one of another question, after which it is a change of topic. Halves are every other question.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import process_time

import numpy as np

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import BUNDLED_MODEL, Settings
from app.evaluation.calibration import area
from app.evaluation.golden import GoldenQuery
from app.evaluation.measures import MAIN_MEASURE, score_rankings
from app.runtime.resources import Resources
from app.services.quality.calibration import measure_anchors
from app.services.search.conversation import Message
from app.services.search.pipeline import Clock, Retrieval, retrieve
from app.services.search.scoring import Anchors, no_answer
from bench.collection import collection_of, open_analysed, request_of
from bench.ingest import check_folder
from bench.report import describe_machine, print_table
from bench.sets import read_set

_DEPTH = 10
_NOT_COUNTED = "underspecified"


@dataclass(frozen=True, slots=True)
class Turn:
    """The last turn of a conversation; `grades` is empty where nothing answers."""

    text: str
    messages: Sequence[Message]
    grades: Mapping[str, int]


@dataclass(slots=True)
class Measured:
    """What the turns found, asked in one way; one value a turn."""

    rankings: list[list[str]] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    """Of `no_answer`, less it from 1."""
    carried: list[bool] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    """Of the processor."""


def read_turns(folder: Path) -> list[Turn]:
    """Return the last turns of a set, without those that do not say what they ask for."""
    grades = read_set(folder).grades
    lines = map(json.loads, (folder / "queries.jsonl").open(encoding="utf-8"))
    return [
        Turn(
            line["text"],
            [Message(one["role"], one["content"]) for one in line["messages"]],
            grades.get(line["id"], {}),
        )
        for line in lines
        if line.get("answerability") != _NOT_COUNTED
    ]


def measure(resources: Resources, turns: Sequence[Turn], anchors: Anchors) -> dict[str, Measured]:
    """Ask each turn in three ways, one after the other, so that their times compare."""
    measured = {way: Measured() for way in ("by itself", "its messages", "other messages")}
    for n, turn in enumerate(turns):
        other = turns[(n + len(turns) // 2) % len(turns)]
        ways = zip(measured.values(), ((), turn.messages, other.messages), strict=True)
        for result, messages in ways:
            started = process_time()
            request = request_of(resources, turn.text, limit=_DEPTH, messages=messages)
            found = retrieve(resources, request, Clock())
            result.seconds.append(process_time() - started)
            result.carried.append(found.interpreted != turn.text)
            result.rankings.append([one.candidate.version.external_id for one in found.articles])
            result.answers.append(_answers(found, anchors))
    return measured


def _answers(found: Retrieval, anchors: Anchors) -> float:
    if found.best is None:
        return 0.0
    scale = replace(found.best.scale, anchors=anchors)
    return 1.0 - (no_answer(found.best.evidence, scale) or 0.0)


def _row(way: str, turns: Sequence[Turn], measured: Measured) -> list[str]:
    answered = np.array([bool(turn.grades) for turn in turns])
    golden = [GoldenQuery("", turn.text, turn.grades) for turn in turns]
    ndcg = np.array(score_rankings(golden, measured.rankings)[MAIN_MEASURE])[answered]
    under_curve = area(np.array(measured.answers), answered * 1.0)
    return [
        *(way, f"{ndcg.mean():.3f}", f"{ndcg[::2].mean():.3f} / {ndcg[1::2].mean():.3f}"),
        f"{np.mean(measured.carried):.2f}",
        "–" if under_curve is None else f"{under_curve:.3f}",
        f"{1000 * np.median(measured.seconds):.1f}",
    ]


def main() -> None:
    """Print a row for each way to ask."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--set", required=True, help="name of the set: a folder in --data")
    parser.add_argument("--kb", type=Path, required=True, help="data folder with the set")
    parser.add_argument("--model", default=BUNDLED_MODEL, help="model of the data folder")
    arguments = parser.parse_args()
    check_folder(arguments.kb)
    turns = read_turns(arguments.data / arguments.set)
    settings = Settings(data=arguments.kb, model=arguments.model)
    with open_analysed(settings, holder="bench") as resources:
        generation = resources.generations.live()
        anchors = measure_anchors(resources, generation, collection_of(resources))
        if anchors is None:
            raise SystemExit("the model tells nothing apart: there are no anchors")
        measured = measure(resources, turns, anchors)
    print(f"{arguments.set}: {len(turns):,} turns; {describe_machine()}")
    columns = ("asked", "nDCG@10", "halves", "carried over", "AUC of no_answer", "processor ms")
    print_table(columns, [_row(way, turns, one) for way, one in measured.items()])


if __name__ == "__main__":
    main()
