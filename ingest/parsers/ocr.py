"""Scanned pages, read with tesseract when the extra `ocr` and the program are installed."""

import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from shutil import which
from typing import Any

_DOTS_PER_INCH = 200
_MOST_PAGES = 100


def read_scans(data: bytes, wanted: Sequence[bool]) -> dict[int, str]:
    """Return the text of the wanted pages of a PDF, by their number from 0; {} without OCR.

    Pictures go through pipes: the parsing process may write no file.
    """
    program = which("tesseract")
    if program is None or find_spec("pypdfium2") is None:
        return {}
    import pypdfium2

    document = pypdfium2.PdfDocument(data)
    numbers = [number for number, want in enumerate(wanted) if want][:_MOST_PAGES]
    found = {}
    for number in numbers:
        picture = document[number].render(scale=_DOTS_PER_INCH / 72, grayscale=True)
        text = _recognize(program, _as_pgm(picture))
        if text:
            found[number] = text
    return found


def _as_pgm(picture: Any) -> bytes:
    # Rows may be padded, so the pixels are taken as an array.
    pixels = picture.to_numpy()
    height, width = pixels.shape[:2]
    return b"P5 %d %d 255\n" % (width, height) + bytes(pixels.tobytes())


def _recognize(program: str, picture: bytes) -> str:
    ran = subprocess.run(  # noqa: S603  # the operator's own tesseract
        [program, "stdin", "stdout"], input=picture, capture_output=True, check=False
    )
    return ran.stdout.decode("utf-8", "replace").strip() if ran.returncode == 0 else ""
