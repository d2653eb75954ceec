"""What the parsers make of files: text, title, headings, attributes, and the refusals."""

import codecs
import io
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfWriter
from reportlab.lib.pdfencrypt import StandardEncryption

from app.domain import Article, Heading, PageStart
from app.errors import UnreadableDocument, UnsupportedMediaType
from ingest.formats import INVALID_LINE, INVALID_NAME, MEDIA_TYPES, SUFFIXES, resolve_media_type
from ingest.parsers import PARSERS, parse_document
from tests.ingest.pdf_files import make_pdf

EXAMPLES = Path(__file__).parents[2] / "examples" / "articles"
TEXT, MARKDOWN, HTML, PDF = "text/plain", "text/markdown", "text/html", "application/pdf"


def parse(media_type: str, source: str) -> Article:
    return parse_document(media_type, source.encode())


def refuse(media_type: str, data: bytes) -> str:
    """Return the code with which a file is refused."""
    with pytest.raises(UnreadableDocument) as caught:
        parse_document(media_type, data)
    return caught.value.code


def headings_of(article: Article) -> list[tuple[int, str]]:
    """Return (level, text) of each heading, whose offset must be where its words stand."""
    for heading in article.headings:
        line = article.text[heading.start :].partition("\n")[0]
        assert heading.start == 0 or article.text[heading.start - 1] == "\n"
        assert heading.text.split()[0] in line
    return [(heading.level, heading.text) for heading in article.headings]


# Which format


@pytest.mark.parametrize(
    ("content_type", "filename", "expected"),
    [
        ("text/markdown", "", "text/markdown"),
        ("text/x-markdown", "", "text/markdown"),
        ("application/x-pdf", "scan.txt", "application/pdf"),
        ("TEXT/HTML", "page", "text/html"),
        ("text/html", "page.md", "text/html"),
        ("application/xhtml+xml", "page", "application/xhtml+xml"),
        ("", "Manual.PDF", "application/pdf"),
        ("", "page.htm", "text/html"),
        ("application/octet-stream", "notes.markdown", "text/markdown"),
        ("binary/octet-stream", "notes.text", "text/plain"),
        ("text/plain", "notes.md", "text/markdown"),
        ("text/plain", "notes.log", "text/plain"),
        ("text/plain", "", "text/plain"),
        ("no type at all", "notes.txt", "text/plain"),
        ("text/html; charset=ISO-8859-1", "", "text/html; charset=iso-8859-1"),
        ('text/plain;charset="utf-8"', "notes.md", "text/markdown; charset=utf-8"),
        ("text/plain; charset=x-sjis", "", "text/plain; charset=x-sjis"),
        # What no charset is called is not kept.
        (f"text/plain; charset=utf{'-' * 200}8", "", "text/plain"),
        ("text/plain; charset*=utf-8''a%00b", "", "text/plain"),
        (f"text/plain; charset*{'1' * 5000}=utf-8", "", "text/plain"),
        ("text/html; x=1; CHARSET = KOI8-R ;y=2", "", "text/html; charset=koi8-r"),
    ],
)
def test_media_type_comes_from_the_declared_type_and_the_name(
    content_type: str, filename: str, expected: str
) -> None:
    assert resolve_media_type(content_type, filename) == expected


@pytest.mark.parametrize(
    ("content_type", "filename", "named"),
    [
        ("image/png", "notes.md", "image/png"),
        ("application/yaml", "notes.txt", "application/yaml"),
        ("", "setup.exe", ".exe"),
        ("application/octet-stream", "archive.tar.gz", "application/octet-stream"),
        ("", "README", "a file without a type"),
        ("", "", "a file without a type"),
    ],
)
def test_other_types_are_refused_by_name_with_those_that_are_read(
    content_type: str, filename: str, named: str
) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        resolve_media_type(content_type, filename)
    assert str(caught.value).startswith(f"{named} is not supported")
    assert all(media_type in str(caught.value) for media_type in MEDIA_TYPES)


def test_comments_before_a_page_are_passed_over_once() -> None:
    comments = b"<!-- a -->\n" * 60
    assert resolve_media_type("", "a.txt", comments + b"<html>") == "text/html"
    # Taken for parts of each other, they would be tried in more ways than there is time.
    assert resolve_media_type("", "a.txt", comments + b"Tea") == "text/plain"


@pytest.mark.parametrize("suffix", [".txt", ".md", ".html", ".rst", ".csv", ".json", ".eml"])
def test_text_about_the_mark_of_a_pdf_is_text(suffix: str) -> None:
    about = b"A PDF begins with `%PDF-1.7`."
    declared = resolve_media_type("", f"a{suffix}")
    assert resolve_media_type("", f"a{suffix}", about) == declared
    assert resolve_media_type(declared, "", about) == declared
    assert resolve_media_type(declared, "", b"\n%PDF-1.7\n") == "application/pdf"
    assert resolve_media_type("", "a", about) == "application/pdf"


def test_every_media_type_has_a_parser_and_every_suffix_a_media_type() -> None:
    # What a bundle holds and is no article has types of its own, which no file has.
    assert {*MEDIA_TYPES, INVALID_LINE, INVALID_NAME} == set(PARSERS)
    assert all(resolve_media_type("", f"x{suffix}") in PARSERS for suffix in SUFFIXES)


# Plain text


def test_short_first_line_that_stands_alone_is_the_title() -> None:
    assert parse(TEXT, "\n\nHot tea \n\nBoil water.\n").title == "Hot tea"


@pytest.mark.parametrize("source", ["Hot tea\nBoil water.", "Hot tea", "x" * 101 + "\n\nMore."])
def test_first_line_of_a_paragraph_or_a_long_one_is_no_title(source: str) -> None:
    assert parse(TEXT, source).title == ""


def test_text_is_kept_as_it_is_with_line_ends_made_one_kind() -> None:
    article = parse_document(TEXT, "\n A\r\nb\rc\u2028d \t\n".encode())
    assert article.text == "\n A\nb\nc\u2028d \t\n"
    assert article.warnings == ()


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"], ids=lambda name: str(name)
)
def test_unicode_with_or_without_byte_order_mark_is_read(encoding: str) -> None:
    article = parse_document(TEXT, "Grüße 漢字 🙂".encode(encoding))
    assert (article.text, article.warnings) == ("Grüße 漢字 🙂", ())


def test_mark_of_an_encoding_does_not_refuse_the_bytes_behind_it() -> None:
    marked = parse_document(TEXT, codecs.BOM_UTF8 + "Café crème".encode("cp1252"))
    assert (marked.text, marked.warnings) == ("Café crème", ("not UTF-8: decoded as cp1252",))
    # A program for single bytes has ended the last line.
    wide = parse_document(TEXT, "Tea time\n".encode("utf-16") + b"\n")
    assert (wide.text, wide.warnings) == (
        "Tea time\n\ufffd",
        ("1 undecodable characters replaced",),
    )


@pytest.mark.parametrize("order", ["be", "le"])
def test_both_byte_orders_of_utf_16_are_read(order: str) -> None:
    assert parse_document(TEXT, "\ufeffGrüße".encode(f"utf-16-{order}")).text == "Grüße"


def test_few_bytes_that_are_not_utf_8_are_windows_1252_with_a_warning() -> None:
    article = parse_document(TEXT, "Café für 5 €".encode("cp1252"))
    assert article.text == "Café für 5 €"
    assert article.warnings == ("not UTF-8: decoded as cp1252",)


def test_declared_encoding_is_used_where_the_bytes_are_not_utf_8() -> None:
    article = parse_document(f"{TEXT}; charset=koi8-r", "Привет".encode("koi8-r"))
    assert article.text == "Привет"
    assert article.warnings == ("not UTF-8: decoded as koi8-r",)


def test_utf_8_is_read_as_such_whatever_is_declared() -> None:
    article = parse_document(f"{TEXT}; charset=iso-8859-1", "Grüße".encode())
    assert (article.text, article.warnings) == ("Grüße", ())


@pytest.mark.parametrize(
    "charset",
    [
        *("no-such-encoding", "base64", "rot13", "idna", "punycode", "undefined", "utf-7"),
        *("unicode_escape", "raw_unicode_escape"),
    ],
)
def test_declared_encoding_that_decodes_no_text_is_ignored(charset: str) -> None:
    data = "Café \\ud800".encode("latin-1")
    assert parse_document(f"{TEXT}; charset={charset}", data).text == "Café \\ud800"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "Привет, это русский текст, довольно длинный для распознавания."),
        ("shift_jis", "日本語のテキストです。これは長い文章です。"),
    ],
)
def test_encoding_of_a_longer_text_is_detected(encoding: str, text: str) -> None:
    article = parse_document(TEXT, text.encode(encoding))
    assert article.text == text
    assert article.warnings[0].startswith("not UTF-8")


@pytest.mark.parametrize("shift", [0, 1])
def test_encoding_is_detected_wherever_a_long_text_is_cut_for_it(shift: int) -> None:
    line = "これは長い日本語の文章です。お茶を淹れる前にお湯を沸かしてください。\n"
    article = parse_document(TEXT, b"x" * shift + (line * 8000).encode("cp932"))
    assert article.text == "x" * shift + line * 8000


@pytest.mark.parametrize(
    "data",
    [b"\x81\x8d\x8f\x90\x9d", bytes(range(128, 256)) * 3, "\ufeffab".encode("utf-16-le")[:-1]],
)
def test_bytes_that_are_no_text_are_refused(data: bytes) -> None:
    assert refuse(TEXT, data) == "unknown_encoding"


@pytest.mark.parametrize("media_type", [TEXT, MARKDOWN])
def test_nul_characters_are_refused(media_type: str) -> None:
    assert refuse(media_type, b"tea\x00milk") == "nul_character"


@pytest.mark.parametrize("media_type", [TEXT, MARKDOWN, HTML])
@pytest.mark.parametrize("data", [b"", b" \n\t\n", b"\xef\xbb\xbf", "\u00a0\u2003".encode()])
def test_file_without_text_is_refused(media_type: str, data: bytes) -> None:
    assert refuse(media_type, data) == "empty_document"


# Markdown


def parse_front_matter(yaml: str) -> Article:
    return parse(MARKDOWN, f"---\n{yaml}\n---\n# Heading\n\nText")


def test_front_matter_gives_title_url_and_attributes() -> None:
    article = parse_front_matter(
        "title: Hot tea\nurl: https://example.org/tea\ntags: [tea, hot]\nstock: 3\n"
        "price: 2.5\norganic: true\nsince: 2024-05-06"
    )
    assert (article.title, article.url) == ("Hot tea", "https://example.org/tea")
    assert article.text == "# Heading\n\nText"
    assert article.attributes == {
        "tags": ["tea", "hot"],
        "stock": 3,
        "price": 2.5,
        "organic": True,
        "since": "2024-05-06",
    }
    assert article.warnings == ()


def test_front_matter_keeps_spaces_and_joiners_of_every_script() -> None:
    article = parse_front_matter("title: Où\u00a0?\nfa: می\u200cخواهم\nnote: 'a\tb'")
    assert article.title == "Où ?"
    assert article.attributes == {"fa": "می\u200cخواهم", "note": "a\tb"}


def test_nested_front_matter_gets_dotted_names() -> None:
    article = parse_front_matter("product:\n  name: Larkspur\n  size:\n    cups: 2")
    assert article.attributes == {"product.name": "Larkspur", "product.size.cups": 2}


@pytest.mark.parametrize(
    "value",
    [
        *(".nan", ".inf", "-.inf", "99999999999999999999", "null", "[]", "[1, [2]]"),
        *('"a\\0b"', '"a\\n\\0b"'),
    ],
)
def test_front_matter_value_that_no_attribute_can_hold_is_left_out_with_a_warning(
    value: str,
) -> None:
    article = parse_front_matter(f"title: Tea\nodd: {value}\neven: 2")
    assert (article.title, article.attributes) == ("Tea", {"even": 2})
    assert article.warnings == ("front matter keys without a usable value: odd",)


@pytest.mark.parametrize(
    "yaml",
    [
        "title: [unclosed",
        "a: b: c",
        "a: !!bool maybe",
        # One of the two would be lost.
        "tag: pumps\ntag: gauges",
        "a: {b: 1, b: 2}",
        "a: !!timestamp soon",
        "t: !!python/object/apply:os.getcwd []",
        "[" * 2000,
    ],
)
def test_front_matter_that_is_not_valid_yaml_stays_in_the_text(yaml: str) -> None:
    article = parse_front_matter(yaml)
    assert article.text == f"---\n{yaml}\n---\n# Heading\n\nText"
    assert article.title == "Heading"
    assert article.attributes == {}
    assert article.warnings == ("front matter is not valid YAML: kept as text",)


@pytest.mark.parametrize("between", ["Only a note between rules.", "- first\n- second", "42"])
def test_text_between_rules_at_the_beginning_is_not_lost(between: str) -> None:
    assert between in parse_front_matter(between).text


def test_title_is_the_first_level_1_heading_without_front_matter() -> None:
    assert parse(MARKDOWN, "## Before\n\n# The *hot* `tea` [page](x)\n\n# More").title == (
        "The hot tea page"
    )


def test_title_of_the_front_matter_need_not_be_text() -> None:
    assert parse_front_matter("title: 2024-05-06").title == "2024-05-06"
    assert parse_front_matter("title:").title == "Heading"


def test_headings_are_read_where_they_stand() -> None:
    article = parse(MARKDOWN, "# A\n\ntext\n\n### B ###\n\nTitle\nof two lines\n---\n\ntext\n#no")
    assert headings_of(article) == [(1, "A"), (3, "B"), (2, "Title of two lines")]
    assert [heading.start for heading in article.headings] == [0, 11, 22]


def test_headings_in_code_quotations_and_lists_are_none() -> None:
    source = "```sh\n# no\n```\n\ntext\n\n    # no\n\n> # no\n\n- # no\n\n~~~\n# no\n~~~\n\n# yes"
    assert headings_of(parse(MARKDOWN, source)) == [(1, "yes")]


def test_offsets_of_headings_hold_after_crlf_and_odd_line_separators() -> None:
    article = parse_document(MARKDOWN, "a\u2028b\x0bc\x85d\r\n\r\n# A\r\ntext\r\n## B\r\n".encode())
    assert "\r" not in article.text
    assert headings_of(article) == [(1, "A"), (2, "B")]


def test_crlf_and_lf_give_the_same_article() -> None:
    source = "---\ntitle: Tea\nsize: 2\n---\n# A\n\ntext\n\n## B\n"
    unix = parse_document(MARKDOWN, source.encode())
    assert unix == parse_document(MARKDOWN, source.replace("\n", "\r\n").encode())
    assert unix.title == "Tea"


# HTML

_PAGE = """<!doctype html><html><head><meta charset="utf-8"><title>Tea - The shop</title>
<link rel="canonical" href="https://example.org/tea"><style>.hidden { STYLE }</style></head><body>
<nav><ul><li>NAVIGATION</li><li>Imprint</li></ul></nav>
ARTICLE
<script>var SCRIPT = 1;</script><template>TEMPLATE</template><noscript>NOSCRIPT</noscript>
<footer>FOOTER</footer></body></html>"""
_ARTICLE = """<h1>Hot tea</h1><p>Boil the water and wait for a minute.</p>
<h2>Milk</h2><p>Pour the milk into the cup before the tea.</p><ul><li>whole</li><li>oat</li></ul>
<h2>Sugar</h2><table><tr><th>Size</th><th>Spoons</th></tr><tr><td>small</td><td>1</td></tr></table>
"""
_LONG = "".join(
    f"<p>Paragraph {number} says how to make the tea, at length.</p>" for number in range(30)
)


@pytest.mark.parametrize("tag", ["div", "main", "article", "div role=main"])
@pytest.mark.parametrize("rest", ["", _LONG], ids=["short", "long"])
def test_page_is_read_without_navigation_and_scripts(tag: str, rest: str) -> None:
    body = f"<{tag}>{_ARTICLE}{rest}</{tag.split()[0]}>"
    article = parse(HTML, _PAGE.replace("ARTICLE", body))
    for word in ("NAVIGATION", "SCRIPT", "STYLE", "TEMPLATE", "FOOTER", "The shop"):
        assert word not in article.text
    for word in ("Boil the water", "Pour the milk", "whole", "oat", "Spoons", "small"):
        assert article.text.count(word) == 1
    assert article.text.count("says how to make") == (30 if rest else 0)


@pytest.mark.parametrize("tag", ["div", "main", "article"])
@pytest.mark.parametrize("rest", ["", _LONG], ids=["short", "long"])
def test_page_keeps_its_headings(tag: str, rest: str) -> None:
    article = parse(HTML, _PAGE.replace("ARTICLE", f"<{tag}>{_ARTICLE}{rest}</{tag}>"))
    assert headings_of(article) == [(1, "Hot tea"), (2, "Milk"), (2, "Sugar")]


@pytest.mark.parametrize(
    "words",
    ["&lt;script&gt; elements are removed.", "&lt;!-- begins a comment.", "Sum<br>----", "5<br>=="],
)
def test_words_that_look_like_marks_hide_no_headings_and_are_none(words: str) -> None:
    article = parse(HTML, f"<main><h1>Tea</h1><p>{words}</p><h2>Milk</h2><p>x</p></main>")
    assert headings_of(article) == [(1, "Tea"), (2, "Milk")]


def test_title_and_canonical_url_of_a_page_are_read() -> None:
    article = parse(HTML, _PAGE.replace("ARTICLE", f"<main>{_ARTICLE}</main>"))
    assert (article.title, article.url) == ("Hot tea", "https://example.org/tea")
    assert (
        parse(HTML, _PAGE.replace("ARTICLE", "<main><p>Text.</p></main>")).title == "Tea - The shop"
    )
    assert parse(HTML, "<h1></h1><h1>Second <b>one</b></h1><p>x</p>").title == "Second one"


def test_sign_in_the_name_of_a_language_is_part_of_a_title() -> None:
    page = "<body><h1>Intro to C#<a href='#intro'>¶</a></h1><p>Tea</p></body>"
    article = parse(HTML, page)
    assert (article.title, article.headings[0].text) == ("Intro to C#", "Intro to C#")


def test_words_left_out_are_counted_in_a_warning() -> None:
    article = parse(HTML, "<nav>one two three</nav><main><h1>Tea</h1><p>Hot.</p></main>")
    assert article.warnings == ("3 words around the article were left out as navigation",)
    assert parse(HTML, "<main><h1>Tea</h1><p>Hot.</p></main>").warnings == ()


def test_fragment_keeps_its_heading_lists_and_tables() -> None:
    article = parse(HTML, _ARTICLE)
    assert article.text == (
        "# Hot tea\n\nBoil the water and wait for a minute.\n\n"
        "## Milk\n\nPour the milk into the cup before the tea.\n\n- whole\n- oat\n\n"
        "## Sugar\n\n| Size | Spoons |\n| --- | --- |\n| small | 1 |"
    )
    assert headings_of(article) == [(1, "Hot tea"), (2, "Milk"), (2, "Sugar")]


@pytest.mark.parametrize("source", ["<p>Only this.</p>", "Only this.", "<b>Only</b> this."])
def test_fragment_without_headings_is_read_whole(source: str) -> None:
    article = parse(HTML, source)
    assert article.text.replace("*", "") == "Only this."
    assert (article.title, article.headings) == ("", ())


def test_marks_of_markdown_in_words_are_not_escaped() -> None:
    article = parse(HTML, "<p>set max_size_bytes to 2*3 [now] &lt;b&gt; &amp; go</p>")
    assert article.text == "set max_size_bytes to 2*3 [now] <b> & go"


def test_code_keeps_its_lines_and_gives_no_headings() -> None:
    article = parse(HTML, "<h1>Run</h1><pre><code># comment\nmake tea</code></pre>")
    assert "# comment\nmake tea" in article.text
    assert headings_of(article) == [(1, "Run")]


def test_links_keep_their_targets_and_images_their_texts() -> None:
    article = parse(
        HTML,
        '<base href="https://e.org/a/"><p>See <a href="x">the page</a> <img src="y" alt="a lever">,'
        ' <a href="#top">above</a> and <a href="javascript:x()">this</a>.</p>',
    )
    assert article.text == "See [the page](https://e.org/a/x) [Image: a lever] , above and this."


@pytest.mark.parametrize(
    ("encoding", "meta"),
    [
        ("iso-8859-1", '<meta charset="iso-8859-1">'),
        (
            "windows-1251",
            '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">',
        ),
    ],
)
def test_encoding_is_read_from_the_page(encoding: str, meta: str) -> None:
    word = "Grüße" if encoding == "iso-8859-1" else "Привет"
    article = parse_document(HTML, f"{meta}<p>{word}</p>".encode(encoding))
    assert article.text == word
    # The name that browsers read it by.
    codec = {"iso-8859-1": "cp1252", "windows-1251": "cp1251"}[encoding]
    assert article.warnings == (f"not UTF-8: decoded as {codec}",)


def test_declared_encoding_goes_before_the_one_in_the_page() -> None:
    data = '<meta charset="iso-8859-1"><p>5 €</p>'.encode("iso-8859-15")
    assert parse_document(f"{HTML}; charset=iso-8859-15", data).text == "5 €"


@pytest.mark.parametrize("depth", [300, 3000])
def test_page_that_nests_too_deep_is_refused_instead_of_cut(depth: int) -> None:
    page = "<div>" * depth + "deep" + "</div>" * depth
    assert refuse(HTML, page.encode()) == "too_deep"


def test_page_that_nests_a_little_less_is_read() -> None:
    assert parse(HTML, "<div>" * 200 + "deep" + "</div>" * 200).text == "deep"


@pytest.mark.parametrize(
    ("holder", "entry"),
    [
        ("dl", "<dd>"),
        ("dl", "<dt>Tea<dd><p>"),
        ("ul", "<li><b>"),
        ("table", "<tr><td><b>a<td>"),
        ("table", "<tr><td>a<tbody><tr><th><ul><li>"),
        ("div", "<p>"),
    ],
)
def test_many_elements_without_end_tags_are_not_nested(holder: str, entry: str) -> None:
    entries = "".join(f"{entry}cup{number}\n" for number in range(1000))
    text = parse(HTML, f"<{holder}>{entries}</{holder}>").text
    assert [word for word in text.split() if word.startswith("cup")] == [
        f"cup{number}" for number in range(1000)
    ]
    assert "    " not in text


@pytest.mark.parametrize(
    "source", ["<div></div>", "<!-- x -->", "<script>x()</script>", "<nav>x</nav>"]
)
def test_page_without_text_is_refused(source: str) -> None:
    assert refuse(HTML, source.encode()) == "empty_document"


def test_xhtml_with_an_xml_declaration_is_read() -> None:
    source = (
        '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml">'
        "<head><title>Tea</title></head><body><p>Grüße</p></body></html>"
    )
    article = parse("application/xhtml+xml", source)
    assert (article.title, article.text) == ("Tea", "Grüße")


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(words=st.lists(st.text("abcäé漢", min_size=1, max_size=6), min_size=1, max_size=12))
def test_every_word_of_a_page_without_navigation_is_kept(words: list[str]) -> None:
    article = parse(HTML, "".join(f"<p>{word}</p>" for word in words))
    assert article.text.split() == words


# PDF


_MANUAL = [["Manual", "Welcome words"], ["Setup", "Fill the tank", "Cleaning", "Rinse it"], ["End"]]


def test_pages_of_a_pdf_are_read_in_order_with_their_starts() -> None:
    article = parse_document(PDF, make_pdf(_MANUAL, title="The manual"))
    assert article.text == (
        "Manual\nWelcome words\n\nSetup\nFill the tank\nCleaning\nRinse it\n\nEnd"
    )
    assert article.title == "The manual"
    assert article.pages == (PageStart(0, 1), PageStart(22, 2), PageStart(61, 3))
    assert article.text[22:].startswith("Setup")
    assert article.text[61:] == "End"
    assert article.warnings == ()


def test_outline_gives_headings_at_the_lines_that_repeat_them() -> None:
    outline = [(0, "Manual", 0), (1, "SETUP", 0), (1, "Cleaning", 1), (2, "Not a line", 0)]
    article = parse_document(PDF, make_pdf(_MANUAL, outline=outline))
    assert article.headings == (
        Heading(0, 1, "Manual"),
        Heading(22, 1, "SETUP"),
        Heading(article.text.index("Cleaning"), 2, "Cleaning"),
        Heading(61, 1, "Not a line"),
    )


def test_page_without_text_is_named_in_a_warning_and_keeps_its_number() -> None:
    article = parse_document(PDF, make_pdf([["One"], [], ["Three"]]))
    assert [page.number for page in article.pages] == [1, 2, 3]
    assert article.text[article.pages[2].start :] == "Three"
    assert article.warnings == ("1 of 3 pages hold no text",)


def test_first_line_is_the_title_of_a_pdf_that_names_none() -> None:
    assert parse_document(PDF, make_pdf([["First line", "More"]], title=" ")).title == "First line"


def test_pdf_that_needs_a_password_is_refused() -> None:
    assert refuse(PDF, make_pdf(_MANUAL, encryption="secret")) == "encrypted"


def test_pdf_that_only_restricts_printing_is_read() -> None:
    encryption = StandardEncryption("", ownerPassword="owner", canPrint=0)
    assert parse_document(PDF, make_pdf(_MANUAL, encryption=encryption)).text.startswith("Manual")


@pytest.mark.parametrize("algorithm", ["AES-128", "AES-256"])
def test_pdf_restricted_with_a_newer_cipher_is_read(algorithm: str) -> None:
    writer = PdfWriter(io.BytesIO(make_pdf(_MANUAL)))
    writer.encrypt("", "owner", algorithm=algorithm)
    file = io.BytesIO()
    writer.write(file)
    assert parse_document(PDF, file.getvalue()).text.startswith("Manual")


@pytest.mark.parametrize("picture", [False, True])
def test_pdf_without_text_is_refused(picture: bool) -> None:
    assert refuse(PDF, make_pdf([[], []], picture=picture)) == "no_text"


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.8])
def test_truncated_pdf_is_refused(kept: float) -> None:
    data = make_pdf(_MANUAL)
    assert refuse(PDF, data[: int(len(data) * kept)]) == "unreadable_pdf"


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7\n", b"not a PDF", b"\x00" * 100])
def test_file_that_is_no_pdf_is_refused(data: bytes) -> None:
    assert refuse(PDF, data) == "unreadable_pdf"


def test_damaged_pdf_is_read_or_refused_by_a_code() -> None:
    """Bytes turned over at random never end in another exception."""
    data = make_pdf(_MANUAL, outline=[(1, "Setup", 0)])
    dice = random.Random(7)
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(20):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        try:
            outcome = parse_document(PDF, bytes(damaged)).text.strip()
        except UnreadableDocument as error:
            outcome = error.code
        assert outcome


# What all of them promise


def test_lone_surrogates_are_replaced_with_a_warning() -> None:
    article = parse_document("application/json", b'"tea \\ud800"')
    assert article.text == "tea \ufffd"
    assert "1 invalid characters replaced" in article.warnings


@pytest.mark.parametrize("line", ["The pump moves nine litres.", "Parts and prices:", "# 3"])
def test_sentence_is_not_the_title_of_a_pdf(line: str) -> None:
    assert parse_document(PDF, make_pdf([[line, "More"]], title=" ")).title == ""


def test_title_is_one_line_without_control_characters() -> None:
    assert parse(HTML, "<h1>Hot\n\ttea\x08 now</h1><p>x</p>").title == "Hot tea now"
    assert parse_front_matter('title: "Hot\\n tea"').title == "Hot tea"


@pytest.mark.parametrize(
    "path",
    sorted(path for path in EXAMPLES.rglob("*") if path.is_file()),
    ids=lambda path: str(path.relative_to(EXAMPLES)),
)
def test_sample_article_is_read_with_its_title(path: Path) -> None:
    article = parse_document(resolve_media_type("", path.name), path.read_bytes())
    assert 5 < len(article.title) < 100
    assert len(article.text) > 500
    assert path.suffix == ".txt" or len(article.headings) >= 2
    assert bool(article.pages) == (path.suffix == ".pdf")
    assert all("left out" in warning for warning in article.warnings)
    assert headings_of(article) if article.headings else path.suffix == ".txt"
