"""Tables in a text, and what a passage amid one of them says only with its caption and head.

Tables are Markdown: a row a line, with bars between its cells, and a rule under the head. Outer
bars may be missing; in lists and quotations tables are moved in.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

# The line under a table's head. Nothing is tried twice: of 200,000 columns that took five times as
# long, without a pause.
_RULE = re.compile(
    r"\n[ \t>]*+\|?(?:[ \t]*+:?-++:?[ \t]*+\|)++(?:[ \t]*+:?-++:?)?+[ \t]*+(?=\n|\Z)"
)
_ROWS = re.compile(r"(?:\n[^\n|]*+\|[^\n]*+)*+")
# Longer lines before a table are prose, not its caption.
_MAX_CAPTION = 200
# Of a longer head a passage, which is a small part of so wide a row, would say nothing else.
_MAX_HEAD = 4096


@dataclass(frozen=True, slots=True)
class Table:
    """Where a table stands in a text, where its rows begin, and its caption and head."""

    start: int
    rows: int
    end: int
    caption: str
    head: str


def find_tables(text: str) -> tuple[Table, ...]:
    """Return the tables of a text, in order."""
    tables: list[Table] = []
    end = 0
    while "|" in text and (rule := _RULE.search(text, end)):
        start = text.rfind("\n", end, rule.start()) + 1 or end
        end = rule.end()
        if "|" in text[start : rule.start()]:
            rows = _ROWS.match(text, end)
            end = rows.end() if rows else end
            head = text[start : rule.end()]
            tables.append(Table(start, rule.end(), end, _find_caption(text, start), head))
    return tuple(tables)


def table_head(tables: Sequence[Table], start: int) -> str:
    """Return what of its table a passage that begins at `start` lacks; "" outside of tables.

    Its caption and head, so that the passage after it is a table again. A head of more than 4,096
    characters is left out.
    """
    table = find_table(tables, start)
    if table is None:
        return ""
    caption = f"{table.caption}\n\n" if table.caption else ""
    is_amid_rows = start >= table.rows and len(table.head) <= _MAX_HEAD
    return caption + (f"{table.head}\n" if is_amid_rows else "")


def find_table(tables: Sequence[Table], offset: int) -> Table | None:
    """Return the table that holds an offset."""
    at = bisect_right(tables, offset, key=lambda table: table.start) - 1
    return tables[at] if at >= 0 and offset < tables[at].end else None


def _find_caption(text: str, start: int) -> str:
    """Return the line right over a table, unless it is a heading, code or long."""
    before = text[max(0, start - 2 * _MAX_CAPTION) : start].rstrip()
    line = before.rpartition("\n")[2].strip("> \t")
    is_caption = 0 < len(line) <= _MAX_CAPTION
    return line if is_caption and not line.startswith(("#", "|", "```")) else ""
