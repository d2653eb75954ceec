"""Files that want to hurt whoever reads them, made when a test asks for them."""

import io
import struct
import zlib
from collections.abc import Callable
from zipfile import ZIP_DEFLATED, ZIP_LZMA, ZipFile, ZipInfo

from tests.ingest.pdf_files import make_pdf

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


def make_zip64(members: dict[str, bytes | str]) -> bytes:
    """Return a ZIP archive whose ZIP64 record has its numbers; its end says that it is empty."""
    archive = make_zip(members)
    directory, start = struct.unpack_from("<2L", archive, len(archive) - 10)
    count = len(members)
    place = len(archive) - 22
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, directory, start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, place, 1)
    return archive[:place] + record + locator + b"PK\5\6" + bytes(18)


def make_far_member() -> bytes:
    """Return a ZIP archive whose directory says that a member begins far behind the end."""
    archive = make_zip({"a.md": "tea"})
    at = archive.index(b"PK\1\2")
    extra = struct.pack("<2HQ", 1, 8, 2**64 - 1)
    entry = bytearray(archive[at : at + 50] + extra)
    entry[30:32], entry[42:46] = struct.pack("<H", len(extra)), b"\xff" * 4
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entry), at, 0)
    return archive[:at] + bytes(entry) + end


def make_damaged_lzma() -> bytes:
    """Return a ZIP archive with a member in LZMA that breaks off in the middle."""
    file = io.BytesIO()
    with ZipFile(file, "w", ZIP_LZMA) as archive:
        archive.writestr("a.md", bytes(range(256)) * 9)
    packed = file.getvalue()
    return packed[:50] + bytes(byte ^ 0x5A for byte in packed[50:80]) + packed[80:]


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
    """Return a PDF of one page with the content stream, which `filters` decode.

    Object 6 names that stream twice.
    """
    resources = "/Font << /F 5 0 R >>" if font else ""
    drawn = [_make_stream(stream, filters), _FONT, b"[4 0 R 4 0 R]"]
    return _assemble_pdf([*_page_objects(kids, contents, resources), *drawn])


def make_pdf_with_form(stream: bytes, *, levels: int = 1, fonts: str = "/F 5 0 R") -> bytes:
    """Return a PDF whose page draws a form, which a flate stream holds; forms may be around it."""
    form = "/Subtype /Form /BBox [0 0 9 9] /Resources << /Font << /F 5 0 R >> {} >>"
    around = [
        _make_stream(zlib.compress(b"/X Do"), more=form.format(f"/XObject << /X {number} 0 R >>"))
        for number in range(7, 6 + levels)
    ]
    resources = f"/Font << {fonts} >> /XObject << /X 6 0 R >>"
    return _assemble_pdf(
        [
            *_page_objects("3 0 R", "4 0 R", resources),
            # Some text, or a reader need not look into the form.
            _make_stream(zlib.compress(b"BT /F 9 Tf (tea) Tj ET /X Do")),
            _FONT,
            *around,
            _make_stream(stream, more=form.format("")),
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


DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PDF = "application/pdf"

BAD_FILES: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "flate stream of 1 GB": (PDF, lambda: make_pdf_of(flate_bomb(1024)), "unreadable_pdf"),
    "flate stream of 1 GB on a page without fonts": (
        PDF,
        lambda: make_pdf_of(flate_bomb(1024), font=False),
        "unreadable_pdf",
    ),
    "flate in flate": (
        PDF,
        lambda: make_pdf_of(zlib.compress(flate_bomb(1024)), filters="/FlateDecode /FlateDecode"),
        "unreadable_pdf",
    ),
    "flate in flate in flate": (
        PDF,
        lambda: make_pdf_of(
            zlib.compress(zlib.compress(flate_bomb(1024))), filters="/FlateDecode " * 3
        ),
        "unreadable_pdf",
    ),
    "70 MB of operators that show text": (
        PDF,
        lambda: make_pdf_of(flate_bomb(70, b"(a) Tj\n")),
        "unreadable_pdf",
    ),
    "as many operators as unfold within the limit": (
        PDF,
        lambda: make_pdf_of(flate_bomb(31, b"(a) Tj\n")),
        "unreadable_pdf",
    ),
    "70 MB of operators that draw": (
        PDF,
        lambda: make_pdf_of(flate_bomb(70, b"0 0 m\n")),
        "unreadable_pdf",
    ),
    "form that unfolds to 1 GB": (
        PDF,
        lambda: make_pdf_with_form(flate_bomb(1024)),
        "unreadable_pdf",
    ),
    "form within twenty others": (
        PDF,
        lambda: make_pdf_with_form(flate_bomb(1024), levels=21),
        "unreadable_pdf",
    ),
    "form that is named as a font first": (
        PDF,
        lambda: make_pdf_with_form(flate_bomb(1024), fonts="/F 5 0 R /G 6 0 R"),
        "unreadable_pdf",
    ),
    "content of many streams": (
        PDF,
        lambda: make_pdf_of(flate_bomb(20), contents="[4 0 R 4 0 R]"),
        "unreadable_pdf",
    ),
    "content of many streams in an object of its own": (
        PDF,
        lambda: make_pdf_of(flate_bomb(20), contents="6 0 R"),
        "unreadable_pdf",
    ),
    "page loop": (PDF, lambda: make_pdf_of(b"", kids="2 0 R"), "unreadable_pdf"),
    "page that occurs without end": (
        PDF,
        lambda: make_pdf_of(b"", kids="3 0 R " * 150_000),
        "unreadable_pdf",
    ),
    "cross-reference table that follows itself": (PDF, lambda: make_xref_loop(1), "unreadable_pdf"),
    "cross-reference tables that follow each other": (
        PDF,
        lambda: make_xref_loop(2),
        "unreadable_pdf",
    ),
    "object stream within itself": (PDF, make_object_stream_loop, "unreadable_pdf"),
    "truncated PDF": (PDF, lambda: make_pdf([["Tea"]])[:300], "unreadable_pdf"),
    "empty PDF": (PDF, lambda: b"", "unreadable_pdf"),
    "encrypted PDF": (PDF, lambda: make_pdf([["Tea"]], encryption="secret"), "encrypted"),
    "PDF of pictures": (PDF, lambda: make_pdf([[]], picture=True), "no_text"),
    "billion laughs": (
        DOCX,
        lambda: make_docx(word_paragraph("&l9;"), before=billion_laughs()),
        "xml_doctype",
    ),
    "any document type": (
        DOCX,
        lambda: make_docx(word_paragraph("tea"), before="<!DOCTYPE w>"),
        "xml_doctype",
    ),
    "deep XML": (DOCX, lambda: make_docx("<w:p>" * 20_000 + "</w:p>" * 20_000), "too_deep"),
    "no office file": (DOCX, lambda: make_zip({"a.txt": "tea"}), "unreadable_docx"),
    "ratio": (DOCX, lambda: make_zip({"word/x": b"a" * 50 * 2**20}), "archive_too_large"),
    "no ZIP": (DOCX, lambda: b"tea", "unreadable_archive"),
    "deep HTML": (
        "text/html",
        lambda: b"<div>" * 200_000 + b"deep" + b"</div>" * 200_000,
        "too_deep",
    ),
    "deep Markdown": (
        "text/markdown",
        lambda: b">" * 200_000 + b" deep",
        "too_deep",
    ),
    "deep JSON": ("application/json", lambda: b"[" * 200_000, "invalid_json"),
    "NUL": ("text/plain", lambda: b"tea\x00", "nul_character"),
    "line of 10 MB": ("text/plain", lambda: b"x" * 10 * 2**20, "line_too_long"),
    "only spaces": ("text/csv", lambda: b" ,\n,", "empty_document"),
    "broken RTF": ("application/rtf", lambda: b"tea", "unreadable_rtf"),
    "broken notebook": ("application/x-ipynb+json", lambda: b"{}", "unreadable_notebook"),
}
"""By what it is: media type, how it is made, and the code that it gets."""

BAD_ARCHIVES: dict[str, tuple[Callable[[], bytes], str]] = {
    "path that climbs": (lambda: make_zip({"../a.md": "tea"}), "unsafe_path"),
    "absolute path": (lambda: make_zip({"/a.md": "tea"}), "unsafe_path"),
    "path of Windows": (lambda: make_zip({"C:\\a.md": "tea"}), "unsafe_path"),
    "symbolic link": (make_link, "unsafe_path"),
    "archive in an archive": (
        lambda: make_zip({"b.zip": make_zip({"a.md": "tea"})}),
        "nested_archive",
    ),
    "archive in an article": (
        lambda: make_zip({"b.md": make_zip({"a.md": "tea"})}),
        "nested_archive",
    ),
    "archive that unfolds": (lambda: make_zip({"a.md": b"a" * 50 * 2**20}), "archive_too_large"),
    "archive of many members": (
        lambda: make_zip({f"{n}.md": b"x" for n in range(5000)}),
        "archive_too_large",
    ),
    "archive of many members in the form for more": (
        lambda: make_zip64({f".{n}": b"x" for n in range(5000)}),
        "archive_too_large",
    ),
    "truncated archive": (lambda: make_zip({"a.md": "tea"})[:-30], "unreadable_archive"),
    "archive without its beginning": (lambda: make_zip({"a.md": "tea"})[10:], "unreadable_archive"),
    "member without a name": (
        lambda: make_zip({"@": "tea"}).replace(b"@", b"\0"),
        "unreadable_archive",
    ),
    "member far behind the end": (make_far_member, "unreadable_archive"),
    "damaged member in another compression": (make_damaged_lzma, "unreadable_archive"),
    "archive without an article": (lambda: make_zip({".hidden": "tea"}), "empty_document"),
}
"""The same for archives, which are refused at the upload."""
