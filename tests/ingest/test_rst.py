"""reStructuredText as Sphinx has it: what docutils does not know is read as text."""

import pytest
from docutils.parsers.rst import directives, roles

from app.domain import Article
from ingest.parsers import parse_document


def read(source: str) -> Article:
    return parse_document("text/x-rst", source.encode())


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (":ref:`the page <page>`", "the page"),
        (":doc:`start`", "start"),
        (":prop:`FLAGS_<LANG>`", "FLAGS_<LANG>"),
        (":py:func:`open`", "open"),
        (":class:`~io.text.Reader`", "Reader"),
        (":option:`--port`", "--port"),
        (":ref:`!plain`", "plain"),
        (":menuselection:`File --> Open`", "File --> Open"),
    ],
)
def test_role_stands_for_its_text(written: str, text: str) -> None:
    article = read(f"See {written} first.")
    assert article.text == f"See {text} first."
    (warning,) = article.warnings
    assert warning.startswith("1 directives and roles are unknown, and read as text: ")


def test_body_of_an_unknown_directive_is_read_as_text() -> None:
    source = (
        ".. tabs::\n\n   .. tab:: Linux\n\n      - Run *apt*.\n\n"
        ".. versionadded:: 2.4\n   The flag nine exists.\n\n"
        ".. toctree::\n   :maxdepth: 2\n   :caption: Contents\n\n   Start <start>\n   other\n"
    )
    assert read(source).text == (
        "tab: Linux\n\n- Run apt.\n\nversionadded: 2.4\n\nThe flag nine exists.\n\n"
        "Contents\n\nStart <start>\n\nother"
    )


def test_signatures_and_their_fields_are_read() -> None:
    source = (
        ".. function:: pour(cup, milk=False)\n              pour(tea)\n   :module: kitchen\n\n"
        "   Fills a *cup*.\n\n   :param cup: which one\n"
    )
    text = read(source).text
    assert text.startswith("function: pour(cup, milk=False)\n\npour(tea)\n\nFills a cup.\n\n")
    assert "which one" in text


@pytest.mark.parametrize("name", ["doctest", "mermaid", "code-block", "prompt"])
def test_body_in_another_notation_is_kept_as_it_is(name: str) -> None:
    source = f".. {name}:: bash\n   :emphasize-lines: 1\n   :caption: How\n\n   a *b*  `c\n\nEnd."
    article = read(source)
    assert "```\na *b*  `c\n```" in article.text
    assert "How" in article.text
    assert "emphasize" not in article.text


def test_messages_of_the_reader_are_no_text() -> None:
    article = read("Tea |missing| and link_.\n\n.. image::\n\nEnd.")
    assert article.text == "Tea |missing| and link_.\n\n```\n.. image::\n```\n\nEnd."
    assert article.warnings == ("3 faults of the notation: kept as they are written",)


def test_raw_html_is_read_and_what_is_left_out_is_said() -> None:
    article = read(
        ".. raw:: html\n\n   <p>Hot <b>tea</b></p><script>alert(1)</script>\n\n"
        ".. raw:: latex\n\n   \\vspace{1cm}\n\n"
        ".. include:: /etc/passwd\n\n"
        ".. raw:: html\n   :file: /etc/passwd\n\n"
        ".. csv-table:: Cups\n   :file: /etc/passwd\n"
    )
    assert article.text == "Hot tea"
    assert article.warnings == (
        "3 directives would read other files: left out",
        "1 raw blocks are not HTML: left out",
    )


def test_names_of_docutils_are_its_own_afterwards() -> None:
    before = directives.directive, roles.role
    read(":ref:`a` and\n\n.. nosuch:: b")
    assert (directives.directive, roles.role) == before


def test_custom_role_on_an_unknown_one_is_read() -> None:
    assert read(".. role:: mine(nosuch)\n\nA :mine:`b` c.").text == "A b c."
