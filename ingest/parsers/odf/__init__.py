"""OpenDocument texts, sheets and slides (ODT, ODS, ODP), from the XML itself."""

import re
from collections.abc import Iterator
from contextlib import suppress

from app.domain import Article, Heading, PageStart
from app.errors import UnreadableDocument
from ingest.package import check_xml, open_package, read_member
from ingest.parsers.blocks import Block, join_blocks
from ingest.parsers.number_formats import show_general
from ingest.parsers.odf.reader import Reader, list_rows
from ingest.parsers.odf.styles import (
    NAMESPACES,
    Element,
    Styles,
    find_all,
    get,
    get_number,
    name_of,
)
from ingest.parsers.ooxml import Parts
from ingest.parsers.positions import Place, order_placed
from ingest.parsers.sheets import MAX_CELLS, Row, Sheet, join_sheets

_MAX_REPEATED = 1000
_REPEATED = f"{{}} repeats of a row or cell past number {_MAX_REPEATED} were left out"
_LENGTH = re.compile(r"(-?\d{1,6}(?:\.\d{1,9})?)(cm|mm|in|pt|pc|px)")
# In English metric units.
_UNITS = {"cm": 360_000, "mm": 36_000, "in": 914_400, "pt": 12_700, "pc": 152_400, "px": 9_525}
_VALUES = ("string-value", "value", "date-value", "time-value", "boolean-value")
# No program has more.
_MAX_COLUMNS = 2**14
_GROUPS = {"table:table-row-group", "table:table-column-group"}
# Left and first pages may have their own.
_FURNITURE = [f"{kind}{of}" for kind in ("header", "footer") for of in ("", "-first", "-left")]


def parse_odt(data: bytes, charset: str = "") -> Article:
    """Read a text; deletions that were tracked count as gone, and hidden text is left out.

    Raises UnreadableDocument: `unreadable_odt`, `encrypted`, or what `open_package` and `check_xml`
    refuse.
    """
    del charset  # XML says how it is encoded.
    document = _Document(data, "text")
    blocks = document.reader.read(document.body)
    words = " ".join(block.text for block in blocks)
    around = [b for b in document.read_furniture() if b.text not in words]
    text, headings = join_blocks([*around, *blocks])
    first = next((h for h in headings if h.level == 1), headings[0] if headings else None)
    return Article(
        text,
        title=document.title or (first.text if first is not None else ""),
        headings=headings,
        warnings=document.warn(),
    )


def parse_ods(data: bytes, charset: str = "") -> Article:
    """Read the cells of all sheets as they are shown; hidden sheets are left out.

    Raises UnreadableDocument as `parse_odt` does, and `table_too_large`.
    """
    del charset
    document = _Document(data, "spreadsheet")
    sheets = []
    for number, table in enumerate(find_all(document.body, "table:table"), start=1):
        if document.property_of(table, "table", "table:display") == "false":
            document.reader.counts["{} hidden sheets were left out"] += 1
        else:
            sheets.append(_read_sheet(table, number, document.reader))
    return join_sheets(sheets, document.title, document.warn())


def parse_odp(data: bytes, charset: str = "") -> Article:
    """Read the slides with their tables and notes; a slide's title is a heading.

    Raises UnreadableDocument as `parse_odt` does.
    """
    del charset
    document = _Document(data, "presentation")
    text, slides = "", 0
    headings: list[Heading] = []
    pages: list[PageStart] = []
    for number, page in enumerate(find_all(document.body, "draw:page"), start=1):
        shown = document.property_of(page, "drawing-page", "presentation:visibility") != "hidden"
        if not shown:
            document.reader.counts["{} hidden slides were left out"] += 1
        gap = "\n\n" if text else ""
        start = len(text) + len(gap)
        words, marked = join_blocks(_read_slide(page, document.reader) if shown else ())
        pages.append(PageStart(start, number))
        headings += [Heading(start + h.start, h.level, h.text) for h in marked]
        text += gap + words if words else ""
        slides += bool(words)
    return Article(
        text,
        title=document.title or next((heading.text for heading in headings), ""),
        headings=tuple(headings),
        pages=tuple(page for page in pages if page.start < len(text)),
        pages_with_text=slides,
        warnings=document.warn(),
    )


class _Document:
    """An opened file: its body, styles and reader."""

    def __init__(self, data: bytes, kind: str) -> None:
        package = open_package(data)
        if b"encryption-data" in read_member(package, "META-INF/manifest.xml"):
            raise UnreadableDocument("the document is encrypted", code="encrypted")
        check_xml(package)
        self._parts = Parts(package)
        content = self._parts.parse("content.xml")
        body = next(iter(find_all(content, f"office:body/office:{kind}")), None)
        if body is None:
            raise UnreadableDocument(f"the OpenDocument contains no {kind}", code=_UNREADABLE[kind])
        self.body: Element = body
        self._pages = self._parts.parse("styles.xml")
        self._styles = Styles(self._pages, content)
        self.reader = Reader(self._parts, self._styles)
        self.title = _read_title(self._parts)

    def property_of(self, element: Element, family: str, attribute: str) -> str:
        """Return what the style of a sheet or slide says."""
        name = get(element, "table:style-name") or get(element, "draw:style-name")
        return self._styles.property(name, family, attribute)

    def read_furniture(self) -> Iterator[Block]:
        """Yield the headers and footers of the pages, once each, without page numbers."""
        seen = set()
        for kind in _FURNITURE:
            for element in find_all(self._pages, f".//style:master-page/style:{kind}"):
                for number in list(element.iter(f"{{{NAMESPACES['text']}}}page-number")):
                    number.text = ""
                for block in self.reader.read(element):
                    text = " ".join(block.text.split())
                    if any(c.isalpha() for c in text) and text not in seen:
                        seen.add(text)
                        yield Block(text)

    def warn(self) -> tuple[str, ...]:
        """Return warnings on what was left out."""
        counts = self.reader.counts.items()
        return tuple(w.format(n) for w, n in counts if n) + self._parts.warn()


_UNREADABLE = {
    "text": "unreadable_odt",
    "spreadsheet": "unreadable_spreadsheet",
    "presentation": "unreadable_odp",
}


def _read_title(parts: Parts) -> str:
    meta = parts.parse("meta.xml")
    title = "" if meta is None else meta.findtext(".//dc:title", "", NAMESPACES)
    return " ".join(title.split())


# Sheets


def _read_sheet(table: Element, number: int, reader: Reader) -> Sheet:
    sheet = Sheet(get(table, "table:name"), number)
    at = cells = 0
    hidden_rows: set[int] = set()
    for line in list_rows(table):
        repeated = get_number(line, "table:number-rows-repeated")
        row = _read_row(line, at, sheet, reader)
        if row:
            # The rest of a sheet is one row that is repeated; it is empty.
            reader.counts[_REPEATED] += max(0, repeated - _MAX_REPEATED)
            for number_down in range(min(repeated, _MAX_REPEATED)):
                sheet.rows[at + number_down] = dict(row)
                cells += len(row)
                hidden_rows |= {at + number_down} if _is_hidden(line) else set()
        if cells > MAX_CELLS:
            raise UnreadableDocument(
                f"a sheet has more than {MAX_CELLS} cells", code="table_too_large"
            )
        at += repeated
    hidden = sheet.leave_out(hidden_rows, set(_list_hidden_columns(table)))
    reader.counts["{} hidden rows and columns were left out"] += hidden
    for shapes in find_all(table, "table:shapes"):
        sheet.asides += [block.text for block in reader.read(shapes)]
    return sheet


def _is_hidden(line: Element) -> bool:
    """Return whether a row or column is hidden: a filter's is not, and a folded group's neither."""
    outer = line.getparent()
    is_grouped = outer is not None and name_of(outer) in _GROUPS
    return get(line, "table:visibility") == "collapse" and not is_grouped


def _list_hidden_columns(table: Element) -> Iterator[int]:
    at = 0
    for column in table.iter(f"{{{NAMESPACES['table']}}}table-column"):
        repeated = get_number(column, "table:number-columns-repeated")
        if _is_hidden(column):
            yield from range(at, min(at + repeated, _MAX_COLUMNS))
        at += repeated


def _read_row(line: Element, at: int, sheet: Sheet, reader: Reader) -> Row:
    row: Row = {}
    column = 0
    for cell in line:
        repeated = get_number(cell, "table:number-columns-repeated")
        words = _show(cell, at, column, sheet, reader)
        if words.strip():
            reader.counts[_REPEATED] += max(0, repeated - _MAX_REPEATED)
            row |= dict.fromkeys(range(column, column + min(repeated, _MAX_REPEATED)), words)
            down = get_number(cell, "table:number-rows-spanned")
            right = get_number(cell, "table:number-columns-spanned")
            if down > 1 or right > 1:
                sheet.merged.append((at, at + down - 1, column, column + right - 1))
        column += repeated
    return row


def _show(cell: Element, at: int, column: int, sheet: Sheet, reader: Reader) -> str:
    """Return what a cell shows, which the file holds beside its value."""
    shown = [e for e in cell if name_of(e) in {"text:p", "text:list"}]
    for comment in find_all(cell, "office:annotation"):
        place = f"{_name_column(column)}{at + 1}"
        sheet.asides += [
            b.text.replace("Comment", f"Comment on {place}", 1)
            for b in reader.read_comment(comment)
        ]
    for drawn in cell:
        if name_of(drawn).startswith("draw:"):
            sheet.asides += [block.text for block in reader.read([drawn])]
    words = "\n".join(block.text for block in reader.read(shown))
    formula = get(cell, "table:formula").partition(":")[2]
    if not words and formula and not get(cell, "office:value-type"):
        reader.counts["{} formulas have no stored value: shown as formulas"] += 1
        return formula
    if not words and get(cell, "office:value-type") == "percentage":
        with suppress(ValueError):
            return f"{show_general(100 * float(get(cell, 'office:value')))}%"
    return words or next(filter(None, (get(cell, f"office:{kind}") for kind in _VALUES)), "")


def _name_column(column: int) -> str:
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


# Slides


def _order_shapes(page: Element) -> list[Element]:
    """Return what is on a slide from top to bottom; what has no place is behind what it follows."""
    placed: list[tuple[Place, Element]] = []
    latest = (0, 0)
    for element in page:
        places = filter(None, map(_find_place, element.iter()))
        latest = min(places, default=latest)
        placed.append((latest, element))
    return order_placed(placed)


def _find_place(element: Element) -> Place | None:
    lengths = [_LENGTH.fullmatch(get(element, f"svg:{side}")) for side in "yx"]
    if not all(lengths):
        return None
    down, right = (int(float(m[1]) * _UNITS[m[2]]) for m in lengths if m)
    return down, right


def _read_slide(page: Element, reader: Reader) -> Iterator[Block]:
    notes: list[Block] = []
    for element in _order_shapes(page):
        kind = get(element, "presentation:class")
        if kind in {"date-time", "page-number", "header"}:
            continue
        if name_of(element) == "presentation:notes":
            boxes = [e for e in element if get(e, "presentation:class") == "notes"]
            words = "\n".join(b.text for b in reader.read(boxes) if b.text.strip())
            notes += [Block(f"Notes: {words}")] if words else []
        elif kind == "title":
            words = " ".join(block.text for block in reader.read([element]))
            yield Block(words, level=2 if words.strip() else 0)
        elif name_of(element) == "office:annotation":
            notes += reader.read_comment(element)
        else:
            yield from reader.read([element])
    yield from notes
