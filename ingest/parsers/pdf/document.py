"""A PDF as an article: its pages' blocks written as one text, with what is known of each place."""

from collections.abc import Sequence
from typing import Any

import pypdfium2
from pypdf import PdfReader

from app.domain import Article, Heading, PageStart
from app.errors import UnreadableDocument
from ingest.parsers.ocr import read_scans
from ingest.parsers.pdf.blocks import find_blocks
from ingest.parsers.pdf.fallback import reread_page
from ingest.parsers.pdf.headings import mark_headings
from ingest.parsers.pdf.hyphens import Hyphens
from ingest.parsers.pdf.pages import Page, read_page
from ingest.parsers.pdf.paragraphs import Block, is_item, write_paragraph
from ingest.parsers.pdf.running import drop_running_rows
from ingest.parsers.pdf.structure import (
    StreamGuard,
    limit_pypdf,
    open_reader,
    read_title,
    walk_outline,
)

_CLOSE = 2.2


def parse_pdf(data: bytes, charset: str = "") -> Article:
    """Read a PDF; raises UnreadableDocument: `unreadable_pdf` when damaged, encrypted or unfolding
    past the limits, `no_text` when no page holds text (a scan)."""
    del charset  # A PDF says how its own strings are encoded.
    try:
        with limit_pypdf():
            return _parse(open_reader(data), data)
    except UnreadableDocument:
        raise
    # pypdf walks structures that a file can break in any way; beside its own errors come
    # KeyError, TypeError, ValueError, RecursionError and others.
    except Exception as error:
        raise UnreadableDocument(
            f"the PDF is damaged or not a PDF ({type(error).__name__})", code="unreadable_pdf"
        ) from error


def _parse(reader: PdfReader, data: bytes) -> Article:
    guard = StreamGuard()
    for sheet in reader.pages:
        guard.check(sheet)
    document = pypdfium2.PdfDocument(data)
    try:
        pages = [
            reread_page(read_page(page), reader.pages[number], foreign=guard.foreign)
            for number, page in enumerate(_each(document))
        ]
    finally:
        document.close()
    dropped = drop_running_rows(pages)
    blocks = [find_blocks(page.regions) for page in pages]
    mark_headings(blocks)
    hyphens = Hyphens(line.text for page in blocks for block in page for line in block.lines)
    texts = [_write_page(page, hyphens) for page in blocks]
    warnings = _warn(pages, dropped)
    if not any(texts):
        read = read_scans(data, [not text for text in texts])
        texts = [text or read.get(number, "") for number, text in enumerate(texts)]
        warnings += (f"{len(read)} pages were read by OCR, which makes mistakes",) if read else ()
    if not any(texts):
        raise UnreadableDocument(
            f"none of the {len(texts)} pages holds text: a scan needs OCR first", code="no_text"
        )
    starts: list[PageStart] = []
    offset = 0
    for number, text in enumerate(texts, start=1):
        starts.append(PageStart(offset, number))
        offset += len(text) + len("\n\n")
    empty = sum(not text for text in texts)
    if empty:
        warnings += (f"{empty} of {len(texts)} pages hold no text",)
    text = "\n\n".join(texts)
    headings = _find_headings(reader, text, starts, blocks)
    first = next(filter(None, texts)).partition("\n")[0].strip()
    title = read_title(reader) or (headings[0].text if headings else first)
    return Article(
        text,
        title=title,
        headings=tuple(headings),
        pages=tuple(starts),
        pages_with_text=len(texts) - empty,
        warnings=warnings,
    )


def _each(document: Any) -> Any:
    for number in range(len(document)):
        page = document[number]
        try:
            yield page
        finally:
            page.close()


def _write_page(blocks: Sequence[Block], hyphens: Hyphens) -> str:
    text = ""
    last: Block | None = None
    for block in blocks:
        if not block.table:
            if block.level:
                block.text = " ".join(line.text for line in block.lines)
            else:
                block.text = write_paragraph(block.lines, hyphens)
        block.text = block.text.replace("\ufffe", "-").strip()
        if text and block.text:
            text += "\n" if last is not None and _is_list(last, block) else "\n\n"
        last = block
        block.start = len(text)
        text += block.text
    return text


def _is_list(above: Block, block: Block) -> bool:
    """Say whether two blocks are items that follow each other closely."""
    return is_item(above) and is_item(block) and block.gap <= _CLOSE


def _warn(pages: Sequence[Page], dropped: int) -> tuple[str, ...]:
    counted = [
        (dropped, "{} repeats of running headers and footers were left out"),
        (sum(page.lost for page in pages), "{} characters have no known meaning in their font"),
        (sum(page.hidden for page in pages), "{} words that are not shown were left out"),
        (sum(page.outside for page in pages), "{} words outside their page were left out"),
    ]
    return tuple(words.format(count) for count, words in counted if count)


def _find_headings(
    reader: PdfReader, text: str, pages: Sequence[PageStart], blocks: Sequence[Sequence[Block]]
) -> list[Heading]:
    """Return the headings by their place: the outline's entries, and what typography shows."""
    found = [
        Heading(pages[number].start + block.start, block.level, block.text)
        for number, page in enumerate(blocks)
        for block in page
        if block.level and block.text
    ]
    marked = {heading.start: heading for heading in found}
    for level, number, words in walk_outline(reader):
        start = pages[number].start
        end = pages[number + 1].start if number + 1 < len(pages) else len(text)
        at = _find_line(text, start, end, words)
        marked[at] = Heading(at, level, words)
    return [marked[start] for start in sorted(marked)]


def _find_line(text: str, start: int, end: int, words: str) -> int:
    offset = start
    for line in text[start:end].splitlines(keepends=True):
        if " ".join(line.split()).casefold() == words.casefold():
            return offset
        offset += len(line)
    return start
