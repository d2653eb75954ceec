"""Tables as Markdown."""

from collections.abc import Iterable, Sequence


def render_table(rows: Iterable[Sequence[str]]) -> str:
    """Return rows of cells as a Markdown table whose first row is the head; "" without any text.

    Rows and columns without text are left out.
    """
    cells = [[_flatten(cell) for cell in row] for row in rows]
    cells = [row for row in cells if any(row)]
    width = max(map(len, cells), default=0)
    cells = [row + [""] * (width - len(row)) for row in cells]
    used = [column for column in range(width) if any(row[column] for row in cells)]
    lines = ["| " + " | ".join(row[column] for column in used) + " |" for row in cells]
    if lines:
        lines.insert(1, "| " + " | ".join("---" for _ in used) + " |")
    return "\n".join(lines)


def _flatten(cell: str) -> str:
    return " ".join(cell.split()).replace("|", "\\|")
