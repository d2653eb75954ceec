"""Spreadsheets (XLSX, XLS, ODS): a table for each sheet, whose name is a heading and whose number
is that of a page."""

import io
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from app.domain import Article, Heading, PageStart
from app.errors import UnreadableDocument
from ingest.package import check_xml, open_package
from ingest.parsers.tables import render_table

_OLE_MARK = b"\xd0\xcf\x11\xe0"
_MAX_CELLS = 5_000_000


def parse_spreadsheet(data: bytes, charset: str = "") -> Article:
    """Read the values of all sheets; formulas give what they last came to.

    Raises UnreadableDocument: `unreadable_spreadsheet`, or what `open_package` refuses.
    """
    del charset  # The file says how it is encoded.
    if not data.startswith(_OLE_MARK):
        package = open_package(data)
        check_xml(package)
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
        sheets = list(_read_sheets(workbook))
    except UnreadableDocument:
        raise
    # A panic of the Rust library arrives as an exception of its own kind.
    except (CalamineError, ValueError, OSError, OverflowError, KeyError) as error:
        raise UnreadableDocument(
            "the spreadsheet is damaged, encrypted or not a spreadsheet",
            code="unreadable_spreadsheet",
        ) from error
    return _assemble(sheets, _find_warnings(workbook))


def _read_sheets(workbook: CalamineWorkbook) -> Iterator[tuple[int, str, str]]:
    for number, meta in enumerate(workbook.sheets_metadata, start=1):
        if meta.typ == SheetTypeEnum.WorkSheet:
            sheet = workbook.get_sheet_by_index(number - 1)
            if sheet.width * sheet.height > _MAX_CELLS:
                raise UnreadableDocument(
                    f"a sheet spans more than {_MAX_CELLS} cells", code="table_too_large"
                )
            rows = sheet.iter_rows()
            yield number, meta.name, render_table([_as_text(cell) for cell in row] for row in rows)


def _assemble(sheets: list[tuple[int, str, str]], warnings: tuple[str, ...]) -> Article:
    text, headings, pages = "", [], []
    for number, name, table in sheets:
        pages.append(PageStart(len(text), number))
        if table:
            name = " ".join(name.split())
            headings.append(Heading(len(text), 2, name))
            text += f"## {name}\n\n{table}\n\n"
    return Article(
        text.rstrip(),
        headings=tuple(headings),
        pages=tuple(pages) if headings else (),
        pages_with_text=len(headings),
        warnings=warnings,
    )


def _find_warnings(workbook: CalamineWorkbook) -> tuple[str, ...]:
    hidden = sum(meta.visible != SheetVisibleEnum.Visible for meta in workbook.sheets_metadata)
    return (f"{hidden} sheets are hidden from readers, and kept",) if hidden else ()


def _as_text(value: str | float | bool | datetime | date | time | timedelta) -> str:
    match value:
        case float() if value.is_integer():
            return str(int(value))
        case bool():
            return str(value).upper()
        case datetime():
            return value.isoformat(" ").removesuffix(" 00:00:00")
        case _:
            return str(value)
