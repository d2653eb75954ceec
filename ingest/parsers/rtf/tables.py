"""Tables of rich text: rows say where their cells end, and need not agree on it."""

from dataclasses import dataclass, field

from ingest.parsers.grid import Cell, write_grid

# Ends of cells that differ by less are one: a fiftieth of an inch, in twips.
_SAME_EDGE = 30


@dataclass(slots=True)
class RowLook:
    """What is said of a row before its words: the right edges of its cells, and how they merge."""

    edges: list[int] = field(default_factory=list)
    goes_on: list[bool] = field(default_factory=list)
    """Whether a cell goes on from above."""
    is_covered: list[bool] = field(default_factory=list)
    """Whether the cell to its left covers a cell."""
    is_head: bool = False
    next_goes_on: bool = False
    next_is_covered: bool = False

    def end_cell(self, edge: int) -> None:
        """Note the right edge of a cell, with what was said of it before."""
        self.edges.append(edge)
        self.goes_on.append(self.next_goes_on)
        self.is_covered.append(self.next_is_covered)
        self.next_goes_on = self.next_is_covered = False


def write_rows(rows: list[tuple[list[str], RowLook]]) -> list[str]:
    """Return a table as blocks of Markdown."""
    edges = _merge_edges(sorted({edge for _, look in rows for edge in look.edges}))
    heads = 0
    while heads < len(rows) and rows[heads][1].is_head:
        heads += 1
    laid = [_lay_out(words, look, edges) for words, look in rows]
    return write_grid(laid, heads=heads if 0 < heads < len(rows) else 1)


def _merge_edges(edges: list[int]) -> list[int]:
    merged: list[int] = []
    for edge in edges:
        if not merged or edge - merged[-1] > _SAME_EDGE:
            merged.append(edge)
    return merged


def _lay_out(words: list[str], look: RowLook, edges: list[int]) -> list[Cell]:
    cells: list[Cell] = []
    before = 0
    for number, text in enumerate(words):
        column = before + 1
        if number < len(look.edges):
            column = sum(edge <= look.edges[number] for edge in edges)
        columns, before = max(1, column - before), max(before + 1, column)
        if number < len(look.is_covered) and look.is_covered[number] and cells:
            last = cells.pop()
            cells.append(Cell(last.text, last.columns + columns, last.goes_on))
        else:
            goes_on = number < len(look.goes_on) and look.goes_on[number]
            cells.append(Cell(text, columns, goes_on))
    return cells
