"""Books (EPUB): the chapters in reading order, each as Markdown.

The format: W3C EPUB 3.3, and EPUB 2 before it.
"""

import posixpath
from collections.abc import Iterator
from urllib.parse import unquote
from zipfile import ZipFile

from lxml import etree

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.package import open_package, read_member
from ingest.parsers.html import read_fragment
from ingest.parsers.markdown import find_headings
from ingest.parsers.text import decode_text

_NAMESPACES = {
    "container": "urn:oasis:names:tc:opendocument:xmlns:container",
    "opf": "http://www.idpf.org/2007/opf",
    "dc": "http://purl.org/dc/elements/1.1/",
}
_XHTML = ("application/xhtml+xml", "text/html")


def parse_epub(data: bytes, charset: str = "") -> Article:
    """Read a book; its title is that of its metadata.

    Raises UnreadableDocument: `unreadable_epub`, `encrypted`, or what `open_package` refuses.
    """
    del charset  # XML says how it is encoded.
    package = open_package(data)
    rights = read_member(package, "META-INF/encryption.xml")
    path = _find_package_document(package)
    book = _parse_xml(read_member(package, path))
    chapters = list(_list_chapters(book, posixpath.dirname(path)))
    warnings: tuple[str, ...] = ()
    texts = []
    for chapter in chapters:
        # Fonts are obfuscated in many books, which hides no text.
        if chapter.encode() in rights:
            raise UnreadableDocument("the book is encrypted", code="encrypted")
        source, decoding = decode_text(read_member(package, chapter))
        texts.append(read_fragment(source))
        warnings += tuple(warning for warning in decoding if warning not in warnings)
    text = "\n\n".join(filter(None, texts))
    images = sum(
        (item.get("media-type") or "").startswith("image/")
        for item in book.iterfind(".//opf:manifest/opf:item", _NAMESPACES)
    )
    title = book.findtext(".//dc:title", namespaces=_NAMESPACES) or ""
    return Article(
        text,
        title=" ".join(title.split()),
        headings=find_headings(text),
        warnings=warnings + ((f"{images} images were left out",) if images else ()),
    )


def _find_package_document(package: ZipFile) -> str:
    container = _parse_xml(read_member(package, "META-INF/container.xml"))
    root = container.find(".//container:rootfile", _NAMESPACES)
    path = root.get("full-path") if root is not None else None
    if not path:
        raise UnreadableDocument("the book names no package document", code="unreadable_epub")
    return path


def _list_chapters(book: etree._Element, folder: str) -> Iterator[str]:
    items = {
        item.get("id"): item for item in book.iterfind(".//opf:manifest/opf:item", _NAMESPACES)
    }
    for reference in book.iterfind(".//opf:spine/opf:itemref", _NAMESPACES):
        item = items.get(reference.get("idref"))
        if item is None or item.get("media-type") not in _XHTML or not item.get("href"):
            continue
        # The table of contents repeats the headings.
        if "nav" not in (item.get("properties") or "").split():
            yield posixpath.normpath(posixpath.join(folder, unquote(item.get("href") or "")))


def _parse_xml(source: bytes) -> etree._Element:
    # A document type is allowed here and never expanded.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return etree.fromstring(source, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnreadableDocument("the book is damaged", code="unreadable_epub") from error
