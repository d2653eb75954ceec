"""Heads of tables: several rows that name the columns together, and a title over all of them."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise

from ingest.parsers.pdf.grids import Grid
from ingest.parsers.pdf.regions import Row
from ingest.parsers.tables import render_table

# The row and the column in which a cell of a grid begins.
Place = tuple[int, int]

_MAX_HEADS, _MAX_TITLES = 4, 2
_MAX_OVER_COLUMNS = 40
_MIN_COLUMNS = 3
_CLOSE = 1.6
NUMBER = re.compile(r"^[-+(]?[$€£]?\s?[\d.,]+\s?%?\)?$")


def render_rows(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as a table; its title, alone over several columns, stands before it."""
    alone = [len(row) >= _MIN_COLUMNS and sum(map(bool, row)) <= 1 for row in rows[:-2]]
    first = alone.index(False) if False in alone else len(alone)
    if first > _MAX_TITLES:
        first = 0
    titles = "\n".join(text for row in rows[:first] for text in row if text)
    return "\n\n".join(filter(None, [titles, render_table(rows[first:])]))


def join_heads(grid: Grid, texts: Mapping[Place, str]) -> tuple[dict[int, str], int]:
    """Return the head of each column of a ruled table, and how many of its rows are that head.

    A row belongs to the head above it where all its cells stand under cells of several columns, or
    under none.
    """
    bands = [list(band) for _, band in groupby(sorted(texts), key=lambda place: place[0])]
    first = next((n for n, band in enumerate(bands) if len(band) > 1), len(bands))
    end, last = first + 1, min(len(bands) - 1, first + _MAX_HEADS)
    while end < last and _is_under(grid, texts, bands[end - 1], bands[end]):
        end += 1
    if end == first + 1:
        return {}, 0
    heads: dict[int, list[str]] = {}
    for place in (place for band in bands[first:end] for place in band):
        for column in range(place[1], _find_end(grid, place)):
            heads.setdefault(column, []).append(texts[place])
    return {column: " ".join(dict.fromkeys(words)) for column, words in heads.items()}, end


def _is_under(
    grid: Grid, texts: Mapping[Place, str], above: Sequence[Place], band: Sequence[Place]
) -> bool:
    covered: set[int] = set()
    unnamed = set(range(len(grid.xs) - 1))
    for place in above:
        end = _find_end(grid, place)
        unnamed -= set(range(place[1], end))
        if end - place[1] > 1 and len(texts[place]) <= _MAX_OVER_COLUMNS:
            covered.update(range(place[1], end))
    # Where the first column is covered too, nothing names the rows: they are two tables.
    is_named = min(above)[1] not in covered
    columns = {column for _, column in band}
    return is_named and len(band) > 1 and bool(columns & covered) and columns <= covered | unnamed


def _find_end(grid: Grid, place: Place) -> int:
    """Return the column after the last one of a cell."""
    row, column = place
    while column < len(grid.xs) - 2 and not grid.has_edge_right(row, column):
        column += 1
    return column + 1


def count_head_lines(rows: Sequence[Row], cells: Sequence[Sequence[str]]) -> int:
    """Return how many lines are the head of a table without rules, 0 where it is one at most.

    They stand close together over the other columns, before the first row that has a name.
    """
    end = next((n for n, texts in enumerate(cells) if texts[0]), 0)
    if not 2 <= end <= _MAX_HEADS:
        return 0
    if any(b[0].y - a[0].y > _CLOSE * b[0].size for a, b in pairwise(rows[:end])):
        return 0
    columns = [list(filter(None, column)) for column in zip(*cells[:end], strict=True)]
    values = max(sum(bool(NUMBER.match(text)) for text in column) for column in columns)
    return end if values <= 1 and sum(map(bool, columns)) >= 2 else 0


def join_lines(cells: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of cells as one."""
    return [" ".join(filter(None, column)) for column in zip(*cells, strict=True)]
