"""Tables as Markdown."""

from collections.abc import Iterable, Sequence


def render_table(rows: Iterable[Sequence[str]], *, heads: int = 1) -> str:
    """Return rows of cells as a Markdown table; "" without any text.

    The first `heads` rows are its head: several become one row, and without one the head is empty.
    Rows and columns without text are left out.
    """
    cells = [[_flatten(cell) for cell in row] for row in rows]
    top = _join_heads(cells[:heads])
    body = [row for row in cells[heads:] if any(row)]
    if not any(top) and heads and body:
        # A head without words is none: the first row is.
        top = body.pop(0)
    width = max(map(len, [top, *body]))
    lines = [row + [""] * (width - len(row)) for row in [top, *body]]
    used = [column for column in range(width) if any(row[column] for row in lines)]
    if not used:
        return ""
    written = ["| " + " | ".join(row[column] for column in used) + " |" for row in lines]
    written.insert(1, "| " + " | ".join("---" for _ in used) + " |")
    return "\n".join(written)


def _join_heads(rows: list[list[str]]) -> list[str]:
    """Return one head of several rows: over each column the different words, outermost first."""
    width = max(map(len, rows), default=0)
    columns = ([row[column] for row in rows if column < len(row)] for column in range(width))
    return [" ".join(filter(None, dict.fromkeys(column))) for column in columns]


def _flatten(cell: str) -> str:
    return " ".join(cell.split()).replace("|", "\\|")
