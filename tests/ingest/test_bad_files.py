"""Bad input: each file ends with its code, and the parsing process goes on or is replaced."""

import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator

import pytest

from app.config import Settings
from app.errors import UnreadableDocument
from ingest.bundles import expand_bundle
from ingest.formats import ZIP
from ingest.sandbox import Sandbox
from tests.ingest.bad_files import (
    billion_laughs,
    flate_bomb,
    make_docx,
    make_link,
    make_object_stream_loop,
    make_pdf_of,
    make_pdf_with_form,
    make_xref_loop,
    make_zip,
    word_paragraph,
)
from tests.ingest.pdf_files import make_pdf

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
    "content of many streams": (
        PDF,
        lambda: make_pdf_of(flate_bomb(20), contents="[4 0 R 4 0 R]"),
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
    "encrypted PDF": (PDF, lambda: make_pdf([["Tea"]], encryption="secret"), "unreadable_pdf"),
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


@pytest.fixture(scope="module")
def patient_sandbox() -> Iterator[Sandbox]:
    """A sandbox that lets a busy machine take its time: each of these files ends by its code."""
    opened = Sandbox(Settings(parse_seconds=300))
    yield opened
    opened.close()


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_file_ends_with_its_code_and_the_next_file_is_read(
    name: str, patient_sandbox: Sandbox
) -> None:
    media_type, make, code = BAD_FILES[name]
    with pytest.raises(UnreadableDocument) as caught:
        patient_sandbox.parse(media_type, make())
    assert caught.value.code == code
    assert patient_sandbox.parse("text/plain", b"Milk").text == "Milk"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: make_zip({"../a.md": "tea"}), "unsafe_path"),
        (lambda: make_zip({"/a.md": "tea"}), "unsafe_path"),
        (lambda: make_zip({"C:\\a.md": "tea"}), "unsafe_path"),
        (make_link, "unsafe_path"),
        (lambda: make_zip({"b.zip": make_zip({"a.md": "tea"})}), "nested_archive"),
        (lambda: make_zip({"b.md": make_zip({"a.md": "tea"})}), "nested_archive"),
        (lambda: make_zip({"a.md": b"a" * 50 * 2**20}), "archive_too_large"),
        (lambda: make_zip({f"{n}.md": b"x" for n in range(5000)}), "archive_too_large"),
        (lambda: make_zip({"a.md": "tea"})[:-30], "unreadable_archive"),
        (lambda: make_zip({".hidden": "tea"}), "empty_document"),
    ],
)
def test_bad_archive_is_refused_as_a_whole(make: Callable[[], bytes], code: str) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        expand_bundle("a.zip", ZIP, make(), max_bytes=2**20)
    assert caught.value.code == code


def test_network_is_forbidden_in_a_process_that_forbids_it_itself() -> None:
    program = (
        "import socket\n"
        "from ingest.confinement import forbid_network\n"
        "assert forbid_network()\n"
        "try: socket.socket()\n"
        "except PermissionError: print('refused')\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.stdout == "refused\n", ran.stderr
