"""Golden sets: questions, and which documents answer them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import normalize

from app.errors import InvalidRequest

MAX_GRADE = 100


@dataclass(frozen=True, slots=True)
class GoldenQuery:
    """A question; `relevant` grades the documents that answer it, all above 0, by ids in NFC."""

    id: str
    text: str
    relevant: Mapping[str, int]

    def __post_init__(self) -> None:
        # As documents have them: a file of macOS names them in another form.
        graded = {normalize("NFC", one): grade for one, grade in self.relevant.items()}
        object.__setattr__(self, "relevant", graded)


class UnreadableSet(InvalidRequest):
    code = "unreadable_set"


def read_golden(path: Path) -> tuple[GoldenQuery, ...]:
    """Read a golden set; queries without a relevant document are left out, as nothing scores them.

    Raises UnreadableSet as `read_labelled` does, and where nothing is left.
    """
    return keep_judged(read_labelled(path), str(path))


def keep_judged(queries: Iterable[GoldenQuery], name: str) -> tuple[GoldenQuery, ...]:
    """Return the queries with a relevant document, which a search can be scored by.

    Raises UnreadableSet, which says `name`, where there are none or two of one id.
    """
    judged = tuple(query for query in queries if query.relevant)
    if not judged:
        raise UnreadableSet(f"{name} holds no query with a relevant document")
    if len({query.id for query in judged}) < len(judged):
        raise UnreadableSet(f"{name} holds two queries with the same id")
    return judged


def read_labelled(path: Path) -> tuple[GoldenQuery, ...]:
    """Read a golden set with the queries that nothing answers: `relevant` is empty.

    A file holds one JSON object a line: `query`, `relevant` (ids, or grades by id), optionally
    `id`. A folder has the layout of BEIR: `queries.jsonl` with `_id` (or `id`) and `text`, and
    `qrels/test.tsv` (or `qrels.tsv`) with query, document and grade; there a query without a
    grade may only not have been judged, and is left out. Raises UnreadableSet, which names the
    line.
    """
    if path.is_dir():
        return tuple(query for query in _read_folder(path) if query.relevant)
    return tuple(_read_file(path))


def parse_relevant(relevant: object) -> dict[str, int]:
    """Return grades by document id from a list of ids or an object of grades."""
    if isinstance(relevant, list) and all(isinstance(item, str) for item in relevant):
        return dict.fromkeys(relevant, 1)
    if isinstance(relevant, dict) and all(type(grade) is int for grade in relevant.values()):
        _check_grades(relevant.values())
        return {document_id: grade for document_id, grade in relevant.items() if grade > 0}
    raise ValueError("`relevant` is a list of document ids, or an object of grades by id")


def _check_grades(grades: Iterable[int]) -> None:
    # trec_eval counts in 32 bits, and keeps a number for each grade below the greatest.
    if (greatest := max(grades, default=0)) > MAX_GRADE:
        raise ValueError(f"a grade is at most {MAX_GRADE}; {greatest} was given")


def _read_file(path: Path) -> Iterator[GoldenQuery]:
    for number, line in read_lines(path):
        try:
            text, relevant = line["query"], parse_relevant(line["relevant"])
        except KeyError as error:
            raise UnreadableSet(f"{path}:{number}: {error} is missing") from None
        except ValueError as error:
            raise UnreadableSet(f"{path}:{number}: {error}") from None
        if not isinstance(text, str):
            raise UnreadableSet(f"{path}:{number}: `query` is not a text")
        query_id = line.get("id")
        yield GoldenQuery(str(number if query_id is None else query_id), text, relevant)


def _read_folder(folder: Path) -> Iterator[GoldenQuery]:
    grades = _read_grades(
        next(
            (p for p in (folder / "qrels" / "test.tsv", folder / "qrels.tsv") if p.exists()),
            folder / "qrels.tsv",
        )
    )
    path = folder / "queries.jsonl"
    for number, line in read_lines(path):
        query_id, text = line.get("_id", line.get("id")), line.get("text")
        if query_id is None or not isinstance(text, str):
            raise UnreadableSet(f"{path}:{number}: `_id` and `text` are needed")
        yield GoldenQuery(str(query_id), text, grades.get(str(query_id), {}))


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a file of JSON lines, with their numbers; raises UnreadableSet."""
    for number, line in _read_text(path):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
            # Python reads lone surrogates; JSON has no such thing, and trec_eval dies of them.
            json.dumps(content, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise UnreadableSet(f"{path}:{number} is not JSON: {error}") from None
        if not isinstance(content, dict):
            raise UnreadableSet(f"{path}:{number} is not a JSON object")
        yield number, content


def _read_text(path: Path) -> Iterator[tuple[int, str]]:
    try:
        # Editors on Windows begin a file with a mark.
        with path.open(encoding="utf-8-sig") as lines:
            yield from enumerate(lines, start=1)
    except UnicodeDecodeError:
        raise UnreadableSet(f"{path} is not UTF-8") from None


def _read_grades(path: Path) -> dict[str, dict[str, int]]:
    grades: dict[str, dict[str, int]] = {}
    for number, line in _read_text(path):
        # BEIR has tabs, and ids may hold spaces; TREC has spaces.
        fields = line.strip().split("\t" if "\t" in line else None)
        # BEIR writes the names of the columns into the first line.
        if not line.strip() or (number == 1 and not fields[-1].lstrip("-").isdigit()):
            continue
        try:
            query_id, document_id, grade = fields[0], fields[-2], int(fields[-1])
        except (ValueError, IndexError):
            raise UnreadableSet(f"{path}:{number}: query, document and grade are needed") from None
        try:
            _check_grades([grade])
        except ValueError as error:
            raise UnreadableSet(f"{path}:{number}: {error}") from None
        if grade > 0:
            grades.setdefault(query_id, {})[document_id] = grade
    return grades
