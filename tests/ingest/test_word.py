"""What a Word document comes out as: each part of it as its reader sees it."""

import pytest

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.parsers.docx import parse_docx
from tests.ingest.bad_files import make_zip
from tests.ingest.office_files import chart, declare, diagram, make_word, paragraph, relate, run

SUPER = '<w:vertAlign w:val="superscript"/>'
SUB = '<w:vertAlign w:val="subscript"/>'
HEADING = '<w:pStyle w:val="H1"/>'
STYLES = (
    "styles.xml",
    (
        "styles",
        declare(
            "w:styles",
            '<w:style w:type="paragraph" w:styleId="H1"><w:name w:val="heading 1"/></w:style>'
            '<w:style w:type="paragraph" w:styleId="Kap"><w:name w:val="Kapitel"/>'
            '<w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>'
            '<w:style w:type="paragraph" w:styleId="Sub"><w:name w:val="Unter"/>'
            '<w:basedOn w:val="Kap"/></w:style>'
            '<w:style w:type="paragraph" w:styleId="Toc"><w:name w:val="TOC Heading"/>'
            '<w:basedOn w:val="H1"/><w:pPr><w:outlineLvl w:val="9"/></w:pPr></w:style>'
            '<w:style w:type="paragraph" w:styleId="De"><w:name w:val="Überschrift 3"/></w:style>'
            '<w:style w:type="paragraph" w:styleId="Code"><w:name w:val="Source Code"/></w:style>',
        ),
    ),
)


def level(number: int, kind: str, text: str, more: str = "") -> str:
    return (
        f'<w:lvl w:ilvl="{number}"><w:start w:val="1"/><w:numFmt w:val="{kind}"/>'
        f'<w:lvlText w:val="{text}"/>{more}</w:lvl>'
    )


NUMBERING = (
    "numbering.xml",
    (
        "numbering",
        declare(
            "w:numbering",
            '<w:abstractNum w:abstractNumId="1">'
            + level(0, "decimal", "%1.", '<w:pStyle w:val="H1"/>')
            + level(1, "lowerLetter", "%1.%2)")
            + level(2, "upperRoman", "%3")
            + '</w:abstractNum><w:abstractNum w:abstractNumId="2">'
            + level(0, "bullet", "•")
            + '</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="1"/></w:num>'
            '<w:num w:numId="2"><w:abstractNumId w:val="2"/></w:num>'
            '<w:num w:numId="3"><w:abstractNumId w:val="1"/><w:lvlOverride w:ilvl="0">'
            '<w:startOverride w:val="7"/></w:lvlOverride></w:num>',
        ),
    ),
)


def read(body: str, *related: tuple[str, tuple[str, str]]) -> Article:
    return parse_docx(make_word(body, dict(related)))


def item(words: str, number: int, depth: int = 0) -> str:
    return paragraph(
        words, f'<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="{number}"/></w:numPr>'
    )


def drawing(inner: str, description: str = "") -> str:
    return (
        f'<w:r><w:drawing><wp:inline><wp:docPr id="1" name="d" descr="{description}"/>'
        f"<a:graphic><a:graphicData>{inner}</a:graphicData></a:graphic></wp:inline></w:drawing></w:r>"
    )


# Values stay what they are


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        (run("10") + run("6", SUPER) + run(" litres"), "10^6 litres"),
        (run("10") + run("-", SUPER) + run("6", SUPER), "10^-6"),
        (run("m") + run("2", SUPER), "m^2"),
        (run("x") + run("n + 1", SUPER), "x^(n + 1)"),
        (run("the 1") + run("st", SUPER) + run(" day"), "the 1st day"),
        (run("Pump") + run("®", SUPER), "Pump®"),
        (run("H") + run("2", SUB) + run("O"), "H2O"),
        (run("R1") + run("2", SUB), "R1_2"),
        (
            run("log") + run("2", SUB) + run("8 or 10") + run("6", SUPER) + run("5"),
            "log_2 8 or 10^6 5",
        ),
        (run("99 ", "<w:strike/>") + run("79 euros"), "~~99~~ 79 euros"),
    ],
)
def test_raised_lowered_and_struck_out_words_keep_the_value(runs: str, expected: str) -> None:
    assert read(paragraph(runs)).text == expected


def test_merged_cells_hold_for_each_row_and_shift_nothing() -> None:
    cell = "<w:tc>{}<w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc>"
    head = '<w:tcPr><w:gridSpan w:val="2"/></w:tcPr>'
    start = '<w:tcPr><w:vMerge w:val="restart"/></w:tcPr>'
    rows = [
        cell.format("", "Region") + cell.format(head, "Fee"),
        cell.format(start, "North") + cell.format("", "11") + cell.format("", "12"),
        cell.format("<w:tcPr><w:vMerge/></w:tcPr>", "")
        + cell.format("", "21")
        + cell.format("", "22"),
        cell.format("", "South") + cell.format(head, "none"),
    ]
    table = "".join(f"<w:tr>{row}</w:tr>" for row in rows)
    assert read(f"<w:tbl>{table}</w:tbl>").text.splitlines() == [
        "| Region | Fee | Fee |",
        "| --- | --- | --- |",
        "| North | 11 | 12 |",
        "| North | 21 | 22 |",
        "| South | none |  |",
    ]


def test_row_that_begins_late_and_a_deleted_row() -> None:
    cell = "<w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc>"
    late = '<w:trPr><w:gridBefore w:val="1"/></w:trPr>'
    gone = '<w:trPr><w:del w:id="1" w:author="a"/></w:trPr>'
    rows = (cell.format("A") + cell.format("B"), gone + cell.format("old"), late + cell.format("2"))
    table = "".join(f"<w:tr>{row}</w:tr>" for row in rows)
    assert read(f"<w:tbl>{table}</w:tbl>").text.splitlines()[2:] == ["|  | 2 |"]


def test_cell_whose_deletion_was_tracked_is_gone_and_one_of_very_many_columns_is_bounded() -> None:
    cell = "<w:tc><w:tcPr>{}</w:tcPr><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc>"
    gone = cell.format('<w:cellDel w:id="1" w:author="a"/>', "old")
    wide = cell.format('<w:gridSpan w:val="16000"/>', "wide")
    rows = (cell.format("", "A") + gone + cell.format("", "B"), cell.format("", "1") + wide)
    article = read("<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in rows) + "</w:tbl>")
    head, *_ = article.text.splitlines()
    assert head.startswith("| A | B |")
    assert len(article.text) < 1000


def test_table_of_one_cell_lays_out_what_it_holds() -> None:
    inner = paragraph("Warranty", HEADING) + paragraph("Two years.")
    article = read(f"<w:tbl><w:tr><w:tc>{inner}</w:tc></w:tr></w:tbl>", STYLES)
    assert article.text == "# Warranty\n\nTwo years."


# Headings and numbers


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        (HEADING, [(1, "Words")]),
        ('<w:pStyle w:val="Kap"/>', [(2, "Words")]),
        ('<w:pStyle w:val="Sub"/>', [(2, "Words")]),
        ('<w:pStyle w:val="De"/>', [(3, "Words")]),
        ('<w:outlineLvl w:val="2"/>', [(3, "Words")]),
        ('<w:pStyle w:val="Toc"/>', []),
        (HEADING + '<w:outlineLvl w:val="9"/>', []),
        ("", []),
    ],
)
def test_headings_come_from_styles_and_outline_levels(
    properties: str, expected: list[tuple[int, str]]
) -> None:
    article = read(paragraph("Before.") + paragraph("Words", properties), STYLES)
    assert [(h.level, h.text) for h in article.headings] == expected
    assert all(article.text[h.start :].lstrip("# ").startswith(h.text) for h in article.headings)


def test_headings_and_lists_have_the_numbers_that_are_shown() -> None:
    body = (
        item("Setup", 1).replace("<w:pPr>", f"<w:pPr>{HEADING}")
        + item("first", 1, 1)
        + item("second", 1, 1)
        + item("deep", 1, 2)
        + paragraph("Between.")
        + item("Use", 1).replace("<w:pPr>", f"<w:pPr>{HEADING}")
        + item("anew", 1, 1)
        + item("dot", 2)
        + item("seven", 3)
    )
    assert read(body, STYLES, NUMBERING).text.splitlines() == [
        "# 1. Setup", "", "   1.a) first", "   1.b) second", "      I deep", "", "Between.", "",
        "# 2. Use", "", "   2.a) anew", "- dot", "7. seven",
    ]  # fmt: skip


def test_heading_style_brings_the_number_that_its_numbering_links_to_it() -> None:
    linked = STYLES[1][1].replace(
        'heading 1"/>', 'heading 1"/><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr>'
    )
    body = paragraph("One", HEADING) + paragraph("Two", HEADING)
    article = read(body, ("styles.xml", ("styles", linked)), NUMBERING)
    assert [heading.text for heading in article.headings] == ["1. One", "2. Two"]


def test_code_keeps_its_lines() -> None:
    code = '<w:pStyle w:val="Code"/>'
    body = paragraph("a:", code) + paragraph("  b: 1", code) + paragraph("End.")
    assert read(body, STYLES).text == "```\na:\n  b: 1\n```\n\nEnd."


# What stands beside the words


def test_notes_and_comments_follow_their_paragraph_and_their_marks_stand_apart() -> None:
    notes = declare(
        "w:footnotes", f'<w:footnote w:id="2">{paragraph("Not in winter.")}</w:footnote>'
    )
    comments = declare(
        "w:comments", f'<w:comment w:id="4" w:author="Ann">{paragraph("Now 9.")}</w:comment>'
    )
    body = paragraph(
        run("Fee 8")
        + '<w:r><w:footnoteReference w:id="2"/></w:r><w:r><w:commentReference w:id="4"/></w:r>'
    ) + paragraph("Next.")
    article = read(
        body, ("footnotes.xml", ("footnotes", notes)), ("comments.xml", ("comments", comments))
    )
    assert article.text == "Fee 8[^1]\n\n[^1]: Not in winter.\n\nComment (Ann): Now 9.\n\nNext."


@pytest.mark.parametrize(
    "link",
    [
        '<w:hyperlink r:id="r1"><w:r><w:t>here</w:t></w:r></w:hyperlink>',
        f'<w:fldSimple w:instr=" HYPERLINK &quot;https://e.org/d.exe&quot; ">{run("here")}'
        "</w:fldSimple>",
        '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText> HYPERLINK '
        '"https://e.org/d.exe" \\o "tip" </w:instrText></w:r>'
        f'<w:r><w:fldChar w:fldCharType="separate"/></w:r>{run("here")}'
        '<w:r><w:fldChar w:fldCharType="end"/></w:r>',
    ],
)
def test_links_keep_their_targets(link: str) -> None:
    body = paragraph(run("Get it ") + link + run("."))
    article = read(body, ("https://e.org/d.exe", ("hyperlink", "")))
    assert article.text == "Get it [here](https://e.org/d.exe)."


def test_fields_give_what_they_came_to_and_never_what_they_ask_for() -> None:
    mark = '<w:r><w:fldChar w:fldCharType="{}"/></w:r>'
    field = (
        mark.format("begin") + "<w:r><w:instrText> IF </w:instrText></w:r>" + mark.format("begin")
        + "<w:r><w:instrText> PAGE </w:instrText></w:r>" + mark.format("separate") + run("3")
        + mark.format("end") + "<w:r><w:instrText> = 1 </w:instrText></w:r>"
        + mark.format("separate") + run("4.2") + mark.format("end")
    )  # fmt: skip
    orphan = run("Version ") + mark.format("begin") + run("5")
    assert read(paragraph(field) + paragraph(orphan)).text == "4.2\n\nVersion 5"


def test_words_within_fields_within_fields_are_as_silent_as_the_outermost() -> None:
    mark = '<w:r><w:fldChar w:fldCharType="{}"/></w:r>'
    begin, separate, end = map(mark.format, ("begin", "separate", "end"))
    inner = begin + separate + run("in") + end
    assert read(paragraph(begin + inner + separate + run("out") + end)).text == "out"
    assert read(paragraph(begin + separate + inner + run(" and out") + end)).text == "in and out"
    many = 3000
    nested = paragraph(begin * many + inner * many + separate + run("out") + end * many)
    assert read(nested).text == ""


def test_fields_without_a_result_show_their_words_or_are_counted() -> None:
    mark = '<w:r><w:fldChar w:fldCharType="{}"/></w:r>'

    def field(instruction: str) -> str:
        asked = f"<w:r><w:instrText> {instruction} </w:instrText></w:r>"
        return mark.format("begin") + asked + mark.format("end")

    fields = (r"MACROBUTTON NoMacro [Your name]", r"EQ \f(1,2)", 'XE "valve"')
    article = read(paragraph(run("Dear ") + "".join(map(field, fields))))
    assert article.text == "Dear [Your name]"
    assert article.warnings == ("1 fields without a stored result were left out",)


def test_headers_are_read_once_and_page_numbers_are_not() -> None:
    page = '<w:fldSimple w:instr=" PAGE "><w:r><w:t>7</w:t></w:r></w:fldSimple>'
    head = declare("w:hdr", paragraph("Model ZT-3000") + paragraph(run("Page ") + page))
    refer = '<w:sectPr><w:headerReference w:type="default" r:id="r1"/></w:sectPr>'
    body = paragraph("Body.") + f"<w:p><w:pPr>{refer}</w:pPr></w:p>" + refer
    assert read(body, ("header1.xml", ("header", head))).text == "Model ZT-3000\n\nBody."


def test_header_that_begins_with_a_line_of_signs_is_read_at_once() -> None:
    line = "/" * 60 + " ZT-3000"
    refer = '<w:sectPr><w:headerReference w:type="default" r:id="r1"/></w:sectPr>'
    header = ("header1.xml", ("header", declare("w:hdr", paragraph(line))))
    assert read(paragraph("Body.") + refer, header).text == f"{line}\n\nBody."


@pytest.mark.parametrize(
    "box",
    [
        "<w:r><w:drawing><wps:wsp><wps:txbx><w:txbxContent>{}</w:txbxContent></wps:txbx></wps:wsp>"
        "</w:drawing></w:r>",
        "<w:r><w:pict><v:shape><v:textbox><w:txbxContent>{}</w:txbxContent></v:textbox></v:shape>"
        "</w:pict></w:r>",
        "<w:r><mc:AlternateContent><mc:Choice Requires='wps'><w:drawing><w:txbxContent>{}"
        "</w:txbxContent></w:drawing></mc:Choice><mc:Fallback><w:pict><w:txbxContent>{}"
        "</w:txbxContent></w:pict></mc:Fallback></mc:AlternateContent></w:r>",
    ],
)
def test_text_boxes_are_read_once_after_their_paragraph(box: str) -> None:
    inner = paragraph("Never open the red valve.")
    body = paragraph(run("Tank ") + box.replace("{}", inner) + run("one."))
    assert read(body).text == "Tank one.\n\nNever open the red valve."


def test_charts_are_tables_and_smart_art_is_a_list() -> None:
    body = paragraph(drawing('<c:chart r:id="r1"/>')) + paragraph(
        drawing('<dgm:relIds r:dm="r2"/>')
    )
    article = read(
        body,
        ("chart1.xml", ("chart", chart({"Sales": {"May": 4.5, "June": 5}}, "By month"))),
        ("data1.xml", ("diagramData", diagram(("", "Boss"), ("Boss", "Clerk")))),
    )
    assert article.text == (
        "By month\n\n|  | Sales |\n| --- | --- |\n| May | 4.5 |\n| June | 5 |\n\n- Boss\n  - Clerk"
    )


def test_chart_of_very_many_points_is_cut_and_says_so() -> None:
    points = {f"p{number}": number for number in range(10_001)}
    frame = drawing('<c:chart r:id="r1"/>')
    article = read(paragraph(frame), ("chart.xml", ("chart", chart({"A": points}))))
    assert "| p9999 | 9999 |" in article.text
    assert "p10000" not in article.text
    assert article.warnings == ("2 lists of a chart have more than 10000 points: cut",)


def test_values_of_newer_charts_stand_beside_their_categories() -> None:
    def level(*points: tuple[int, str]) -> str:
        made = "".join(f'<cx:pt idx="{n}">{value}</cx:pt>' for n, value in points)
        return f"<cx:lvl>{made}</cx:lvl>"

    leaves = level((0, "green"), (1, "black"), (2, "oat"))
    stems = level((0, "tea"), (2, "milk"))
    data = (
        f'<cx:chartData><cx:data id="0"><cx:strDim type="cat">{leaves}{stems}</cx:strDim>'
        f'<cx:numDim type="val">{level((0, "4"), (2, "7.5"))}</cx:numDim></cx:data></cx:chartData>'
    )
    series = (
        "<cx:chart><cx:plotArea><cx:plotAreaRegion><cx:series><cx:tx><cx:txData><cx:v>Cups</cx:v>"
        '</cx:txData></cx:tx><cx:dataId val="0"/></cx:series></cx:plotAreaRegion></cx:plotArea>'
        "</cx:chart>"
    )
    made = declare("cx:chartSpace", data + series)
    frame = drawing('<cx:chart r:id="r1"/>')
    article = read(paragraph(frame), ("chart.xml", ("chartEx", made)))
    assert article.text.splitlines() == [
        "|  | Cups |",
        "| --- | --- |",
        "| tea green | 4 |",
        "| tea black |  |",
        "| milk oat | 7.5 |",
    ]


def test_equations_are_latex() -> None:
    text = "<m:r><m:t>{}</m:t></m:r>"
    fraction = f"<m:f><m:num>{text.format('a')}</m:num><m:den>{text.format('2π')}</m:den></m:f>"
    power = f"<m:sSup><m:e>{text.format('x')}</m:e><m:sup>{text.format('2')}</m:sup></m:sSup>"
    body = paragraph(run("So ") + f"<m:oMath>{power}</m:oMath>" + run(" holds."))
    body += f"<w:p><m:oMathPara><m:oMath>{fraction}</m:oMath></m:oMathPara></w:p>"
    assert read(body).text == "So $x^{2}$ holds.\n\n$$\\frac{a}{2\\pi}$$"


def math(text: str) -> str:
    return f"<m:r><m:t>{text}</m:t></m:r>"


def base(*parts: str) -> str:
    return "".join(f"<m:e>{part}</m:e>" for part in parts)


def limits(low: str, high: str) -> str:
    return f"<m:sub>{math(low)}</m:sub><m:sup>{math(high)}</m:sup>"


@pytest.mark.parametrize(
    ("omml", "latex"),
    [
        (f"<m:acc>{base(math('x'))}</m:acc>", r"\hat{x}"),
        (
            f'<m:acc><m:accPr><m:chr m:val="\u20d7"/></m:accPr>{base(math("v"))}</m:acc>',
            r"\vec{v}",
        ),
        (
            f'<m:bar><m:barPr><m:pos m:val="top"/></m:barPr>{base(math("x"))}</m:bar>',
            r"\overline{x}",
        ),
        (f"<m:bar>{base(math('x'))}</m:bar>", r"\underline{x}"),
        (f"<m:groupChr>{base(math('a+b'))}</m:groupChr>", r"\underbrace{a+b}"),
        (
            f'<m:nary><m:naryPr><m:chr m:val="∑"/></m:naryPr>{limits("i=1", "n")}'
            f"{base(math('i'))}</m:nary>",
            r"\sum_{i=1}^{n} i",
        ),
        (f"<m:nary>{limits('0', '∞')}{base(math('f'))}</m:nary>", r"\int_{0}^{\infty} f"),
        (
            '<m:d><m:dPr><m:begChr m:val="["/><m:endChr m:val="]"/></m:dPr>'
            f"{base(math('a'), math('b'))}</m:d>",
            r"\left[ a|b \right]",
        ),
        (
            '<m:d><m:dPr><m:begChr m:val="{"/><m:endChr m:val=""/></m:dPr><m:e><m:eqArr>'
            f"{base(math('x&amp;=1'), math('y&amp;=2'))}</m:eqArr></m:e></m:d>",
            r"\left\{ \begin{aligned} x&=1 \\ y&=2 \end{aligned} \right.",
        ),
        (
            f"<m:func><m:fName>{math('rank')}</m:fName>{base(math('A'))}</m:func>",
            r"\operatorname{rank} A",
        ),
        (
            f"<m:func><m:fName><m:limLow>{base(math('lim'))}<m:lim>{math('x→0')}</m:lim>"
            f"</m:limLow></m:fName>{base(math('f'))}</m:func>",
            r"\lim_{x\rightarrow 0} f",
        ),
        (
            f"<m:m><m:mr>{base(math('1'), math('0'))}</m:mr>"
            f"<m:mr>{base(math('0'), math('1'))}</m:mr></m:m>",
            r"\begin{matrix} 1 & 0 \\ 0 & 1 \end{matrix}",
        ),
        (f"<m:rad><m:deg>{math('3')}</m:deg>{base(math('2'))}</m:rad>", r"\sqrt[3]{2}"),
        (f"<m:sPre>{limits('6', '14')}{base(math('C'))}</m:sPre>", "{}_{6}^{14}C"),
        ("<m:r><m:rPr><m:nor/></m:rPr><m:t>if 50% of</m:t></m:r>", r"\text{if 50\% of}"),
        (f"<m:borderBox>{base(math('E'))}</m:borderBox>", "E"),
        (
            f"{math('a')}<m:phant><m:phantPr><m:show m:val='0'/></m:phantPr>{base(math('b'))}"
            "</m:phant>",
            "a",
        ),
        (math("𝐱𝛼ℝΩ"), r"x\alpha \mathbb{R} \Omega"),
    ],
)
def test_each_part_of_an_equation_is_latex(omml: str, latex: str) -> None:
    assert read(f"<w:p><m:oMath>{omml}</m:oMath></w:p>").text == f"${latex}$"


def test_images_are_counted_and_what_describes_them_is_read() -> None:
    picture = "<pic:pic xmlns:pic='http://schemas.openxmlformats.org/drawingml/2006/picture'/>"
    article = read(
        paragraph(drawing(picture, "Green lever")) + paragraph(drawing(picture, "a.png"))
    )
    assert article.text == "[Image: Green lever]"
    assert article.warnings == ("2 images were left out",)


def test_alternative_chunk_is_part_of_the_text() -> None:
    data = make_word(
        paragraph("Before.") + '<w:altChunk r:id="r1"/>' + paragraph("After."),
        {"chunk.html": ("aFChunk", "<html><body><h2>Chunk</h2><p>Inside.</p></body></html>")},
    )
    article = parse_docx(data)
    assert article.text == "Before.\n\n## Chunk\n\nInside.\n\nAfter."
    assert [(h.start, h.text) for h in article.headings] == [(9, "Chunk")]


def test_document_in_a_document_is_read_and_one_within_that_is_said_to_be_left_out() -> None:
    def embed(words: str, inner: bytes) -> bytes:
        chunk = {"chunk.docx": ("aFChunk", "")}
        body = paragraph(words) + '<w:altChunk r:id="r1"/>'
        return make_word(body, chunk, {"word/chunk.docx": inner})

    two = embed("One.", make_word(paragraph("Two.")))
    assert parse_docx(two).text == "One.\n\nTwo."
    article = parse_docx(embed("Zero.", two))
    assert article.text == "Zero.\n\nOne."
    assert article.warnings == ("1 files inside the document could not be read",)


def test_readings_stand_in_brackets_and_boxes_show_whether_they_are_ticked() -> None:
    ruby = (
        "<w:r><w:ruby><w:rt><w:r><w:t>とうきょう</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>東京"
        "</w:t></w:r></w:rubyBase></w:ruby></w:r>"
    )
    box = (
        '<w:sdt><w:sdtPr><w14:checkbox><w14:checked w14:val="1"/></w14:checkbox></w:sdtPr>'
        "<w:sdtContent><w:r><w:t>☒</w:t></w:r></w:sdtContent></w:sdt>"
    )
    assert (
        read(paragraph(ruby) + paragraph(box + run(" Oil"))).text == "東京(とうきょう)\n\n[x] Oil"
    )


def test_changes_that_were_tracked_count_as_made_and_hidden_text_is_left_out() -> None:
    body = (
        '<w:p><w:pPr><w:rPr><w:del w:id="1" w:author="a"/></w:rPr></w:pPr>' + run("One ")
        + '<w:del w:id="2"><w:r><w:delText>old</w:delText></w:r></w:del></w:p>'
        + paragraph(f'<w:ins w:id="3">{run("new")}</w:ins>' + run(" secret", "<w:vanish/>"))
    )  # fmt: skip
    article = read(body)
    assert article.text == "One new"
    assert article.warnings == ("1 hidden passages were left out",)


def test_symbols_of_symbol_fonts_are_what_they_show() -> None:
    body = paragraph('<w:r><w:sym w:font="Wingdings" w:char="F0FC"/></w:r>' + run(" done, 5 ")
                     + '<w:r><w:sym w:font="Symbol" w:char="F06D"/></w:r>' + run("m"))  # fmt: skip
    assert read(body).text == "✓ done, 5 μm"


# Odd files


def test_signs_of_unknown_fonts_are_counted_and_not_read_as_greek() -> None:
    signs = run("\uf050 on", '<w:rFonts w:ascii="Wingdings 2"/>')
    article = read(paragraph(run("Power ") + signs))
    assert article.text == "Power  on"
    assert article.warnings == ("1 characters of symbol fonts were left out",)


def test_damaged_part_is_a_warning() -> None:
    article = read(paragraph("Words."), ("styles.xml", ("styles", "<w:styles")))
    assert article.text == "Words."
    assert article.warnings == ("1 damaged parts were read as far as possible: word/styles.xml",)


def test_strict_edition_is_read_like_the_other() -> None:
    strict = "http://purl.oclc.org/ooxml/wordprocessingml/main"
    document = f'<w:document xmlns:w="{strict}"><w:body>{paragraph("Words.")}</w:body></w:document>'
    data = make_zip({"_rels/.rels": relate(("r1", "officeDocument", "d.xml")), "d.xml": document})
    assert parse_docx(data).text == "Words."


def test_encrypted_document_is_said_to_be_encrypted() -> None:
    data = b"\xd0\xcf\x11\xe0" + bytes(508) + "EncryptedPackage".encode("utf-16-le")
    with pytest.raises(UnreadableDocument) as caught:
        parse_docx(data)
    assert caught.value.code == "encrypted"


@pytest.mark.parametrize(
    ("title", "expected"), [("Pump manual", "Pump manual"), ("Microsoft Word - a.doc", "Words")]
)
def test_title_is_that_of_the_properties_else_the_first_heading(title: str, expected: str) -> None:
    core = declare("cp:coreProperties", f"<dc:title>{title}</dc:title>", 'xmlns:cp="c" '
                   'xmlns:dc="http://purl.org/dc/elements/1.1/"')  # fmt: skip
    parts = {"docProps/core.xml": core}
    data = make_word(paragraph("Words", '<w:pStyle w:val="Kap"/>'), dict([STYLES]), parts)
    assert parse_docx(data).title == expected
