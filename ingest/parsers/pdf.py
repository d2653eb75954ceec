"""PDF: the text of each page, with page numbers and the outline's headings."""

import io
from collections.abc import Iterator
from typing import Any

from pypdf import PageObject, PdfReader, apply_configuration
from pypdf.errors import LimitReachedError
from pypdf.generic import Destination

from app.domain import Article, Heading, PageStart
from app.errors import UnreadableDocument
from ingest.parsers.layout import drop_running_lines, join_hyphenated
from ingest.parsers.ocr import read_scans

# A page of dense text has some hundred kilobytes of operators; half a million operators and
# operands take pypdf a second or two. Its limits on loops, depths and counts hold beside these.
_MAX_STREAM_BYTES = 32 * 2**20
_MAX_STREAM_TOKENS = 500_000


def parse_pdf(data: bytes, charset: str = "") -> Article:
    """Read a PDF; raises UnreadableDocument: `unreadable_pdf` when damaged, encrypted or unfolding
    past the limits, `no_text` when no page holds text (a scan)."""
    del charset  # A PDF says how its own strings are encoded.
    try:
        with apply_configuration(
            zlib_maximum_output_length=_MAX_STREAM_BYTES,
            lzw_maximum_output_length=_MAX_STREAM_BYTES,
            run_length_maximum_output_length=_MAX_STREAM_BYTES,
            brotli_maximum_output_length=_MAX_STREAM_BYTES,
            array_based_stream_maximum_output_length=_MAX_STREAM_BYTES,
            stream_parsing_work_maximum_count=_MAX_STREAM_TOKENS,
            disable_legacy_handling=True,
        ):
            return _parse(PdfReader(io.BytesIO(data)), data)
    except UnreadableDocument:
        raise
    # pypdf walks structures that a file can break in any way; beside its own errors come
    # KeyError, TypeError, ValueError, RecursionError and others.
    except Exception as error:
        raise UnreadableDocument(
            f"the PDF is damaged or not a PDF ({type(error).__name__})", code="unreadable_pdf"
        ) from error


def _parse(reader: PdfReader, data: bytes) -> Article:
    # Files that only restrict printing open with the empty password.
    if reader.is_encrypted and not reader.decrypt(""):
        raise UnreadableDocument("the PDF is encrypted", code="unreadable_pdf")
    unread_forms: list[Exception] = []
    texts = [_extract_text(page, unread_forms) for page in reader.pages]
    scanned = [page for page, text in zip(reader.pages, texts, strict=True) if not text]
    for page in scanned:
        # pypdf leaves out what cannot be text; OCR would unfold and draw it without a limit.
        page.get_contents()
    warnings: tuple[str, ...] = ()
    if unread_forms:
        warnings = (f"{len(unread_forms)} drawings that may hold text are damaged",)
    if scanned and (read := read_scans(data, [not text for text in texts])):
        texts = [text or read.get(number, "") for number, text in enumerate(texts)]
        warnings += (f"{len(read)} pages were read by OCR, which makes mistakes",)
    if not any(texts):
        raise UnreadableDocument(
            f"none of the {len(texts)} pages holds text: a scan needs OCR first", code="no_text"
        )
    lines, repeated = drop_running_lines([text.split("\n") for text in texts])
    texts = join_hyphenated(["\n".join(page).strip() for page in lines])
    if repeated:
        warnings += (f"{repeated} repeats of running headers and footers were left out",)
    pages: list[PageStart] = []
    offset = 0
    for number, text in enumerate(texts, start=1):
        pages.append(PageStart(offset, number))
        offset += len(text) + len("\n\n")
    empty = sum(not text for text in texts)
    if empty:
        warnings += (f"{empty} of {len(texts)} pages hold no text",)
    text = "\n\n".join(texts)
    title = reader.metadata.title if reader.metadata else None
    return Article(
        text,
        title=str(title or "").strip() or next(filter(None, texts)).partition("\n")[0].strip(),
        headings=tuple(_find_headings(reader, text, pages)),
        pages=tuple(pages),
        pages_with_text=len(texts) - empty,
        warnings=warnings,
    )


def _extract_text(page: PageObject, unread_forms: list[Exception]) -> str:
    """Return the text of a page; what keeps a form on it from being read is added to the list.

    Raises LimitReachedError, which pypdf logs only when a form is the cause.
    """
    read_form = page.extract_xform_text
    first = len(unread_forms)

    def watch_form(*args: Any, **options: Any) -> str:
        try:
            return read_form(*args, **options)
        except Exception as error:
            unread_forms.append(error)
            raise

    page.extract_xform_text = watch_form  # type: ignore[method-assign]  # no hook is offered
    text = page.extract_text()
    for error in unread_forms[first:]:
        if isinstance(error, LimitReachedError):
            raise error
    # Broken fonts map glyphs to NUL, which is no character.
    return text.replace("\x00", "").strip()


def _find_headings(reader: PdfReader, text: str, pages: list[PageStart]) -> Iterator[Heading]:
    """Yield the outline's entries, each at the line of its page that repeats it.

    An entry that no line repeats begins with its page.
    """
    found = []
    for level, entry in _walk(reader.outline):
        number = reader.get_destination_page_number(entry)
        words = " ".join(str(entry.title or "").split())
        if number is None or not 0 <= number < len(pages) or not words:
            continue
        start = pages[number].start
        end = pages[number + 1].start if number + 1 < len(pages) else len(text)
        found.append(Heading(_find_line(text, start, end, words), min(level, 6), words))
    seen: set[int] = set()
    for heading in sorted(found, key=lambda heading: heading.start):
        if heading.start not in seen:
            seen.add(heading.start)
            yield heading


def _walk(outline: Any, level: int = 1) -> Iterator[tuple[int, Destination]]:
    for entry in outline:
        if isinstance(entry, list):
            yield from _walk(entry, level + 1)
        else:
            yield level, entry


def _find_line(text: str, start: int, end: int, words: str) -> int:
    offset = start
    for line in text[start:end].splitlines(keepends=True):
        if " ".join(line.split()).casefold() == words.casefold():
            return offset
        offset += len(line)
    return start
