"""Scanned pages, read with tesseract when that program is installed.

Pictures go to it through a pipe: the parsing process may write no file and run no program.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
import pypdfium2

from ingest.parsers.pdf.hyphens import Hyphens
from ingest.recognition import DOTS_PER_INCH, Recognizer, ScannedWord

_MAX_PIXELS = 10_000
"""Of a side of a picture; larger pages are drawn smaller."""
_MIN_CONFIDENCE = 50
"""In percent. Pages in a language that it has read 86 and more, others and what is upside down 33
and less (24 pages of public test files)."""


class Scans(NamedTuple):
    """What was read of a document's scanned pages."""

    texts: dict[int, str]
    """By the number of the page from 0; a page without words has none."""
    obscure: int = 0
    """Pages whose words could not be made out."""
    unread: int = 0
    """Pages for which there was no time."""


_connected: list[Recognizer] = []


def connect_recognizer(recognizer: Recognizer) -> None:
    """Let this process read scans with `recognizer`."""
    _connected[:] = [recognizer]


def read_scans(data: bytes, wanted: Sequence[bool]) -> Scans:
    """Read the wanted pages of a PDF; none without OCR."""
    if not _connected or not any(wanted):
        return Scans({})
    recognizer = _connected[0]
    document = pypdfium2.PdfDocument(data)
    numbers = [number for number, want in enumerate(wanted) if want]
    texts: dict[int, str] = {}
    obscure = 0
    end = monotonic() + recognizer.seconds
    try:
        for done, number in enumerate(numbers):
            if monotonic() > end:
                return Scans(texts, obscure, len(numbers) - done)
            words = _read_page(recognizer, document[number])
            if words and _confidence(words) < _MIN_CONFIDENCE:
                obscure += 1
            elif words:
                texts[number] = "\n\n".join(_join_lines(words))
    finally:
        document.close()
    return Scans(texts, obscure)


def _read_page(recognizer: Recognizer, page: Any) -> list[ScannedWord]:
    """Return the words of a page, which may lie on its head or side."""
    scale = min(DOTS_PER_INCH / 72, _MAX_PIXELS / max(page.get_size()))
    # Rows may be padded, so the pixels are taken as an array.
    pixels = page.render(scale=scale, grayscale=True).to_numpy()
    pixels = pixels.reshape(pixels.shape[:2])
    best: list[ScannedWord] = []
    for turns in (0, 2, 1, 3):
        turned = np.rot90(pixels, turns)
        height, width = turned.shape
        words = recognizer.recognize(b"P5 %d %d 255\n" % (width, height) + turned.tobytes())
        best = max(best, words, key=_confidence)
        if not words or _confidence(words) >= _MIN_CONFIDENCE:
            break
    return best


def _confidence(words: Sequence[ScannedWord]) -> float:
    """Return how sure the words are, in percent, each as often as it has letters."""
    letters = sum(len(word.text) for word in words)
    return sum(len(word.text) * word.confidence for word in words) / max(1, letters)


def _join_lines(words: Sequence[ScannedWord]) -> Iterator[str]:
    """Yield the paragraphs of a page, with the words whole that the ends of lines cut."""
    lines = [
        (paragraph, " ".join(word.text for word in group))
        for (paragraph, _), group in groupby(words, lambda word: (word.paragraph, word.line))
    ]
    hyphens = Hyphens(line for _, line in lines)
    for _, group in groupby(lines, lambda line: line[0]):
        text = ""
        for _, line in group:
            joined = hyphens.join(text, line)
            text = f"{text}\n{line}".lstrip() if joined is None else joined
        yield text
