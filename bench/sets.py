"""Labelled retrieval sets: documents, queries, and which document answers which query.

A set is a folder with `docs.jsonl` {"id", "title", "text"}, `queries.jsonl` {"id", "text"} and
`qrels.tsv` (query id, document id, grade).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

# Shorter ones are mostly those that every text has.
_LONG_WORD = re.compile(r"[A-Za-z]{5,}")


@dataclass(frozen=True, slots=True)
class Document:
    """An article of a set."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Query:
    """A question of a set."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """A set in memory; `grades` holds, by query, only the documents with a grade above 0."""

    documents: tuple[Document, ...]
    queries: tuple[Query, ...]
    grades: Mapping[str, Mapping[str, int]]


def read_set(folder: Path) -> LabelledSet:
    """Read a set; queries without a relevant document are left out, since nothing scores them."""
    grades = _read_grades(folder / "qrels.tsv")
    return LabelledSet(
        tuple(
            Document(line["id"], line.get("title") or "", line["text"])
            for line in _read_lines(folder / "docs.jsonl")
        ),
        read_queries(folder, judged=grades),
        grades,
    )


def read_questions(path: Path) -> tuple[LabelledSet, tuple[Query, ...]]:
    """Read a golden file as a set without documents, and those of its questions without an answer.

    A line is `query` and `relevant`, a list of document ids, as in examples/.
    """
    queries, unanswered, grades = [], [], {}
    for number, line in enumerate(_read_lines(path)):
        query = Query(f"{path.stem}-{number}", line["query"])
        if line["relevant"]:
            queries.append(query)
            grades[query.id] = dict.fromkeys(line["relevant"], 1)
        else:
            unanswered.append(query)
    return LabelledSet((), tuple(queries), grades), tuple(unanswered)


def read_queries(
    folder: Path, *, judged: Mapping[str, Mapping[str, int]] | None = None
) -> tuple[Query, ...]:
    """Read the queries of a set; only those that are `judged` if that is given."""
    return tuple(
        Query(line["id"], line["text"])
        for line in _read_lines(folder / "queries.jsonl")
        if judged is None or line["id"] in judged
    )


def take_spread(queries: Sequence[Query], count: int | None) -> tuple[Query, ...]:
    """Return `count` queries taken from all over a set; all where there are no more."""
    if count is None or count >= len(queries):
        return tuple(queries)
    return tuple(queries[n * len(queries) // count] for n in range(count))


def read_lines(path: Path, number: int | None) -> Iterator[dict[str, Any]]:
    """Yield the first `number` lines of the documents of a set; None yields all, each once.

    After the last one they come again, in other words: under other ids, their long words spelled
    otherwise each time, so that words are as frequent as in a set which is so much larger.
    """
    if number is None:
        yield from _read_lines(path)
        return
    yield from islice((line for time in count() for line in _read_again(path, time)), number)


def _read_again(path: Path, time: int) -> Iterator[dict[str, Any]]:
    for line in _read_lines(path):
        if time:
            line["id"] = f"{line['id']}-{time}"
            for part in ("title", "text"):
                line[part] = _LONG_WORD.sub(rf"\g<0>{_spell(time)}", line[part])
        yield line


def _spell(number: int) -> str:
    """Return a number in the letters q to z, which endings of words are not taken for."""
    return "".join(chr(ord("q") + int(digit)) for digit in str(number))


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def _read_grades(path: Path) -> dict[str, dict[str, int]]:
    grades: dict[str, dict[str, int]] = {}
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            query_id, document_id, grade = line.rstrip("\n").split("\t")
            # BEIR writes the names of the columns into the first line.
            if number == 0 and not grade.removeprefix("-").isdigit():
                continue
            if int(grade) > 0:
                grades.setdefault(query_id, {})[document_id] = int(grade)
    return grades
