"""Presentations (PPTX): slide after slide, the slide's number as that of a page."""

import io
from collections.abc import Iterator
from typing import Any

from pptx import Presentation
from pptx.enum.shapes import MSO_SHAPE_TYPE, PP_PLACEHOLDER

from app.domain import Article, Heading, PageStart
from app.errors import UnreadableDocument
from ingest.package import check_xml, open_package
from ingest.parsers.docx import read_core_title
from ingest.parsers.tables import render_table

_TITLES = (PP_PLACEHOLDER.TITLE, PP_PLACEHOLDER.CENTER_TITLE, PP_PLACEHOLDER.VERTICAL_TITLE)
# What stands on every slide alike.
_FURNITURE = (PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.FOOTER, PP_PLACEHOLDER.SLIDE_NUMBER)
_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"


def parse_pptx(data: bytes, charset: str = "") -> Article:
    """Read the slides with their tables and notes; a slide's title is a heading.

    Raises UnreadableDocument: `unreadable_pptx`, or what `open_package` and `check_xml` refuse.
    """
    del charset  # XML says how it is encoded.
    package = open_package(data)
    check_xml(package)
    try:
        slides = list(Presentation(io.BytesIO(data)).slides)
        parts = [(_find_title(slide), _render_slide(slide)) for slide in slides]
        warnings = _find_warnings(slides)
    # python-pptx walks what a file can break in any way.
    except Exception as error:
        raise UnreadableDocument(
            f"the presentation is damaged ({type(error).__name__})", code="unreadable_pptx"
        ) from error
    return _assemble(parts, read_core_title(package), warnings)


def _assemble(parts: list[tuple[str, str]], title: str, warnings: tuple[str, ...]) -> Article:
    text, headings, pages = "", [], []
    for number, (heading, body) in enumerate(parts, start=1):
        pages.append(PageStart(len(text), number))
        if heading:
            headings.append(Heading(len(text), 2, heading))
            text += f"## {heading}\n\n"
        if body:
            text += f"{body}\n\n"
    return Article(
        text.rstrip(),
        title=title or next((heading.text for heading in headings), ""),
        headings=tuple(headings),
        pages=tuple(page for page in pages if page.start < len(text.rstrip())),
        pages_with_text=sum(any(part) for part in parts),
        warnings=warnings,
    )


def _find_title(slide: Any) -> str:
    titles = (shape for shape in slide.placeholders if _kind_of(shape) in _TITLES)
    return next(
        (words for shape in titles if (words := " ".join(shape.text_frame.text.split()))), ""
    )


def _render_slide(slide: Any) -> str:
    blocks = [_render_shape(shape) for shape in _walk(slide.shapes)]
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = slide.notes_slide.notes_text_frame.text.strip()
        blocks.append(f"Notes: {notes}" if notes else "")
    return "\n\n".join(filter(None, blocks))


def _walk(shapes: Any) -> Iterator[Any]:
    for shape in shapes:
        if shape.shape_type == MSO_SHAPE_TYPE.GROUP:
            yield from _walk(shape.shapes)
        elif _kind_of(shape) not in (*_TITLES, *_FURNITURE):
            yield shape


def _render_shape(shape: Any) -> str:
    if shape.has_text_frame:
        lines = map(_render_paragraph, shape.text_frame.paragraphs)
        return "\n".join(filter(None, lines))
    if getattr(shape, "has_table", False):
        return render_table([cell.text for cell in row.cells] for row in shape.table.rows)
    # Charts, diagrams and the like: the words that the slide itself holds.
    return "\n".join(
        words
        for paragraph in shape.element.iter(f"{_DRAWING}p")
        if (words := "".join(run.text or "" for run in paragraph.iter(f"{_DRAWING}t")).strip())
    )


def _render_paragraph(paragraph: Any) -> str:
    words = " ".join(paragraph.text.split())
    # The first level may be a plain paragraph; a deeper one is an item of a list.
    return f"{'  ' * (paragraph.level - 1)}- {words}" if words and paragraph.level else words


def _kind_of(shape: Any) -> Any:
    return shape.placeholder_format.type if shape.is_placeholder else None


def _find_warnings(slides: list[Any]) -> tuple[str, ...]:
    images = sum(
        shape.shape_type == MSO_SHAPE_TYPE.PICTURE
        for slide in slides
        for shape in _walk(slide.shapes)
    )
    hidden = sum(slide.element.get("show") == "0" for slide in slides)
    found = [(images, "{} images were left out"), (hidden, "{} hidden slides were kept")]
    return tuple(words.format(count) for count, words in found if count)
