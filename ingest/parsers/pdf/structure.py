"""What pypdf reads of a PDF: whether it may be opened at all, its outline, and what it unfolds to.

PDFium has no limit on what a stream unfolds to, so every stream that it will read is unfolded here
first, under pypdf's limits.
"""

import io
import re
from collections.abc import Callable, Iterator
from typing import Any

from pypdf import PageObject, PdfReader, apply_configuration
from pypdf.generic import ArrayObject, Destination, DictionaryObject, IndirectObject, StreamObject

from app.errors import UnreadableDocument
from ingest.parsers.pdf.strings import join_string

# A page of dense text has some hundred kilobytes of operators, a map some megabytes.
_MAX_STREAM_BYTES = 32 * 2**20
_MAX_PAGE_BYTES = 32 * 2**20
_MAX_PAGE_TOKENS = 4_000_000
_MAX_STREAM_TOKENS = 500_000
_NO_TITLE = re.compile(
    r"^(?:microsoft (?:word|powerpoint|excel)\b|powerpoint presentation|\W*untitled"
    r"|\W*anonymous\W*$|\W*unspecified\W*$|document\d*$|presentation\d*$|slide \d+$)"
    r"|\.(?:docx?|pptx?|xlsx?|tex|dvi|indd|qxd|rtf|odt|pdf|eps|ps|ai)$",
    re.IGNORECASE,
)


def limit_pypdf() -> Any:
    """Return the context in which pypdf unfolds no more than this."""
    return apply_configuration(
        zlib_maximum_output_length=_MAX_STREAM_BYTES,
        lzw_maximum_output_length=_MAX_STREAM_BYTES,
        run_length_maximum_output_length=_MAX_STREAM_BYTES,
        brotli_maximum_output_length=_MAX_STREAM_BYTES,
        array_based_stream_maximum_output_length=_MAX_STREAM_BYTES,
        stream_parsing_work_maximum_count=_MAX_STREAM_TOKENS,
        disable_legacy_handling=True,
    )


def open_reader(data: bytes) -> PdfReader:
    """Return pypdf's reader; raises UnreadableDocument for a file that asks for a password."""
    reader = PdfReader(io.BytesIO(data))
    # Files that only restrict printing open with the empty password.
    if reader.is_encrypted and not reader.decrypt(""):
        raise UnreadableDocument(
            "the PDF is encrypted: it opens only with a password", code="encrypted"
        )
    return reader


class StreamGuard:
    """Unfolds what a page draws, each stream once."""

    def __init__(self) -> None:
        # Whether an object draws with a foreign font, by its number and what it was used as.
        self._seen: dict[tuple[int, str], bool] = {}

    def check(self, page: PageObject) -> bool:
        """Raise pypdf's or our own error when the page's streams unfold past the limits.

        Returns whether the page has a foreign font: one of an East Asian encoding that is not in
        the file.
        """
        contents = page.get("/Contents")
        listed = contents.get_object() if contents is not None else None
        size = tokens = 0
        parts = listed if isinstance(listed, ArrayObject) else [contents]
        for part in parts:
            data = self._unfold(part)
            size, tokens = size + len(data), tokens + _count_tokens(data)
        if size > _MAX_PAGE_BYTES or tokens > _MAX_PAGE_TOKENS:
            raise UnreadableDocument(
                f"a page of the PDF unfolds to {size >> 20} MiB of {tokens} operators; "
                f"at most {_MAX_PAGE_BYTES >> 20} MiB of {_MAX_PAGE_TOKENS} are read",
                code="unreadable_pdf",
            )
        return self._check(page.get("/Resources"), self._check_resources)

    def _check(self, entry: Any, check: Callable[[Any], bool]) -> bool:
        """Check an object, or say what was found when it was met before."""
        if not isinstance(entry, IndirectObject):
            return check(entry)
        key = entry.idnum, check.__name__
        if (foreign := self._seen.get(key)) is None:
            # Should it draw itself.
            self._seen[key] = False
            foreign = self._seen[key] = check(entry.get_object())
        return foreign

    def _unfold(self, entry: Any) -> bytes:
        stream = entry.get_object() if isinstance(entry, IndirectObject) else entry
        if not isinstance(stream, StreamObject):
            return b""
        data = stream.get_data()
        return data if isinstance(data, bytes) else data.encode("latin-1", "replace")

    def _check_resources(self, resources: Any) -> bool:
        if not isinstance(resources, DictionaryObject):
            return False
        fonts, drawings = (
            list_values(resources.get("/Font")),
            list_values(resources.get("/XObject")),
        )
        found = [self._check(font, self._check_font) for font in fonts]
        found += [self._check(drawing, self._check_drawing) for drawing in drawings]
        return any(found)

    def _check_drawing(self, drawing: Any) -> bool:
        if not isinstance(drawing, StreamObject) or drawing.get("/Subtype") != "/Form":
            return False
        if _count_tokens(self._unfold(drawing)) > _MAX_PAGE_TOKENS:
            raise UnreadableDocument(
                f"a drawing of the PDF has more than {_MAX_PAGE_TOKENS} operators",
                code="unreadable_pdf",
            )
        return self._check(drawing.get("/Resources"), self._check_resources)

    def _check_font(self, font: Any) -> bool:
        if not isinstance(font, DictionaryObject):
            return False
        self._unfold(font.get("/ToUnicode"))
        for descendant in list_values(font.get("/DescendantFonts")):
            self._check(descendant, self._check_font)
        descriptor = font.get("/FontDescriptor")
        if isinstance(described := descriptor and descriptor.get_object(), DictionaryObject):
            for name in ("/FontFile", "/FontFile2", "/FontFile3"):
                self._unfold(described.get(name))
        encoding = font.get("/Encoding")
        is_named = isinstance(encoding, str) and not encoding.startswith("/Identity")
        return is_named and font.get("/Subtype") == "/Type0" and "/ToUnicode" not in font


def list_values(entry: Any) -> list[Any]:
    """Return the values of a dictionary or an array as they stand, references unresolved."""
    found = resolve(entry)
    if isinstance(found, DictionaryObject):
        return [dict.__getitem__(found, key) for key in found]
    return list(found) if isinstance(found, ArrayObject) else []


def _count_tokens(data: bytes) -> int:
    return sum(map(data.count, (b" ", b"\n", b"\r", b"Tj", b"TJ")))


def read_outline(reader: PdfReader) -> list[tuple[int, int, str]]:
    """Return level from 1, page from 0 and words of each entry of the outline."""
    entries = []
    for level, entry in _walk(reader.outline):
        number = reader.get_destination_page_number(entry)
        words = join_string(entry.title)
        if number is not None and 0 <= number < len(reader.pages) and words:
            entries.append((min(level, 6), number, words))
    return entries


def _walk(outline: Any, level: int = 1) -> Iterator[tuple[int, Destination]]:
    for entry in outline:
        if isinstance(entry, list):
            yield from _walk(entry, level + 1)
        else:
            yield level, entry


def read_title(reader: PdfReader) -> str:
    """Return the title among the metadata; "" for none, or what a program put there."""
    title = join_string(reader.metadata and reader.metadata.title)
    return "" if _NO_TITLE.search(title) else title


def resolve(entry: Any) -> Any:
    """Return what a reference leads to; anything else as it is."""
    return entry.get_object() if isinstance(entry, IndirectObject) else entry
