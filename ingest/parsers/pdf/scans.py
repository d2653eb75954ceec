"""Scanned pages, read with tesseract when that program is installed."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from time import monotonic
from typing import Any, NamedTuple

import pypdfium2

from ingest.parsers.pdf.hyphens import Hyphens
from ingest.recognition import DOTS_PER_INCH, Recognizer


class Scans(NamedTuple):
    """What was read of a document's scanned pages."""

    texts: dict[int, str]
    """By the number of the page from 0; a page without words has none."""
    unread: int
    """Pages for which there was no time."""


_connected: list[Recognizer] = []


def connect_recognizer(recognizer: Recognizer) -> None:
    """Let this process read scans with `recognizer`."""
    _connected[:] = [recognizer]


def read_scans(data: bytes, wanted: Sequence[bool]) -> Scans:
    """Read the wanted pages of a PDF; none without OCR.

    Pictures go through a pipe: the parsing process may write no file and run no program.
    """
    if not _connected:
        return Scans({}, 0)
    recognizer = _connected[0]
    document = pypdfium2.PdfDocument(data)
    numbers = [number for number, want in enumerate(wanted) if want]
    found: dict[int, str] = {}
    end = monotonic() + recognizer.seconds
    for done, number in enumerate(numbers):
        if monotonic() > end:
            return Scans(found, len(numbers) - done)
        picture = document[number].render(scale=DOTS_PER_INCH / 72, grayscale=True)
        if text := "\n\n".join(_join_cut_words(recognizer.recognize(_as_pgm(picture)))):
            found[number] = text
    return Scans(found, 0)


def _join_cut_words(text: str) -> Iterator[str]:
    """Yield the blocks of a page, with the words whole that the ends of lines cut."""
    lines = [line.strip() for line in text.split("\n")]
    hyphens = Hyphens(lines)
    for has_words, group in groupby(lines, bool):
        if not has_words:
            continue
        block, *following = group
        for line in following:
            joined = hyphens.join(block, line)
            block = f"{block}\n{line}" if joined is None else joined
        yield block


def _as_pgm(picture: Any) -> bytes:
    # Rows may be padded, so the pixels are taken as an array.
    pixels = picture.to_numpy()
    height, width = pixels.shape[:2]
    return b"P5 %d %d 255\n" % (width, height) + bytes(pixels.tobytes())
