"""PDF files made for tests."""

import io
from collections.abc import Callable, Container, Sequence

import pypdfium2
from PIL import ImageOps
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.utils import ImageReader
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


def scan_pdf(data: bytes, *, degrees: int = 0, mirrored: Container[int] = ()) -> bytes:
    """Return a PDF whose pages are pictures of those of another, turned to the left by `degrees`.

    `mirrored` are pages, from 0, that nobody can read.
    """
    file = io.BytesIO()
    canvas = Canvas(file, invariant=1)
    for number, page in enumerate(pypdfium2.PdfDocument(data)):
        picture = page.render(scale=200 / 72, grayscale=True).to_pil().rotate(degrees, expand=True)
        if number in mirrored:
            picture = ImageOps.mirror(picture)
        width, height = (side * 72 / 200 for side in picture.size)
        canvas.setPageSize((width, height))
        canvas.drawImage(ImageReader(picture), 0, 0, width, height)
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


def make_raw_pdf(
    content: str, fonts: str, *others: str, catalog: str = "", page: str = ""
) -> bytes:
    """Return a PDF of one page of this content; `others` are objects from number 5 on."""
    stream = f"<< /Length {len(content)} >>\nstream\n{content}\nendstream"
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R "
        f"/Resources << /Font << {fonts} >> >> {page} >>",
        stream,
        *others,
    ]
    file, places = "%PDF-1.7\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(file))
        file += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    return (
        f"{file}xref\n0 {size}\n0000000000 65535 f \n{table}"
        f"trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{len(file)}\n%%EOF\n"
    ).encode("latin-1")


def make_unicode_font(letters: str) -> tuple[str, ...]:
    """Return objects 5 to 8: a font, not in the file, whose codes from 1 on are these letters."""
    pairs = "".join(
        f"<{code:04x}> <{ord(letter):04x}>\n" for code, letter in enumerate(letters, start=1)
    )
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n"
        "/CMapType 2 def /CMapName /Made def\n"
        "1 begincodespacerange <0000> <ffff> endcodespacerange\n"
        f"{len(letters)} beginbfchar\n{pairs}endbfchar\nendcmap end end"
    )
    return (
        "<< /Type /Font /Subtype /Type0 /BaseFont /Made /Encoding /Identity-H "
        "/DescendantFonts [6 0 R] /ToUnicode 7 0 R >>",
        "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Made /DW 500 /FontDescriptor 8 0 R "
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>",
        f"<< /Length {len(cmap)} >>\nstream\n{cmap}\nendstream",
        "<< /Type /FontDescriptor /FontName /Made /Flags 4 /FontBBox [0 0 500 700] /ItalicAngle 0 "
        "/Ascent 700 /Descent 0 /CapHeight 700 /StemV 80 >>",
    )


def encode_text(words: str, letters: str) -> str:
    """Return words as codes of such a font."""
    return "<" + "".join(f"{letters.index(letter) + 1:04x}" for letter in words) + ">"
