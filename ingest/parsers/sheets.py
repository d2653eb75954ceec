"""Sheets of cells written as Markdown: titles, tables with their heads, what stands around them."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter

from app.domain import Article, Heading, PageStart
from app.errors import UnreadableDocument
from ingest.parsers.grid import Cell, write_grid

MAX_CELLS = 5_000_000
Row = dict[int, str]
"""The cells of a row that hold text, by their columns, counted from 0."""

# What is not a word: numbers, dates, amounts.
_VALUE = re.compile(r"[\W\d_]*(?:[a-z]{1,3})?[\W\d_]*", re.IGNORECASE)


@dataclass(slots=True)
class Sheet:
    """A sheet as a reader sees it; rows and columns count from 0."""

    name: str
    number: int
    rows: dict[int, Row] = field(default_factory=dict)
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)
    """First row, last row, first column, last column of each merged area."""
    asides: list[str] = field(default_factory=list)
    """Texts of shapes and charts, and comments."""

    def leave_out(self, rows: set[int], columns: set[int]) -> int:
        """Remove what the author hid; returns how many of the rows and columns held text."""
        held = sum(bool(self.rows.pop(number, None)) for number in rows)
        seen: set[int] = set()
        for row in self.rows.values():
            seen |= {column for column in columns & row.keys() if row.pop(column)}
        return held + len(seen)


def join_sheets(sheets: list[Sheet], title: str, warnings: tuple[str, ...]) -> Article:
    """Return an article with a section a sheet, whose number is that of a page.

    Raises UnreadableDocument (`table_too_large`) for a sheet with too many places.
    """
    text, headings, pages = "", [], []
    for sheet in sheets:
        pages.append(PageStart(len(text), sheet.number))
        blocks = [*write_sheet(sheet), *filter(None, sheet.asides)]
        if blocks:
            name = " ".join(sheet.name.split())
            headings.append(Heading(len(text), 2, name))
            text += "".join(f"{block}\n\n" for block in (f"## {name}", *blocks))
    return Article(
        text.rstrip(),
        title=title,
        headings=tuple(headings),
        pages=tuple(pages) if headings else (),
        pages_with_text=len(headings),
        warnings=warnings,
    )


def write_sheet(sheet: Sheet) -> list[str]:
    """Return the tables of a sheet, and the lines that stand alone, as blocks."""
    _spread_down(sheet)
    across = {(first, left): right for first, _, left, right in sheet.merged if right > left}
    blocks: list[str] = []
    for band in _list_bands(sheet.rows):
        blocks += _write_band(band, across)
    return blocks


def _spread_down(sheet: Sheet) -> None:
    """Repeat what stands in a merged cell in each row that it covers and that holds more."""
    for first, last, left, _ in sheet.merged:
        words = sheet.rows.get(first, {}).get(left)
        if words and last > first:
            for number in range(first + 1, min(last, first + len(sheet.rows)) + 1):
                if sheet.rows.get(number):
                    sheet.rows[number].setdefault(left, words)


def _list_bands(rows: Mapping[int, Row]) -> Iterator[list[tuple[int, Row]]]:
    """Yield the tables of a sheet: rows without an empty one between, or that go on after it."""
    band: list[tuple[int, Row]] = []
    widest: Row = {}
    for number, row in sorted(rows.items(), key=itemgetter(0)):
        if not row:
            continue
        if band and number > band[-1][0] + 1 and not _goes_on(widest, row):
            yield band
            band, widest = [], {}
        band.append((number, row))
        widest = max(widest, row, key=len)
    if band:
        yield band


def _goes_on(widest: Row, row: Row) -> bool:
    """Return whether a row after an empty one belongs to the table before: it has no head."""
    return len(row) > 1 and len(widest) > 1 and set(row) <= set(widest) and not _is_head(row)


def _is_head(row: Row) -> bool:
    return not any(_VALUE.fullmatch(words) for words in row.values())


def _write_band(band: list[tuple[int, Row]], across: Mapping[tuple[int, int], int]) -> list[str]:
    columns = sorted({column for _, row in band for column in row})
    if len(columns) == 1:
        return ["\n".join(" ".join(row[columns[0]].split()) for _, row in band)]
    if len(columns) * len(band) > MAX_CELLS:
        raise UnreadableDocument(
            f"a table spans more than {MAX_CELLS} cells", code="table_too_large"
        )
    first = next((at for at, (_, row) in enumerate(band) if len(row) > 1), len(band) - 1)
    titles = [" ".join(words.split()) for _, row in band[:first] for words in row.values()]
    band = band[first:]
    heads = _count_heads(band, across)
    lines = [
        list(_list_cells(number, row, columns, across if at < heads else {}))
        for at, (number, row) in enumerate(band)
    ]
    return [*titles, *write_grid(lines, heads=heads)]


def _count_heads(band: list[tuple[int, Row]], across: Mapping[tuple[int, int], int]) -> int:
    """Return how many rows are the head: one whose cells cover several columns has one below it."""
    first, row = band[0]
    if len(band) < 3 or not any((first, column) in across for column in row):
        return 1
    return 2 if _is_head(row) and _is_head(band[1][1]) else 1


def _list_cells(
    number: int, row: Row, columns: list[int], across: Mapping[tuple[int, int], int]
) -> Iterator[Cell]:
    """Yield the cells of a row, one that covers several of the columns as one cell."""
    last = -1
    for at, column in enumerate(columns):
        if column > last:
            last = max(column, across.get((number, column), column))
            yield Cell(row.get(column, ""), bisect_right(columns, last) - at)
