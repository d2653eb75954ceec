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
_MAX_FIELD = 2**20
# With a comma, which then parts no fields.
_DECIMAL = re.compile(r"\s*[-+]?\d+(?:\.\d{3})*,\d+\s*")
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
    # newline="": line ends inside quotes are the field's.
    lines = io.StringIO(text, newline="")
    try:
        rows = list(csv.reader(lines, delimiter=delimiter or _find_delimiter(text)))
    except csv.Error as error:
        raise UnreadableDocument(
            f"a field has more than {_MAX_FIELD} characters, or a quotation never ends",
            code="unreadable_table",
        ) from error
    return Article(render_table(rows), warnings=warnings)


def _find_delimiter(text: str) -> str:
    """Return the delimiter that cuts the most of the first lines into one number of fields > 1.

    Of several the one between numbers with a decimal comma, then that of the most fields.
    """
    sample = text[:_SAMPLE_CHARACTERS].splitlines()[:50]

    def regularity(delimiter: str) -> tuple[int, bool, int]:
        rows = [row for row in csv.reader(sample, delimiter=delimiter) if len(row) > 1]
        widths = list(map(len, rows))
        has_decimals = any(_DECIMAL.fullmatch(cell) for row in rows for cell in row)
        best = max(set(widths), key=lambda width: (widths.count(width), width), default=0)
        return widths.count(best), has_decimals, best

    return max(_DELIMITERS, key=regularity)
