"""Word documents (DOCX): read by mammoth into HTML, and that into Markdown."""

import io
import re
from typing import Any
from zipfile import ZipFile

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


def parse_docx(data: bytes, charset: str = "") -> Article:
    """Read a Word document: insertions that were tracked count as made, deletions as gone.

    Raises UnreadableDocument: `unreadable_docx`, or what `open_package` and `check_xml` refuse.
    """
    del charset  # XML says how it is encoded.
    package = open_package(data)
    check_xml(package)
    images = 0

    def drop_image(_: Any) -> list[Any]:
        nonlocal images
        images += 1
        return []

    try:
        html = mammoth.convert_to_html(
            io.BytesIO(data),
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
    return Article(text, title=title, headings=headings, warnings=_find_warnings(package, images))


def read_core_title(package: ZipFile) -> str:
    """Return the title among the core properties of an office file; "" without a readable one."""
    try:
        properties = ElementTree.fromstring(read_member(package, "docProps/core.xml"))
    except ElementTree.ParseError:
        return ""
    return " ".join((properties.findtext(_TITLE) or "").split())


def _find_warnings(package: ZipFile, images: int) -> tuple[str, ...]:
    body = read_member(package, "word/document.xml")
    hidden = len(_HIDDEN.findall(body))
    equations = len(_EQUATION.findall(body))
    found = [
        (images, "{} images were left out"),
        (hidden, "{} hidden passages were kept"),
        (equations, "{} equations were left out"),
    ]
    return tuple(words.format(count) for count, words in found if count)
