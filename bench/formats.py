"""Measures the parsers on public files: articles in pages, encodings, office files, PDFs, cost.

    python bench/formats.py FOLDER [--pandoc pandoc]

FOLDER holds checkouts of the sources that bench/README.md names, under the names of _SOURCES; those
that are not there are left out. Every file goes through the sandbox, with its limits.
"""

import argparse
import codecs
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import TypeAlias

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

import lxml.html
from markdown_it import MarkdownIt

from app.config import Settings
from app.domain import Article
from app.errors import FolioError
from bench.pdfs import measure_pdfs
from bench.report import describe_machine, print_table
from ingest.formats import resolve_media_type
from ingest.parsers import parse_document
from ingest.parsers.text import decode_text
from ingest.sandbox import Sandbox

_WORD = re.compile(r"\w+")
_AGREES = 0.95
_OFFICE = ("docx", "pptx", "odt", "epub", "rtf")
_MARK = re.compile(r"<!--.*?-->", re.DOTALL)
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_CODECS = {"MacRoman": "mac-roman", "MacCyrillic": "mac-cyrillic"}
_TINY = 200
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_SOURCES = (
    "readability",
    "trafilatura",
    "chardet",
    "pandoc",
    "pypdf_sample_files",
    "docling",
    "pdfs",
)

Rows: TypeAlias = Iterator[tuple[str, str]]


def _count_words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(text.lower()))


def _score(found: Counter[str], expected: Counter[str]) -> tuple[float, float, float]:
    """Return F1, precision and recall of the tokens."""
    if not found and not expected:
        return 1.0, 1.0, 1.0
    shared = sum((found & expected).values())
    f1 = 2 * shared / (sum(found.values()) + sum(expected.values()))
    precision = shared / max(1, sum(found.values()))
    return f1, precision, shared / max(1, sum(expected.values()))


def _read(path: Path, sandbox: Sandbox) -> str:
    """Return a file's text, or the code with which it is refused after an exclamation mark."""
    data = path.read_bytes()
    try:
        return sandbox.parse(resolve_media_type("", path.name, data), data).text
    except FolioError as error:
        return f"!{error.code}"


def measure_pages(folder: Path, sandbox: Sandbox) -> Rows:
    """Score the article of each test page of mozilla/readability against its expected page."""
    scores = []
    for page in sorted((folder / "test" / "test-pages").iterdir()):
        expected = lxml.html.document_fromstring((page / "expected.html").read_bytes().decode())
        text = _read(page / "source.html", sandbox)
        scores.append(
            _score(
                _count_words(_read_visible(text)),
                _count_words(" ".join(map(str, expected.itertext()))),
            )
        )
    means = [sum(column) / len(scores) for column in zip(*scores, strict=True)]
    names = ("token F1", "precision", "recall")
    for name, mean in zip(names, means, strict=True):
        yield f"pages of readability ({len(scores)}): {name}", f"{mean:.3f}"


def measure_articles(folder: Path, sandbox: Sandbox) -> Rows:
    """Score trafilatura's own evaluation: phrases that a page's article holds, and does not hold.

    Phrases are looked up in what a reader sees of the Markdown.
    """
    items = json.loads((folder / "tests" / "evaldata.json").read_bytes()).values()
    right = wrong = missing = without = refused = 0
    started = perf_counter()
    for item in items:
        folders = (folder / "tests" / name for name in ("cache", "eval"))
        path = next(place / item["file"] for place in folders if (place / item["file"]).exists())
        text = _read(path, sandbox)
        refused += text.startswith("!")
        seen = "" if text.startswith("!") else _join_spaces(_read_visible(text, numbered=True))
        held = sum(_join_spaces(phrase) in seen for phrase in item["with"])
        right += held
        missing += len(item["with"]) - held
        wrong += sum(_join_spaces(phrase) in seen for phrase in item["without"])
        without += not held
    name = f"pages of trafilatura ({len(items)})"
    yield f"{name}: F1 of phrases", f"{2 * right / (2 * right + wrong + missing):.3f}"
    yield f"{name}: without a wanted phrase / refused", f"{without} / {refused}"
    yield f"{name}: seconds", f"{perf_counter() - started:.0f}"


def _read_visible(markdown: str, *, numbered: bool = False) -> str:
    """Return the words of Markdown as a reader sees them: without marks and targets of links.

    `numbered` writes the numbers before the entries of lists, which are no text of a page.
    """
    rendered = _MARKDOWN.render(markdown)
    page = lxml.html.document_fromstring(f"<div>{rendered}</div>")
    for entries in page.iter("ol") if numbered else ():
        for number, entry in enumerate(entries.iterchildren("li"), int(entries.get("start", 1))):
            entry.text = f"{number}. {entry.text or ''}"
    return "".join(map(str, page.itertext()))


def _join_spaces(text: str) -> str:
    # Hyphens that are not shown are no part of a word.
    return " ".join(text.replace("\u00ad", "").split())


def measure_encodings(folder: Path) -> Rows:
    """Count files of chardet's corpus whose text is what their folder's encoding gives."""
    right = total = 0
    for path in sorted((folder / "tests").glob("*/*")):
        name = path.parent.name
        encoding = _CODECS.get(name, name)
        while not _is_codec(encoding) and "-" in encoding:
            # iso-8859-2-czech
            encoding = encoding.rpartition("-")[0]
        if not _is_codec(encoding):
            continue
        data = path.read_bytes()
        total += 1
        expected = data.decode(encoding, "replace").lstrip("\ufeff")
        try:
            text = decode_text(data)[0].lstrip("\ufeff")
        except FolioError:
            continue
        right += text == expected.replace("\r\n", "\n").replace("\r", "\n")
    yield "encodings decoded right", f"{right} of {total}"


def measure_office(folder: Path, pandoc: str | None, sandbox: Sandbox) -> Rows:
    """Count office files of pandoc's tests that agree with pandoc's own reading of them.

    Without pandoc only whether they are read.
    """
    if not pandoc:
        for suffix in _OFFICE:
            texts = [_read(path, sandbox) for path in sorted(folder.rglob(f"*.{suffix}"))]
            codes = Counter(text[1:] for text in texts if text.startswith("!"))
            named = ", ".join(f"{count} {code}" for code, count in sorted(codes.items()))
            yield (
                f"{suffix} ({len(texts)}): read / refused",
                (f"{len(texts) - sum(codes.values())} / {named or 0}"),
            )
        return
    for suffix in _OFFICE:
        agreed = holds = total = refused = 0
        for path in sorted(folder.rglob(f"*.{suffix}")):
            ran = subprocess.run(
                [pandoc, "-f", suffix, "-t", "plain", "--wrap=none", str(path)],
                capture_output=True,
                check=False,
            )
            if ran.returncode:
                continue
            text = _read(path, sandbox)
            refused += text.startswith("!")
            expected = _count_words(ran.stdout.decode("utf-8", "replace"))
            f1, _, recall = _score(_count_words(text), expected)
            total += 1
            agreed += f1 >= _AGREES
            holds += recall >= _AGREES
        yield (
            f"{suffix} ({total}): F1 ≥ .95 with pandoc / its words held / refused",
            f"{agreed / max(1, total):.0%} / {holds / max(1, total):.0%} / {refused}",
        )


def measure_pdf_codes(folder: Path, sandbox: Sandbox) -> Rows:
    """Count the PDFs of a folder that are read, and the codes of the others."""
    outcomes = [_read(path, sandbox) for path in sorted(folder.rglob("*.pdf"))]
    codes = Counter(outcome[1:] for outcome in outcomes if outcome.startswith("!"))
    yield f"PDFs ({len(outcomes)}): read", str(len(outcomes) - sum(codes.values()))
    for code, count in sorted(codes.items()):
        yield f"PDFs: {code}", str(count)


def measure_references(folder: Path, sandbox: Sandbox) -> Rows:
    """Score office files of docling's tests against the reference text that lies beside each."""
    for kind in ("docx", "pptx", "xlsx"):
        scores, found, total = [], 0, 0
        for path in sorted((folder / "tests" / "data" / kind / "sources").iterdir()):
            reference = path.parents[1] / "groundtruth" / f"{path.name}.md"
            if not reference.is_file():
                continue
            # Marks where images stand, and escapes of Markdown, are no words.
            expected = _MARK.sub("", reference.read_text()).replace("\\_", "_")
            article = _read_article(path, sandbox)
            scores.append(_score(_count_words(article.text), _count_words(expected))[0])
            headings = Counter(_plain(line) for line in _HEADING.findall(expected))
            found += sum((Counter(_plain(h.text) for h in article.headings) & headings).values())
            total += headings.total()
        mean = sum(scores) / max(1, len(scores))
        yield (
            f"{kind} of docling ({len(scores)}): word F1 / headings",
            f"{mean:.3f} / {found} of {total}",
        )


def _read_article(path: Path, sandbox: Sandbox) -> Article:
    """Return an article; one without text for a file that is refused."""
    data = path.read_bytes()
    try:
        return sandbox.parse(resolve_media_type("", path.name, data), data)
    except FolioError:
        return Article("")


def _plain(heading: str) -> str:
    return " ".join(_WORD.findall(heading.lower()))


def measure_sandbox() -> Rows:
    """Time a small text in the sandbox and without it, and the start of a child."""
    text = b"# Tea\n\nPour the milk into the cup before the tea.\n"
    with closing(Sandbox(Settings())) as sandbox:
        started = perf_counter()
        sandbox.parse("text/markdown", text)
        first_ms = (perf_counter() - started) * 1000
        started = perf_counter()
        for _ in range(_TINY):
            sandbox.parse("text/markdown", text)
        inside_ms = (perf_counter() - started) * 1000 / _TINY
    started = perf_counter()
    for _ in range(_TINY):
        parse_document("text/markdown", text)
    outside_ms = (perf_counter() - started) * 1000 / _TINY
    yield "sandbox: start of a child, once in 200 documents, ms", f"{first_ms:.0f}"
    yield "sandbox: cost a document, ms", f"{inside_ms - outside_ms:.2f}"


def _is_codec(name: str) -> bool:
    try:
        codecs.lookup(name)
    except LookupError:
        return False
    return True


def measure(folder: Path, pandoc: str | None) -> Rows:
    """Measure what is there, saying on stderr what is under way."""
    with closing(Sandbox(Settings())) as sandbox:
        steps: dict[str, Callable[[Path], Rows]] = {
            "readability": lambda source: measure_pages(source, sandbox),
            "trafilatura": lambda source: measure_articles(source, sandbox),
            "chardet": measure_encodings,
            "pandoc": lambda source: measure_office(source, pandoc, sandbox),
            "pypdf_sample_files": lambda source: measure_pdf_codes(source, sandbox),
            "docling": lambda source: measure_references(source, sandbox),
            "pdfs": measure_pdfs,
        }
        for name in _SOURCES:
            if (folder / name).is_dir():
                started = perf_counter()
                yield from steps[name](folder / name)
                print(f"{name}: {perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    yield from measure_sandbox()


def main() -> None:
    """Measure what the folder holds and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--pandoc", default=shutil.which("pandoc"), help="pandoc 3.8 or newer; '' without"
    )
    arguments = parser.parse_args()
    rows = list(measure(arguments.folder, arguments.pandoc))
    print(describe_machine())
    print_table(("measure", "value"), rows)


if __name__ == "__main__":
    main()
