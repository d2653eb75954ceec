"""Books (EPUB): the chapters in reading order, each as Markdown.

The format: W3C EPUB 3.3, and EPUB 2 before it.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from html import escape
from urllib.parse import unquote
from zipfile import ZipFile

from lxml import etree

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.formats import find_page_charset
from ingest.package import open_package, read_member
from ingest.parsers.html import read_chapter
from ingest.parsers.markdown import find_headings
from ingest.parsers.text import decode_text

_XHTML = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
_DOCTYPE, _SUBSET = "<!DOCTYPE", re.compile(r"[^<>\[]*\[.*?\]\s*>", re.DOTALL)
_CDATA = "<![CDATA["


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
    warnings: dict[str, None] = {}
    counts: Counter[str] = Counter()
    texts = []
    for chapter in chapters:
        if not chapter:
            counts["{} pages that are not XHTML were left out"] += 1
            continue
        # Fonts are obfuscated in many books, which hides no text.
        if chapter.encode() in rights:
            raise UnreadableDocument("the book is encrypted", code="encrypted")
        texts.append(_read_chapter(package, chapter, warnings, counts))
    text = "\n\n".join(filter(None, texts))
    counts["{} images were left out"] = sum(
        (item.get("media-type") or "").startswith("image/") for item in _find_all(book, "item")
    )
    title = next((element.text or "" for element in _find_all(book, "title")), "")
    return Article(
        text,
        title=" ".join(title.split()),
        headings=find_headings(text, is_written=True),
        warnings=(*warnings, *(words.format(n) for words, n in counts.items() if n)),
    )


def _read_chapter(
    package: ZipFile, chapter: str, warnings: dict[str, None], counts: Counter[str]
) -> str:
    try:
        data = read_member(package, chapter)
        source, decoding = decode_text(data, find_page_charset(data))
        warnings.update(dict.fromkeys(decoding))
        text, unwritten = read_chapter(_open_sections(_drop_subset(source)))
        counts.update(unwritten)
    except UnreadableDocument as error:
        # A book that nests too deep is a trap, and not merely damaged.
        if error.code == "too_deep":
            raise
        text, data = "", b""
    if not data:
        warnings[f"a chapter is missing or damaged: {posixpath.basename(chapter)}"] = None
    return text


def _drop_subset(source: str) -> str:
    """Return XML without what its document type declares, which is text to the parser of HTML."""
    start = source.find(_DOCTYPE)
    subset = _SUBSET.match(source, start + len(_DOCTYPE)) if start >= 0 else None
    return source[:start] + source[subset.end() :] if subset else source


def _open_sections(source: str) -> str:
    """Return XML with its CDATA sections as text, which are comments to the parser of HTML."""
    parts: list[str] = []
    at = 0
    while 0 <= (start := source.find(_CDATA, at)) < (end := source.find("]]>", max(start, 0))):
        parts += [source[at:start], escape(source[start + len(_CDATA) : end])]
        at = end + len("]]>")
    return "".join(parts) + source[at:]


def _find_package_document(package: ZipFile) -> str:
    container = _parse_xml(read_member(package, "META-INF/container.xml"))
    path = next((root.get("full-path") for root in _find_all(container, "rootfile")), None)
    if not path:
        raise UnreadableDocument("the book names no package document", code="unreadable_epub")
    return path


def _list_chapters(book: etree._Element, folder: str) -> Iterator[str]:
    """Yield the names of the chapters in reading order; "" for one of another format."""
    items = {item.get("id"): item for item in _find_all(book, "item")}
    for reference in _find_all(book, "itemref"):
        item = items.get(reference.get("idref"))
        if item is None or item.get("media-type") not in _XHTML or not item.get("href"):
            yield ""
        # The table of contents repeats the headings.
        elif "nav" not in (item.get("properties") or "").split():
            yield posixpath.normpath(posixpath.join(folder, unquote(item.get("href") or "")))


def _find_all(root: etree._Element, name: str) -> Iterator[etree._Element]:
    """Yield the elements of a name, whether the book declares their namespace or not."""
    return root.iter(f"{{*}}{name}")


def _parse_xml(source: bytes) -> etree._Element:
    # A document type is allowed here and never expanded.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return etree.fromstring(source, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnreadableDocument("the book is damaged", code="unreadable_epub") from error
