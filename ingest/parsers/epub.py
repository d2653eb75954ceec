"""Books (EPUB): the chapters in reading order, each as Markdown.

The format: W3C EPUB 3.3, and EPUB 2 before it.
"""

import posixpath
import re
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

_XHTML = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
# What a chapter says about itself and no reader sees.
_UNSEEN = re.compile(r"<(head|style|script)\b(?:[^>]*/>|.*?</\1\s*>)", re.IGNORECASE | re.DOTALL)
# Places inside the book are not addresses.
_INNER_LINK = re.compile(r"""\shref\s*=\s*(?:"(?!\w+:)[^"]*"|'(?!\w+:)[^']*')""", re.IGNORECASE)


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
    texts = []
    for chapter in chapters:
        # Fonts are obfuscated in many books, which hides no text.
        if chapter.encode() in rights:
            raise UnreadableDocument("the book is encrypted", code="encrypted")
        texts.append(_read_chapter(package, chapter, warnings))
    text = "\n\n".join(filter(None, texts))
    images = sum(
        (item.get("media-type") or "").startswith("image/") for item in _find_all(book, "item")
    )
    if images:
        warnings[f"{images} images were left out"] = None
    title = next((element.text or "" for element in _find_all(book, "title")), "")
    return Article(
        text,
        title=" ".join(title.split()),
        headings=find_headings(text),
        warnings=tuple(warnings),
    )


def _read_chapter(package: ZipFile, chapter: str, warnings: dict[str, None]) -> str:
    try:
        data = read_member(package, chapter)
        source, decoding = decode_text(data)
        warnings.update(dict.fromkeys(decoding))
        body = _INNER_LINK.sub("", _UNSEEN.sub("", source))
        text = read_fragment(body)
    except UnreadableDocument as error:
        # A book that nests too deep is a trap, and not merely damaged.
        if error.code == "too_deep":
            raise
        text, data = "", b""
    if not data:
        warnings[f"a chapter is missing or damaged: {posixpath.basename(chapter)}"] = None
    return text


def _find_package_document(package: ZipFile) -> str:
    container = _parse_xml(read_member(package, "META-INF/container.xml"))
    path = next((root.get("full-path") for root in _find_all(container, "rootfile")), None)
    if not path:
        raise UnreadableDocument("the book names no package document", code="unreadable_epub")
    return path


def _list_chapters(book: etree._Element, folder: str) -> Iterator[str]:
    items = {item.get("id"): item for item in _find_all(book, "item")}
    for reference in _find_all(book, "itemref"):
        item = items.get(reference.get("idref"))
        if item is None or item.get("media-type") not in _XHTML or not item.get("href"):
            continue
        # The table of contents repeats the headings.
        if "nav" not in (item.get("properties") or "").split():
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
