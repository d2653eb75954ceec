"""Reads what an OpenDocument file holds into blocks of Markdown, whatever kind it is."""

import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator

from ingest.parsers.blocks import Block
from ingest.parsers.docx.lines import Line
from ingest.parsers.docx.styles import RunLook
from ingest.parsers.equations import write_mathml
from ingest.parsers.grid import Cell, write_grid
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

_INDENT = "   "
_MAX_REPEATED = 1000
_MAX_COLUMNS = 256
_NO_TEXT = {
    *("text:tracked-changes", "text:sequence-decls", "text:variable-decls", "office:forms"),
    *("text:user-field-decls", "text:note-citation", "text:dde-connection-decls"),
    *(
        "text:bookmark",
        "text:soft-page-break",
        "text:hidden-paragraph",
        "svg:title",
        "svg:desc",
        "table:shapes",
    ),
}
# Where the field stands that hides the paragraph around it.
_HIDES = ("text:hidden-paragraph", "text:span/text:hidden-paragraph")
_ROWS = {"table:table-header-rows", "table:table-rows", "table:table-row-group"}


class Reader:
    """Reads one file; what is left out is counted by the words of its warning."""

    def __init__(self, parts: Parts, styles: Styles) -> None:
        self.counts: Counter[str] = Counter()
        self._parts = parts
        self._styles = styles
        self._lists = 0
        self._latest: dict[str, str] = {}
        self._notes = 0

    def read(self, elements: Iterable[Element]) -> list[Block]:
        """Return the blocks in elements."""
        blocks: list[Block] = []
        for element in elements:
            match name_of(element):
                case "text:h" | "text:p":
                    blocks += self._read_paragraph(element)
                case "text:list":
                    blocks += self._read_list(element, 1, "", "")
                case "table:table":
                    blocks += [Block(text) for text in self.read_table(element)]
                case "draw:frame" | "draw:custom-shape" | "draw:rect" | "draw:ellipse":
                    blocks += self.read_frame(element)
                case "text:section" if _is_hidden_section(element):
                    self.counts["{} hidden passages were left out"] += 1
                case name if name not in _NO_TEXT:
                    blocks += self.read(element)
        return blocks

    # Paragraphs

    def _read_paragraph(self, element: Element) -> list[Block]:
        hides = (field for path in _HIDES for field in find_all(element, path))
        if any(get(field, "text:is-hidden") == "true" for field in hides):
            self.counts["{} hidden passages were left out"] += 1
            return []
        line = Line()
        style = get(element, "text:style-name")
        look = self._styles.look(style, RunLook())
        self._read_inline(element, line, look)
        words = line.write().strip()
        level = 0
        if name_of(element) == "text:h" and words:
            level = get_number(element, "text:outline-level")
            label = "" if get(element, "text:is-list-header") else self._styles.heading_label(level)
            words = f"{label} {words}".strip()
        elif words and "Title" in (get(s, "style:name") for s in self._styles.chain(style)):
            level = 1
        return [Block(words, level=level), *line.boxes, *line.notes]

    def _read_inline(self, element: Element, line: Line, look: RunLook) -> None:
        self._add(element.text, line, look)
        for child in element:
            self._read_piece(child, line, look)
            self._add(child.tail, line, look)

    def _add(self, words: str | None, line: Line, look: RunLook) -> None:
        if not words:
            return
        if look.is_hidden:
            self.counts["{} hidden passages were left out"] += bool(words.strip())
            return
        line.add(words, look)

    def _read_piece(self, child: Element, line: Line, look: RunLook) -> None:
        match name_of(child):
            case "text:s":
                line.add(" " * min(get_number(child, "text:c"), _MAX_REPEATED))
            case "text:tab":
                line.add("\t")
            case "text:line-break":
                line.add("\n")
            case "text:span":
                style = get(child, "text:style-name")
                self._read_inline(child, line, self._styles.look(style, look))
            case "text:a":
                start = len(line.pieces)
                self._read_inline(child, line, look)
                target = get(child, "xlink:href")
                if ":" in target:
                    line.close_link(start, target)
            case "text:note":
                self._read_note(child, line)
            case "office:annotation":
                line.notes += self.read_comment(child)
            case "text:ruby":
                self._read_ruby(child, line, look)
            case "text:hidden-text" if get(child, "text:is-hidden") == "false":
                self._read_inline(child, line, look)
            case "text:hidden-text":
                self.counts["{} hidden passages were left out"] += 1
            case name if name.startswith("draw:") and name != "draw:a":
                self._read_object(child, line)
            case name if name not in _NO_TEXT and name != "":
                self._read_inline(child, line, look)

    def _read_object(self, frame: Element, line: Line) -> None:
        latex = self._find_formula(frame)
        if latex:
            line.add(f"${latex}$")
        else:
            line.boxes += self.read_frame(frame)

    def _read_note(self, note: Element, line: Line) -> None:
        self._notes += 1
        mark = f"[^{self._notes}]"
        line.add(mark)
        blocks = self.read(find_all(note, "text:note-body"))
        words = " ".join(" ".join(block.text.split()) for block in blocks)
        line.notes.append(Block(f"{mark}: {words}" if words else ""))

    def read_comment(self, comment: Element) -> list[Block]:
        """Return a comment with its author, marked."""
        author = comment.findtext("dc:creator", "", NAMESPACES)
        paragraphs = [e for e in comment if name_of(e) in {"text:p", "text:list"}]
        words = " ".join(" ".join(block.text.split()) for block in self.read(paragraphs))
        by = f" ({' '.join(author.split())})" if author else ""
        return [Block(f"Comment{by}: {words}" if words else "")]

    def _read_ruby(self, ruby: Element, line: Line, look: RunLook) -> None:
        for base in find_all(ruby, "text:ruby-base"):
            self._read_inline(base, line, look)
        readings = ("".join(map(str, e.itertext())) for e in find_all(ruby, "text:ruby-text"))
        reading = "".join(readings).strip()
        line.add(f"({reading})" if reading else "")

    # Lists

    def _read_list(self, element: Element, level: int, style: str, counter: str) -> list[Block]:
        style = get(element, "text:style-name") or style
        counter = counter or self._find_counter(element, style)
        blocks: list[Block] = []
        for item in element:
            start = get(item, "text:start-value")
            number = int(start) if start.isdecimal() else None
            is_header = name_of(item) == "text:list-header"
            for child in item:
                if name_of(child) == "text:list":
                    blocks += self._read_list(child, level + 1, style, counter)
                    continue
                read = self.read([child])
                if not is_header and read and read[0].text.strip() and not read[0].level:
                    own = self._styles.list_style(get(child, "text:style-name"))
                    label = self._styles.label(style or own, counter, level, number)
                    mark = f"{label} " if label else "- "
                    words = f"{_INDENT * (level - 1)}{mark}{read[0].text}"
                    read[0] = Block(words, is_item=True)
                    # What follows in an item has no number of its own.
                    is_header, number = True, None
                blocks += read
        return blocks

    def _find_counter(self, element: Element, style: str) -> str:
        """Return the name of the count that a list goes on with, or a new one."""
        if get(element, "text:continue-numbering") == "true" and style in self._latest:
            return self._latest[style]
        continued = get(element, "text:continue-list")
        if not continued or continued not in self._latest:
            self._lists += 1
            counter = str(self._lists)
        else:
            counter = self._latest[continued]
        identifier = element.get("{http://www.w3.org/XML/1998/namespace}id", "")
        self._latest |= {style: counter, identifier: counter}
        return counter

    # Tables

    def read_table(self, table: Element) -> list[str]:
        """Return a table of a text or a slide as blocks of Markdown."""
        heads = sum(len(rows) for rows in find_all(table, "table:table-header-rows"))
        rows = [list(self._read_cells(row)) for row in list_rows(table)]
        return write_grid(rows, heads=heads if 0 < heads < len(rows) else 1)

    def _read_cells(self, row: Element) -> Iterator[Cell]:
        # How many of the columns that follow a cell of this row covers.
        covered = 0
        for cell in row:
            repeated = min(get_number(cell, "table:number-columns-repeated"), _MAX_COLUMNS)
            if name_of(cell) == "table:table-cell":
                words = " ".join(" ".join(block.text.split()) for block in self.read(cell))
                width = get_number(cell, "table:number-columns-spanned")
                covered = width - 1
                yield from [Cell(words, width)] * repeated
            elif name_of(cell) == "table:covered-table-cell":
                if covered <= 0:
                    # By a cell above.
                    yield from [Cell("", goes_on=True)] * repeated
                covered -= repeated

    # Frames

    def read_frame(self, frame: Element) -> list[Block]:
        """Return what a frame or a shape holds: text, a chart, a formula, a description."""
        blocks: list[Block] = []
        if latex := self._find_formula(frame):
            return [Block(f"$${latex}$$")]
        for child in frame:
            match name_of(child):
                case "draw:object":
                    blocks += self._read_chart(child)
                case "draw:image":
                    if not find_all(frame, "draw:object"):
                        self.counts["{} images were left out"] += 1
                case "svg:title" | "svg:desc" if find_all(frame, "draw:image"):
                    words = " ".join((child.text or "").split())
                    blocks += [Block(f"[Image: {words}]" if words else "")]
        return blocks + self.read(e for e in frame if name_of(e) not in {"svg:title", "svg:desc"})

    def _open_object(self, element: Element) -> Element | None:
        """Return the root of an embedded object, which is a part of the file or stands inline."""
        target = get(element, "xlink:href")
        if target:
            return self._parts.parse(f"{posixpath.normpath(target)}/content.xml")
        return next((child for child in element if isinstance(child.tag, str)), None)

    def _find_formula(self, frame: Element) -> str:
        for element in find_all(frame, "draw:object"):
            root = self._open_object(element)
            if root is not None and name_of(root) == "math:math":
                return write_mathml(root)
        return ""

    def _read_chart(self, element: Element) -> list[Block]:
        root = self._open_object(element)
        if not find_all(root, ".//chart:chart"):
            self.counts["{} embedded files were left out"] += 1
            return []
        titles = find_all(root, ".//chart:title") + find_all(root, ".//chart:subtitle")
        words = [Block(" ".join("".join(map(str, title.itertext())).split())) for title in titles]
        tables = find_all(root, ".//chart:chart/table:table")
        return [*words, *(Block(text) for table in tables for text in self.read_table(table))]


def _is_hidden_section(section: Element) -> bool:
    display = get(section, "text:display")
    return display == "none" or (
        display == "condition" and get(section, "text:is-hidden") == "true"
    )


def list_rows(table: Element) -> Iterator[Element]:
    """Yield the rows of a table, also those in groups."""
    for child in table:
        if name_of(child) == "table:table-row":
            yield child
        elif name_of(child) in _ROWS:
            yield from list_rows(child)
