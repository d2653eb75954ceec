"""Web pages as help centres and sites make them: what is the article, and what it looks like."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.parsers import parse_document
from ingest.parsers.html import read_fragment

_STEPS = (
    "<h1>Reset the pump</h1><p>Hold the red button for ten seconds until the lamp blinks twice.</p>"
    "<h2>After the reset</h2><ul><li>Fill the tank.</li><li>Open the valve.</li></ul>"
    "<table><tr><th>Code</th><th>Meaning</th></tr><tr><td>E7</td><td>No water</td></tr></table>"
    "<pre><code class='language-sh'>pump --reset\n  --all</code></pre>"
    "<p>Write to <a href='https://help.example.com/contact'>our desk</a> if the lamp stays red.</p>"
)
_MENU = (
    "<ul>" + "".join(f"<li><a href='/p{n}'>Menu entry {n}</a></li>" for n in range(12)) + "</ul>"
)
_LAYOUTS = {
    "zendesk": f"<header>{_MENU}</header><main role='main'><article class='article'>"
    f"<section class='article-info'><div class='article-body'>{_STEPS}</div></section>"
    "<footer><div class='article-votes'><button>Yes</button>NOISE votes</div></footer>"
    f"<section class='related-articles'>NOISE related{_MENU}</section></article></main>",
    "intercom": f"<header>NOISE {_MENU}</header><section><div class='article intercom-force-break'>"
    f"<div class='article_body'><article class='intercom-interblocks'>{_STEPS}</article></div>"
    "</div><div class='reactions'>NOISE Did this answer your question?</div></section>",
    "confluence": f"<div id='header'>NOISE {_MENU}</div><div id='main'><div id='breadcrumbs'>NOISE"
    f"</div><div id='main-content' class='wiki-content'>{_STEPS}</div><div id='likes-and-labels'>"
    "NOISE labels</div></div>",
    "docusaurus": f"<nav class='navbar'>NOISE {_MENU}</nav><aside>NOISE {_MENU}</aside><main>"
    f"<article><nav class='breadcrumbs'>NOISE</nav><div class='theme-doc-markdown markdown'>"
    f"{_STEPS.replace('</h2>', '<a class=hash-link href=#x>NOISE</a></h2>')}</div></article>"
    "<nav class='pagination-nav'>NOISE next</nav></main>",
    "mediawiki": f"<div id='content' class='mw-body'><div id='mw-content-text'>"
    f"<div class='mw-parser-output'><div id='toc' class='toc'>NOISE contents</div>"
    f"{_STEPS.replace('</h2>', '<span class=mw-editsection>[NOISE]</span></h2>')}</div></div></div>"
    f"<div id='mw-navigation'>NOISE {_MENU}</div>",
    "gitbook": f"<aside>NOISE {_MENU}</aside><main><div class='page-body-content'>{_STEPS}</div>"
    "<div>NOISE Last updated</div></main>",
    "form": f"<form id='aspnetForm'><div id='menu'>{_MENU}</div>"
    f"<div id='content'>{_STEPS}</div></form>",
}


@pytest.mark.parametrize("layout", _LAYOUTS)
def test_page_of_a_help_centre_is_read_with_its_structure(layout: str) -> None:
    page = f"<html><head><title>Site</title></head><body>{_LAYOUTS[layout]}</body></html>"
    article = parse_document("text/html", page.encode())
    assert article.title == "Reset the pump"
    assert [(h.level, h.text) for h in article.headings] == [
        (1, "Reset the pump"),
        (2, "After the reset"),
    ]
    for words in (
        "until the lamp blinks twice.",
        "- Fill the tank.\n- Open the valve.",
        "| Code | Meaning |\n| --- | --- |\n| E7 | No water |",
        "```sh\npump --reset\n  --all\n```",
        "[our desk](https://help.example.com/contact)",
    ):
        assert words in article.text
    assert "NOISE" not in article.text


def test_notes_under_an_article_are_part_of_it() -> None:
    note = (
        "<aside class='footnote-list brackets'><aside class='footnote' role='doc-footnote'>"
        "<span>1</span><p>Nine bar at most.</p></aside></aside>"
    )
    page = (
        f"<div class='rst-content'><p>{'Open the valve. ' * 20}</p>{note}<aside>NOISE</aside></div>"
    )
    text = parse_document("text/html", page.encode()).text
    assert "Nine bar at most." in text
    assert "NOISE" not in text


def test_words_hidden_within_what_is_hidden_are_counted_once() -> None:
    page = "<p>Tea</p><div hidden><p hidden>one two</p></div>"
    article = parse_document("text/html", page.encode())
    assert article.warnings == ("2 words that are hidden from readers were left out",)


def test_what_is_seen_and_not_written_is_counted() -> None:
    page = (
        "<p>Press <button>Save all</button> now.<ruby>東京<rt>とう</rt></ruby></p><img alt=a.png>"
        "<svg><title>Icon</title><text>Fill <tspan>tank</tspan></text></svg>"
    )
    article = parse_document("text/html", page.encode())
    assert article.text == "Press now.東京"
    assert set(article.warnings) == {
        "2 words on buttons were left out",
        "2 words in drawings were left out",
        "1 readings above words were left out",
        "1 images were left out",
    }


def test_title_is_what_a_reader_sees_of_the_heading() -> None:
    page = "<h1><svg><title>Icon</title></svg>§ 5<br>Fees<script>a()</script></h1><p>x</p>"
    assert parse_document("text/html", page.encode()).title == "§ 5 Fees"


def test_article_amid_navigation_keeps_what_is_no_prose() -> None:
    prose = "".join(
        f"<p>Paragraph {n} says at some length how the pump is cleaned and stored.</p>"
        for n in range(9)
    )
    page = f"<div class='menu'>{_MENU}</div><div class='c'>{_STEPS}{prose}</div><div>{_MENU}</div>"
    text = parse_document("text/html", page.encode()).text
    for words in ("Fill the tank.", "| E7 | No water |", "pump --reset", "Paragraph 8"):
        assert words in text
    assert "Menu entry" not in text


def test_separators_go_with_the_entries_of_a_menu() -> None:
    menu = "<ul>" + " | ".join(f"<li><a href='/{n}'>Entry {n}</a></li>" for n in range(9)) + "</ul>"
    page = f"<body>{menu}<div><h1>Gauges</h1>{_PROSE}</div>{menu}</body>"
    text = parse_document("text/html", page.encode()).text
    assert text.startswith("# Gauges")
    assert "|" not in text


def test_image_in_the_last_paragraph_is_kept() -> None:
    last = "<p>At last turn the wheel back to zero and <img alt='close the red valve'> by hand.</p>"
    page = f"<body><div><h1>Gauges</h1>{_PROSE}{last}</div><img alt='our new shop'></body>"
    text = parse_document("text/html", page.encode()).text
    assert "[Image: close the red valve]" in text
    assert "new shop" not in text


@pytest.mark.parametrize("tag", ["header", "form", "div class=breadcrumb-page", "div role=search"])
def test_page_inside_an_element_named_like_a_part_is_read(tag: str) -> None:
    page = f"<main><{tag}><p>The valve opens at nine bar.</p></{tag.split()[0]}></main>"
    assert parse_document("text/html", page.encode()).text == "The valve opens at nine bar."


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("10<sup>6</sup> litres", "10^6 litres"),
        ("m<sup>2</sup>, 1<sup>st</sup>, CO<sub>2</sub>", "m^2, 1st, CO2"),
        ("in 2019<a href='#f1'><sup>1</sup></a>", "in 2019 [1]"),
        ("500<sup><a href='#n1'>1</a>, <a href='#n2'>2</a></sup> mg", "500 [1], [2] mg"),
        ("500<a role=doc-noteref href='#n1'>1</a> mg", "500 [1] mg"),
        ("500<sup><a href='#n1'>[1]</a></sup> mg", "500[1] mg"),
        ("<p><sup><a href='#r1'>1</a></sup> Adults only.", "[1] Adults only."),
        (
            "log<sub>2</sub>8, 10<sup>6</sup><b>5</b>, 10<i><sup>6</sup></i>5",
            "log_2 8, 10^6 5, 10^6 5",
        ),
        ("2<sup>1</sup>/<sub>2</sub>, <sup>3</sup>&frasl;<sub>8</sub>", "2 1/2, 3⁄8"),
        ("10<sup>6</sup>/m", "10^6/m"),
        ("10<span style='vertical-align:super'>6</span>", "10^6"),
        ("<span style='text-decoration: line-through'>99</span> 79", "~~99~~ 79"),
        ("10<b><sup>6</sup></b> <i>m<span><sup>2</sup></span></i>", "10^6 m^2"),
        ("<h2>C#<a href='#c'>#</a></h2><p>x</p>", "## C#\n\nx"),
        ("<h2><a href='/p#f'>#</a> F# and C#</h2><p>x</p>", "## F# and C#\n\nx"),
        ("99<del>9</del> <ins>5</ins>", "99~~9~~ 5"),
        ("Klima&shy;wandel", "Klimawandel"),
        ("<ruby>\u6771\u4eac<rp>(</rp><rt>x</rt><rp>)</rp></ruby>", "\u6771\u4eac"),
        ("<ol start=3><li>c<li value=7>g</ol>", "3. c\n7. g"),
        ("<ol type=a><li>one</ol>", "a. one"),
        ("<ol type=I start=4><li>four<li>five</ol>", "IV. four\nV. five"),
        ("<ol style='list-style-type: lower-alpha'><li>one<li>two</ol>", "a. one\nb. two"),
        ("<ol reversed start=3><li>three<li>two</ol>", "3. three\n2. two"),
        ("<ol reversed><li>two<li>one</ol>", "2. two\n1. one"),
        ("<ol start=-2><li>a<li>b</ol>", "-2. a\n-1. b"),
        ("<ol style='list-style:none'><li>a<li>b</ol>", "- a\n- b"),
        ("<ol style='list-style: inside upper-roman'><li>a</ol>", "I. a"),
        ("<ul style='list-style-type:decimal'><li>a</ul>", "1. a"),
        ("<ol type=a><li style='list-style-type:decimal'>one</ol>", "1. one"),
        ("<h2>§ 5 Fees ¶</h2><p>x</p>", "## § 5 Fees\n\nx"),
        (
            "<table><tr><td class=linenos><pre>1\n2</pre><td class=code><pre>a\nb</pre></table>",
            "```\na\nb\n```",
        ),
        (
            "<pre class=line-numbers><code class='language-css line-numbers'>a {}</code></pre>",
            "```css\na {}\n```",
        ),
        (
            "<pre><span class=ln>1</span>x = 1</pre>",
            "```\nx = 1\n```",
        ),
        (
            "<pre><span class=gutter>1</span><span class=line-numbers>x = 1</span></pre>",
            "```\nx = 1\n```",
        ),
        ("<math><msup><mn>10</mn><mn>6</mn></msup></math>", "$10^{6}$"),
        ("<dl><dt>Port</dt><dd>8443</dd></dl>", "Port\n: 8443"),
        ("<input value=8443 readonly> <textarea>abc</textarea>", "8443 abc"),
        ("<input type=hidden value=no>x", "x"),
        ("<details><summary>Why?</summary><p>So.</p></details>", "Why?\n\nSo."),
        ("<h2></h2><p>x</p>", "x"),
        ("com.example.<wbr>server.<WBR/>port = 8080", "com.example.server.port = 8080"),
        (
            "a <picture><source media='(width > 9px)'><source><img alt='a valve'></picture> b"
            "<video><track></video> c <embed src=x> d",
            "a [Image: a valve] b c d",
        ),
        ("<div role=tabpanel hidden>Open</div>", "Open"),
        ("<p>a</p><div style='display: none'>no</div>", "a"),
        ("<template shadowrootmode=open><p>In</p></template>", "In"),
        ("<math><mover><mi>x</mi><mo>˙</mo></mover></math>", r"$\dot{x}$"),
        ("<math><munder><mi>lim</mi><mi>n</mi></munder></math>", r"$\lim_{n}$"),
        ("<math alttext='x^2'><mi>x</mi></math>", "$x^2$"),
    ],
)
def test_what_a_reader_sees_is_written(source: str, written: str) -> None:
    assert parse_document("text/html", f"<main>{source}</main>".encode()).text == written


@pytest.mark.parametrize(
    ("source", "written"),
    [
        (
            "<dl><dt>class A<dd><p>Opens.</p><dl><dt>run()<dd>Starts.</dl></dl>",
            "class A\n: Opens.\n\n  run()\n  : Starts.",
        ),
        ("<dl>All ports<dt>Port<dd>8443</dl>", "All ports\n\nPort\n: 8443"),
        ("<dl><div><dt>Port</dt><dd>8443</dd></div></dl>", "Port\n: 8443"),
        ("<dl><p>None yet</p></dl>", "None yet"),
        ("<ul>Take<li>one</li>or <b>else</b><li>two</ul>", "Take\n- one\nor else\n- two"),
        ("<ol><p>Then</p><li>one<li>two</ol>", "Then\n1. one\n2. two"),
        (
            "<table><form><tr><td>a<td>b</tr><tr><td>c</td><form><td>d</form></form></table>",
            "| a | b |\n| --- | --- |\n| c | d |",
        ),
        (
            "<table><caption>Sums</caption><tr>net<td>a<td>b<tr><td>c<td>d</tr><td>e</table>",
            "Sums\n\nnet\n\n| a | b |\n| --- | --- |\n| c | d |\n| e |  |",
        ),
    ],
)
def test_what_stands_beside_entries_and_cells_is_written(source: str, written: str) -> None:
    assert read_fragment(source) == written


_TAGS = (
    *("ul", "ol", "li", "dl", "dt", "dd", "table", "caption", "thead", "tr", "td", "th", "form"),
    *("div", "p", "b", "span", "blockquote", "h2", "details", "summary", "section"),
)
_TREES = st.recursive(
    st.just("WORD "),
    lambda inner: st.builds(
        lambda tag, parts: f"<{tag}>{''.join(parts)}</{tag}>",
        st.sampled_from(_TAGS),
        st.lists(inner, min_size=1, max_size=4),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(trees=st.lists(_TREES, min_size=1, max_size=3))
def test_every_word_is_written_once_however_elements_are_nested(trees: list[str]) -> None:
    pieces = "".join(trees).split("WORD")
    source = "".join(f"{piece}w{number}" for number, piece in enumerate(pieces))
    words = [f"w{number}" for number in range(len(pieces))]
    assert sorted(re.findall(r"w\d+", read_fragment(source))) == sorted(words)


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("- 5", "- 5"),
        ("- 1,250.00", "- 1,250.00"),
        ("cat a | grep b", "cat a \\| grep b"),
        ("|x|", "\\|x\\|"),
        ("<ul><li>one<li>- 5</ul>", "one; - 5"),
        ("Take:<ol><li>one<li>two</ol><p>- 5", "Take:; 1. one; 2. two; - 5"),
        ("<table><tr><th>x<th>y<tr><td>1<td>a | b</table>", "x, y; 1, a \\| b"),
    ],
)
def test_cell_keeps_its_value_on_one_line(cell: str, written: str) -> None:
    source = f"<table><tr><th>Name<th>Value<tr><td>a<td>{cell}</table>"
    assert read_fragment(source).splitlines()[2] == f"| a | {written} |"


def test_cells_that_span_rows_and_columns_stay_under_their_heads() -> None:
    source = (
        "<table><caption>Sales</caption><tr><th rowspan=2>Region</th><th colspan=2>2024</th></tr>"
        "<tr><th>Q1</th><th>Q2</th></tr><tr><td rowspan=2>North</td><td>1</td><td>2</td></tr>"
        "<tr><td>3</td><td>4</td></tr></table>"
    )
    assert parse_document("text/html", source.encode()).text == (
        "Sales\n\n| Region | 2024 Q1 | 2024 Q2 |\n| --- | --- | --- |\n"
        "| North | 1 | 2 |\n| North | 3 | 4 |"
    )


def test_table_with_names_at_its_side_has_an_empty_head() -> None:
    source = "<table><tr><th>Port</th><td>8443</td></tr><tr><th>Host</th><td>a</td></tr></table>"
    assert parse_document("text/html", source.encode()).text == (
        "|  |  |\n| --- | --- |\n| Port | 8443 |\n| Host | a |"
    )


@pytest.mark.parametrize("cell", ["th", "td"])
def test_headings_that_name_columns_leave_a_table_a_table(cell: str) -> None:
    head = "".join(f"<{cell}><h4>{name}</h4></{cell}>" for name in ("Plan", "Users"))
    source = f"<table><tr>{head}</tr><tr><td>Pro</td><td>50</td></tr></table>"
    assert read_fragment(source) == "| Plan | Users |\n| --- | --- |\n| Pro | 50 |"
    layout = "<table><tr><td><h1>Tea</h1></td><td>x</td></tr><tr><td>a</td><td>b</td></tr></table>"
    assert read_fragment(layout) == "# Tea\n\nx\n\na\n\nb"


def test_spans_over_more_columns_than_there_are_move_no_cell() -> None:
    part = "<tr><td colspan=1000>All</td></tr><tr><td rowspan=2>A</td><td>1</td></tr><tr><td>2</td>"
    lines = read_fragment(f"<table><tr><th>Name</th><th>n</th></tr>{part * 300}</table>").split(
        "\n"
    )
    assert lines[2:] == ["| All |  |", "| A | 1 |", "| A | 2 |"] * 300


def test_span_without_end_does_not_unfold() -> None:
    cells = "<td colspan=1000 rowspan=60000>x</td>" * 300
    text = parse_document("text/html", f"<table><tr>{cells}</tr></table>".encode()).text
    assert len(text) < 10_000


_PROSE = "".join(
    f"<p>Step {n}: turn the wheel until the needle of gauge {n} stands upright, then wait.</p>"
    for n in range(12)
)
_STRAY = "<p>Write your address here and we send you a long letter on pumps each week.</p>"


def read_amid_prose(part: str) -> Article:
    page = f"<body><div id='page'><h1>Gauges</h1>{_PROSE}{part}{_PROSE}</div></body>"
    return parse_document("text/html", page.encode())


def says_that_words_are_left_out(article: Article) -> bool:
    return any("were left out as navigation" in warning for warning in article.warnings)


@pytest.mark.parametrize(
    ("aside", "is_kept"),
    [
        (f"<div class='box newsletter-form'>{_STRAY}</div>", False),
        (f"<div class='relatedPosts'>{_STRAY}</div>", False),
        (f"<div id='author-description'>{_STRAY}</div>", False),
        # The anchor of a section says what the section is about.
        (f"<section id='newsletter'><h2>Newsletter¶</h2>{_STRAY}</section>", True),
        (f"<div id='credit-notes'><h2>Credit notes</h2>{_STRAY}</div>", True),
        # A part of a name is not the name.
        (f"<div class='accredited'>{_STRAY}</div>", True),
        (f"<table><tr><th>By</th></tr><tr><td class='author'>{_STRAY}</td></tr></table>", True),
    ],
)
def test_small_part_that_names_itself_as_standing_beside_is_left_out(
    aside: str, is_kept: bool
) -> None:
    article = read_amid_prose(aside)
    assert ("long letter on pumps" in article.text) == is_kept
    assert article.text.count("gauge 11 stands upright") == 2
    assert says_that_words_are_left_out(article) != is_kept


@pytest.mark.parametrize(
    ("paragraph", "is_kept"),
    [
        ("Read more: <a href='/p'>Why the pumps of the old works were sold</a>", False),
        ("<strong>Lea también:</strong> <a href='/p'>Why the pumps were sold</a>", False),
        ("À lire aussi » <a href='/p'>Why the pumps of the old works were sold</a>", False),
        # Manuals say these; and this one says something of its own.
        ("See also: <a href='/p'>Why the pumps of the old works were sold</a>", True),
        ("Download: <a href='/p'>Why the pumps of the old works were sold</a>", True),
        ("Read more: the pumps of the old works were <a href='/p'>sold</a>.", True),
    ],
)
def test_paragraph_that_only_leads_to_another_article_is_left_out(
    paragraph: str, is_kept: bool
) -> None:
    article = read_amid_prose(f"<p>{paragraph}</p>")
    assert ("pumps" in article.text) == is_kept
    assert says_that_words_are_left_out(article) != is_kept


@pytest.mark.parametrize("region", ["div class=markdown-body", "main"])
def test_notes_and_fields_of_a_text_are_part_of_it(region: str) -> None:
    note = "<aside class='box note'><p>Never unplug the pump.</p></aside>"
    form = "<form><p>Code <input type=hidden value=x>4711.</p></form>"
    beside = (
        "<aside class='related note'><p>NOISE</p></aside>"
        f"<aside class='note'>NOISE {_MENU}</aside><form><input name=q> NOISE</form>"
    )
    part = f"<{region}><h1>Gauges</h1>{_PROSE}{note}{form}{beside}{_PROSE}</{region.split()[0]}>"
    text = parse_document("text/html", f"<body><nav>{_MENU}</nav>{part}</body>".encode()).text
    assert "Never unplug the pump." in text
    assert "Code 4711." in text
    assert "NOISE" not in text


@pytest.mark.parametrize(
    ("around", "is_whole"),
    [
        ("", True),
        ("<header>Shop</header>", True),
        (f"<nav>{_MENU}</nav>", False),
        (f"<div class='main-menu'>{_MENU[:60]}</div>", False),
        (f"<div>{_MENU * 3}</div>", False),
    ],
)
def test_page_with_nothing_around_its_article_is_read_whole(around: str, is_whole: bool) -> None:
    price = "<div class='price-widget'><p>Pro: 15 EUR</p></div>"
    page = f"<body>{around}<h1>Prices</h1>{_PROSE}{price}</body>"
    article = parse_document("text/html", page.encode())
    assert ("15 EUR" in article.text) == is_whole
    assert says_that_words_are_left_out(article) != is_whole


def test_article_in_parts_of_a_known_system_is_read_as_a_whole() -> None:
    answers = [f"<div class='markdown-body'>{_PROSE}<p>Answer {n}.</p></div>" for n in range(4)]
    quoted = f"<div class='markdown-body'>{answers[3]}</div>"
    page = f"<main><h1>Gauges</h1>{''.join(answers[:3])}{quoted}</main>"
    text = parse_document("text/html", page.encode()).text
    assert re.findall(r"Answer \d", text) == [f"Answer {n}" for n in range(4)]


def test_article_that_is_named_like_a_part_beside_it_is_read() -> None:
    page = f"<body><h1>Gauges</h1><div class='related sidebar'>{_PROSE}</div></body>"
    assert "gauge 11 stands upright" in parse_document("text/html", page.encode()).text
    parts = "".join(f"<div class='comments'>{_PROSE}</div>" for _ in range(3))
    page = f"<body><h1>Gauges</h1><div>{_PROSE}{parts}</div></body>"
    assert parse_document("text/html", page.encode()).text.count("gauge 11 stands") == 4


def test_elements_without_words_are_passed_over_once() -> None:
    assert read_fragment(f"<p>Tea{'<b></b>' * 20_000}<sup>2</sup></p>") == "Tea^2"


def test_a_few_undecodable_bytes_are_a_warning() -> None:
    data = (
        "<meta charset=utf-8><p>Gr\u00fc\u00dfe, caf\u00e9s, \u00d6l, \u00dcbung".encode()
        + b" \xff.</p>"
    )
    article = parse_document("text/html", data)
    assert article.text.startswith("Gr\u00fc\u00dfe")
    assert article.warnings == ("1 undecodable characters replaced",)


def test_declared_encoding_that_the_bytes_contradict_is_not_believed() -> None:
    words = "في قرية من القرى كان هناك رجل حكيم " * 5
    article = parse_document(
        "text/html", b"<meta charset=utf-8><p>" + words.encode("cp1256") + b"</p>"
    )
    assert article.text == words.strip()


@pytest.mark.parametrize(
    ("label", "codec", "words"),
    [
        ("gb2312", "gbk", "\u6731\u9555\u57fa"),
        ("shift_jis", "cp932", "\u2460\u9ad9"),
        ("euc-kr", "cp949", "\ub620\uc58d"),
        ("iso-8859-1", "cp1252", "\u201cGold\u201d 49 \u20ac"),
        ("us-ascii", "cp1252", "caf\u00e9"),
    ],
)
def test_declared_encoding_means_its_superset(label: str, codec: str, words: str) -> None:
    page = f"<meta charset={label}><p>{words}</p>".encode(codec)
    assert parse_document("text/html", page).text == words


def test_page_that_is_all_undecodable_is_refused() -> None:
    with pytest.raises(UnreadableDocument) as caught:
        parse_document("text/plain", b"\x81\x8d\x8f\x90\x9d")
    assert caught.value.code == "unknown_encoding"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<dl><dt>A<dd>one<dd>two<dt>B<dd>three</dl>", "A\n: one\n: two\n\nB\n: three"),
        ("<dl><dt>A<dd>a<dl><dt>B<dd>b</dl><dd>d</dl>", "A\n: a\n\n  B\n  : b\n: d"),
        (
            "<table title='<td>'><tr><th>A<th>B<tr><td>a<ul><li>p<li>q<!-- <td> --><td>r"
            "<tr><td>b<td><table><tr><td>c<td>d</table>e</table>",
            "| A | B |\n| --- | --- |\n| a; p; q | r |\n| b | c d e |",
        ),
        (
            "<table><thead><th>A<th>B<tbody><td>1<td>2<tfoot><td>3<td>4</table>",
            "| A | B |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |",
        ),
        ("<p><a name=x>a <a href='b:c'>b</a> c", "a [b](b:c) c"),
        (
            "<b>" * 300 + "<i>a</i>" + "</b>" * 300 + "<p>" + "<a name=b><b>b" * 300,
            "a\n\n" + "b" * 300,
        ),
    ],
)
def test_end_tags_that_html_leaves_out_are_added(source: str, text: str) -> None:
    assert read_fragment(source) == text


def test_words_of_tabs_stand_over_their_panels() -> None:
    page = (
        "<div role=tablist><button role=tab aria-controls=a>Mac</button>"
        "<button role=tab aria-controls=b>Windows</button></div>"
        "<div role=tabpanel id=a>Press Command.</div>"
        "<div role=tabpanel id=b hidden>Press Control.</div>"
        "<div role=tablist><button role=tab>Old</button><button role=tab>New</button></div>"
    )
    article = read_amid_prose(page)
    found = re.findall("Mac|Windows|Command|Control|Old|New", article.text)
    assert found == ["Mac", "Command", "Windows", "Control", "Old", "New"]
    assert not any("button" in warning for warning in article.warnings)


@pytest.mark.parametrize(
    "tabs",
    [
        "<ul role=tablist><li role=tab>Mac<li role=tab>Windows</ul>"
        "<div><div role=tabpanel>Press Command.</div>"
        "<div role=tabpanel hidden>Press Control.</div></div>",
        "<ul class=nav><li><a data-toggle=tab href='#a'>Mac</a>"
        "<li><a data-toggle=tab href='#b'>Windows</a></ul><div class=tab-content>"
        "<div class=tab-pane id=a>Press Command.</div>"
        "<div class=tab-pane id=b>Press Control.</div></div>",
        "<a role=tab href='#a'><h4>Mac</h4></a><div role=tabpanel id=a>Press Command.</div>"
        "<h4 role=tab>Windows</h4><div role=tabpanel id=b>Press Control.</div>",
        "<div class=tabbed-set><input type=radio checked><input type=radio>"
        "<div class=tabbed-labels><label>Mac</label><label>Windows</label></div>"
        "<div class=tabbed-content><div class=tabbed-block>Press Command.</div>"
        "<div class=tabbed-block>Press Control.</div></div></div>",
    ],
)
def test_tabs_without_names_of_their_panels_stand_over_them(tabs: str) -> None:
    text = read_amid_prose(f"<section role=tabpanel>{tabs}</section>").text
    found = re.findall(r"Mac|Windows|Command|Control|\[.\]", text)
    assert found == ["Mac", "Command", "Windows", "Control"]


def test_table_by_its_roles_alone_is_a_table() -> None:
    page = (
        "<div role=table><div role=rowgroup><div role=row><div role=columnheader>Code</div>"
        "<div role=columnheader>Meaning</div></div></div><div role=rowgroup><div role=row>"
        "<span role=cell>E7</span><span role=cell>No water</span></div></div></div>"
    )
    assert "| Code | Meaning |\n| --- | --- |\n| E7 | No water |" in read_amid_prose(page).text


def test_headings_in_wrappers_of_their_own_are_kept() -> None:
    section = (
        "<div><p>Hold the red button until the lamp blinks twice and the pump starts.</p></div>"
    )
    menu = "<div class=links><a href='#a'>Steps</a></div>"
    page = f"<article>{menu}{section * 3}<div><h2 id=a>Steps</h2></div>{section * 3}</article>"
    assert "## Steps" in parse_document("text/html", page.encode()).text
