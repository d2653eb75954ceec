"""PDF files made for tests."""

import io
from collections.abc import Callable, Sequence

from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas


def make_pdf(
    pages: Sequence[Sequence[str]],
    *,
    outline: Sequence[tuple[int, str, int]] = (),
    title: str | None = None,
    encryption: str | StandardEncryption | None = None,
    picture: bool = False,
) -> bytes:
    """Return a PDF of text lines; `outline` holds (page from 0, words, level from 0)."""
    file = io.BytesIO()
    canvas = Canvas(file, invariant=1, encrypt=encryption)
    if title is not None:
        canvas.setTitle(title)
    for number, lines in enumerate(pages):
        for position, (page, words, level) in enumerate(outline):
            if page == number:
                canvas.bookmarkPage(f"entry {position}")
                canvas.addOutlineEntry(words, f"entry {position}", level)
        if picture:
            canvas.rect(50, 50, 300, 300, fill=1)
        for row, line in enumerate(lines):
            canvas.drawString(72, 780 - 20 * row, line)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def draw_pdf(*pages: Callable[[Canvas], None]) -> bytes:
    """Return a PDF whose pages the functions draw."""
    file = io.BytesIO()
    canvas = Canvas(file, invariant=1)
    for draw in pages:
        draw(canvas)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def write(
    canvas: Canvas, x: float, y: float, text: str, size: float = 10, font: str = "Helvetica"
) -> None:
    """Draw one line of text."""
    canvas.setFont(font, size)
    canvas.drawString(x, y, text)
