"""PDF files made for tests."""

import io
from collections.abc import Sequence

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
