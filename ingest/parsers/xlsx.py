"""Workbooks (XLSX): their cells as they are shown, with comments, shapes and charts.

The format: ISO/IEC 29500-1, chapter 18 (SpreadsheetML), strict or transitional.
"""

import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from app.errors import UnreadableDocument
from ingest.parsers.drawings import describe_image, write_graphics, write_text
from ingest.parsers.inline import lower_words, raise_words, write_link
from ingest.parsers.number_formats import BUILT_IN, GENERAL, show_number, show_words
from ingest.parsers.ooxml import (
    NAMESPACES,
    Element,
    Parts,
    find,
    find_all,
    get,
    get_number,
    get_text,
    iterate_chosen,
    name_of,
)
from ingest.parsers.sheets import MAX_CELLS, Row, Sheet

_REFERENCE = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})")
_HYPERLINK = re.compile(r'HYPERLINK\(\s*"([^"]+)"', re.IGNORECASE)
_X = f"{{{NAMESPACES['x']}}}"
_HIDDEN = {"1", "true"}
_READ = ("row", "col", "mergeCell", "hyperlink", "autoFilter", "headerFooter")
# What a header or a footer has that is no words: its thirds, looks, numbers of pages, dates, names.
_PRINTED = re.compile(r'&"[^"]*"|&K[0-9A-F]{6}|&\d+|&[A-Z&]|[^\w&]+|[\d_]+', re.IGNORECASE)
# A character as XML cannot have it, or an underscore that would begin one.
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
# The legacy form of a threaded comment says that this program cannot show it.
_THREADED = re.compile(r"\[Threaded comment\]", re.IGNORECASE)


@dataclass(slots=True)
class Workbook:
    """What is read of a workbook, and what is left out, by the words of its warning."""

    sheets: list[Sheet] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


def read_workbook(parts: Parts) -> Workbook | None:
    """Return the sheets that readers see; None when there is no workbook.

    Raises UnreadableDocument (`table_too_large`).
    """
    main = parts.find_main() or "xl/workbook.xml"
    root = parts.parse(main)
    if root is None or name_of(root) != "x:workbook":
        return None
    return _Reader(parts, main, root).read()


class _Reader:
    def __init__(self, parts: Parts, main: str, root: Element) -> None:
        self._parts = parts
        self._main = main
        self._root = root
        self._is_1904 = get(find(root, "x:workbookPr"), "date1904") in _HIDDEN
        self._formats = list(self._read_formats())
        self._strings = list(self._read_strings())
        self._people = dict(self._read_people())
        self._book = Workbook()
        self._cells = 0

    def read(self) -> Workbook:
        relations = self._parts.relations(self._main)
        for number, meta in enumerate(find_all(self._root, "x:sheets/x:sheet"), start=1):
            relation = relations.get(get(meta, "r:id"))
            if relation is None:
                continue
            if get(meta, "state", "visible") != "visible":
                self._book.counts["{} hidden sheets were left out"] += 1
                continue
            sheet = Sheet(get(meta, "name"), number)
            if relation.kind == "worksheet":
                self._read_cells(relation.target, sheet)
            self._read_around(relation.target, sheet)
            self._book.sheets.append(sheet)
        return self._book

    def _read_formats(self) -> Iterator[str]:
        """Yield the number format of each style of a cell."""
        part = self._parts.find_related(self._main, "styles")
        root = self._parts.parse(part) if part else None
        if root is None:
            return
        own = {
            get_number(f, "numFmtId", 0): get(f, "formatCode")
            for f in find_all(root, "x:numFmts/x:numFmt")
        }
        for style in find_all(root, "x:cellXfs/x:xf"):
            number = get_number(style, "numFmtId", 0)
            yield own.get(number) or BUILT_IN.get(number, GENERAL)

    def _read_strings(self) -> Iterator[str]:
        part = self._parts.find_related(self._main, "sharedStrings")
        for item in self._iterate(part, "si") if part else ():
            yield _read_rich(item)

    def _iterate(self, part: str, *names: str) -> Iterator[Element]:
        """Yield the elements of these names in a part, each forgotten after it was read."""
        source = self._parts.read(part).replace(
            b"http://purl.oclc.org/ooxml/spreadsheetml/main", NAMESPACES["x"].encode()
        )
        if not source:
            return
        try:
            events = etree.iterparse(
                io.BytesIO(source),
                tag=[_X + name for name in names],
                resolve_entities=False,
                no_network=True,
                recover=True,
                remove_comments=True,
                remove_pis=True,
            )
            for _, element in events:
                yield element
                element.clear()
            is_damaged = bool(events.error_log)
        except etree.XMLSyntaxError:
            is_damaged = True
        if is_damaged:
            self._parts.damaged[part] += 1

    # Cells

    def _read_cells(self, part: str, sheet: Sheet) -> None:
        hidden_rows: set[int] = set()
        hidden_columns: set[int] = set()
        links: list[tuple[str, str]] = []
        is_filtered = self._has_filtered_table(part)
        latest = -1
        for element in self._iterate(part, *_READ):
            match name_of(element):
                case "x:row":
                    number = self._read_row(element, sheet, latest)
                    latest = max(latest, number)
                    hidden_rows |= {number} if _is_hidden(element) else set()
                case "x:col" if _is_hidden(element):
                    first = get_number(element, "min", 1)
                    last = min(get_number(element, "max", first), 16_384)
                    hidden_columns |= set(range(first - 1, last))
                case "x:mergeCell":
                    sheet.merged += filter(None, [_read_range(get(element, "ref"))])
                case "x:hyperlink":
                    links.append((get(element, "ref"), get(element, "r:id")))
                case "x:autoFilter":
                    is_filtered = True
                case "x:headerFooter":
                    printed = {_PRINTED.sub("", each.text or "") for each in element} - {""}
                    if printed:
                        words = "{} headers and footers of printed pages were left out"
                        self._book.counts[words] += len(printed)
        # Rows that a filter puts aside are still the reader's.
        hidden = sheet.leave_out(set() if is_filtered else hidden_rows, hidden_columns)
        if hidden:
            self._book.counts["{} hidden rows and columns were left out"] += hidden
        self._link(part, sheet, links)

    def _has_filtered_table(self, part: str) -> bool:
        # Every table has buttons to filter by; a column is named where one is used.
        return any(
            find(self._parts.parse(table), "x:autoFilter/x:filterColumn") is not None
            for table in self._parts.list_related(part, "table")
        )

    def _read_row(self, element: Element, sheet: Sheet, latest: int) -> int:
        """Read a row: the one after the `latest` where it has no number; returns its number."""
        number = get_number(element, "r", latest + 2) - 1
        row: Row = {}
        column = -1
        for cell in element:
            place = _REFERENCE.fullmatch(get(cell, "r"))
            column = _count_column(place[1]) if place else column + 1
            words = self._show(cell)
            if words.strip():
                row[column] = words
        self._cells += len(row)
        if self._cells > MAX_CELLS:
            raise UnreadableDocument(
                f"the workbook has more than {MAX_CELLS} cells", code="table_too_large"
            )
        # A number that comes twice is one row.
        sheet.rows[number] = sheet.rows.get(number, {}) | row
        return number

    def _show(self, cell: Element) -> str:
        """Return a cell as it is shown; a formula that was never computed as the formula."""
        kind = get(cell, "t", "n")
        style = get_number(cell, "s", 0)
        code = self._formats[style] if 0 <= style < len(self._formats) else GENERAL
        if kind == "inlineStr":
            inline = find(cell, "x:is")
            return "" if inline is None else show_words(_read_rich(inline), code)
        if kind == "e" and get(cell, "vm"):
            # What stands as an error for programs that do not know it.
            self._book.counts["{} pictures and linked data in cells were left out"] += 1
            return ""
        value = cell.findtext("x:v", "", NAMESPACES)
        formula = cell.findtext("x:f", "", NAMESPACES)
        if not value:
            if find(cell, "x:f") is None or kind == "str":
                return ""
            self._book.counts["{} formulas have no stored value: shown as formulas"] += 1
            return f"={formula}" if formula else ""
        shown = self._show_value(value, kind, code)
        target = _HYPERLINK.match(formula.lstrip("=+ ")) if formula else None
        return write_link(shown, target[1]) if target else shown

    def _show_value(self, value: str, kind: str, code: str) -> str:
        if kind == "s":
            at = int(value) if value.isdecimal() else -1
            return show_words(self._strings[at], code) if 0 <= at < len(self._strings) else ""
        if kind == "b":
            return "TRUE" if value in _HIDDEN else "FALSE"
        if kind != "n":
            words = _ESCAPED.sub(_unescape, value)
            return show_words(words, code) if kind == "str" else value.replace("T00:00:00", "")
        try:
            return show_number(float(value), code, is_1904=self._is_1904)
        except (ValueError, OverflowError):
            return value

    def _link(self, part: str, sheet: Sheet, links: list[tuple[str, str]]) -> None:
        relations = self._parts.relations(part)
        for reference, identifier in links:
            area, relation = _read_range(reference), relations.get(identifier)
            if area is None or relation is None or not relation.is_external:
                continue
            row = sheet.rows.get(area[0], {})
            if area[2] in row:
                row[area[2]] = write_link(row[area[2]], relation.target)

    # What stands around the cells

    def _read_around(self, part: str, sheet: Sheet) -> None:
        for drawing in self._parts.list_related(part, "drawing"):
            root = self._parts.parse(drawing)
            if root is not None:
                sheet.asides += self._read_drawing(root, drawing)
        sheet.asides += self._read_comments(part)

    def _read_drawing(self, root: Element, part: str) -> Iterator[str]:
        elements = list(iterate_chosen(root))
        for element in elements:
            match name_of(element):
                case "xdr:sp":
                    yield write_text(find(element, "xdr:txBody"), self._parts, part)
                case "xdr:pic":
                    self._book.counts["{} images were left out"] += 1
                    yield describe_image(find(element, "xdr:nvPicPr/xdr:cNvPr"))
        yield from write_graphics(elements, self._parts, part)

    def _read_comments(self, part: str) -> Iterator[str]:
        threads = list(self._parts.list_related(part, "threadedComment"))
        for comments in self._parts.list_related(part, "comments"):
            root = self._parts.parse(comments)
            authors = [
                " ".join((author.text or "").split())
                for author in find_all(root, "x:authors/x:author")
            ]
            for comment in find_all(root, "x:commentList/x:comment"):
                at = get_number(comment, "authorId", -1)
                author = authors[at] if 0 <= at < len(authors) else ""
                body = find(comment, "x:text")
                words = "" if body is None else _read_rich(body)
                # What stands in for a thread in older programs says so in the author's language.
                is_thread = bool(threads) and author.startswith("tc=")
                if not is_thread and not _THREADED.match(words):
                    yield _write_comment(get(comment, "ref"), author, words)
        for comments in threads:
            root = self._parts.parse(comments)
            for comment in find_all(root, "tc:threadedComment"):
                author = self._people.get(get(comment, "personId"), "")
                words = comment.findtext("tc:text", "", NAMESPACES)
                yield _write_comment(get(comment, "ref"), author, words)

    def _read_people(self) -> Iterator[tuple[str, str]]:
        for part in self._parts.list_related(self._main, "person"):
            root = self._parts.parse(part)
            for person in find_all(root, "tc:person"):
                yield get(person, "id"), get(person, "displayName")


def _write_comment(reference: str, author: str, words: str) -> str:
    words = " ".join(words.split()).removeprefix(f"{author}:").strip()
    by = f" ({author})" if author and not author.startswith("tc=") else ""
    return f"Comment on {reference}{by}: {words}" if words else ""


def _read_rich(item: Element) -> str:
    """Return the words of a string of several looks, without the readings above them."""
    line = ""
    for piece in item:
        match name_of(piece):
            case "x:t":
                line += _ESCAPED.sub(_unescape, piece.text or "")
            case "x:r":
                words = _ESCAPED.sub(_unescape, get_text(piece, "x:t"))
                after = get_text(piece.getnext(), "x:t")
                shift = get(find(piece, "x:rPr/x:vertAlign"), "val")
                if shift == "superscript":
                    words = raise_words(line, words, after)
                elif shift == "subscript":
                    words = lower_words(line, words, after)
                line += words
    return line


def _unescape(escaped: re.Match[str]) -> str:
    character = chr(int(escaped[1], 16))
    return character if character.isprintable() else " "


def _is_hidden(element: Element) -> bool:
    # A folded group is still the reader's.
    return get(element, "hidden") in _HIDDEN and get_number(element, "outlineLevel", 0) == 0


def _read_range(reference: str) -> tuple[int, int, int, int] | None:
    """Return first row, last row, first column and last column of `A1` or `A1:B2`."""
    first, _, last = reference.partition(":")
    begin, end = _REFERENCE.fullmatch(first), _REFERENCE.fullmatch(last or first)
    if begin is None or end is None:
        return None
    return int(begin[2]) - 1, int(end[2]) - 1, _count_column(begin[1]), _count_column(end[1])


def _count_column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1
