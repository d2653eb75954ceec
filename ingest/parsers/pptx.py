"""Presentations (PPTX): slide after slide, the slide's number as that of a page.

The format: ISO/IEC 29500-1, chapter 19 (PresentationML), strict or transitional.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from app.domain import Article, Heading, PageStart
from app.errors import UnreadableDocument
from ingest.parsers.drawings import (
    describe_image,
    find_target,
    write_graphics,
    write_paragraph,
    write_text,
)
from ingest.parsers.grid import Cell, write_grid
from ingest.parsers.inline import write_link
from ingest.parsers.ooxml import (
    NAMESPACES,
    Element,
    Parts,
    choose_alternative,
    find,
    find_all,
    get,
    get_number,
    name_of,
    open_parts,
    read_title,
)
from ingest.parsers.positions import Positions, order_shapes

_TITLES = {"title", "ctrTitle"}
# What stands on every slide alike; the footer may say what all of it is about.
_NUMBERS = {"dt", "sldNum", "hdr", "sldImg"}
_SHAPES = {"p:sp", "p:grpSp", "p:graphicFrame", "p:pic", "p:cxnSp"}


def parse_pptx(data: bytes, charset: str = "") -> Article:
    """Read the slides with their tables, charts, notes and comments; a slide's title is a heading.

    Hidden slides are left out. Raises UnreadableDocument: `unreadable_pptx`, `encrypted`, or what
    `open_parts` refuses.
    """
    del charset  # XML says how it is encoded.
    parts = open_parts(data)
    main = parts.find_main() or "ppt/presentation.xml"
    root = parts.parse(main)
    slides = [] if root is None else list(_list_slides(root, main, parts))
    if not slides:
        raise UnreadableDocument("the presentation contains no slides", code="unreadable_pptx")
    deck = _Deck(parts, main)
    try:
        read = [deck.read_slide(part) for part in slides]
    except RecursionError as error:
        raise UnreadableDocument("the slides nest too deep", code="too_deep") from error
    return _assemble(read, deck, read_title(parts))


def _list_slides(root: Element, main: str, parts: Parts) -> Iterator[str]:
    relations = parts.relations(main)
    for slide in find_all(root, "p:sldIdLst/p:sldId"):
        relation = relations.get(get(slide, "r:id"))
        if relation is not None:
            yield relation.target


def _assemble(slides: list[tuple[str, list[str]]], deck: "_Deck", title: str) -> Article:
    text, headings, pages = "", [], []
    for number, (heading, blocks) in enumerate(slides, start=1):
        pages.append(PageStart(len(text), number))
        if heading:
            headings.append(Heading(len(text), 2, heading))
            text += f"## {heading}\n\n"
        text += "".join(f"{block}\n\n" for block in blocks)
    text += "\n\n".join(words for words in deck.furniture if words not in text)
    return Article(
        text.rstrip(),
        title=title or next((heading.text for heading in headings), ""),
        headings=tuple(headings),
        pages=tuple(page for page in pages if page.start < len(text.rstrip())),
        pages_with_text=sum(bool(heading or blocks) for heading, blocks in slides),
        warnings=tuple(words.format(count) for words, count in deck.counts.items())
        + deck.parts.warn(),
    )


class _Deck:
    """A presentation while its slides are read."""

    def __init__(self, parts: Parts, main: str) -> None:
        self.parts = parts
        self.counts: Counter[str] = Counter()
        self.furniture: dict[str, None] = {}
        """What stands on every slide: footers, and text of layouts and masters, in order."""
        self._main = main
        self._authors = dict(self._read_authors())
        self._positions = Positions(parts)
        self._layouts: dict[str, bool] = {}

    def read_slide(self, part: str) -> tuple[str, list[str]]:
        """Return a slide's title and its blocks; nothing of a hidden one."""
        root = self.parts.parse(part)
        if root is None:
            return "", []
        if get(root, "show", "1") in {"0", "false"}:
            self.counts["{} hidden slides were left out"] += 1
            return "", []
        shapes = list(self._list_shown(find(root, "p:cSld/p:spTree")))
        titles = ((shape, self._read_title(shape, part)) for shape in shapes)
        titled, title = next((found for found in titles if found[1]), (None, ""))
        blocks: list[str] = []
        for shape in order_shapes(shapes, self._positions.of_slide(part)):
            blocks += self._read_shape(shape, part) if shape is not titled else []
        blocks += [*self._read_notes(part), *self._read_comments(part)]
        if _shows_master(root):
            self._read_layouts(part)
        return title, list(filter(None, blocks))

    def _list_shown(self, tree: Iterable[Element] | None) -> Iterator[Element]:
        for shape in _walk(tree):
            if _is_hidden(shape):
                self.counts["{} hidden passages were left out"] += 1
            else:
                yield shape

    def _read_title(self, shape: Element, part: str) -> str:
        if find_placeholder(shape) not in _TITLES:
            return ""
        return " ".join(write_text(find(shape, "p:txBody"), self.parts, part).split())

    def _read_shape(self, shape: Element, part: str) -> list[str]:
        kind = find_placeholder(shape)
        if kind in _NUMBERS:
            return []
        name = name_of(shape)
        if name == "p:grpSp":
            inner = order_shapes(list(self._list_shown(shape)), {})
            return [block for member in inner for block in self._read_shape(member, part)]
        if name == "p:graphicFrame":
            return self._read_frame(shape, part)
        properties = next((e for e in shape.iter() if name_of(e) == "p:cNvPr"), None)
        if name == "p:pic":
            self.counts["{} images were left out"] += 1
            return [describe_image(properties)]
        text = write_text(find(shape, "p:txBody"), self.parts, part)
        if kind == "ftr":
            self.furniture.setdefault(text)
            return []
        return [write_link(text, find_target(find(properties, "a:hlinkClick"), self.parts, part))]

    def _read_frame(self, frame: Element, part: str) -> list[str]:
        tables = frame.iter(f"{{{NAMESPACES['a']}}}tbl")
        blocks = [block for table in tables for block in self._read_table(table, part)]
        blocks += write_graphics(frame.iter(), self.parts, part)
        if any(name_of(element) == "p:oleObj" for element in frame.iter()):
            self.counts["{} embedded files were left out"] += 1
        return blocks

    def _read_table(self, table: Element, part: str) -> list[str]:
        rows = [
            [
                Cell(
                    " ".join(write_text(find(cell, "a:txBody"), self.parts, part).split()),
                    max(1, get_number(cell, "gridSpan", 1)),
                    goes_on=get(cell, "vMerge") in {"1", "true"},
                )
                for cell in find_all(row, "a:tc")
                # The cell before covers its place.
                if get(cell, "hMerge") not in {"1", "true"}
            ]
            for row in find_all(table, "a:tr")
        ]
        return write_grid(rows)

    def _read_notes(self, part: str) -> Iterator[str]:
        for notes in self.parts.list_related(part, "notesSlide"):
            root = self.parts.parse(notes)
            for shape in _walk(find(root, "p:cSld/p:spTree")):
                text = write_text(find(shape, "p:txBody"), self.parts, notes)
                if text and find_placeholder(shape) == "body":
                    yield f"Notes: {text}"

    def _read_comments(self, part: str) -> Iterator[str]:
        for comments in self.parts.list_related(part, "comments"):
            root = self.parts.parse(comments)
            for element in () if root is None else root.iter():
                if isinstance(element.tag, str) and element.tag.endswith(("}cm", "}reply")):
                    words = self._read_comment(element, comments)
                    author = self._authors.get(get(element, "authorId"), "")
                    yield f"Comment{f' ({author})' if author else ''}: {words}" if words else ""

    def _read_comment(self, element: Element, part: str) -> str:
        """Return a comment's own words, of the older form or the newer one, without its replies."""
        words = [element.findtext("p:text", "", NAMESPACES)]
        for body in element:
            if isinstance(body.tag, str) and body.tag.endswith("}txBody"):
                paragraphs = find_all(body, "a:p")
                words += [write_paragraph(paragraph, self.parts, part) for paragraph in paragraphs]
        return " ".join(" ".join(words).split())

    def _read_authors(self) -> Iterator[tuple[str, str]]:
        for kind in ("commentAuthors", "authors"):
            for part in self.parts.list_related(self._main, kind):
                root = self.parts.parse(part)
                for author in () if root is None else root:
                    yield get(author, "id"), " ".join(get(author, "name").split())

    def _read_layouts(self, part: str) -> None:
        """Note what the layout and the master of a slide write on it."""
        for layout in self.parts.list_related(part, "slideLayout"):
            if self._read_layout(layout):
                self._read_layout(self.parts.find_related(layout, "slideMaster"))

    def _read_layout(self, page: str) -> bool:
        """Note what a layout or master writes; returns whether the shapes of its master show."""
        if page not in self._layouts:
            root = self.parts.parse(page) if page else None
            self._layouts[page] = _shows_master(root)
            for shape in _walk(find(root, "p:cSld/p:spTree")):
                is_own = name_of(shape) == "p:sp" and not find_placeholder(shape)
                if is_own and not _is_hidden(shape):
                    text = write_text(find(shape, "p:txBody"), self.parts, page)
                    self.furniture.setdefault(text)
        return self._layouts[page]


def _walk(tree: Iterable[Element] | None) -> Iterator[Element]:
    """Yield the shapes right in a tree or group."""
    for element in () if tree is None else tree:
        if name_of(element) in _SHAPES:
            yield element
        elif name_of(element) == "mc:AlternateContent":
            yield from _walk(choose_alternative(element))


def _is_hidden(shape: Element) -> bool:
    names = (find(properties, "p:cNvPr") for properties in shape)
    return any(get(name, "hidden") in {"1", "true"} for name in names)


def _shows_master(page: Element | None) -> bool:
    """Return whether a slide or layout shows the shapes of what it is made after."""
    return get(page, "showMasterSp", "1") not in {"0", "false"}


def find_placeholder(shape: Element) -> str:
    """Return which placeholder of its layout a shape fills; "" for none."""
    for properties in shape:
        placeholder = find(properties, "p:nvPr/p:ph")
        if placeholder is not None:
            return get(placeholder, "type", "body")
    return ""
