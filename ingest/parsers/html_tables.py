"""HTML tables as grids: cells that span rows or columns are laid where a reader sees them."""

from collections.abc import Iterator
from dataclasses import dataclass

from lxml.html import HtmlElement

# What a browser takes from `colspan`; a grid to which spans add more places is laid without them.
_MAX_SPAN = 1000
_MAX_PLACES = 200_000
_PARTS = ("thead", "tbody", "tfoot")


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a grid: the cell that covers it, and whether it is where the cell begins."""

    cell: HtmlElement
    is_first_row: bool
    is_first_column: bool


@dataclass(frozen=True, slots=True)
class Grid:
    """The places of a table row by row, None where no cell is, and how many rows are its head."""

    rows: list[list[Place | None]]
    heads: int

    @property
    def width(self) -> int:
        return max(map(len, self.rows), default=0)


def lay_out(table: HtmlElement) -> Grid:
    """Return the grid of a table, as HTML's table model forms it; nested tables stay in a cell."""
    rows = list(_list_rows(table))
    cells = [list(_find(row, "td", "th")) for row in rows]
    sizes = _measure_cells(cells)
    grid: list[list[Place | None]] = [[] for _ in rows]
    for number, row in enumerate(cells):
        at = 0
        for cell, (width, height) in zip(row, sizes[number], strict=True):
            while at < len(grid[number]) and grid[number][at] is not None:
                at += 1
            for down in range(height):
                places = grid[number + down]
                places.extend([None] * (at + width - len(places)))
                for right in range(width):
                    places[at + right] = Place(cell, down == 0, right == 0)
            at += width
    return Grid(grid, _count_heads(rows, cells))


def _measure_cells(cells: list[list[HtmlElement]]) -> list[list[tuple[int, int]]]:
    """Return how many columns and rows each cell covers, in no more places than there may be."""
    widest = max(map(len, cells), default=0)
    # Of a heading over 1,000 columns, those that a table has are enough.
    for most in (_MAX_SPAN, widest):
        sizes = [
            [
                (
                    min(_span(cell, "colspan"), most),
                    min(_span(cell, "rowspan"), len(cells) - number),
                )
                for cell in row
            ]
            for number, row in enumerate(cells)
        ]
        added = sum(width * height - 1 for row in sizes for width, height in row)
        if added <= _MAX_PLACES:
            return sizes
    return [[(1, 1)] * len(row) for row in cells]


def _list_rows(table: HtmlElement) -> Iterator[HtmlElement]:
    """Yield the rows in the order in which they are shown."""
    parts: dict[str, list[HtmlElement]] = {part: [] for part in _PARTS}
    for row in _find(table, "tr"):
        parts[_part_of(row)].append(row)
    for part in _PARTS:
        yield from parts[part]


def _find(element: HtmlElement, *tags: str) -> Iterator[HtmlElement]:
    """Yield the outermost elements of these tags, not those of a nested table."""
    for child in element:
        if child.tag in tags:
            yield child
        elif child.tag != "table":
            yield from _find(child, *tags)


def _part_of(row: HtmlElement) -> str:
    outer = next(row.iterancestors(*_PARTS, "table"), None)
    return "tbody" if outer is None or outer.tag == "table" else str(outer.tag)


def _count_heads(rows: list[HtmlElement], cells: list[list[HtmlElement]]) -> int:
    """Return how many rows are the head: those of `thead`, else the first ones all of `th`.

    Without any `th` the first row is taken for it; a table with `th` at the side only has none.
    """
    marked = 0
    for row, members in zip(rows, cells, strict=True):
        if _part_of(row) != "thead" and not (members and all(cell.tag == "th" for cell in members)):
            break
        marked += 1
    if 0 < marked < len(rows):
        return marked
    has_side = any(cell.tag == "th" for row in cells for cell in row)
    return 0 if has_side and not marked else 1


def _span(cell: HtmlElement, name: str) -> int:
    value = (cell.get(name) or "").strip()
    number = int(value) if value.isdecimal() and len(value) < 6 else 1
    if name == "rowspan" and value == "0":
        # All rows that are left.
        return _MAX_SPAN
    return min(max(number, 1), _MAX_SPAN)
