"""Spreadsheets (XLSX, XLS, XLSB): tables for each sheet, whose name is a heading and whose number
is that of a page."""

import io
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.parsers.number_formats import show_general
from ingest.parsers.ooxml import Parts, open_parts, read_title
from ingest.parsers.sheets import MAX_CELLS, Sheet, join_sheets
from ingest.parsers.xls import read_old_workbook
from ingest.parsers.xlsx import Workbook, read_workbook

_ZIP_MARK = b"PK"
_BINARY_BOOK = "xl/workbook.bin"
_ONLY_VALUES = (
    "a binary workbook: its values are read without their number formats, and no comments, shapes "
    "and charts"
)


def parse_spreadsheet(data: bytes, charset: str = "") -> Article:
    """Read the cells of all sheets as they are shown; hidden sheets, rows and columns are left out.

    Formulas give what they last came to. Of binary workbooks (XLSB) hidden rows and columns are
    read too: calamine does not tell them. Raises UnreadableDocument: `unreadable_spreadsheet`,
    `encrypted`, `table_too_large`, or what `open_parts` refuses.
    """
    del charset  # The file says how it is encoded.
    if not data.startswith(_ZIP_MARK) and not _is_encrypted_package(data):
        return _join(read_old_workbook(data), None)
    parts = open_parts(data)
    if parts.read(_BINARY_BOOK):
        binary = Workbook()
        binary.sheets += _read_binary(data, binary.counts)
        binary.counts[_ONLY_VALUES] += 1
        return _join(binary, parts)
    book = read_workbook(parts)
    if book is None:
        raise UnreadableDocument(
            "the spreadsheet is damaged or not a spreadsheet", code="unreadable_spreadsheet"
        )
    return _join(book, parts)


def _is_encrypted_package(data: bytes) -> bool:
    return "EncryptedPackage".encode("utf-16-le") in data


def _join(book: Workbook, parts: Parts | None) -> Article:
    warnings = tuple(words.format(count) for words, count in book.counts.items())
    title = read_title(parts) if parts is not None else ""
    return join_sheets(book.sheets, title, warnings + (parts.warn() if parts is not None else ()))


def _read_binary(data: bytes, counts: Counter[str]) -> Iterator[Sheet]:
    """Read a binary workbook, whose number formats are not known, by calamine."""
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
        for number, meta in enumerate(workbook.sheets_metadata, start=1):
            if meta.visible != SheetVisibleEnum.Visible:
                counts["{} hidden sheets were left out"] += 1
            elif meta.typ == SheetTypeEnum.WorkSheet:
                sheet = workbook.get_sheet_by_index(number - 1)
                if sheet.width * sheet.height > MAX_CELLS:
                    raise UnreadableDocument(
                        f"a sheet spans more than {MAX_CELLS} cells", code="table_too_large"
                    )
                rows = enumerate(sheet.iter_rows())
                cells = {n: {c: w for c, v in enumerate(row) if (w := _show(v))} for n, row in rows}
                yield Sheet(meta.name, number, cells)
    # A panic of the Rust library arrives as an exception of its own kind.
    except (CalamineError, ValueError, OSError, OverflowError, KeyError) as error:
        raise UnreadableDocument(
            "the spreadsheet is damaged", code="unreadable_spreadsheet"
        ) from error


def _show(value: str | float | bool | datetime | date | time | timedelta) -> str:
    match value:
        case bool():
            return str(value).upper()
        case int() | float():
            return show_general(value)
        case datetime():
            return value.isoformat(" ").removesuffix(" 00:00:00")
        case _:
            return str(value)
