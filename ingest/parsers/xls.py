"""Workbooks of Excel 2 to 2003 (XLS): read by xlrd, their cells as they are shown."""

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import xlrd

from app.errors import UnreadableDocument
from ingest.parsers.inline import lower_words, raise_words, write_link
from ingest.parsers.number_formats import GENERAL, LOCAL_DATES, show_number, show_words
from ingest.parsers.sheets import Sheet
from ingest.parsers.xls_drawings import read_drawn_words
from ingest.parsers.xlsx import Workbook

_PASSWORD = "Workbook is encrypted"  # noqa: S105  # what xlrd says
# The name that Excel gives the cells under a filter.
_FILTER = "_filterdatabase"
_RAISED = 1


def read_old_workbook(data: bytes) -> Workbook:
    """Return the sheets that readers see.

    Raises UnreadableDocument: `encrypted`, or `unreadable_spreadsheet`.
    """
    log = io.StringIO()
    try:
        book = xlrd.open_workbook(
            file_contents=data, formatting_info=True, ragged_rows=True, logfile=log
        )
        counts: Counter[str] = Counter()
        drawn = read_drawn_words(data)
        sheets = list(_read_sheets(book, counts, drawn))
    except MemoryError:
        raise
    # xlrd walks what a file can break in any way.
    except Exception as error:
        if str(error) == _PASSWORD:
            raise UnreadableDocument(
                "the workbook is encrypted: it opens only with a password", code="encrypted"
            ) from error
        raise UnreadableDocument(
            f"the workbook is damaged ({type(error).__name__})", code="unreadable_spreadsheet"
        ) from error
    return Workbook(sheets, counts)


def _read_sheets(book: Any, counts: Counter[str], drawn: dict[str, list[str]]) -> Iterator[Sheet]:
    for number, sheet in enumerate(book.sheets(), start=1):
        if sheet.visibility:
            counts["{} hidden sheets were left out"] += 1
            continue
        read = Sheet(sheet.name, number)
        for at in range(sheet.nrows):
            row = {
                column: words
                for column, cell in enumerate(sheet.row(at))
                if (
                    words := _show(cell, book, sheet.rich_text_runlist_map.get((at, column)))
                ).strip()
            }
            read.rows[at] = row
        hidden = read.leave_out(*_list_hidden(book, sheet))
        if hidden:
            counts["{} hidden rows and columns were left out"] += hidden
        read.merged = [
            (top, bottom - 1, left, right - 1) for top, bottom, left, right in sheet.merged_cells
        ]
        for link in getattr(sheet, "hyperlink_list", ()):
            _link(read, link)
        read.asides = [
            f"Comment on {xlrd.cellname(*place)}: {' '.join(note.text.split())}"
            for place, note in sorted(sheet.cell_note_map.items())
            if note.text.strip()
        ] + drawn.pop(sheet.name, [])
        yield read
    # What is left are sheets that a chart fills.
    for number, (name, said) in enumerate(drawn.items(), start=book.nsheets + 1):
        yield Sheet(name, number, asides=said)


def _list_hidden(book: Any, sheet: Any) -> tuple[set[int], set[int]]:
    """Return the rows and columns that the author hid, as `read_workbook` tells them."""
    # A folded group is still the reader's, and so are rows that a filter puts aside.
    rows, columns = (
        {at for at, info in infos.items() if info.hidden and not info.outline_level}
        for infos in (sheet.rowinfo_map, sheet.colinfo_map)
    )
    is_filtered = (_FILTER, sheet.number) in book.name_and_scope_map
    return set() if is_filtered else rows, columns


def _show(cell: Any, book: Any, looks: Sequence[tuple[int, int]] | None) -> str:
    code = _find_format(cell, book)
    match cell.ctype:
        case xlrd.XL_CELL_TEXT:
            return show_words(_join_looks(cell.value, looks or (), book), code)
        case xlrd.XL_CELL_NUMBER | xlrd.XL_CELL_DATE:
            return show_number(cell.value, code, is_1904=bool(book.datemode))
        case xlrd.XL_CELL_BOOLEAN:
            return "TRUE" if cell.value else "FALSE"
        case xlrd.XL_CELL_ERROR:
            return str(xlrd.error_text_from_code.get(cell.value, ""))
    return ""


def _join_looks(text: str, looks: Sequence[tuple[int, int]], book: Any) -> str:
    """Return words of several looks: each begins at a place and goes by the number of a font."""
    line = text[: looks[0][0]] if looks else text
    for (start, font), (end, _) in pairwise([*looks, (len(text), 0)]):
        shift = book.font_list[font].escapement if font < len(book.font_list) else 0
        words = text[start:end]
        if shift:
            write = raise_words if shift == _RAISED else lower_words
            words = write(line, words, text[end : end + 1])
        line += words
    return line


def _find_format(cell: Any, book: Any) -> str:
    if cell.xf_index is None or not 0 <= cell.xf_index < len(book.xf_list):
        return GENERAL
    key = book.xf_list[cell.xf_index].format_key
    if key in LOCAL_DATES:
        # The file has the one of the machine that wrote it.
        return LOCAL_DATES[key]
    found = book.format_map.get(key)
    return str(found.format_str) if found is not None and found.format_str else GENERAL


def _link(sheet: Sheet, link: Any) -> None:
    row = sheet.rows.get(link.frowx, {})
    if link.fcolx in row and link.type == "url" and link.url_or_path:
        target = link.url_or_path
        words = target.decode("utf-8", "replace") if isinstance(target, bytes) else str(target)
        row[link.fcolx] = write_link(row[link.fcolx], words)
