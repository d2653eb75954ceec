"""Markdown, text, CSV, e-mails and notebooks as other programs write them."""

import json

import pytest

from app.domain import Article
from ingest.parsers import parse_document
from ingest.parsers.markdown import drop_unseen

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


@pytest.mark.parametrize("sign", [r"\0", r"\ud800"])
def test_warning_that_quotes_a_file_holds_nothing_that_no_database_holds(sign: str) -> None:
    source = f'---\ntitle: Tea\n"a{sign}b": [{{x: 1}}]\n---\nSteep it.'
    article = parse_document("text/markdown", source.encode())
    assert article.warnings == ("front matter keys without a usable value: a\ufffdb",)


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
        f'Open.\n\n<img width=3 src="{_PICTURE}">\n\nTurn.',
    ],
)
def test_picture_written_out_as_data_is_left_out_and_counted(source: str) -> None:
    article = read(MARKDOWN, source)
    assert article.text.split() == ["Open.", "Turn."]
    assert "1 images were left out" in article.warnings


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("![Alt [x] two](data:image/png;base64,AAAA) end", "Alt [x] two end"),
        ('![a](data:image/svg+xml,r(1) "Title") end', "a end"),
        ('<img src="data:image/png;base64,AA" alt="a > b &amp; c" width=3> end', "a > b & c end"),
        ('<img src="/a.png" alt="data: 5"> end', '<img src="/a.png" alt="data: 5"> end'),
        ("Tea <script>track()</script>and <STYLE>p {}</style >milk.", "Tea and milk."),
        ("`<script>` and <!-->milk<!-- x -->, <!-- open", "`<script>` and milk, <!-- open"),
        ("# Set {timeout=30}", "# Set {timeout=30}"),
        ("# Set {: a=b} ##", "# Set ##"),
        ("# Set {.wide a=b}", "# Set"),
        ("# Set {/* #set */}", "# Set"),
    ],
)
def test_what_no_reader_of_markdown_sees_is_not_text(source: str, text: str) -> None:
    assert read(MARKDOWN, source).text == text


@pytest.mark.parametrize(
    "mark",
    [
        *("<img ", '<img "="', "<!-- ", "<script>", "<style ", "![](data:", "![a [b](data:"),
        *("`" * 3 + " ``", "# a {/* ", "# a {: x=y "),
    ],
)
def test_marks_that_never_end_are_looked_for_once(mark: str) -> None:
    source = mark * 20_000
    assert drop_unseen(source) == (source, 0)
    assert drop_unseen("# a" + " " * 100_000 + "x")[1] == 0


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


@pytest.mark.parametrize(
    ("source", "row"),
    [
        ("Zeit, s;Weg, m;v, m/s\n0,1;5,2;7,1\n", "| 0,1 | 5,2 | 7,1 |"),
        ("Stadt, Land;Preis\nBern;1.001,50\n", "| Bern | 1.001,50 |"),
        ("name,size;kind\na,5;x\n", "| a | 5;x |"),
    ],
)
def test_decimal_commas_part_no_fields(source: str, row: str) -> None:
    assert read("text/csv", source).text.splitlines()[-1] == row


@pytest.mark.parametrize(
    ("rows", "read_as"),
    [
        ('1,"19 inch,30\n2,Tea,4\n', '| 1 | "19 inch | 30 |\n| 2 | Tea | 4 |'),
        ('1,"19 inch,30\n2,"Tea, green",4\n', '| 1 | "19 inch | 30 |\n| 2 | Tea, green | 4 |'),
        ('1,a,30\n2,b,"', '| 1 | a | 30 |\n| 2 | b | " |'),
    ],
)
def test_quotation_mark_that_is_never_closed_swallows_no_rows(rows: str, read_as: str) -> None:
    article = read("text/csv", f"id,name,price\n{rows}")
    assert article.text.partition("| --- | --- | --- |\n")[2] == read_as
    assert article.warnings == ("1 quotation marks that are never closed were read as text",)


def test_lines_above_a_table_are_not_its_head() -> None:
    table = "Name;Qty;Price\nTea;1;2,50\nMilk;2;3,10\n"
    written = "| Name | Qty | Price |\n| --- | --- | --- |\n| Tea | 1 | 2,50 |\n| Milk | 2 | 3,10 |"
    two = parse_document("text/csv", b"# Sales\n# Made 2024\nName,Qty\nTea,1\n").text
    assert two == "# Sales\n# Made 2024\n\n| Name | Qty |\n| --- | --- |\n| Tea | 1 |"
    for above in ("Sales\nMade;2024-01-02\n\n", "Sales;;\nMade 2024-01-02;;\n"):
        assert read("text/csv", above + table).text == f"Sales\nMade 2024-01-02\n\n{written}"
    assert read("text/csv", table.replace("\nMilk", "\n\nMilk")).text == written


def test_commas_in_one_of_the_rows_make_no_columns() -> None:
    article = read("text/csv", "Question\nWhat is tea?\nMilk, or not?\nWhy?\n")
    assert article.text.splitlines()[2:] == ["| What is tea? |", "| Milk, or not? |", "| Why? |"]


def test_quoted_fields_hold_line_ends_and_stand_behind_spaces() -> None:
    article = read("text/csv", 'id, "name"\n1, "a ""b"",\n\nc" \n"2" or so,"d"\n')
    assert article.text == '| id | name |\n| --- | --- |\n| 1 | a "b", c |\n| 2 or so | d |'
    assert article.warnings == ()


def test_few_letters_of_central_europe_are_told_from_western_ones() -> None:
    words = "Název;Cena\nŽlutý kůň;100 Kč\nPříliš úpěl;200 Kč\n"
    article = parse_document("text/csv", words.encode("cp1250"))
    assert "| Žlutý kůň | 100 Kč |" in article.text


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("iso8859_2", "Příliš žluťoučký kůň úpěl ďábelské ódy."),
        ("iso8859_2", "Zażółć gęślą jaźń. Proszę zarejestrować urządzenie po zakupie."),
        ("cp1250", "Zażółć gęślą jaźń. Proszę zarejestrować urządzenie po zakupie."),
        ("koi8_u", "Гарантия на насос составляет два года."),
        ("koi8_u", "Гарантія на виріб становить два роки."),
        ("cp874", "การรับประกันสินค้าสองปี"),
    ],
)
def test_encodings_that_look_like_others_are_told_apart(encoding: str, words: str) -> None:
    assert parse_document("text/plain", words.encode(encoding)).text == words


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
    head = "From: bob@e.org\nTo: cy@e.org\nSubject: End"
    forwarded = f"Content-Type: message/rfc822\n\n{head}\n\nIt ends on 30 June."
    picture = "Content-Type: image/png\nContent-Disposition: inline\n\nx"
    texts = [f"Content-Type: text/plain\n\n{words}" for words in ("See this:", "Send VX-19.")]
    article = read(EMAIL, _multipart("mixed", texts[0], picture, texts[1], forwarded))
    for words in (
        "See this:",
        "Send VX-19.",
        "From: bob@e.org",
        "To: cy@e.org",
        "Subject: End",
        "It ends on 30 June.",
    ):
        assert words in article.text
    assert article.warnings == ("1 attachments were left out: upload them as files",)


def test_flowed_lines_are_joined() -> None:
    mail = "Subject: S\nContent-Type: text/plain; format=flowed\n\nThe pump \nstops.\n\nNext.\n"
    assert read(EMAIL, mail).text == "The pump stops.\n\nNext."


def test_flowed_lines_are_joined_within_their_quotation() -> None:
    mail = (
        "Subject: S\nContent-Type: text/plain; format=flowed\n\n"
        "> The pump \n> stops.\n> \n>> Since \n>> when?\nSince \n> May.\n-- \nAnn\n"
    )
    assert read(EMAIL, mail).text == (
        "> The pump stops.\n>\n>> Since when?\nSince \n> May.\n-- \nAnn"
    )


def test_words_that_only_the_html_of_a_mail_has_are_counted() -> None:
    plain = "Content-Type: text/plain\n\nYour code is QX-7731, and the gate is B12."
    article = read(EMAIL, _multipart("alternative", plain, _RICH))
    assert article.warnings == ("3 words that only the HTML has were left out",)


def test_report_on_a_mail_that_did_not_arrive_is_read() -> None:
    status = "Content-Type: message/delivery-status\n\nReporting-MTA: dns; e.org\n\nStatus: 5.1.1"
    words = "Content-Type: text/plain\n\nNot delivered."
    text = read(EMAIL, _multipart("report", words, status)).text
    assert text == "Not delivered.\n\nReporting-MTA: dns; e.org\n\nStatus: 5.1.1"


def test_html_of_a_mail_is_read_in_the_encoding_that_it_names() -> None:
    page = "<meta charset=windows-1251><p>Чай</p>".encode("cp1251")
    article = parse_document(EMAIL, b"Subject: S\nContent-Type: text/html\n\n" + page)
    assert article.text == "Чай"


def test_html_of_a_mail_is_what_a_reader_sees_of_it() -> None:
    page = "<div style='display:none'>Look inside</div><p>Gate B12.<img src='cid:1'></p>"
    article = read(EMAIL, f"Subject: S\nContent-Type: text/html\n\n{page}")
    assert article.text == "Gate B12."
    assert set(article.warnings) == {
        "2 words that are hidden from readers were left out",
        "1 images were left out",
    }


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


@pytest.mark.parametrize(
    ("output", "text", "warning"),
    [
        (
            {"data": {"image/png": "x", "text/plain": "<Figure size 640x480 with 1 Axes>"}},
            "",
            "1 images were left out",
        ),
        ({"data": {"text/latex": "$x^2$", "text/plain": "<core.Math object>"}}, "$x^2$", ""),
        (
            {"data": {"application/vnd.plotly.v1+json": {"data": []}, "text/plain": "Figure()"}},
            "",
            "1 outputs that are not text were left out",
        ),
        ({"data": {"text/plain": "<list_iterator>"}}, "```\n<list_iterator>\n```", ""),
        ({"ename": "E", "evalue": "no", "traceback": []}, "```\nE: no\n```", ""),
        ({"text": "\r 0%\r 50%\r100%\nDone"}, "```\n100%\nDone\n```", ""),
        ({"text": "x" * 5000}, "", "1 long outputs were left out"),
    ],
)
def test_results_of_a_notebook_are_what_readers_see(
    output: dict[str, object], text: str, warning: str
) -> None:
    prose = {"cell_type": "markdown", "source": "Tea"}
    code = {"cell_type": "code", "source": "", "outputs": [output]}
    article = read(NOTEBOOK, json.dumps({"cells": [prose, code]}))
    assert article.text == f"Tea\n\n{text}".strip()
    assert article.warnings == ((warning,) if warning else ())


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


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        (
            "cp1252",
            "Appuyez sur le bouton jusqu'à ce que la lampe clignote ; où est l'eau ? Voilà.",
        ),
        ("cp1252", "Håll den röda knappen intryckt tills lampan blinkar två gånger på våningen."),
        ("cp1252", "Haltu rauða takkanum inni þar til ljósið blikkar. Þegar tankurinn er tómur."),
        ("cp1254", "Kırmızı düğmeye basın ve pompanın yeniden başlamasını bekleyin."),
        ("cp1250", "Przytrzymaj czerwony przycisk przez dziesięć sekund, aż lampka zamiga."),
        ("cp1250", "Stiskněte červené tlačítko na deset sekund, dokud kontrolka nezabliká."),
        ("cp1257", "Paspauskite raudoną mygtuką dešimt sekundžių, kol lemputė sumirksės."),
        ("cp850", "Drücken Sie den Knopf für zehn Sekunden, dann blinkt es grün; größere Öffnung."),
    ],
)
def test_code_page_is_told_by_the_letters_of_one_language(encoding: str, words: str) -> None:
    for text in (words, "\n".join([words] * 9)):
        assert parse_document("text/plain", text.encode(encoding)).text == text


def test_comments_that_are_definitions_of_links_are_left_out() -> None:
    source = (
        "[//]: # (secret)\nTea [x].\n\n[c]: <> 'secret'\n[x]: http://e.x/ (Title)\n[y]: #y (kept)"
    )
    article = parse_document("text/markdown", source.encode())
    assert article.text == "Tea [x].\n\n[x]: http://e.x/ (Title)\n[y]: #y (kept)"


def test_tags_are_not_words_of_a_heading() -> None:
    source = '# <a name="tea"></a>Tea<br>time <em>now</em> for List<T>\n\nText'
    article = parse_document("text/markdown", source.encode())
    assert article.title == "Tea time now for List<T>"


def test_charset_in_a_comment_is_not_declared() -> None:
    page = '<!-- <meta charset="koi8-r"> --><p>Grüße</p>'.encode("cp1252")
    assert parse_document("text/html", page).text == "Grüße"
