"""A PDF as an article: its pages' blocks written as one text, with what is known of each place."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pypdfium2
from pypdf import PdfReader

from app.domain import Article, Heading, PageStart
from app.errors import UnreadableDocument
from ingest.parsers.pdf.attachments import Attachments, read_attachments
from ingest.parsers.pdf.blocks import find_blocks
from ingest.parsers.pdf.fallback import reread_page
from ingest.parsers.pdf.headings import mark_headings, split_tagged
from ingest.parsers.pdf.layers import Layers, blank_hidden_drawings, read_hidden_layers
from ingest.parsers.pdf.page_text import find_headings, write_pages
from ingest.parsers.pdf.pages import Page, read_page
from ingest.parsers.pdf.paragraphs import Block
from ingest.parsers.pdf.running_heads import drop_running_rows
from ingest.parsers.pdf.scans import read_scans
from ingest.parsers.pdf.structure import (
    StreamGuard,
    limit_pypdf,
    open_reader,
    read_outline,
    read_title,
)

_MAX_TITLE = 120
_NO_TITLE_LINE = re.compile(r"^[•*|#>\[-]|\]\(|[.,;:]$")


def parse_pdf(data: bytes, charset: str = "") -> Article:
    """Read a PDF; raises UnreadableDocument: `unreadable_pdf` when damaged or unfolding past the
    limits, `encrypted` under a password, `no_text` when no page holds text (a scan)."""
    del charset  # A PDF says how its own strings are encoded.
    try:
        with limit_pypdf():
            return _parse(open_reader(data), data)
    except (UnreadableDocument, MemoryError):
        raise
    # pypdf walks structures that a file can break in any way; beside its own errors come
    # KeyError, TypeError, ValueError, RecursionError and others.
    except Exception as error:
        raise UnreadableDocument(
            f"the PDF is damaged or not a PDF ({type(error).__name__})", code="unreadable_pdf"
        ) from error


def _parse(reader: PdfReader, data: bytes) -> Article:
    guard = StreamGuard()
    foreign = [guard.check(sheet) for sheet in reader.pages]
    layers = read_hidden_layers(reader)
    shown, blanked = blank_hidden_drawings(reader, data, layers)
    pages = _read_pages(reader, shown, foreign, layers)
    dropped, running = drop_running_rows(pages)
    blocks = [split_tagged(find_blocks(page.regions), page.levels) for page in pages]
    mark_headings(blocks, [page.levels for page in pages], running)
    texts = write_pages(blocks, [page.notes for page in pages])
    warnings = _warn(pages, dropped)
    warnings += _say((blanked, "{} drawings on layers that are off were left out"))
    attached = read_attachments(reader)
    warnings += attached.warnings
    # Its pages only say that the reader's program cannot show it.
    if reader.root_object.get("/NeedsRendering"):
        warnings += ("the form is one of XFA, which is not read",)
    scans = read_scans(data, [not text for text in texts])
    texts = [text or scans.texts.get(number, "") for number, text in enumerate(texts)]
    warnings += _say(
        (len(scans.texts), "{} pages were read by OCR, which makes mistakes"),
        (scans.obscure, "{} pages were left out: OCR could not make them out"),
        (scans.unread, "{} pages were not looked at by OCR: it ran out of time"),
    )
    if not any(texts) and not attached.texts:
        if scans.obscure:
            raise UnreadableDocument(
                f"OCR could make out none of the {len(texts)} pages", code="no_text"
            )
        raise UnreadableDocument(
            f"none of the {len(texts)} pages holds text: a scan needs OCR first", code="no_text"
        )
    return _make_article(reader, texts, blocks, attached, warnings)


def _make_article(
    reader: PdfReader,
    texts: list[str],
    blocks: Sequence[Sequence[Block]],
    attached: Attachments,
    warnings: tuple[str, ...],
) -> Article:
    starts: list[PageStart] = []
    offset = 0
    for number, text in enumerate(texts, start=1):
        starts.append(PageStart(offset, number))
        offset += len(text) + len("\n\n")
    empty = sum(not text for text in texts)
    if empty:
        warnings += (f"{empty} of {len(texts)} pages hold no text",)
    text = "\n\n".join(texts)
    try:
        outline = read_outline(reader)
    except MemoryError:
        raise
    # What is wrong with it is anything, as for the whole file; the pages are read without it.
    except Exception:  # noqa: BLE001
        outline, warnings = [], (*warnings, "the outline is damaged: left out")
    headings = find_headings(outline, text, starts, blocks)
    first = _find_title_line(next(filter(None, [*texts, *attached.texts])))
    title = read_title(reader) or (headings[0].text if headings else first)
    for name, words in zip(attached.names, attached.texts, strict=True):
        headings.append(Heading(len(text) + len("\n\n"), 1, name))
        text += f"\n\n{name}\n\n{words}"
    return Article(
        text,
        title=title,
        headings=tuple(headings),
        pages=tuple(starts),
        pages_with_text=len(texts) - empty,
        warnings=warnings,
    )


def _find_title_line(text: str) -> str:
    """Return the first line where it can be a title: short, no sentence, no bullet, row or note."""
    line = text.strip().partition("\n")[0].strip()
    return "" if len(line) > _MAX_TITLE or _NO_TITLE_LINE.search(line) else line


def _read_pages(
    reader: PdfReader, data: bytes, foreign: Sequence[bool], layers: Layers
) -> list[Page]:
    tagged = "/StructTreeRoot" in reader.root_object
    document = pypdfium2.PdfDocument(data)
    try:
        pages = []
        for number, sheet in enumerate(reader.pages):
            with _open_page(document, number) as page:
                read = Page() if page is None else read_page(page, sheet, layers, tagged=tagged)
            pages.append(reread_page(read, sheet, foreign=page is None or foreign[number]))
        return pages
    finally:
        document.close()


@contextmanager
def _open_page(document: Any, number: int) -> Iterator[Any]:
    """Open a page; None for one that PDFium does not find, as it believes the count of the file."""
    try:
        page = document[number]
    except (pypdfium2.PdfiumError, IndexError):
        yield None
        return
    try:
        yield page
    finally:
        page.close()


def _warn(pages: Sequence[Page], dropped: int) -> tuple[str, ...]:
    return _say(
        (dropped, "{} repeats of running headers and footers were left out"),
        (sum(page.lost for page in pages), "{} characters have no known meaning in their font"),
        (sum(page.hidden for page in pages), "{} words that are not shown were left out"),
        (sum(page.outside for page in pages), "{} words outside their page were left out"),
        (sum(len(page.values) for page in pages), "{} values of form fields are in brackets"),
        (sum(page.unread for page in pages), "{} stamps and signatures were left out"),
        (sum(len(page.notes) for page in pages), "{} notes and texts of pictures are in brackets"),
        (
            sum(page.partly_scanned for page in pages),
            "{} pages are pictures in part, and only their text was read",
        ),
    )


def _say(*counted: tuple[int, str]) -> tuple[str, ...]:
    """Return what was counted in words, but for what there was none of."""
    return tuple(words.format(count) for count, words in counted if count)
