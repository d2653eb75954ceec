"""Rows of cells: of ruled grids, and of rows whose parts stand under each other."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import groupby, pairwise

from ingest.parsers.pdf.grids import Grid
from ingest.parsers.pdf.lines import Line, find_rows, find_segments
from ingest.parsers.pdf.regions import Row
from ingest.parsers.pdf.words import Word
from ingest.parsers.tables import render_table

_MAX_CELL = 1200
_MIN_FILLED = 0.25
_NUMBER = re.compile(r"^[-+(]?[$€£]?\s?[\d.,]+\s?%?\)?$")


def read_grid(grid: Grid, words: Sequence[Word], number: int) -> tuple[list[Line], list[Word]]:
    """Return the rows of a ruled table, as lines with cells, and the words outside it.

    Without rows where what the rules enclose is not a table: a frame, a chart or a page's layout.
    """
    inside: dict[tuple[int, int], list[Word]] = {}
    owners: dict[tuple[int, int], list[Word]] = {}
    outside = []
    for word in words:
        middle = (word.x0 + word.x1) / 2
        column = bisect_right(grid.xs, middle) - 1
        row = bisect_right(grid.ys, word.y - 0.3 * word.size) - 1
        if 0 <= column < len(grid.xs) - 1 and 0 <= row < len(grid.ys) - 1:
            if (cell := owners.get((row, column))) is None:
                cell = inside.setdefault(_find_owner(grid, row, column), [])
                owners[row, column] = cell
            cell.append(word)
        else:
            outside.append(word)
    columns = {column for _, column in inside}
    if len(columns) < 2 or len(inside) < 3 or not _is_filled(grid, inside):
        return [], list(words)
    cells = {place: find_rows(find_segments(cell)) for place, cell in inside.items()}
    if any(map(_is_layout, cells.values())):
        return [], list(words)
    rows: list[Line] = []
    for _, group in groupby(sorted(cells), key=lambda place: place[0]):
        rows += _write_row(grid, {place[1]: cells[place] for place in group}, number)
    return rows, outside


def _find_owner(grid: Grid, row: int, column: int) -> tuple[int, int]:
    """Return the first cell of those that a cell is merged with."""
    while column > 0 and not grid.has_edge_right(row, column - 1):
        column -= 1
    while row > 0 and not grid.has_edge_below(row - 1, column):
        row -= 1
    return row, column


def _is_filled(grid: Grid, inside: dict[tuple[int, int], list[Word]]) -> bool:
    longest = max(sum(len(word.text) for word in cell) for cell in inside.values())
    cells = (len(grid.xs) - 1) * (len(grid.ys) - 1)
    return longest <= _MAX_CELL and (len(inside) >= _MIN_FILLED * cells or len(inside) >= 12)


def _is_layout(rows: Sequence[Row]) -> bool:
    """Say whether a cell is a box around rows of its own."""
    return len(rows) >= 3 and sum(len(row) >= 2 for row in rows) >= 0.4 * len(rows)


def _write_row(grid: Grid, rows: dict[int, list[Row]], number: int) -> list[Line]:
    """Return a row as one line, or as several where rules part only columns."""
    if not _has_rows(rows):
        return [_make_row(grid, rows, number)]
    parts = _split_rows(rows)
    return [_make_row(grid, part, number) for part in parts]


def _has_rows(rows: dict[int, list[Row]]) -> bool:
    """Say whether several columns of a band have as many rows, side by side, with values."""
    most = max(map(len, rows.values()))
    ruling = [found for found in rows.values() if len(found) == most]
    if most < 2 or len(ruling) < 2:
        return False
    lines = list(zip(*ruling, strict=True))
    for line in lines:
        places = [row[0].y for row in line]
        if max(places) - min(places) > 0.4 * line[0][0].size:
            return False
    texts = [[_join(row) for row in line] for line in lines]
    valued = sum(any(_NUMBER.match(text) for text in line) for line in texts)
    wrapped = sum(text[:1].islower() for line in texts[1:] for text in line)
    leads = len(rows[min(rows)]) == most >= 3
    return wrapped <= 0.2 * most * len(ruling) and (leads or 2 * valued >= most)


def _split_rows(rows: dict[int, list[Row]]) -> list[dict[int, list[Row]]]:
    """Return a band as its rows; a column of one entry names them all, in the first of them."""
    most = max(map(len, rows.values()))
    ruling = next(found for found in rows.values() if len(found) == most)
    halfway = [(above[0].y + row[0].y) / 2 for above, row in pairwise(ruling)]
    parts: list[dict[int, list[Row]]] = [{} for _ in range(most)]
    for column, found in rows.items():
        for row in found:
            near = bisect_right(halfway, row[0].y)
            parts[0 if len(found) == 1 else near].setdefault(column, []).append(row)
    return parts


def _join(row: Row) -> str:
    return " ".join(line.text for line in row)


def _make_row(grid: Grid, cells: dict[int, list[Row]], number: int) -> Line:
    texts = {column: " ".join(map(_join, rows)) for column, rows in cells.items()}
    lines = [line for rows in cells.values() for row in rows for line in row]
    made = Line([], cells=tuple(texts.get(at, "") for at in range(len(grid.xs) - 1)), table=number)
    made.x0, made.x1 = grid.xs[0], grid.xs[-1]
    made.y = min(line.y for line in lines)
    made.size = max(line.size for line in lines)
    return made


def write_rows(rows: Sequence[Row]) -> str:
    """Return the rows of a region without rules as a table, or as lines when they are few."""
    cells = _place_cells(rows)
    cells = _join_wrapped(rows, cells)
    full = [row for row in cells if sum(map(bool, row)) >= 2]
    if len(full) >= 3:
        return render_table(cells)
    return "\n".join("  ".join(filter(None, row)) for row in cells)


def _place_cells(rows: Sequence[Row]) -> list[list[str]]:
    starts = _find_columns(rows)
    cells = []
    for row in rows:
        texts = [""] * len(starts)
        for line in row:
            at = max(0, bisect_right(starts, line.x0 + 0.3 * line.size) - 1)
            texts[at] = f"{texts[at]} {line.text}".strip()
        cells.append(texts)
    return cells


def _find_columns(rows: Sequence[Row]) -> list[float]:
    """Return where the columns begin: past the gaps that nearly no row crosses."""
    edges = sorted(
        [(line.x0, 1) for row in rows for line in row]
        + [(line.x1, -1) for row in rows for line in row]
    )
    most = max(0, min(2, len(rows) // 6))
    starts, covered, free = [], 0, True
    for x, change in edges:
        if change == 1 and free and covered + 1 > most:
            starts.append(x)
            free = False
        covered += change
        if change == -1 and covered <= most:
            free = True
    return starts or [min(line.x0 for row in rows for line in row)]


def _join_wrapped(rows: Sequence[Row], cells: list[list[str]]) -> list[list[str]]:
    """Return the cells with a line joined to the row above that goes on in lower case."""
    joined: list[list[str]] = []
    last: Row | None = None
    for row, texts in zip(rows, cells, strict=True):
        used = [at for at, text in enumerate(texts) if text]
        if (
            last is not None
            and used
            # The first column wraps in the head only: below it a new row begins there.
            and (used[0] > 0 or len(joined) == 1)
            and all(joined[-1][at] and texts[at][:1].islower() for at in used)
            and row[0].y - last[0].y <= 1.5 * row[0].size
        ):
            for at in used:
                joined[-1][at] += " " + texts[at]
        else:
            joined.append(texts)
        last = row
    return joined
