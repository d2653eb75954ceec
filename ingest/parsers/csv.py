"""CSV and TSV as one Markdown table."""

import csv
import io
import re

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.parsers.tables import render_table
from ingest.parsers.text import decode_text

_SAMPLE_CHARACTERS = 64 * 1024
_DELIMITERS = ",;\t|"
_NO_DELIMITER = "\x1f"
_MAX_FIELD = 2**20
_MAX_ABOVE = 20
# With a comma, which then parts no fields.
_DECIMAL = re.compile(r"\s*[-+]?\d+(?:\.\d{3})*,\d+\s*")
# In the place of a quote that is never closed; no decoder returns one.
_SIGN = "\udc22"
_QUOTES = re.compile(r'"+')
_SEPARATOR = re.compile(r"\s*\"?sep=(.)\"?[ \t]*\n", re.IGNORECASE)


def parse_csv(data: bytes, charset: str = "") -> Article:
    """Read comma-separated values; semicolons, tabs and bars are told by their regularity."""
    return _parse(data, charset, "")


def parse_tsv(data: bytes, charset: str = "") -> Article:
    """Read tab-separated values."""
    return _parse(data, charset, "\t")


def _parse(data: bytes, charset: str, delimiter: str) -> Article:
    text, warnings = decode_text(data, charset)
    # Excel's own first line, which says what parts the fields.
    if named := _SEPARATOR.match(text):
        delimiter, text = named[1], text[named.end() :]
    csv.field_size_limit(_MAX_FIELD)
    delimiter = delimiter or _find_delimiter(text)
    try:
        rows, unclosed = _split_rows(text, delimiter)
    except csv.Error as error:
        raise UnreadableDocument(
            f"a field has more than {_MAX_FIELD} characters", code="unreadable_table"
        ) from error
    if unclosed:
        warnings += (f"{unclosed} quotation marks that are never closed were read as text",)
    first = _find_table(rows)
    lines = [" ".join(" ".join(row).split()) for row in rows[:first]]
    blocks = ["\n".join(filter(None, lines)), render_table(rows[first:])]
    return Article("\n\n".join(filter(None, blocks)), warnings=warnings)


def _split_rows(text: str, delimiter: str) -> tuple[list[list[str]], int]:
    """Return the rows, and how many quotes in them open a field that none closes."""
    stray = _find_stray_quotes(text, delimiter)
    if stray:
        bounds = zip([0, *(at + 1 for at in stray)], [*stray, len(text)], strict=True)
        text = _SIGN.join(text[start:end] for start, end in bounds)
    # newline="": line ends inside quotes are the field's.
    lines = io.StringIO(text, newline="")
    # A quote may stand behind a space.
    spaced = delimiter != " "
    rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=spaced))
    if stray:
        rows = [[cell.replace(_SIGN, '"') for cell in row] for row in rows]
    return rows, len(stray)


def _find_stray_quotes(text: str, delimiter: str) -> list[int]:
    """Return where quotes stand that open a field and are not closed at the end of one.

    On its own line a field may go on after its closing quote: `"Tea" or so`.
    """
    ends_field = re.compile(rf" *(?:\n|\Z|{re.escape(delimiter)})")
    stray: list[int] = []
    opening = end = 0
    is_open = False
    for quotes in _QUOTES.finditer(text):
        # A text begins as its lines do.
        before = text[end : quotes.start()] if end else f"\n{text[: quotes.start()]}"
        start, end = quotes.span()
        # Two are a quote in the field, or a field without characters.
        if (end - start) % 2 == 0:
            continue
        if is_open:
            is_open = False
            if ends_field.match(text, end) or "\n" not in text[opening:start]:
                continue
            stray.append(opening)
        if before.rstrip(" ").endswith((delimiter, "\n")):
            is_open, opening = True, start
    return [*stray, opening] if is_open else stray


def _find_table(rows: list[list[str]]) -> int:
    """Return the first row of the table itself, after what a report says above it.

    Those are lines of one cell over several columns, and lines with fewer cells than a row that
    fills its columns after an empty one.
    """
    widths = [sum(map(bool, map(str.strip, row))) for row in rows[:_MAX_ABOVE]]
    most = max(map(len, rows), default=0)
    first = next((at for at, width in enumerate(widths) if width > 1), 0)
    # Of two columns one may be empty.
    if most < 3 and any(len(row) > 1 for row in rows[:first]):
        first = 0
    for at, width in enumerate(widths[first:], first):
        if not width and (after := next(filter(None, widths[at:]), 0)) >= max(3, most - 1):
            return at if max(widths[:at]) < after else first
    return first


def _find_delimiter(text: str) -> str:
    """Return the delimiter that cuts the most of the first lines into one number of fields > 1.

    Of several the one between numbers with a decimal comma, then that of the most fields. Where it
    leaves most lines whole, the file has one column.
    """
    sample = "\n".join(text[:_SAMPLE_CHARACTERS].split("\n")[:50])

    def regularity(delimiter: str) -> tuple[int, bool, int]:
        rows = [row for row in _split_rows(sample, delimiter)[0] if len(row) > 1]
        widths = list(map(len, rows))
        has_decimals = any(_DECIMAL.fullmatch(cell) for row in rows for cell in row)
        best = max(set(widths), key=lambda width: (widths.count(width), width), default=0)
        return widths.count(best), has_decimals, best

    best = max(_DELIMITERS, key=regularity)
    filled = [row for row in _split_rows(sample, best)[0] if any(row)]
    return best if 2 * sum(len(row) > 1 for row in filled) >= len(filled) else _NO_DELIMITER
