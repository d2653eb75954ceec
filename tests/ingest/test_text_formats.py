"""Markdown, text, CSV, e-mails and notebooks as other programs write them."""

import json

import pytest

from app.domain import Article
from ingest.parsers import parse_document

MARKDOWN, EMAIL, NOTEBOOK = "text/markdown", "message/rfc822", "application/x-ipynb+json"
_PICTURE = "data:image/png;base64," + "pU3KGCUwux1tEyze" * 40


def read(media_type: str, source: str) -> Article:
    return parse_document(media_type, source.encode())


def read_attributes(yaml: str) -> dict[str, object]:
    return dict(read(MARKDOWN, f"---\n{yaml}\n---\nText").attributes or {})


def test_front_matter_is_taken_as_it_is_written_where_in_doubt() -> None:
    yaml = (
        "a: NO\nb: 01234\nc: 1.10\nd: 12:30\ne: yes\nf: 0x1F\ng: 2024-05-06\nh: 1_000\n"
        "i: true\nj: -3\nk: 2.5"
    )
    assert read_attributes(yaml) == {
        "a": "NO",
        "b": "01234",
        "c": "1.10",
        "d": "12:30",
        "e": "yes",
        "f": "0x1F",
        "g": "2024-05-06",
        "h": "1_000",
        "i": True,
        "j": -3,
        "k": 2.5,
    }


def test_front_matter_may_be_toml() -> None:
    article = read(MARKDOWN, '+++\ntitle = "Tea"\nsize = 2\n+++\n# A\n')
    assert (article.title, article.text, article.attributes) == ("Tea", "# A\n", {"size": 2})


def test_alias_of_a_collection_is_not_unfolded() -> None:
    article = read(MARKDOWN, "---\na: &a [1, 2]\nb: [*a, *a]\n---\nText")
    assert article.warnings == ("front matter is not valid YAML: kept as text",)
    assert read_attributes("a: &a tea\nb: *a") == {"a": "tea", "b": "tea"}


@pytest.mark.parametrize(
    "source",
    [
        f"Open.\n\n![]({_PICTURE})\n\nTurn.",
        f"Open.\n\n![][image1]\n\nTurn.\n\n[image1]: <{_PICTURE}>\n",
        f'Open.\n\n<img alt="x" src="{_PICTURE}">\n\nTurn.',
    ],
)
def test_picture_written_out_as_data_is_left_out_and_counted(source: str) -> None:
    article = read(MARKDOWN, source)
    assert article.text.split() == ["Open.", "Turn."]
    assert "1 images were left out" in article.warnings


def test_comments_and_attributes_of_headings_are_not_text_but_code_is_code() -> None:
    source = (
        "# Setup {#setup .wide}\n\nOne <!-- secret\n\nnote --> two `<!-- kept -->`.\n\n"
        "```html\n<!-- kept too -->\n# no {#x}\n```\n\n## Net {#net}\n"
    )
    article = read(MARKDOWN, source)
    assert [(h.level, h.text) for h in article.headings] == [(1, "Setup"), (2, "Net")]
    assert all(article.text[h.start :].startswith("#") for h in article.headings)
    assert "secret" not in article.text
    assert "`<!-- kept -->`" in article.text
    assert "<!-- kept too -->\n# no {#x}" in article.text


def test_colours_of_a_terminal_are_not_text() -> None:
    assert read("text/plain", "\x1b[31mERROR\x1b[0m stopped").text == "ERROR stopped"
    assert read("text/plain", "\x1b]0;title\x07Tea\n\x1b]0;title\nMilk").text == "Tea\n\nMilk"


def test_first_line_of_excel_that_names_the_delimiter_is_not_a_row() -> None:
    assert read("text/csv", "sep=;\nName;Price\nBelt;1,50\n").text == (
        "| Name | Price |\n| --- | --- |\n| Belt | 1,50 |"
    )


def test_few_letters_of_central_europe_are_told_from_western_ones() -> None:
    words = "Název;Cena\nŽlutý kůň;100 Kč\nPříliš úpěl;200 Kč\n"
    article = parse_document("text/csv", words.encode("cp1250"))
    assert "| Žlutý kůň | 100 Kč |" in article.text


def _multipart(kind: str, *parts: str) -> str:
    body = "".join(f"--b\n{part}\n" for part in parts)
    head = f"Subject: S\nMIME-Version: 1.0\nContent-Type: multipart/{kind}; boundary=b"
    return f"{head}\n\n{body}--b--\n"


_RICH = (
    "Content-Type: text/html\n\n<p>Your code is QX-7731 and the gate is B12, near the stairs.</p>"
)


@pytest.mark.parametrize("plain", ["", " ", "This needs HTML."])
def test_plain_part_that_says_little_gives_way_to_html(plain: str) -> None:
    mail = _multipart("alternative", f"Content-Type: text/plain\n\n{plain}", _RICH)
    assert "QX-7731" in read(EMAIL, mail).text


def test_plain_part_that_says_it_all_is_taken() -> None:
    plain = "Content-Type: text/plain\n\nYour code is QX-7731, gate B12, the stairs. # no heading"
    article = read(EMAIL, _multipart("alternative", plain, _RICH))
    assert article.text.endswith("# no heading")
    assert article.text.count("QX-7731") == 1


def test_html_without_elements_leaves_the_other_parts_of_a_mail_and_of_a_notebook() -> None:
    plain, empty = "Content-Type: text/plain\n\nGate B12.", "Content-Type: text/html\n\n<!-- x -->"
    for kind in ("alternative", "mixed"):
        assert read(EMAIL, _multipart(kind, plain, empty)).text.strip() == "Gate B12."
    output = {"data": {"text/html": "<!-- x -->", "text/plain": "Gate B12."}}
    notebook = {"cells": [{"cell_type": "code", "source": "", "outputs": [output]}]}
    assert read(NOTEBOOK, json.dumps(notebook)).text == "```\nGate B12.\n```"


def test_all_texts_of_a_mail_are_read_and_forwarded_mails_too() -> None:
    forwarded = (
        "Content-Type: message/rfc822\n\nFrom: bob@e.org\nSubject: End\n\nIt ends on 30 June."
    )
    picture = "Content-Type: image/png\nContent-Disposition: inline\n\nx"
    texts = [f"Content-Type: text/plain\n\n{words}" for words in ("See this:", "Send VX-19.")]
    article = read(EMAIL, _multipart("mixed", texts[0], picture, texts[1], forwarded))
    for words in (
        "See this:",
        "Send VX-19.",
        "From: bob@e.org",
        "Subject: End",
        "It ends on 30 June.",
    ):
        assert words in article.text
    assert article.warnings == ("1 attachments were left out: upload them as files",)


def test_flowed_lines_are_joined() -> None:
    mail = "Subject: S\nContent-Type: text/plain; format=flowed\n\nThe pump \nstops.\n\nNext.\n"
    assert read(EMAIL, mail).text == "The pump stops.\n\nNext."


def test_results_of_a_notebook_are_read_as_tables_and_prose() -> None:
    def cell(data: dict[str, str]) -> dict[str, object]:
        return {"cell_type": "code", "source": "x", "outputs": [{"data": data}]}

    table = "<table><tr><th>Rate</th></tr><tr><td>7.25</td></tr></table>"
    notebook = {
        "cells": [
            cell({"text/html": table, "text/plain": "df"}),
            cell({"text/markdown": "The rate is **7.75**.", "text/plain": "<Markdown object>"}),
        ]
    }
    text = read(NOTEBOOK, json.dumps(notebook)).text
    assert "7.25" in text
    assert "The rate is **7.75**." in text
    assert "<Markdown object>" not in text


def test_picture_in_a_cell_of_a_notebook_is_left_out_and_counted() -> None:
    cells = [
        {"cell_type": "markdown", "source": f"Open ![the valve]({_PICTURE}) first."},
        {"cell_type": "code", "source": f'html = "<img src={_PICTURE}>"'},
    ]
    article = read(NOTEBOOK, json.dumps({"cells": cells}))
    assert article.text.startswith("Open the valve first.\n\n```\nhtml = ")
    assert article.text.count(_PICTURE) == 1
    assert article.warnings == ("1 images were left out",)


def test_headings_of_a_notebook_stand_where_they_are_after_a_progress_bar() -> None:
    cells = [
        {"cell_type": "code", "source": "train()", "outputs": [{"text": "0%\r50%\r100%\r\n"}]},
        {"cell_type": "markdown", "source": "# Results\n\nGood."},
    ]
    article = read(NOTEBOOK, json.dumps({"cells": cells}))
    assert [article.text[h.start :] for h in article.headings] == ["# Results\n\nGood."]
