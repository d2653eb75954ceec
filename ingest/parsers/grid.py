"""Tables with merged cells, laid out so that no value stands under another column's head."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.parsers.tables import render_table

# A row of more columns is nonsense: Word allows 63, a sheet 16,384.
_MAX_COLUMNS = 16_384


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as its file has it: how many columns it covers, and whether it goes on from above."""

    text: str
    columns: int = 1
    goes_on: bool = False


def write_grid(rows: Sequence[Sequence[Cell]], *, heads: int = 1) -> list[str]:
    """Return a table as blocks of Markdown; a first row of one cell over all columns is a caption.

    What a cell says holds for each row that it covers, and in the head for each column.
    """
    width = max((sum(cell.columns for cell in row) for row in rows), default=0)
    captions = []
    while len(rows) > 1 and width > 1 and _is_caption(rows[0], width):
        captions.append(rows[0][0].text)
        rows, heads = rows[1:], max(1, heads - 1)
    table = render_table(_spread(rows, heads), heads=heads)
    return [block for block in (*captions, table) if block.strip()]


def _is_caption(row: Sequence[Cell], width: int) -> bool:
    return len(row) == 1 and row[0].columns == width and not row[0].goes_on


def _spread(rows: Sequence[Sequence[Cell]], heads: int) -> list[list[str]]:
    spread: list[list[str]] = []
    for number, row in enumerate(rows):
        line: list[str] = []
        for cell in row:
            above = spread[-1] if spread else []
            text = cell.text
            if cell.goes_on:
                text = above[len(line)] if len(line) < len(above) else ""
            columns = min(cell.columns, _MAX_COLUMNS)
            rest = text if number < heads else ""
            line += [text, *[rest] * (columns - 1)]
        spread.append(line)
    return spread
