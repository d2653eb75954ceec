"""What OpenDocument files come out as: each part of them as their reader sees it."""

import pytest

from app.domain import Article, PageStart
from app.errors import UnreadableDocument
from ingest.formats import resolve_media_type
from ingest.parsers import parse_document
from ingest.parsers.odf.styles import NAMESPACES
from tests.ingest.bad_files import make_zip

_DECLARED = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())


def make_content(kind: str, body: str, styles: str = "") -> str:
    return (
        f"<office:document-content {_DECLARED}><office:automatic-styles>{styles}"
        f"</office:automatic-styles><office:body><office:{kind}>{body}</office:{kind}>"
        "</office:body></office:document-content>"
    )


def make_file(kind: str, body: str, styles: str = "", parts: dict[str, str] | None = None) -> bytes:
    content = make_content(kind, body, styles)
    mimetype = f"application/vnd.oasis.opendocument.{kind}"
    return make_zip({"mimetype": mimetype, "content.xml": content, **(parts or {})})


def read(
    body: str, styles: str = "", kind: str = "text", parts: dict[str, str] | None = None
) -> Article:
    data = make_file(kind, body, styles, parts)
    return parse_document(resolve_media_type("", "a", data), data)


def style(name: str, properties: str) -> str:
    return f'<style:style style:name="{name}"><style:text-properties {properties}/></style:style>'


def test_raised_words_links_and_notes() -> None:
    body = (
        '<text:p>10<text:span text:style-name="S">6</text:span> from <text:a xlink:href='
        '"https://e.org/d">here</text:a><text:note><text:note-citation>1</text:note-citation>'
        "<text:note-body><text:p>Not in winter.</text:p></text:note-body></text:note>"
        "<office:annotation><dc:creator>Ann</dc:creator><text:p>Why?</text:p></office:annotation>"
        "</text:p>"
    )
    article = read(body, style("S", 'style:text-position="super 58%"'))
    assert article.text == (
        "10^6 from [here](https://e.org/d)[^1]\n\n[^1]: Not in winter.\n\nComment (Ann): Why?"
    )


def test_hidden_words_are_left_out() -> None:
    body = '<text:p>Shown<text:span text:style-name="H"> not</text:span></text:p>'
    article = read(body, style("H", 'text:display="none"'))
    assert (article.text, article.warnings) == ("Shown", ("1 hidden passages were left out",))


@pytest.mark.parametrize("words", ["{}No", "<text:span>No{}</text:span>"])
def test_paragraph_that_a_field_hides_is_left_out(words: str) -> None:
    field = '<text:hidden-paragraph text:condition="1" text:is-hidden="{}"/>'
    hidden, shown = (
        f"<text:p>{words.format(field.format(so))}</text:p>" for so in ("true", "false")
    )
    article = read(hidden + shown.replace("No", "Yes"))
    assert (article.text, article.warnings) == ("Yes", ("1 hidden passages were left out",))


def test_hidden_section_is_left_out() -> None:
    hidden = '<text:section text:display="none"><text:p>No</text:p></text:section>'
    shown = '<text:section text:display="true"><text:p>Yes</text:p></text:section>'
    article = read(hidden + shown)
    assert (article.text, article.warnings) == ("Yes", ("1 hidden passages were left out",))


def test_headers_of_first_and_left_pages_are_read() -> None:
    pages = "".join(
        f"<style:{kind}><text:p>{kind} text</text:p></style:{kind}>"
        for kind in ("header", "header-first", "footer-left")
    )
    styles = (
        f"<office:document-styles {_DECLARED}><office:master-styles><style:master-page>{pages}"
        "</style:master-page></office:master-styles></office:document-styles>"
    )
    article = read("<text:p>Tea</text:p>", parts={"styles.xml": styles})
    assert article.text == "header text\n\nheader-first text\n\nfooter-left text\n\nTea"


def test_embedded_sheet_is_counted() -> None:
    sheet = make_content("spreadsheet", "<table:table/>")
    frame = '<draw:frame><draw:object xlink:href="./Object 1"/><draw:image/></draw:frame>'
    article = read(f"<text:p>Tea{frame}</text:p>", parts={"Object 1/content.xml": sheet})
    assert (article.text, article.warnings) == ("Tea", ("1 embedded files were left out",))


def test_formulas_are_latex() -> None:
    formula = (
        '<math xmlns="http://www.w3.org/1998/Math/MathML"><semantics><mrow><msup><mi>x</mi><mn>2'
        "</mn></msup><mo>=</mo><mfrac><mi>a</mi><mi>π</mi></mfrac></mrow>"
        "<annotation>x^2 = a over %pi</annotation></semantics></math>"
    )
    frame = '<draw:frame><draw:object xlink:href="./Object 1"/></draw:frame>'
    article = read(f"<text:p>So {frame} holds.</text:p>", parts={"Object 1/content.xml": formula})
    assert article.text == r"So $x^{2} = \frac{a}{\pi}$ holds."


def test_lists_go_on_with_the_numbers_that_are_shown() -> None:
    levels = (
        '<text:list-style style:name="L"><text:list-level-style-number text:level="1" '
        'style:num-format="a" style:num-suffix=")"/></text:list-style>'
    )
    item = "<text:list-item><text:p>{}</text:p></text:list-item>"
    body = (
        f'<text:list text:style-name="L">{item.format("one")}</text:list><text:p>Between.</text:p>'
        f'<text:list text:style-name="L" text:continue-numbering="true">{item.format("two")}'
        "</text:list>"
    )
    assert read(body, levels).text == "a) one\n\nBetween.\n\nb) two"


def test_covered_cells_shift_nothing() -> None:
    cell = "<table:table-cell {}><text:p>{}</text:p></table:table-cell>"
    covered = "<table:covered-table-cell/>"
    wide, tall = 'table:number-columns-spanned="2"', 'table:number-rows-spanned="2"'
    rows = (
        cell.format("", "Region") + cell.format(wide, "Fee") + covered,
        cell.format(tall, "North") + cell.format("", "11") + cell.format("", "12"),
        covered + cell.format("", "21") + cell.format("", "22"),
    )
    table = "".join(f"<table:table-row>{row}</table:table-row>" for row in rows)
    assert read(f"<table:table>{table}</table:table>").text.splitlines() == [
        "| Region | Fee | Fee |", "| --- | --- | --- |",
        "| North | 11 | 12 |", "| North | 21 | 22 |",
    ]  # fmt: skip


def test_sheets_show_what_is_displayed_and_hidden_ones_are_left_out() -> None:
    hidden = (
        '<style:style style:name="H"><style:table-properties table:display="false"/></style:style>'
    )
    cell = '<table:table-cell office:value-type="float" office:value="0.075"><text:p>7.5%</text:p>'
    rows = (
        "<table:table-row><table:table-cell><text:p>Rate</text:p></table:table-cell>"
        "<table:table-cell><text:p>Total</text:p></table:table-cell></table:table-row>"
        f"<table:table-row>{cell}</table:table-cell>"
        '<table:table-cell table:formula="of:=[.A2]*2"/></table:table-row>'
        '<table:table-row table:number-rows-repeated="1048574"><table:table-cell/>'
        "</table:table-row>"
    )
    body = (
        f'<table:table table:name="Prices">{rows}</table:table>'
        f'<table:table table:name="Not" table:style-name="H">{rows}</table:table>'
    )
    article = read(body, hidden, "spreadsheet")
    assert article.text == ("## Prices\n\n| Rate | Total |\n| --- | --- |\n| 7.5% | =[.A2]*2 |")
    assert "1 hidden sheets were left out" in article.warnings


def test_condition_hides_what_it_says_and_words_of_a_line_stand_apart() -> None:
    body = (
        "<text:p>Hello <draw:line><text:p>on the line</text:p></draw:line>world"
        '<text:hidden-text text:is-hidden="false"> shown</text:hidden-text></text:p>'
        '<text:section text:display="condition" text:is-hidden="true"><text:p>No</text:p>'
        "</text:section>"
    )
    article = read(body)
    assert article.text == "Hello world shown\n\non the line"
    assert article.warnings == ("1 hidden passages were left out",)


@pytest.mark.parametrize(
    "value", ['date" office:date-value="2026-03-09', 'boolean" office:boolean-value="true']
)
def test_value_that_a_cell_does_not_show_is_read(value: str) -> None:
    cells = f'<!-- a note --><table:table-cell office:value-type="{value}"/>'
    body = f'<table:table table:name="T"><table:table-row>{cells}</table:table-row></table:table>'
    assert read(body, kind="spreadsheet").text == f"## T\n\n{value.rpartition(chr(34))[2]}"


def make_line(*cells: str, attributes: str = "") -> str:
    made = "".join(f"<table:table-cell><text:p>{c}</text:p></table:table-cell>" for c in cells)
    return f"<table:table-row {attributes}>{made}</table:table-row>"


def test_hidden_rows_and_columns_of_a_sheet_are_left_out_unless_filtered_or_folded() -> None:
    gone, filtered = 'table:visibility="collapse"', 'table:visibility="filter"'
    body = (
        '<table:table table:name="Costs"><table:table-column/>'
        f"<table:table-column {gone}/><table:table-column/>"
        + make_line("Cup", "Cost", "Price")
        + make_line("small", "1", "2")
        + make_line("secret", "3", "4", attributes=gone)
        + make_line("large", "5", "6", attributes=filtered)
        + f"<table:table-row-group>{make_line('folded', '7', '8', attributes=gone)}"
        + "</table:table-row-group></table:table>"
    )
    article = read(body, kind="spreadsheet")
    assert article.text.splitlines()[2:] == [
        "| Cup | Price |",
        "| --- | --- |",
        "| small | 2 |",
        "| large | 6 |",
        "| folded | 8 |",
    ]
    assert article.warnings == ("2 hidden rows and columns were left out",)


def test_repeats_of_a_row_past_the_limit_are_counted() -> None:
    rows = make_line("Cup") + make_line("tea", attributes='table:number-rows-repeated="1002"')
    article = read(f'<table:table table:name="T">{rows}</table:table>', kind="spreadsheet")
    assert article.text.count("tea") == 1000
    said = "2 repeats of a row or cell past number 1000 were left out"
    assert article.warnings == (said,)


def test_slides_are_pages_with_titles_and_notes() -> None:
    box = "<draw:text-box><text:p>{}</text:p></draw:text-box>"
    frame = "<draw:frame presentation:class='{}'>" + box + "</draw:frame>"
    pages = (
        frame.format("title", "Milk") + frame.format("outline", "Pour it."),
        frame.format("outline", "Stir.")
        + f"<presentation:notes>{frame.format('notes', 'Slowly')}</presentation:notes>",
    )
    body = "".join(f"<draw:page>{page}</draw:page>" for page in pages)
    article = read(body, kind="presentation")
    assert article.text == "## Milk\n\nPour it.\n\nStir.\n\nNotes: Slowly"
    assert article.pages == (PageStart(0, 1), PageStart(19, 2))


def test_list_that_begins_a_slide_begins_its_page() -> None:
    box = "<draw:frame><draw:text-box>{}</draw:text-box></draw:frame>"
    item = "<text:list><text:list-item><text:p>{}</text:p></text:list-item></text:list>"
    body = "".join(f"<draw:page>{box.format(item.format(w))}</draw:page>" for w in ("Milk", "Ice"))
    article = read(body, kind="presentation")
    assert article.text == "- Milk\n\n- Ice"
    assert [article.text[page.start :] for page in article.pages] == [article.text, "- Ice"]


def test_programs_in_a_file_do_not_refuse_it_and_a_password_does() -> None:
    program = '<!DOCTYPE library:library PUBLIC "a" "b"><l/>'
    assert read("<text:p>Tea</text:p>", parts={"Basic/script-lb.xml": program}).text == "Tea"
    with pytest.raises(UnreadableDocument) as caught:
        read("", parts={"META-INF/manifest.xml": "<m><encryption-data/></m>"})
    assert caught.value.code == "encrypted"


def test_shapes_of_a_slide_are_read_from_top_to_bottom() -> None:
    def box(words: str, place: str) -> str:
        words = f"<draw:text-box><text:p>{words}</text:p></draw:text-box>"
        return f"<draw:frame {place}>{words}</draw:frame>"

    slide = (
        box("last", 'svg:x="1cm" svg:y="4in"')
        + box("right", 'svg:x="90mm" svg:y="31mm"')
        + "<draw:g>"
        + box("left", 'svg:x="1cm" svg:y="3cm"')
        + "</draw:g>"
        + box("after it", "")
    )
    article = read(f'<draw:page draw:name="a">{slide}</draw:page>', kind="presentation")
    assert article.text.split("\n\n") == ["left", "after it", "right", "last"]


def test_percentages_without_words_are_shown_as_such() -> None:
    cells = "".join(
        f'<table:table-cell office:value-type="percentage" office:value="{value}"/>'
        for value in ("0.075", "0.07", "x")
    )
    table = f'<table:table table:name="A"><table:table-row>{cells}</table:table-row></table:table>'
    assert "| 7.5% | 7% | x |" in read(table, kind="spreadsheet").text
