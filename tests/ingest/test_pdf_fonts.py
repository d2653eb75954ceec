"""PDF whose fonts and tags make reading hard: no maps, other scripts, letters drawn twice."""

import pytest
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from app.domain import Article
from ingest.parsers import parse_document
from tests.ingest.pdf_files import draw_pdf, encode_text, make_raw_pdf, make_unicode_font, write

HELVETICA = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
KNOWN = "BT /F2 12 Tf 72 700 Td (Open the lid slowly and wait) Tj 0 -20 Td /F1 12 Tf"
LOST = "{} characters have no known meaning in their font"


def parse(data: bytes) -> Article:
    return parse_document("application/pdf", data)


def test_right_to_left_lines_are_read_in_their_order() -> None:
    lines = ["שלום עולם זה ספר", "פתח את המכסה לאט", "סגור את השסתום האדום"]
    letters = "".join(dict.fromkeys("".join(lines)))
    # As a page draws them: from the left, so that the last letter comes first.
    drawn = [
        f"1 0 0 1 300 {700 - 14 * row} Tm {encode_text(line[::-1], letters)} Tj"
        for row, line in enumerate(lines)
    ]
    content = f"BT /F1 12 Tf {' '.join(drawn)} ET"
    article = parse(make_raw_pdf(content, "/F1 5 0 R", *make_unicode_font(letters)))
    assert article.text == "\n".join(lines)


def test_right_to_left_lines_of_a_page_in_another_script_are_read_in_their_order() -> None:
    english = ["The clinic is open from nine to five and takes calls in the evening."] * 6
    hebrew = ["שלום עולם זה ספר", "פתח מ 9 עד 17 כל יום"]
    mixed = "Our motto is שלום עולם זה and so on"
    drawn = [
        *english,
        "Our motto is " + "שלום עולם זה"[::-1] + " and so on",
        *(" ".join(w if w.isdigit() else w[::-1] for w in line.split()[::-1]) for line in hebrew),
    ]
    letters = "".join(dict.fromkeys("".join(drawn)))
    content = " ".join(
        f"1 0 0 1 72 {700 - 14 * row} Tm {encode_text(line, letters)} Tj"
        for row, line in enumerate(drawn)
    )
    file = make_raw_pdf(f"BT /F1 12 Tf {content} ET", "/F1 5 0 R", *make_unicode_font(letters))
    text = parse(file).text
    assert all(line in text for line in [*hebrew, mixed])


def test_values_of_a_form_in_right_to_left_text_follow_it() -> None:
    words = "פתח את המכסה לאט וחכה"
    letters = "".join(dict.fromkeys(words))
    content = f"BT /F1 12 Tf 1 0 0 1 300 700 Tm {encode_text(words[::-1], letters)} Tj ET"
    value = (
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (n) /V (SN-77120) /Rect [100 690 200 710] >>"
    )
    fonts, page = make_unicode_font(letters), f"/Annots [{value}]"
    article = parse(make_raw_pdf(content, "/F1 5 0 R", *fonts, page=page))
    assert article.text == f"{words}\n\n[SN-77120]"
    assert article.warnings[0] == "1 values of form fields are in brackets"


def test_larger_lines_of_right_to_left_text_are_headings() -> None:
    title, body = (
        "מדריך הפעלה",
        ["פתח את המכסה לאט וחכה עד שהמים ירדו", "סגור את השסתום האדום אחר כך"],
    )
    letters = "".join(dict.fromkeys(title + "".join(body)))
    drawn = [
        f"/F1 {size} Tf 1 0 0 1 300 {y} Tm {encode_text(line[::-1], letters)} Tj"
        for line, size, y in ((title, 20, 720), (body[0], 10, 690), (body[1], 10, 678))
    ]
    content = f"BT {' '.join(drawn)} ET"
    article = parse(make_raw_pdf(content, "/F1 5 0 R", *make_unicode_font(letters)))
    assert [heading.text for heading in article.headings] == [title]
    assert article.title == title


@pytest.mark.parametrize(
    ("font", "words"),
    [
        ("STSong-Light", "请打开红色阀门"),
        ("HeiseiMin-W3", "赤い弁を開けてください"),
        ("HYSMyeongJo-Medium", "빨간 밸브를 여십시오"),
    ],
)
def test_east_asian_text_is_read_although_its_font_is_not_in_the_file(
    font: str, words: str
) -> None:
    pdfmetrics.registerFont(UnicodeCIDFont(font))
    assert parse(draw_pdf(lambda canvas: write(canvas, 72, 700, words, 12, font))).text == words


def test_glyphs_with_names_that_say_nothing_are_counted_and_shown_as_unknown() -> None:
    font = (
        "<< /Type /Font /Subtype /Type1 /BaseFont /ABCDEF+Odd /FirstChar 1 /LastChar 3 "
        "/Widths [500 500 500] /Encoding << /Differences [1 /g115 /g116 /g117] >> >>"
    )
    content = f"{KNOWN} <010203010203> Tj ET"
    article = parse(make_raw_pdf(content, "/F1 5 0 R /F2 6 0 R", font, HELVETICA))
    # Code 2 is what PDFium writes for a hyphen at a line's end, too.
    assert article.text == "Open the lid slowly and wait\n" + 6 * "\N{REPLACEMENT CHARACTER}"
    assert LOST.format(6) in article.warnings


def test_characters_without_a_map_or_for_private_use_are_counted() -> None:
    _, descendant, _, descriptor = make_unicode_font("a")
    font = (
        "<< /Type /Font /Subtype /Type0 /BaseFont /Made /Encoding /Identity-H "
        "/DescendantFonts [6 0 R] >>"
    )
    others = (font, descendant.replace("8 0 R", "7 0 R"), descriptor, HELVETICA)
    content = f"{KNOWN} <000100020003> Tj ET"
    article = parse(make_raw_pdf(content, "/F1 5 0 R /F2 8 0 R", *others))
    assert LOST.format(3) in article.warnings
    letters = "\ue001\ue002ab"
    content = f"BT /F1 12 Tf 72 700 Td {encode_text(letters, letters)} Tj ET"
    private = parse(make_raw_pdf(content, "/F1 5 0 R", *make_unicode_font(letters)))
    assert private.text == 2 * "\N{REPLACEMENT CHARACTER}" + "ab"
    assert LOST.format(2) in private.warnings


def test_letters_that_are_drawn_twice_to_look_bold_are_read_once() -> None:
    def draw_line(canvas: Canvas) -> None:
        for shift in (0.0, 0.3):
            write(canvas, 72 + shift, 700, "Close the red valve", 14)

    def draw_letters(canvas: Canvas) -> None:
        x = 72.0
        for letter in "Testing the pump":
            for shift in (0.0, 0.4):
                write(canvas, x + shift, 700, letter, 14)
            x += canvas.stringWidth(letter, "Helvetica", 14)

    assert parse(draw_pdf(draw_line)).text == "Close the red valve"
    assert parse(draw_pdf(draw_letters)).text == "Testing the pump"


def test_tagged_headings_are_found_although_they_look_like_the_text() -> None:
    lines = [
        ("H1", "Reset the machine"),
        ("P", "Hold the button for eight seconds."),
        ("H2", "After the reset"),
        ("P", "Wait for the lamp."),
    ]
    content = " ".join(
        f"/{tag} <</MCID {number}>> BDC BT /F1 10 Tf 72 {700 - 14 * number} Td ({words}) Tj ET EMC"
        for number, (tag, words) in enumerate(lines)
    )
    elements = [
        f"<< /Type /StructElem /S /{tag} /P 6 0 R /K {number} /Pg 3 0 R >>"
        for number, (tag, _) in enumerate(lines)
    ]
    children = "[7 0 R 8 0 R 9 0 R 10 0 R]"
    others = (
        "<< /Type /StructTreeRoot /K 6 0 R /ParentTree 11 0 R >>",
        f"<< /Type /StructElem /S /Document /P 5 0 R /K {children} >>",
        *elements,
        f"<< /Nums [0 {children}] >>",
        HELVETICA,
    )
    catalog = "/MarkInfo << /Marked true >> /StructTreeRoot 5 0 R"
    data = make_raw_pdf(content, "/F1 12 0 R", *others, catalog=catalog, page="/StructParents 0")
    found = [(heading.level, heading.text) for heading in parse(data).headings]
    assert found == [(1, "Reset the machine"), (2, "After the reset")]


def test_note_that_ends_with_nul_is_read_and_the_file_is_not_refused() -> None:
    words = "\ufeffCheck the valve\x00".encode("utf-16-be").hex()
    notes = f"<< /Subtype /Text /Rect [72 600 90 620] /Contents <{words}> >>"
    content = "BT /F1 12 Tf 72 700 Td (Open the lid) Tj ET"
    article = parse(make_raw_pdf(content, "/F1 5 0 R", HELVETICA, page=f"/Annots [{notes}]"))
    assert article.text == "Open the lid\n\n[Note: Check the valve]"
