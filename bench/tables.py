"""Asks for 60 cells of 20 long tables in 6 formats: does the quoted passage hold row and head?

    python bench/tables.py

The tables are made up, from a seed: 150 rows each, so that most passages begin amid the rows.
"""

import csv
import io
import json
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import TypeAlias

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

import openpyxl

from app.config import Settings
from app.domain import PassageHit
from app.runtime.resources import Resources, open_resources
from app.services.articles.collections import create_collection
from app.services.articles.documents import Upload
from bench.report import describe_machine, print_table
from ingest.formats import resolve_media_type
from ingest.sandbox import Sandbox
from ingest.worker import drain_queue
from tests.ingest.bad_files import make_docx, word_paragraph
from tests.named import put_documents, search_documents

Rows: TypeAlias = Sequence[Sequence[str]]

_ROWS, _QUESTIONS = 150, 3
_COLLECTION = "tables"
_THEMES = {
    "pump": ("Model", "Flow rate", "Head", "Noise level", "Service interval"),
    "tariff": ("Region", "Monthly fee", "Setup fee", "Notice period", "Included minutes"),
    "rental": ("Apartment", "Nightly price", "Cleaning charge", "Deposit", "Check-in time"),
    "medicine": ("Product", "Daily dose", "Storage temperature", "Shelf life", "Batch number"),
    "train": ("Station", "Departure", "Platform", "Travel time", "Ticket price"),
}
_SYLLABLES = ("ba", "ko", "mir", "tel", "zan", "dor", "vi", "lux", "per", "gan", "sol", "rek")


@dataclass(frozen=True, slots=True)
class Cell:
    """A question about one cell, and what its answer must hold."""

    document_id: str
    question: str
    row: str
    column: str
    value: str


def _make_rows(theme: str, dice: random.Random) -> list[list[str]]:
    names: set[str] = set()
    while len(names) < _ROWS:
        names.add("".join(dice.choices(_SYLLABLES, k=3)).capitalize())
    columns = _THEMES[theme]
    return [
        list(columns),
        *([name, *(str(dice.randint(100, 9999)) for _ in columns[1:])] for name in sorted(names)),
    ]


def _as_csv(rows: Rows) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue().encode()


def _as_html(rows: Rows) -> bytes:
    lines = (
        "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row)
        for tag, row in zip(["th", *["td"] * len(rows)], rows, strict=False)
    )
    return ("<main><table><tr>" + "</tr><tr>".join(lines) + "</tr></table></main>").encode()


def _as_markdown(rows: Rows) -> bytes:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines).encode()


def _as_json(rows: Rows) -> bytes:
    return json.dumps({"rows": [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]}).encode()


def _as_xlsx(rows: Rows) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(list(row))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _as_docx(rows: Rows) -> bytes:
    lines = (
        "<w:tr>" + "".join(f"<w:tc>{word_paragraph(cell)}</w:tc>" for cell in row) + "</w:tr>"
        for row in rows
    )
    return make_docx(f"<w:tbl>{''.join(lines)}</w:tbl>")


_FORMATS: dict[str, Callable[[Rows], bytes]] = {
    "csv": _as_csv,
    "html": _as_html,
    "md": _as_markdown,
    "json": _as_json,
    "xlsx": _as_xlsx,
    "docx": _as_docx,
}


def make_set(count: int) -> tuple[list[Upload], list[Cell]]:
    """Return so many tables as files of the formats in turn, and questions about their cells."""
    dice = random.Random(24)
    uploads, cells = [], []
    for number in range(count):
        theme, suffix = list(_THEMES)[number % len(_THEMES)], list(_FORMATS)[number % len(_FORMATS)]
        rows = _make_rows(theme, dice)
        name = f"{theme}-{number}.{suffix}"
        data = _FORMATS[suffix](rows)
        title = f"{theme.capitalize()} list {number}"
        uploads.append(Upload(name, data, resolve_media_type("", name, data), title=title))
        for row in dice.sample(rows[1:], _QUESTIONS):
            at = dice.randrange(1, len(row))
            question = f"{rows[0][at]} of {rows[0][0].lower()} {row[0]}, {title.lower()}"
            cells.append(Cell(name, question, row[0], rows[0][at], row[at]))
    return uploads, cells


def holds_row(passage: PassageHit, cell: Cell) -> bool:
    """Return whether one line of a passage holds the cell and the name of its row."""
    return any(cell.row in line and cell.value in line for line in passage.text.split("\n"))


def measure(resources: Resources, cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """Count the questions whose first document, its best passage, and that with its head answer."""
    found = rows = headed = alone = 0
    for cell in cells:
        hit = search_documents(resources, _COLLECTION, cell.question, limit=1).results[0]
        passage = hit.passages[0]
        found += hit.document_id == cell.document_id
        is_row = hit.document_id == cell.document_id and holds_row(passage, cell)
        rows += is_row
        headed += is_row and cell.column in passage.table_head + passage.text
        alone += is_row and cell.column in passage.text
    total = len(cells)
    return [
        ("the table comes first", f"{found} of {total}"),
        ("its best passage holds the row", f"{rows} of {total}"),
        ("and the head in its own text", f"{alone} of {total}"),
        ("and the head with what goes before it", f"{headed} of {total}"),
    ]


def run(count: int) -> list[tuple[str, str]]:
    """Read so many tables into a fresh data folder and ask for their cells."""
    uploads, cells = make_set(count)
    with TemporaryDirectory() as folder, open_resources(Settings(data=Path(folder))) as resources:
        sandbox = Sandbox(resources.settings)
        try:
            create_collection(resources.database, _COLLECTION)
            put_documents(resources, _COLLECTION, uploads)
            drain_queue(resources, sandbox, Event())
        finally:
            sandbox.close()
        return measure(resources, cells)


def main() -> None:
    """Print the table."""
    rows = run(20)
    print(describe_machine())
    print_table(("60 questions about cells", "answered"), rows)


if __name__ == "__main__":
    main()
