"""Scanned pages: read by tesseract where it is installed, within their own time."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from app.config import Settings
from app.errors import ParserUnavailable, UnreadableDocument
from ingest.parsers.pdf import scans
from ingest.recognition import Recognizer, ScannedWord, start_recognizer
from ingest.sandbox import Sandbox
from tests.ingest.pdf_files import make_pdf, scan_pdf

PDF = "application/pdf"
needs_tesseract = pytest.mark.skipif(
    shutil.which("tesseract") is None, reason="needs tesseract: apt-get install tesseract-ocr"
)
_STEPS = [
    "Before you open the pump",
    "",
    "Close the valve on the left side of the tank, wait until the needle stands",
    "still, and write the pressure into the list that hangs beside the door. Never",
    "open the pump while it is warm.",
]


@pytest.fixture(scope="module")
def scanner() -> Iterator[Sandbox]:
    with closing(Sandbox(Settings(ocr_languages="eng"))) as opened:
        yield opened


class Reader:
    """Says the same of every page; stands in for tesseract where only the rest is looked at.

    Blank lines part paragraphs.
    """

    def __init__(self, text: str, *, seconds: float = 60.0) -> None:
        self._words = [
            ScannedWord((str(paragraph),), str(line), 96.0, word)
            for paragraph, lines in enumerate(text.split("\n\n"))
            for line, words in enumerate(lines.split("\n"))
            for word in words.split()
        ]
        self.seconds = seconds

    def recognize(self, picture: bytes) -> list[ScannedWord]:
        assert picture.startswith(b"P5 ")
        return self._words


def read_with(
    monkeypatch: pytest.MonkeyPatch, reader: Reader, *, pages: int, wanted: list[bool]
) -> scans.Scans:
    monkeypatch.setattr(scans, "_connected", [])
    scans.connect_recognizer(cast(Recognizer, reader))
    return scans.read_scans(make_pdf([[]] * pages), wanted)


@needs_tesseract
def test_pages_that_are_pictures_are_read_and_said(scanner: Sandbox) -> None:
    article = scanner.parse(PDF, scan_pdf(make_pdf([_STEPS, ["Second page of the manual"]])))
    assert "Close the valve on the left side of the tank" in article.text
    assert "write the pressure into the list" in article.text
    assert [page.number for page in article.pages] == [1, 2]
    assert article.text[article.pages[1].start :] == "Second page of the manual"
    assert article.pages_with_text == 2
    assert article.warnings == ("2 pages were read by OCR, which makes mistakes",)


@needs_tesseract
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_page_that_lies_on_its_side_or_head_is_read(scanner: Sandbox, degrees: int) -> None:
    article = scanner.parse(PDF, scan_pdf(make_pdf([_STEPS]), degrees=degrees))
    assert "Close the valve on the left side of the tank" in article.text


@needs_tesseract
def test_page_that_cannot_be_made_out_is_left_out_and_said(scanner: Sandbox) -> None:
    article = scanner.parse(PDF, scan_pdf(make_pdf([_STEPS, _STEPS]), mirrored=[0]))
    assert [page.number for page in article.pages] == [1, 2]
    assert article.text.count("Close the valve") == 1
    assert article.pages_with_text == 1
    assert "1 pages were left out: OCR could not make them out" in article.warnings


@needs_tesseract
def test_scan_of_which_nothing_can_be_made_out_says_so(scanner: Sandbox) -> None:
    with pytest.raises(UnreadableDocument, match="OCR could make out none of the 1 pages"):
        scanner.parse(PDF, scan_pdf(make_pdf([_STEPS]), mirrored=[0]))


@needs_tesseract
def test_language_that_tesseract_lacks_is_named() -> None:
    with (
        closing(Sandbox(Settings(ocr_languages="eng+klingon"))) as opened,
        pytest.raises(ParserUnavailable, match="tesseract has no language klingon; it has "),
    ):
        opened.parse("text/plain", b"tea")


@needs_tesseract
def test_all_languages_of_tesseract_are_tried_unless_some_are_named(scanner: Sandbox) -> None:
    scanner.start()
    assert scanner.scan_languages == "eng"
    with closing(Sandbox(Settings())) as opened:
        opened.start()
        assert "eng" in opened.scan_languages.split("+")
        assert "osd" not in opened.scan_languages.split("+")


@needs_tesseract
def test_scan_is_refused_where_no_time_is_given_to_scans() -> None:
    with (
        closing(Sandbox(Settings(ocr_seconds=0))) as opened,
        pytest.raises(UnreadableDocument) as caught,
    ):
        opened.parse(PDF, scan_pdf(make_pdf([_STEPS])))
    assert caught.value.code == "no_text"


@needs_tesseract
def test_document_whose_reader_died_fails_and_the_next_scan_is_read(scanner: Sandbox) -> None:
    scanner.start()
    assert scanner._child is not None
    parser = scanner._child[0].pid
    (reader,) = Path(f"/proc/{parser}/task/{parser}/children").read_text().split()
    os.kill(int(reader), signal.SIGKILL)
    scan = scan_pdf(make_pdf([_STEPS]))
    with pytest.raises(UnreadableDocument) as caught:
        scanner.parse(PDF, scan)
    assert caught.value.code == "parser_crashed"
    assert "Close the valve" in scanner.parse(PDF, scan).text


def test_tesseract_that_cannot_run_reads_no_scans(tmp_path: Path) -> None:
    program = tmp_path / "tesseract"
    program.write_text("#!/bin/sh\necho Error opening data file >&2\nexit 1\n")
    program.chmod(0o755)
    assert start_recognizer(str(program), "", seconds=1, page_seconds=1) is None


def test_only_pages_without_text_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read = read_with(monkeypatch, Reader("Tea"), pages=3, wanted=[False, True, False])
    assert read == ({1: "Tea"}, 0, 0)


def test_pages_past_the_time_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader("Tea", seconds=-1)
    assert read_with(monkeypatch, reader, pages=2, wanted=[True, True]) == ({}, 0, 2)


def test_words_that_the_ends_of_lines_cut_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader("Mind the pres-\nsure of the\npump.\n\nSecond block")
    read = read_with(monkeypatch, reader, pages=1, wanted=[True])
    assert read.texts == {0: "Mind the pressure of the\npump.\n\nSecond block"}


def test_page_without_words_has_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_with(monkeypatch, Reader(""), pages=1, wanted=[True]) == ({}, 0, 0)
