"""Scanned pages, read with tesseract when that program is installed."""

from collections.abc import Sequence
from typing import Any

from ingest.recognition import Recognizer

_DOTS_PER_INCH = 200
_MAX_PAGES = 100

_connected: list[Recognizer] = []


def connect_recognizer(recognizer: Recognizer | None) -> None:
    """Let this process read scans with `recognizer`, or not at all."""
    _connected[:] = [] if recognizer is None else [recognizer]


def read_scans(data: bytes, wanted: Sequence[bool]) -> dict[int, str]:
    """Return the text of the wanted pages of a PDF, by their number from 0; {} without OCR.

    Pictures go through a pipe: the parsing process may write no file and run no program.
    """
    if not _connected:
        return {}
    import pypdfium2

    document = pypdfium2.PdfDocument(data)
    numbers = [number for number, want in enumerate(wanted) if want][:_MAX_PAGES]
    found = {}
    for number in numbers:
        picture = document[number].render(scale=_DOTS_PER_INCH / 72, grayscale=True)
        text = _connected[0].recognize(_as_pgm(picture))
        if text:
            found[number] = text
    return found


def _as_pgm(picture: Any) -> bytes:
    # Rows may be padded, so the pixels are taken as an array.
    pixels = picture.to_numpy()
    height, width = pixels.shape[:2]
    return b"P5 %d %d 255\n" % (width, height) + bytes(pixels.tobytes())
