"""Word documents (DOCX): read by mammoth into HTML, and that into Markdown."""

import io
import re
from itertools import pairwise
from typing import Any
from xml.etree.ElementTree import Element, tostring
from zipfile import ZIP_DEFLATED, ZipFile

import mammoth
from defusedxml import ElementTree

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.package import check_xml, open_package, read_member
from ingest.parsers.html import read_fragment
from ingest.parsers.markdown import find_headings

_STYLES = """
p[style-name='Title'] => h1:fresh
p[style-name='Subtitle'] => p:fresh
p[style-name='Heading 7'] => h6:fresh
p[style-name='Heading 8'] => h6:fresh
p[style-name='Heading 9'] => h6:fresh
r[style-name='Verbatim Char'] => code
p[style-name='Source Code'] => pre:separator('\n')
"""
_HIDDEN = re.compile(rb"<w:vanish(?: w:val=\"(?:1|true|on)\")?\s*/>")
_EQUATION = re.compile(rb"<m:oMath[ >]")
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_BODY = "word/document.xml"
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def parse_docx(data: bytes, charset: str = "") -> Article:
    """Read a Word document: insertions that were tracked count as made, deletions as gone.

    Raises UnreadableDocument: `unreadable_docx`, or what `open_package` and `check_xml` refuse.
    """
    del charset  # XML says how it is encoded.
    package = open_package(data)
    check_xml(package)
    body = read_member(package, _BODY)
    images = 0

    def drop_image(_: Any) -> list[Any]:
        nonlocal images
        images += 1
        return []

    try:
        html = mammoth.convert_to_html(
            io.BytesIO(data if b"dropCap=" not in body else _join_drop_caps(package, body)),
            style_map=_STYLES,
            convert_image=drop_image,
            external_file_access=False,
        ).value
    # mammoth walks what a file can break in any way.
    except Exception as error:
        raise UnreadableDocument(
            f"the Word document is damaged ({type(error).__name__})", code="unreadable_docx"
        ) from error
    text = read_fragment(html)
    headings = find_headings(text)
    title = read_core_title(package) or next((h.text for h in headings if h.level == 1), "")
    return Article(text, title=title, headings=headings, warnings=_find_warnings(body, images))


def _join_drop_caps(package: ZipFile, body: bytes) -> bytes:
    """Return the document with each drop cap, a paragraph of its own, at the head of its word."""
    root = ElementTree.fromstring(body)
    for parent in list(root.iter()):
        for former, following in pairwise(list(parent)):
            if _is_drop_cap(former) and following.tag == f"{_W}p":
                at = 1 if following.find(f"{_W}pPr") is not None else 0
                following[at:at] = [child for child in former if child.tag != f"{_W}pPr"]
                parent.remove(former)
    joined = io.BytesIO()
    with ZipFile(joined, "w", ZIP_DEFLATED) as copy:
        for name in dict.fromkeys(package.namelist()):
            # Pictures are left out anyway.
            if name.endswith((".xml", ".rels")):
                copy.writestr(name, tostring(root) if name == _BODY else read_member(package, name))
    return joined.getvalue()


def _is_drop_cap(element: Element) -> bool:
    frame = element.find(f"{_W}pPr/{_W}framePr")
    return frame is not None and frame.get(f"{_W}dropCap") in {"drop", "margin"}


def read_core_title(package: ZipFile) -> str:
    """Return the title among the core properties of an office file; "" without a readable one."""
    try:
        properties = ElementTree.fromstring(read_member(package, "docProps/core.xml"))
    except ElementTree.ParseError:
        return ""
    return " ".join((properties.findtext(_TITLE) or "").split())


def _find_warnings(body: bytes, images: int) -> tuple[str, ...]:
    hidden = len(_HIDDEN.findall(body))
    equations = len(_EQUATION.findall(body))
    found = [
        (images, "{} images were left out"),
        (hidden, "{} hidden passages were kept"),
        (equations, "{} equations were left out"),
    ]
    return tuple(words.format(count) for count, words in found if count)
