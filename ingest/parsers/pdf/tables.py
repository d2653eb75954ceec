"""Rows of cells: of ruled grids, and of rows whose parts stand under each other."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from ingest.parsers.pdf.grids import Grid
from ingest.parsers.pdf.lines import Line, find_rows, find_segments
from ingest.parsers.pdf.regions import Row
from ingest.parsers.pdf.table_heads import (
    NUMBER,
    Place,
    count_head_lines,
    join_heads,
    join_lines,
    render_rows,
)
from ingest.parsers.pdf.words import Word

_MAX_CELL = 1200
_MIN_FILLED = 0.25
# What is longer may be a list beside those of other columns.
_MAX_REPEATED, _MAX_REPEATED_LINES = 120, 3
# Boxes of a drawing reach over rows too, among many empty places.
_MIN_FILLED_OF_TABLE = 0.5

# What parts lines of one cell, of their leading, and a centred line from the middle of its row.
_LEADING, _OFF_MIDDLE = 1.1, 0.2

# A word and its middle, as the text of the table sees it.
Placed = tuple[Word, float, float]


@dataclass(frozen=True, slots=True)
class _Table:
    grid: Grid
    number: int
    turn: int

    @property
    def columns(self) -> range:
        return range(len(self.grid.xs) - 1)

    def is_level(self, line: Line) -> bool:
        return line.words[0].turn == self.turn


def read_grid(
    grid: Grid, words: Sequence[Word], aside: Sequence[Placed], number: int
) -> tuple[list[Line], set[int]]:
    """Return the rows of a ruled table, as lines with cells, and the ids of the words in them.

    Without rows where what the rules enclose is not a table: a frame, a chart or a page's layout.
    `aside` are words that may be turned in their cells, with their middles.
    """
    inside: dict[Place, list[Word]] = {}
    owners: dict[Place, list[Word]] = {}
    left, right = grid.xs[0], grid.xs[-1]
    for word in words:
        middle = (word.x0 + word.x1) / 2
        if left <= middle < right:
            _put(grid, inside, owners, (word, middle, word.y - 0.3 * word.size))
    columns = {column for _, column in inside}
    if len(columns) < 2 or len(inside) < 3 or not _is_filled(grid, inside):
        return [], set()
    table = _Table(grid, number, words[0].turn)
    for placed in aside:
        _put(grid, inside, owners, placed)
    cells = {place: find_rows(find_segments(cell)) for place, cell in inside.items()}
    if any(map(_is_layout, cells.values())):
        return [], set()
    return _write_rows(table, cells), {id(w) for cell in inside.values() for w in cell}


def _put(
    grid: Grid, inside: dict[Place, list[Word]], owners: dict[Place, list[Word]], placed: Placed
) -> None:
    """Add a word to the cell that it stands in, if any."""
    word, x, y = placed
    column = bisect_right(grid.xs, x) - 1
    row = bisect_right(grid.ys, y) - 1
    if 0 <= column < len(grid.xs) - 1 and 0 <= row < len(grid.ys) - 1:
        if (cell := owners.get((row, column))) is None:
            cell = inside.setdefault(_find_owner(grid, row, column), [])
            owners[row, column] = cell
        cell.append(word)


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


def _write_rows(table: _Table, cells: dict[Place, list[Row]]) -> list[Line]:
    """Return the rows of a table: those of its head as one, the others as they stand."""
    bands = [list(band) for _, band in groupby(sorted(cells), key=lambda place: place[0])]
    heads, end = join_heads(table.grid, {place: _join_rows(cells[place]) for place in cells})
    named = bands[end][0][0] if 0 < end < len(bands) else _find_head(bands) + 1
    written: list[Line] = []
    for at, band in enumerate(bands):
        rows = {place[1]: cells[place] for place in band}
        if at >= end or len(band) == 1:
            spanning = _find_spanning(table, cells, band, named)
            written += _write_row(table, rows, spanning)
        elif at == end - 1:
            written.append(_make_row(table, rows, heads))
    return written


def _find_head(bands: Sequence[Sequence[Place]]) -> int:
    """Return the row of the grid in which the first band of several cells begins."""
    return next((band[0][0] for band in bands if len(band) > 1), 0)


def _find_spanning(
    table: _Table, cells: dict[Place, list[Row]], band: Sequence[Place], first: int
) -> dict[int, str]:
    """Return by column the short texts of cells that begin above a row and reach into it.

    Those that begin above row `first` of the grid are of the table's head.
    """
    spanning: dict[int, str] = {}
    if len(cells) < _MIN_FILLED_OF_TABLE * len(table.columns) * (len(table.grid.ys) - 1):
        return spanning
    begun = {column for _, column in band}
    for column in table.columns:
        owner = _find_owner(table.grid, band[0][0], column)
        cell = cells.get(owner, [])
        if column in begun or owner[0] < first or not 0 < len(cell) <= _MAX_REPEATED_LINES:
            continue
        # Without a rule between them, values of two rows are one cell.
        if len(cell) > 1 and any(NUMBER.match(_join(row)) for row in cell):
            continue
        if owner[1] == column and len(text := _join_rows(cell)) <= _MAX_REPEATED:
            spanning[column] = text
    return spanning


def _write_row(
    table: _Table, rows: dict[int, list[Row]], spanning: Mapping[int, str]
) -> list[Line]:
    """Return a row as one line, or as several where rules part only columns."""
    parts = _split_rows(table, rows) if _has_rows(rows) else [rows]
    texts = [{at: _join_rows(cell) for at, cell in part.items()} for part in parts]
    return [
        _make_row(table, part, {**spanning, **own}) for part, own in zip(parts, texts, strict=True)
    ]


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
    valued = sum(any(NUMBER.match(text) for text in line) for line in texts)
    wrapped = sum(text[:1].islower() for line in texts[1:] for text in line)
    leads = len(rows[min(rows)]) == most >= 3
    return wrapped <= 0.2 * most * len(ruling) and (leads or 2 * valued >= most)


def _split_rows(table: _Table, rows: dict[int, list[Row]]) -> list[dict[int, list[Row]]]:
    """Return a band as its rows; a column of one entry names them all, in the first of them."""
    most = max(map(len, rows.values()))
    ruling = next(found for found in rows.values() if len(found) == most)
    halfway = [(above[0].y + row[0].y) / 2 for above, row in pairwise(ruling)]
    parts: list[dict[int, list[Row]]] = [{} for _ in range(most)]
    for column, found in rows.items():
        for row in found:
            near = bisect_right(halfway, row[0].y)
            names_all = len(found) == 1 or not table.is_level(row[0])
            parts[0 if names_all else near].setdefault(column, []).append(row)
    return parts


def _join(row: Row) -> str:
    return " ".join(line.text for line in row)


def _join_rows(rows: Sequence[Row]) -> str:
    return " ".join(map(_join, rows))


def _make_row(table: _Table, rows: dict[int, list[Row]], texts: dict[int, str]) -> Line:
    lines = [line for cell in rows.values() for row in cell for line in row]
    cells = tuple(texts.get(column, "") for column in table.columns)
    made = Line([], cells=cells, table=table.number)
    made.x0, made.x1 = table.grid.xs[0], table.grid.xs[-1]
    made.y = min((line.y for line in lines if table.is_level(line)), default=table.grid.ys[0])
    made.size = max(line.size for line in lines)
    return made


def write_rows(rows: Sequence[Row]) -> str:
    """Return the rows of a region without rules as a table, or as lines when they are few."""
    cells = _place_cells(rows)
    if heads := count_head_lines(rows, cells):
        cells = [join_lines(cells[:heads]), *cells[heads:]]
        rows = rows[heads - 1 :]
    joined = _join_centred(rows, cells) or _join_wrapped(rows, cells)
    full = sum(sum(map(bool, row)) >= 2 for row in joined)
    if full >= 3:
        return render_rows(joined)
    # Words that each stand alone are of lines that are stretched to a column's width.
    stretched = full <= 1 and all(len(line.words) == 1 for row in rows for line in row)
    return "\n".join("  ".join(filter(None, row)) for row in (cells if stretched else joined))


def _place_cells(rows: Sequence[Row]) -> list[list[str]]:
    starts = _find_columns(rows)
    placed = [[(_find_column(starts, line), line) for line in row] for row in rows]
    ends: dict[int, float] = {}
    for at, line in (entry for row in placed for entry in row):
        if not _reaches(starts, at, line):
            ends[at] = max(line.x1, ends.get(at, 0.0))
    cells = []
    for row in placed:
        texts = [""] * len(starts)
        for at, line in row:
            # A head that is wider than what stands under it begins before its column.
            if _reaches(starts, at, line) and line.x0 >= ends.get(at, line.x1):
                at += 1
            texts[at] = f"{texts[at]} {line.text}".strip()
        cells.append(texts)
    return cells


def _find_column(starts: Sequence[float], line: Line) -> int:
    return max(0, bisect_right(starts, line.x0 + 0.3 * line.size) - 1)


def _reaches(starts: Sequence[float], at: int, line: Line) -> bool:
    """Say whether a line goes on into the column after its own."""
    return at + 1 < len(starts) and line.x1 > starts[at + 1]


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


def _join_centred(rows: Sequence[Row], cells: list[list[str]]) -> list[list[str]]:
    """Return the rows of a table whose short cells stand at the middle of longer ones beside them.

    Lines of one row stand closer than two rows do. Empty where no column has one line in every
    row, always at its middle.
    """
    places = [row[0].y for row in rows]
    filled = [
        [y for y, text in zip(places, c, strict=True) if text] for c in zip(*cells, strict=True)
    ]
    leading = min((below - above for ys in filled for above, below in pairwise(ys)), default=0.0)
    bounds = [
        0,
        *(n for n, y in enumerate(places[1:], 1) if y - places[n - 1] > _LEADING * leading),
    ]
    groups = [range(*pair) for pair in pairwise([*bounds, len(rows)])]
    if not 3 <= len(groups) < len(rows):
        return []
    near = _OFF_MIDDLE * rows[0][0].size
    middles = [(places[group[0]] + places[group[-1]]) / 2 for group in groups]
    if any(
        len(ys) == len(groups)
        and all(abs(y - middle) <= near for y, middle in zip(ys, middles, strict=True))
        for ys in filled
    ):
        return [join_lines([cells[n] for n in group]) for group in groups]
    return []


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
            joined.append(list(texts))
        last = row
    return joined
