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


def make_pdf_of(stream: bytes, *, filters: str = "/FlateDecode", kids: str = "3 0 R") -> bytes:
    """Return a PDF of one page with the content stream, which `filters` decode."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count 1 >>".encode(),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R /Resources << >> >>",
        f"<< /Length {len(stream)} /Filter [{filters}] >>\nstream\n".encode()
        + stream
        + b"\nendstream",
    ]
    file, offsets = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(file))
        file += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return (
        file
        + b"xref\n0 5\n0000000000 65535 f \n"
        + table
        + b"trailer << /Root 1 0 R /Size 5 >>\nstartxref\n%d\n%%%%EOF" % len(file)
    )


def flate_bomb(megabytes: int) -> bytes:
    """Return spaces that unfold a thousandfold."""
    packer = zlib.compressobj(9)
    piece = b" " * 2**20
    return b"".join(packer.compress(piece) for _ in range(megabytes)) + packer.flush()
