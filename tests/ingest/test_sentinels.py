"""Nothing is cut silently: words deep in long documents are found, in every format."""

from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path

import pytest

from app.domain import Mode
from app.embedding.engine import Engine
from app.services.documents import Upload, get_document, put_documents
from app.services.search import search_documents
from ingest.sandbox import Sandbox
from tests.conftest import article
from tests.ingest.bad_files import make_docx, word_paragraph
from tests.ingest.pdf_files import make_pdf
from tests.services.knowledge import open_with, work

PLACES = (100, 5_000, 8_100, 9_000, 30_000)
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_LINES_A_PAGE = 36


def write_lines(engine: Engine) -> list[str]:
    """Return lines with a sentinel after each of PLACES; a PDF joins them with fewer tokens."""
    waiting = list(PLACES)
    lines, tokens, number = [], 0, 0
    while tokens < PLACES[-1] + 3_000:
        number += 1
        line = f"Steep the tea for {number} minutes and pour the milk."
        if waiting and tokens >= waiting[0]:
            line = f"The password of cellar zq{waiting.pop(0)} is marmalade."
        lines.append(line)
        # Of a line that follows another: the first of a text can begin with a token of its own.
        tokens += len(engine.token_starts(f"{line}\n\n{line}")) - len(engine.token_starts(line))
    return lines


def as_pages(lines: list[str]) -> Iterator[list[str]]:
    for first in range(0, len(lines), _LINES_A_PAGE):
        yield lines[first : first + _LINES_A_PAGE]


FORMATS: dict[str, Callable[[list[str]], tuple[bytes, str]]] = {
    "pdf": lambda lines: (make_pdf(list(as_pages(lines))), "application/pdf"),
    "docx": lambda lines: (make_docx("".join(map(word_paragraph, lines))), DOCX),
    "html": lambda lines: (
        f"<main>{''.join(f'<p>{escape(line)}</p>' for line in lines)}</main>".encode(),
        "text/html",
    ),
    "markdown": lambda lines: ("\n\n".join(lines).encode(), "text/markdown"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_sentinels_at_all_depths_of_a_long_document_are_found(
    name: str, tmp_path: Path, jina_v3: Path, sandbox: Sandbox
) -> None:
    others = [article(f"other-{n}", f"The password of cellar zq{n} is honey.") for n in range(20)]
    # Passages of several lines: a token of this model is hardly more than a letter.
    with open_with(tmp_path, jina_v3, passage_tokens=256) as resources:
        data, media_type = FORMATS[name](write_lines(resources.engine))
        put_documents(resources, "help", [Upload("long", data, media_type), *others])
        assert work(resources, sandbox) is None
        receipt = get_document(resources, "help", "long").receipt
        assert receipt is not None
        assert receipt["tokens_counted"] == receipt["tokens_embedded"] > PLACES[-1]
        assert receipt["units"] >= 4
        for place in PLACES:
            (hit,) = search_documents(
                resources, "help", f"password of cellar zq{place}", limit=1, mode=Mode.LEXICAL
            ).results
            assert hit.document_id == "long"
            assert f"zq{place}" in hit.passages[0].text
