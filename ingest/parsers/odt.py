"""OpenDocument texts (ODT), from the XML itself.

The format: OASIS OpenDocument 1.3, part 3. The library for it, odfpy, was last released in 2020.
"""

import re
from collections.abc import Iterator

from lxml import etree

from app.domain import Article, Heading
from app.errors import UnreadableDocument
from ingest.package import check_xml, open_package, read_member
from ingest.parsers.markdown import find_headings
from ingest.parsers.tables import render_table

_NAMESPACES = {
    "office": "urn:oasis:names:tc:opendocument:xmlns:office:1.0",
    "text": "urn:oasis:names:tc:opendocument:xmlns:text:1.0",
    "table": "urn:oasis:names:tc:opendocument:xmlns:table:1.0",
    "draw": "urn:oasis:names:tc:opendocument:xmlns:drawing:1.0",
    "dc": "http://purl.org/dc/elements/1.1/",
}
_PREFIXES = {uri: prefix for prefix, uri in _NAMESPACES.items()}
_NO_TEXT = {
    "text:tracked-changes",
    "text:sequence-decls",
    "text:variable-decls",
    "text:user-field-decls",
    "office:annotation",
    "office:forms",
    "text:note-citation",
}
_MOST_REPEATED_SPACES = 1000


def parse_odt(data: bytes, charset: str = "") -> Article:
    """Read an OpenDocument text; deletions that were tracked count as gone.

    Raises UnreadableDocument: `unreadable_odt`, or what `open_package` and `check_xml` refuse.
    """
    del charset  # XML says how it is encoded.
    package = open_package(data)
    if b"encryption-data" in read_member(package, "META-INF/manifest.xml"):
        raise UnreadableDocument("the document is encrypted", code="encrypted")
    check_xml(package)
    body = _parse_xml(read_member(package, "content.xml")).find(
        "office:body/office:text", _NAMESPACES
    )
    if body is None:
        raise UnreadableDocument("there is no text in the OpenDocument", code="unreadable_odt")
    text = "\n\n".join(_render_blocks(body))
    headings = find_headings(text)
    return Article(
        text,
        title=_read_title(read_member(package, "meta.xml")) or _first(headings),
        headings=headings,
        warnings=_find_warnings(body),
    )


def _parse_xml(source: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return etree.fromstring(source, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnreadableDocument("the OpenDocument is damaged", code="unreadable_odt") from error


def _read_title(meta: bytes) -> str:
    title = _parse_xml(meta).findtext(".//dc:title", namespaces=_NAMESPACES) if meta else ""
    return " ".join((title or "").split())


def _first(headings: tuple[Heading, ...]) -> str:
    return next((heading.text for heading in headings if heading.level == 1), "")


def _render_blocks(parent: etree._Element) -> Iterator[str]:
    """Yield the paragraphs, headings, lists and tables below an element as Markdown blocks."""
    for element in parent.iterchildren(tag=etree.Element):
        name = _name_of(element)
        if name == "text:h":
            level = min(int(_get(element, "text:outline-level") or 1), 6)
            words = " ".join(_render_inline(element).split())
            yield from [f"{'#' * level} {words}"] if words else []
        elif name == "text:p":
            yield from filter(None, [_render_inline(element).strip()])
        elif name == "text:list":
            yield from filter(None, ["\n".join(_render_list(element))])
        elif name == "table:table":
            yield from filter(None, [render_table(_read_rows(element))])
        elif name not in _NO_TEXT:
            yield from _render_blocks(element)


def _render_list(element: etree._Element) -> Iterator[str]:
    for item in element.iterchildren(tag=etree.Element):
        first, *rest = "\n".join(_render_blocks(item)).splitlines() or [""]
        yield first if first.startswith("- ") else f"- {first}"
        yield from (f"  {line}" for line in rest)


def _read_rows(table: etree._Element) -> Iterator[list[str]]:
    for row in table.iter(f"{{{_NAMESPACES['table']}}}table-row"):
        # A table inside a cell has rows of its own, which are in that cell's text.
        if next(row.iterancestors(f"{{{_NAMESPACES['table']}}}table")) is table:
            yield [" ".join(_render_blocks(cell)) for cell in row.iterchildren(tag=etree.Element)]


def _render_inline(element: etree._Element) -> str:
    parts = [element.text or ""]
    for child in element.iterchildren():
        if isinstance(child.tag, str):
            parts.append(_render_child(child))
        parts.append(child.tail or "")
    return "".join(parts)


def _render_child(child: etree._Element) -> str:
    match _name_of(child):
        case "text:s":
            count = _get(child, "text:c") or "1"
            return " " * min(int(count), _MOST_REPEATED_SPACES) if count.isdecimal() else " "
        case "text:tab":
            return "\t"
        case "text:line-break":
            return "\n"
        case "text:note":
            return f" ({' '.join(_render_blocks(child)).strip()}) "
        case "draw:frame" | "draw:text-box" | "text:section":
            return f" {' '.join(_render_blocks(child))} "
        case name if name in _NO_TEXT:
            return ""
        case _:
            return _render_inline(child)


def _find_warnings(body: etree._Element) -> tuple[str, ...]:
    images = sum(1 for _ in body.iter(f"{{{_NAMESPACES['draw']}}}image"))
    hidden = sum(1 for _ in body.iter(f"{{{_NAMESPACES['text']}}}hidden-text"))
    found = [(images, "{} images were left out"), (hidden, "{} hidden passages were kept")]
    return tuple(words.format(count) for count, words in found if count)


def _name_of(element: etree._Element) -> str:
    name = etree.QName(element)
    return f"{_PREFIXES.get(name.namespace or '', '')}:{name.localname}"


def _get(element: etree._Element, name: str) -> str:
    prefix, _, local = name.partition(":")
    value = element.get(f"{{{_NAMESPACES[prefix]}}}{local}") or ""
    return value if re.fullmatch(r"\d{1,4}", value) else ""
