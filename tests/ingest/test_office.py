"""What the office formats, books, mail, tables and bundles come out as."""

import io
import json
import tracemalloc
from collections.abc import Callable

import openpyxl
import pytest
from pptx import Presentation
from pptx.util import Inches

from app.domain import Article, PageStart
from app.errors import UnreadableDocument
from ingest.bundles import Member, expand_bundle
from ingest.formats import INVALID_LINE, JSON_LINES, UNKNOWN, ZIP, resolve_media_type
from ingest.outline import outline
from ingest.parsers import parse_document
from tests.ingest.bad_files import make_docx, make_zip, word_paragraph
from tests.ingest.pdf_files import make_pdf

_OFFICE = "urn:oasis:names:tc:opendocument:xmlns"


def read(name: str, data: bytes) -> Article:
    """Parse a file as its name and its bytes say."""
    return parse_document(resolve_media_type("", name, data), data)


def make_pptx() -> bytes:
    presentation = Presentation()
    for title in ("Water", "Milk"):
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = f"{title} goes first"
    slide.notes_slide.notes_text_frame.text = "Say it slowly"
    inches = Inches(1)
    table = slide.shapes.add_table(2, 2, inches, inches, inches, inches).table
    for row, words in enumerate((("Cup", "Spoons"), ("small", "1"))):
        for column, word in enumerate(words):
            table.cell(row, column).text = word
    file = io.BytesIO()
    presentation.save(file)
    return file.getvalue()


def make_xlsx() -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.title = "Prices"
    for row in (["Cup", "Price"], ["small", 2.5], ["a|b", 3]):
        book["Prices"].append(row)
    book.create_sheet("Empty")
    book.create_sheet("Hidden").append(["secret"])
    book["Hidden"].sheet_state = "hidden"
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def make_odt() -> bytes:
    content = (
        f'<office:document-content xmlns:office="{_OFFICE}:office:1.0" '
        f'xmlns:text="{_OFFICE}:text:1.0" xmlns:table="{_OFFICE}:table:1.0">'
        '<office:body><office:text><text:h text:outline-level="2">Milk</text:h>'
        "<text:p>Pour<text:s/>it.</text:p><text:list><text:list-item><text:p>whole</text:p>"
        "</text:list-item><text:list-item><text:p>oat</text:p></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell><text:p>Cup</text:p></table:table-cell>"
        "</table:table-row></table:table></office:text></office:body></office:document-content>"
    )
    return make_zip({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content})


def make_epub() -> bytes:
    return make_zip(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:'
            'container"><rootfiles><rootfile full-path="b/p.opf"/></rootfiles></container>',
            "b/p.opf": '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc='
            '"http://purl.org/dc/elements/1.1/"><dc:title>Tea book</dc:title></metadata><manifest>'
            '<item id="2" href="two.xhtml" media-type="application/xhtml+xml"/>'
            '<item id="1" href="one.xhtml" media-type="application/xhtml+xml"/></manifest>'
            '<spine><itemref idref="1"/><itemref idref="2"/></spine></package>',
            "b/one.xhtml": "<html><body><h1>One</h1><p>Boil.</p></body></html>",
            "b/two.xhtml": "<html><body><h1>Two</h1><p>Pour.</p></body></html>",
        }
    )


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (make_pptx, "presentationml.presentation"),
        (make_xlsx, "spreadsheetml.sheet"),
        (make_odt, "opendocument.text"),
        (make_epub, "epub+zip"),
        (lambda: make_docx(word_paragraph("tea")), "wordprocessingml.document"),
        (lambda: make_pdf([["tea"]]), "application/pdf"),
        (lambda: b"{\\rtf1 tea}", "application/rtf"),
        (lambda: b"<!DOCTYPE html><p>tea", "text/html"),
        (lambda: make_zip({"a.md": "tea"}), ZIP),
    ],
)
@pytest.mark.parametrize("name", ["file.txt", "file"])
def test_content_decides_over_the_name(make: Callable[[], bytes], expected: str, name: str) -> None:
    assert resolve_media_type("", name, make()).endswith(expected)
    assert resolve_media_type("text/plain", name, make()).endswith(expected)


def test_word_document_keeps_paragraphs_and_tables() -> None:
    cells = "".join(f"<w:tc>{word_paragraph(w)}</w:tc>" for w in ("Cup", "Spoons"))
    body = word_paragraph("Pour milk.") + f"<w:tbl><w:tr>{cells}</w:tr></w:tbl>"
    text = read("a.docx", make_docx(body)).text
    assert text.startswith("Pour milk.")
    assert "Cup" in text.split("Pour milk.")[1]
    assert "|" in text


@pytest.mark.parametrize("place", ["drop", "margin"])
@pytest.mark.parametrize("around", ["{}", '<w:ins w:id="1" w:author="a">{}</w:ins>'])
def test_drop_cap_is_the_first_letter_of_its_word(place: str, around: str) -> None:
    frame = f'<w:pPr><w:framePr w:dropCap="{place}" w:lines="3"/></w:pPr>'
    cap = f"<w:p>{frame}{around.format('<w:r><w:t>P</w:t></w:r>')}</w:p>"
    styled = word_paragraph("our milk.", "Normal")
    body = word_paragraph("Boil.") + cap + styled + cap + word_paragraph("our tea.")
    assert read("a.docx", make_docx(body)).text == "Boil.\n\nPour milk.\n\nPour tea."


def test_slides_are_pages_with_titles_tables_and_notes() -> None:
    article = read("a.pptx", make_pptx())
    assert [heading.text for heading in article.headings] == ["Water", "Milk"]
    assert "| Cup | Spoons |\n| --- | --- |\n| small | 1 |" in article.text
    assert "Notes: Say it slowly" in article.text
    assert outline(article).page_at(article.text.index("Milk goes first")) == 2
    assert article.pages_with_text == 2


def test_sheets_are_tables_under_their_names() -> None:
    article = read("a.xlsx", make_xlsx())
    assert article.text == (
        "## Prices\n\n| Cup | Price |\n| --- | --- |\n| small | 2.5 |\n| a\\|b | 3 |"
    )
    assert article.pages[0] == PageStart(0, 1)
    assert article.warnings == ("1 hidden sheets were left out",)


def test_opendocument_keeps_headings_lists_and_tables() -> None:
    article = read("a.odt", make_odt())
    assert article.text == "## Milk\n\nPour it.\n\n- whole\n- oat\n\n| Cup |\n| --- |"


def test_book_is_read_in_the_order_of_its_spine() -> None:
    article = read("a.epub", make_epub())
    assert (article.title, article.text) == ("Tea book", "# One\n\nBoil.\n\n# Two\n\nPour.")


def test_what_a_book_has_beside_its_text_is_counted() -> None:
    book = make_zip(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": "<c><rootfile full-path='p.opf'/></c>",
            "p.opf": "<package><manifest><item id='a' href='a.xhtml' media-type="
            "'application/xhtml+xml'/><item id='b' href='b.svg' media-type='image/svg+xml'/>"
            "</manifest><spine><itemref idref='a'/><itemref idref='b'/></spine></package>",
            "a.xhtml": "<?xml version='1.0' encoding='windows-1251'?><html><body><p>Чай</p><p>"
            "<ruby>a<rt>b</rt></ruby></p><pre><![CDATA[if a < b:]]></pre>"
            "<svg><text>Boil it</text></svg></body></html>".encode("cp1251"),
            "b.svg": "<svg><text>Pour</text></svg>",
        }
    )
    article = read("a.epub", book)
    assert article.text == "Чай\n\na\n\n```\nif a < b:\n```"
    assert set(article.warnings) == {
        "not UTF-8: decoded as cp1251",
        "1 pages that are not XHTML were left out",
        "2 words in drawings were left out",
        "1 readings above words were left out",
        "1 images were left out",
    }


def make_book(chapter: str) -> bytes:
    return make_zip(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": "<c><rootfile full-path='p.opf'/></c>",
            "p.opf": "<package><manifest><item id='a' href='a.xhtml' media-type="
            "'application/xhtml+xml'/></manifest><spine><itemref idref='a'/></spine></package>",
            "a.xhtml": chapter,
        }
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("Set &lt;a href=\"i.html\"> or href=\"b\"", "Set <a href=\"i.html\"> or href=\"b\""),
        ("<![CDATA[<style>p {}</style> <head>]]>", "<style>p {}</style> <head>"),
        ("<a href='b.xhtml#c'>here</a>, <a href='https://e.org'>there</a>",
         "here, [there](https://e.org)"),
        ("500<a epub:type='noteref' href='#n'>1</a> mg", "500 [1] mg"),
        ("500<sup><a href='n.xhtml#n'>1</a></sup> mg", "500 [1] mg"),
        ("<style/><script/>Tea<style>p {}</style>!", "Tea!"),
    ],
)  # fmt: skip
def test_words_of_a_book_that_look_like_its_marks_are_text(body: str, text: str) -> None:
    chapter = f"<html><head><title/></head><body><p>{body}</p></body></html>"
    subset = "<!DOCTYPE html [<!ENTITY shop 'a > b'>]>"
    assert read("a.epub", make_book(subset + chapter)).text == text


@pytest.mark.parametrize("mark", ["<![CDATA[", "<style>", "<!DOCTYPE x [", "<head>"])
def test_marks_in_a_book_that_never_end_are_looked_for_once(mark: str) -> None:
    read("a.epub", make_book("<html><body><p>Tea" + mark * 30_000))


def test_rich_text_keeps_headings_and_tables() -> None:
    source = (
        rb"{\rtf1\ansi {\stylesheet{\s1 h;}}\pard\outlinelevel0 Milk\par\pard Pour caf\'e9.\par"
        rb"\trowd\cellx1\cellx2 Cup\cell Spoons\cell\row\trowd small\cell 1\cell\row}"
    )
    text = read("a.rtf", source).text
    assert text.startswith("# Milk\n\nPour café.")
    assert "| Cup | Spoons |\n| --- | --- |\n| small | 1 |" in text


def test_mail_gives_subject_people_and_body() -> None:
    source = b"From: a@example.org\nSubject: =?utf-8?q?Caf=C3=A9?=\nTo: b@example.org\n\nPour.\n"
    article = read("a.eml", source)
    assert (article.title, article.text) == ("Café", "Pour.")
    assert article.attributes == {"from": "a@example.org", "to": "b@example.org"}


@pytest.mark.parametrize(
    ("name", "source"), [("a.csv", "Cup,Price\nsmall,2"), ("a.csv", "Cup;Price\nsmall;2"),
                         ("a.tsv", "Cup\tPrice\nsmall\t2")]
)  # fmt: skip
def test_separated_values_become_a_table(name: str, source: str) -> None:
    expected = "| Cup | Price |\n| --- | --- |\n| small | 2 |"
    assert read(name, source.encode()).text == expected


def test_restructured_text_keeps_headings_and_reads_no_file() -> None:
    source = "Tea\n===\n\nPour\n----\n\n- milk\n\n.. include:: /etc/passwd\n"
    article = read("a.rst", source.encode())
    assert [heading.text for heading in article.headings] == ["Tea", "Pour"]
    assert "- milk" in article.text
    assert "root:" not in article.text


def test_notebook_keeps_prose_code_and_output() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Tea\n", "Pour."]},
        {"cell_type": "code", "source": "1 + 1", "outputs": [{"text": ["2"]}]},
    ]
    article = read("a.ipynb", json.dumps({"cells": cells}).encode())
    assert article.title == "Tea"
    assert article.text == "# Tea\nPour.\n\n```\n1 + 1\n```\n\n```\n2\n```"


def test_json_article_brings_title_and_attributes() -> None:
    article = read("a.json", b'{"markdown": "# Tea\\n\\nPour.", "url": "https://e.org", "cup": 2}')
    assert (article.title, article.url) == ("Tea", "https://e.org")
    assert article.attributes == {"cup": 2}


def test_json_of_another_shape_is_read_as_its_values_with_a_warning() -> None:
    article = read(
        "a.json",
        b'{"tea": "milk", "tags": {}, "faq": [{"q": "\\u00d6l?", "a": ["x", 2]}, {"q": "b"}]}',
    )
    assert (
        article.text
        == "tea: milk\n\ntags:\n\nfaq:\n\n| q | a |\n| --- | --- |\n| Öl? | x, 2 |\n| b |  |"
    )
    assert article.warnings == ("not an article: its values are kept",)


def test_lone_surrogate_in_a_json_article_is_replaced_with_a_warning() -> None:
    article = read("a.json", b'{"text": "Tea \\ud83d hot"}')
    assert (article.text, article.warnings) == (
        "Tea \ufffd hot",
        ("1 invalid characters replaced",),
    )


def test_objects_without_a_name_in_common_are_no_table() -> None:
    cities = [{f"City {number}": number} for number in range(9)]
    article = read("a.json", json.dumps(cities).encode())
    assert article.text == "\n\n".join(f"City {number}: {number}" for number in range(9))


def test_fields_of_a_json_article_that_cannot_be_what_they_are_set_to_are_named() -> None:
    source = b'{"title": 404, "url": null, "html": 1, "attributes": "x", "text": "Tea", "a": [{}]}'
    article = read("a.json", source)
    assert (article.text, article.title, article.attributes) == ("Tea", "", {})
    assert article.warnings == ("fields without a usable value: a, html, title, attributes",)


def test_json_is_read_with_its_numbers_as_written_and_all_of_what_repeats() -> None:
    values = '{"a": 1.10, "b": 6.02e23, "c": 1e400, "d": [-0, NaN], "k": 1, "k": "two", "n": true}'
    assert read("a.json", values.encode()).text == (
        "a: 1.10\nb: 6.02e23\nc: 1e400\nd: -0, NaN\nk: 1, two\nn: true"
    )
    article = read("a.json", b'{"text": "Tea", "size": 1, "size": 2.50}')
    assert article.attributes == {"size": [1, 2.5]}
    array = f' [{{"id": "x", "t": "{{["}},\n{values[:-1]}, "id": "y"}} ] '.encode()
    members = expand_bundle("a.json", "application/json", array, max_bytes=99, max_members=9)
    assert members is not None
    assert [member.id for member in members] == ["x", "y"]
    assert members[1].data.decode() == f'{values[:-1]}, "id": "y"}}'


def test_archive_becomes_a_document_a_member() -> None:
    archive = make_zip(
        {
            "a/tea.md": "# Tea",
            "b.png": b"\x89PNG\r\n\x1a\n",
            ".git/x.md": "no",
            "c.jsonl": '{"id": "c1", "text": "x"}',
        }
    )
    members = expand_bundle("z.zip", ZIP, archive, max_bytes=2**20, max_members=1000)
    assert members == [
        Member("z.zip/a/tea.md", b"# Tea", "text/markdown"),
        Member("z.zip/b.png", b"\x89PNG\r\n\x1a\n", UNKNOWN),
        Member("c1", b'{"id": "c1", "text": "x"}', "application/json"),
    ]


def test_member_whose_name_cannot_be_an_id_fails_alone_and_is_named() -> None:
    long = f"{'d' * 300}.md"
    archive = make_zip({"a.md": "Tea", "b/./c.md": "Milk", long: "Hot", "d\x85.md": "Ice"})
    members = expand_bundle("z.zip", ZIP, archive, max_bytes=2**20, max_members=1000)
    assert members is not None
    assert [member.id for member in members] == ["z.zip/a.md", "z.zip:2", "z.zip:3", "z.zip:4"]
    for member, name in zip(members[1:], ["z.zip/b/./c.md", "z.zip/ddd", "\\x85.md"], strict=True):
        with pytest.raises(UnreadableDocument) as caught:
            parse_document(member.media_type, member.data)
        assert caught.value.code == "invalid_id"
        assert name in str(caught.value)


def test_article_in_json_whose_id_cannot_be_one_fails_alone() -> None:
    bad = ["a/../b", "é" * 129, "a\x85b"]
    lines = [json.dumps({"id": one, "text": "Tea"}) for one in [*bad, "e\u0301"]]
    members = expand_bundle(
        "a.jsonl", JSON_LINES, "\n".join(lines).encode(), max_bytes=9, max_members=1000
    )
    assert members is not None
    assert [(member.id, member.media_type) for member in members] == [
        *((f"a.jsonl:{number}", INVALID_LINE) for number in (1, 2, 3)),
        ("é", "application/json"),
    ]


def test_lines_past_those_of_an_upload_are_not_kept() -> None:
    lines = b"1\n" * 2**20
    tracemalloc.start()
    with pytest.raises(UnreadableDocument) as caught:
        expand_bundle("a.jsonl", JSON_LINES, lines, max_bytes=9, max_members=1000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.code == "archive_too_large"
    assert most < 2**20


def test_array_that_is_not_json_fails_alone_in_an_archive() -> None:
    archive = make_zip({"a.md": "Tea", "b.json": '[{"id": "b", '})
    members = expand_bundle("z.zip", ZIP, archive, max_bytes=2**20, max_members=1000)
    assert members is not None
    assert [member.id for member in members] == ["z.zip/a.md", "z.zip/b.json"]
    with pytest.raises(UnreadableDocument) as caught:
        parse_document(members[1].media_type, members[1].data)
    assert caught.value.code == "invalid_json"


def test_member_of_an_unread_format_fails_by_its_code() -> None:
    with pytest.raises(UnreadableDocument) as caught:
        parse_document(UNKNOWN, b"\x89PNG\r\n\x1a\n")
    assert caught.value.code == "unsupported_media_type"


def test_line_that_holds_no_article_fails_alone_by_its_number() -> None:
    lines = b'{"id": "a", "text": "x"}\n{"text": "y"}\n{\n{"id": "a"}\n{"id": "\\u0000"}'
    members = expand_bundle("a.jsonl", JSON_LINES, lines, max_bytes=9, max_members=1000)
    assert members is not None
    assert [(member.id, member.media_type) for member in members] == [
        ("a", "application/json"),
        *((f"a.jsonl:{number}", INVALID_LINE) for number in (2, 3, 4, 5)),
    ]
    for member in members[1:]:
        with pytest.raises(UnreadableDocument) as caught:
            parse_document(member.media_type, member.data)
        assert caught.value.code == "invalid_line"


def test_running_lines_and_cut_words_of_a_pdf_are_mended() -> None:
    pages = [["The manual", f"Topic {'abcd'[n]} is an exam-", "ple.", f"{n + 1}"] for n in range(4)]
    article = parse_document("application/pdf", make_pdf(pages))
    assert article.text.count("The manual") == 1
    assert article.text.count("example.") == 4
    assert "6 repeats of running headers and footers were left out" in article.warnings


def test_what_readers_do_not_see_is_flagged_and_kept() -> None:
    article = parse_document("text/plain", "te\u200ba \u202e pаypal שלום".encode())
    assert "\u200b" in article.text
    assert len(article.warnings) == 4


def test_text_in_utf_16_without_a_mark_is_read() -> None:
    article = parse_document("text/plain", "Pour the milk into the cup".encode("utf-16-le"))
    assert article.text == "Pour the milk into the cup"


def test_footnotes_of_rtf_are_read_where_they_are_called() -> None:
    source = rb"{\rtf1\ansi Tea\chftn{\footnote \pard {\up6\chftn } Green or black.} is hot.\par}"
    assert read("a.rtf", source).text == "Tea[^1] is hot.\n\n[^1]: Green or black."


def test_hidden_words_of_a_book_are_left_out() -> None:
    chapter = "<html><body><p hidden='hidden'>Three words here</p><p>Tea</p></body></html>"
    article = read("a.epub", make_book(chapter))
    assert article.text == "Tea"
    assert article.warnings == ("3 words that are hidden from readers were left out",)
