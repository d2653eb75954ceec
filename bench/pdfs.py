"""PDFs of public checkouts: words against other engines, paragraphs, headings, rows, time.

The engines are pypdf, PDFium, pdfminer.six and PyMuPDF; those that are not installed are left out.
Ligatures are letters and words that lines cut are whole in all of them alike. Labels of headings
and tables are those that docling commits beside its test files.
"""

import io
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import pypdf
import pypdfium2

from app.domain import Article
from app.errors import FolioError
from ingest.parsers import parse_document

_WORD = re.compile(r"\w+")
_CUT = re.compile(r"(?<=[^\W\d_])-[ ]*\r?\n?(?=[^\W\d_A-Z])")
_FOLIO = "Folio"
_MIN_WORDS = 10
_LONG_PAGE = 1500
_POOR = 0.8
_BY_RULE = ("left out", "in brackets")
_TARGET = re.compile(r"\((?:https?|mailto|ftp|tel):")

Engine = Callable[[bytes], str]


@dataclass(frozen=True, slots=True)
class _Reading:
    """One file, as Folio and as the engines read it."""

    path: Path
    article: Article
    """Without text where Folio refuses the file."""
    f1: float
    peer_f1: dict[str, float]


def _read_pypdf(data: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages)


def _read_pdfium(data: bytes) -> str:
    document = pypdfium2.PdfDocument(data)
    return "\n".join(page.get_textpage().get_text_range() for page in document)


def _read_pdfminer(data: bytes) -> str:
    return str(import_module("pdfminer.high_level").extract_text(io.BytesIO(data)))


def _read_pymupdf(data: bytes) -> str:
    document = import_module("pymupdf").open(stream=data, filetype="pdf")
    return "\n".join(page.get_text() for page in document)


_ENGINES: dict[str, tuple[str, Engine]] = {
    "pypdf": ("pypdf", _read_pypdf),
    "PDFium": ("pypdfium2", _read_pdfium),
    "pdfminer.six": ("pdfminer", _read_pdfminer),
    "PyMuPDF": ("pymupdf", _read_pymupdf),
}


def measure_pdfs(folder: Path) -> Iterator[tuple[str, str]]:
    """Compare every PDF under a folder with the engines, and with the labels beside it."""
    engines = {name: read for name, (module, read) in _ENGINES.items() if find_spec(module)}
    spent = dict.fromkeys((_FOLIO, *engines), 0.0)
    paths = sorted(folder.rglob("*.pdf"))
    readings = [r for path in paths if (r := _compare(path, engines, spent)) is not None]
    if not readings:
        return
    folio = [reading.f1 for reading in readings]
    articles = [reading.article for reading in readings if reading.article.text]
    yield (
        f"PDFs ({len(readings)} of {len(paths)}): word F1, median of {len(engines)} engines",
        f"{_mean(folio):.3f}, {sum(f1 < _POOR for f1 in folio)} files under {_POOR}, "
        f"{len(readings) - len(articles)} of them refused, which count as 0",
    )
    for name in engines:
        yield f"PDFs: {name} alone", f"{_mean(r.peer_f1[name] for r in readings):.3f}"
    if plain := [one for one in readings if one.article.text and _is_plain(one.article)]:
        peers = ", ".join(f"{n} {_mean(r.peer_f1[n] for r in plain):.3f}" for n in engines)
        yield (
            f"PDFs: word F1 of the {len(plain)} without additions or omissions",
            f"{_mean(r.f1 for r in plain):.3f} ({peers})",
        )
    pages = [page for article in articles for page in _split_pages(article)]
    long = [page.strip() for page in pages if len(page) >= _LONG_PAGE]
    broken = sum("\n\n" in page for page in long)
    yield "PDFs: long pages with a paragraph's end", f"{broken} of {len(long)}"
    times = ", ".join(f"{name} {spent[name]:.1f}" for name in engines)
    yield f"PDFs: processor time of all {len(paths)}, s", f"{spent[_FOLIO]:.1f} ({times})"
    yield from _measure_labels(readings)


def _compare(path: Path, engines: dict[str, Engine], spent: dict[str, float]) -> _Reading | None:
    """Return a file's reading, None where it is too short to compare."""
    data = path.read_bytes()
    started = process_time()
    try:
        article = parse_document("application/pdf", data)
    except FolioError:
        article = Article("")
    spent[_FOLIO] += process_time() - started
    counts = {}
    for name, read in engines.items():
        started = process_time()
        try:
            counts[name] = _count(read(data))
        # A peer that breaks on a file has no words in it.
        except Exception:  # noqa: BLE001
            counts[name] = Counter()
        spent[name] += process_time() - started
    words = set().union(*counts.values())
    middle = {word: float(median(c[word] for c in counts.values())) for word in words}
    expected = {word: count for word, count in middle.items() if count}
    if sum(expected.values()) < _MIN_WORDS:
        return None
    peers = {name: _score(count, expected) for name, count in counts.items()}
    return _Reading(path, article, _score(_count(article.text), expected), peers)


def _is_plain(article: Article) -> bool:
    """Say whether Folio left nothing out of a file by rule, and added neither notes nor targets.

    No engine leaves out running heads and text off the page, or writes where links lead.
    """
    said = any(word in warning for warning in article.warnings for word in _BY_RULE)
    return not said and _TARGET.search(article.text) is None


def _count(text: str) -> Counter[str]:
    text = unicodedata.normalize("NFKC", text).replace("\ufffe", "-").replace("\u00ad", "-")
    return Counter(_WORD.findall(_CUT.sub("", text).lower()))


def _score(found: Counter[str], expected: dict[str, float]) -> float:
    shared = sum(min(found[word], count) for word, count in expected.items())
    return 2 * shared / (sum(found.values()) + sum(expected.values()))


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


def _split_pages(article: Article) -> Iterator[str]:
    starts = [page.start for page in article.pages]
    for start, end in zip(starts, [*starts[1:], len(article.text)], strict=True):
        yield article.text[start:end]


def _measure_labels(readings: Sequence[_Reading]) -> Iterator[tuple[str, str]]:
    """Yield how many of docling's headings and rows were found; tables' rows on one line each."""
    found = right = labelled = rows = whole = files = 0
    for reading in readings:
        label = reading.path.parents[1] / "groundtruth" / f"{reading.path.stem}.json"
        if not label.exists():
            continue
        files += 1
        known = json.loads(label.read_text())
        wanted = [t["text"] for t in known["texts"] if t["label"] in ("section_header", "title")]
        keys = Counter(map(_sort_words, wanted))
        got = Counter(_sort_words(heading.text) for heading in reading.article.headings)
        labelled, found = labelled + keys.total(), found + got.total()
        right += (keys & got).total()
        lines = [_key(line) for line in reading.article.text.split("\n")]
        for cells in _list_rows(known):
            rows += 1
            whole += any(_holds(line, cells) for line in lines)
    if files and labelled and found and rows:
        yield (
            f"PDFs with labels ({files}): headings, recall / precision",
            f"{right / labelled:.2f} / {right / found:.2f} of {labelled}",
        )
        yield "PDFs with labels: rows of tables whole on one line", f"{whole / rows:.2f} of {rows}"


def _list_rows(known: Any) -> Iterator[list[str]]:
    """Yield the texts of each row's cells, one that spans columns once."""
    for table in known["tables"]:
        for row in table["data"]["grid"]:
            cells: list[str] = []
            for cell in row:
                if (text := _key(cell["text"])) and text not in cells[-1:]:
                    cells.append(text)
            if len(cells) >= 2:
                yield cells


def _holds(line: str, cells: Sequence[str]) -> bool:
    at = 0
    for cell in cells:
        at = line.find(cell, at)
        if at < 0:
            return False
        at += len(cell)
    return True


def _sort_words(heading: str) -> str:
    """Return a heading's words by the alphabet: a label may have the number after the words."""
    words = _WORD.findall(unicodedata.normalize("NFKC", heading).casefold())
    return "".join(sorted(words))


def _key(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))
