"""Files that want to hurt whoever reads them, made when a test asks for them."""

import io
import zlib
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

WORD_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override '
    'PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    'wordprocessingml.document.main+xml"/></Types>'
)
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def make_zip(members: dict[str, bytes | str]) -> bytes:
    """Return a ZIP archive."""
    file = io.BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def make_link() -> bytes:
    """Return a ZIP archive that holds a symbolic link."""
    file = io.BytesIO()
    with ZipFile(file, "w") as archive:
        link = ZipInfo("notes.md")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return file.getvalue()


def make_docx(body: str, *, before: str = "") -> bytes:
    """Return a Word document of body XML."""
    document = f'<w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>'
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/officeDocument" Target="word/document.xml"/></Relationships>'
    )
    return make_zip(
        {
            "[Content_Types].xml": WORD_TYPES,
            "_rels/.rels": relations,
            "word/document.xml": before + document,
        }
    )


def word_paragraph(words: str, style: str = "") -> str:
    """Return a paragraph of Word's XML."""
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{words}</w:t></w:r></w:p>"


def billion_laughs() -> str:
    """Return an XML document type whose last entity unfolds to a billion words."""
    entities = "".join(
        f'<!ENTITY l{n} "{"&l" + str(n - 1) + ";" if n else "lol"}{"&l0;" * 9 if n else ""}">'
        for n in range(10)
    )
    return f"<!DOCTYPE d [{entities}]>"


def make_pdf_of(
    stream: bytes,
    *,
    filters: str = "/FlateDecode",
    kids: str = "3 0 R",
    contents: str = "4 0 R",
    font: bool = True,
) -> bytes:
    """Return a PDF of one page with the content stream, which `filters` decode."""
    resources = "/Font << /F 5 0 R >>" if font else ""
    return _assemble_pdf(
        [*_page_objects(kids, contents, resources), _make_stream(stream, filters), _FONT]
    )


def make_pdf_with_form(stream: bytes) -> bytes:
    """Return a PDF whose page draws a form, which a flate stream holds."""
    form = "/Subtype /Form /BBox [0 0 9 9] /Resources << /Font << /F 5 0 R >> >>"
    resources = "/Font << /F 5 0 R >> /XObject << /X 6 0 R >>"
    return _assemble_pdf(
        [
            *_page_objects("3 0 R", "4 0 R", resources),
            # Some text, or a reader need not look into the form.
            _make_stream(zlib.compress(b"BT /F 9 Tf (tea) Tj ET /X Do")),
            _FONT,
            _make_stream(stream, more=form),
        ]
    )


def make_xref_loop(tables: int) -> bytes:
    """Return a PDF with cross-reference tables each of which sends the reader to the next one.

    None lists an object, and no object can be found by its keyword.
    """
    file, offsets = b"%PDF-1.7\n", [9 + 60 * number for number in range(tables)]
    for number in range(tables):
        following = offsets[(number + 1) % tables]
        table = b"xref\n0 0\ntrailer << /Root 1 0 R /Size 6 /Prev %d >>\n" % following
        file += table.ljust(60)
    return file + b"startxref\n%d\n%%%%EOF" % offsets[0]


def make_object_stream_loop() -> bytes:
    """Return a PDF whose cross-reference stream says that its object stream stands in itself."""
    content = zlib.compress(b"1 0 << /Type /Catalog /Pages 1 0 R >>")
    packed = _make_stream(content, more="/Type /ObjStm /N 1 /First 4")
    file = b"%PDF-1.7\n"
    start = len(file + b"2 0 obj\n" + packed + b"\nendobj\n")
    # Object 1 is in object 2, which is in object 2; object 3 is this table.
    rows = bytes((0, 0, 0, 0, 2, 0, 2, 0, 2, 0, 2, 0, 1, start >> 8, start & 255, 0))
    table = _make_stream(
        zlib.compress(rows), more="/Type /XRef /Size 4 /W [1 2 1] /Root 1 0 R /Index [0 4]"
    )
    return (
        file
        + b"2 0 obj\n"
        + packed
        + b"\nendobj\n3 0 obj\n"
        + table
        + b"\nendobj\nstartxref\n%d\n%%%%EOF" % start
    )


_FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def _page_objects(kids: str, contents: str, resources: str) -> list[bytes]:
    return [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count 1 >>".encode(),
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents {contents} "
        f"/Resources << {resources} >> >>".encode(),
    ]


def _make_stream(data: bytes, filters: str = "/FlateDecode", more: str = "") -> bytes:
    head = f"<< /Length {len(data)} /Filter [{filters}] {more} >>\nstream\n"
    return head.encode() + data + b"\nendstream"


def _assemble_pdf(objects: list[bytes]) -> bytes:
    file, offsets = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(file))
        file += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    size = len(objects) + 1
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return (
        file
        + b"xref\n0 %d\n0000000000 65535 f \n" % size
        + table
        + b"trailer << /Root 1 0 R /Size %d >>\nstartxref\n%d\n%%%%EOF" % (size, len(file))
    )


def flate_bomb(megabytes: int, piece: bytes = b" ") -> bytes:
    """Return a zlib stream of `piece` again and again, which unfolds up to a thousandfold.

    A full flush lets one packed megabyte stand any number of times, so that making it is quick.
    """
    plain = (piece * (2**20 // len(piece) + 1))[: 2**20 // len(piece) * len(piece)]
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(plain) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 1
    for _ in range(megabytes):
        checksum = zlib.adler32(plain, checksum)
    # RFC 1950: two bytes of header, the blocks, the last one empty, and the checksum.
    return b"\x78\xda" + block * megabytes + b"\x03\x00" + checksum.to_bytes(4, "big")
