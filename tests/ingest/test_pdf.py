"""PDF as a reader sees it: lines, columns, tables, headings, and values that keep their meaning."""

import io
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pypdf import PdfWriter
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from app.domain import Article
from bench.pdfs import measure_pdfs
from ingest.parsers import parse_document
from tests.ingest.pdf_files import draw_pdf, make_pdf, make_raw_pdf, write

PROSE = (
    "Pour the water slowly over the ground coffee and wait until",
    "all of it has gone through the filter. Rinse the pot with hot",
    "water before you pour the next one, and keep the lid closed.",
)


def parse(data: bytes) -> Article:
    return parse_document("application/pdf", data)


def test_exponent_keeps_its_meaning_and_a_footnotes_mark_stands_apart() -> None:
    def draw(canvas: Canvas) -> None:
        x = 72.0
        for text, size in (
            ("The pump moves 10", 10),
            ("6", 6),
            (" litres past the valve", 10),
            ("2", 6),
        ):
            write(canvas, x, 700 if size == 10 else 705, text, size)
            x += canvas.stringWidth(text, "Helvetica", size)

    text = parse(draw_pdf(draw)).text
    assert "10^6 litres" in text
    assert "valve [2]" in text


def test_small_fractions_and_lowered_numbers_keep_apart_from_the_numbers_beside_them() -> None:
    def draw(canvas: Canvas) -> None:
        x = 72.0
        for text, rise in (
            *(("Take 2", 0), ("1", 4), ("/", 0), ("2", -4), (" cups, for", 0), (" 3", 4)),
            *(("/", 0), ("4", -4), (" hours; log", 0), ("2", -5), ("8 is 3, and CO", 0)),
            *(("2", -5), (" is lighter than H", 0), ("2", -2), ("O", 0)),
        ):
            size = 8 if rise else 10
            write(canvas, x, 700 + rise, text, size)
            x += canvas.stringWidth(text, "Helvetica", size)

    expected = "Take 2 1/2 cups, for 3/4 hours; log2 8 is 3, and CO2 is lighter than H2O"
    assert parse(draw_pdf(draw)).text == expected


def test_columns_are_read_one_after_the_other() -> None:
    def draw(canvas: Canvas) -> None:
        for row in range(12):
            write(canvas, 60, 700 - 12 * row, f"left {row} is a line of this column and")
            write(canvas, 320, 700 - 12 * row, f"right {row} is a line of that column and")

    numbers = re.findall(r"(left|right) (\d+)", parse(draw_pdf(draw)).text)
    assert numbers == [(side, str(n)) for side in ("left", "right") for n in range(12)]


def test_cells_between_rules_stay_in_their_row_and_empty_ones_stay_empty() -> None:
    rows = [["Part", "Code", "Price"], ["Pump", "", "12.50"], ["Lid", "L-7", ""]]

    def draw(canvas: Canvas) -> None:
        canvas.grid([60, 160, 260, 360], [600, 620, 640, 660])
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                write(canvas, 65 + 100 * column, 646 - 20 * row, cell)

    assert parse(draw_pdf(draw)).text.split("\n") == [
        "| Part | Code | Price |",
        "| --- | --- | --- |",
        "| Pump |  | 12.50 |",
        "| Lid | L-7 |  |",
    ]


def test_table_without_rules_is_read_by_rows() -> None:
    rows = [
        ["Part", "Code", "Price"],
        ["Pump", "P-1", "12.50"],
        ["Lid", "", "3.00"],
        ["Cup", "C", ""],
    ]

    def draw(canvas: Canvas) -> None:
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                write(canvas, 65 + 100 * column, 646 - 14 * row, cell)

    text = parse(draw_pdf(draw)).text
    for cells in rows:
        assert f"| {' | '.join(cells)} |" in text


def test_headings_are_found_by_type_and_a_bold_word_is_not_one() -> None:
    def draw(canvas: Canvas) -> None:
        write(canvas, 60, 740, "Filter coffee", 18, "Helvetica-Bold")
        for number, name in enumerate(("1 Water", "1.1 Heat")):
            top = 700 - 100 * number
            write(canvas, 60, top, name, 13 - number, "Helvetica-Bold")
            for row, line in enumerate(PROSE):
                write(canvas, 60, top - 20 - 12 * row, line)
        write(canvas, 60, 500, "Never", 10, "Helvetica-Bold")
        write(canvas, 92, 500, "leave the machine alone while it is heating its water.")

    article = parse(draw_pdf(draw))
    assert [(h.level, h.text) for h in article.headings] == [
        (1, "Filter coffee"),
        (2, "1 Water"),
        (3, "1.1 Heat"),
    ]
    assert all(article.text[h.start :].startswith(h.text) for h in article.headings)
    assert article.title == "Filter coffee"


def test_lines_of_a_paragraph_are_joined_and_paragraphs_stay_apart() -> None:
    def draw(canvas: Canvas) -> None:
        for paragraph in range(2):
            for row, line in enumerate(PROSE):
                write(canvas, 60, 700 - 50 * paragraph - 12 * row, line)

    assert parse(draw_pdf(draw)).text == "\n\n".join([" ".join(PROSE)] * 2)


def test_hyphen_of_a_compound_survives_the_end_of_a_line() -> None:
    lines = ["The well-known machine is used by every well-", "known barista for brew-", "ing."]
    text = parse(make_pdf([lines])).text
    assert "well-known barista" in text
    assert "brewing" in text


def test_running_heads_of_even_and_odd_pages_stay_once() -> None:
    pages = [
        [["Care and cleaning", "The manual"][n % 2], f"Topic {'abcdefgh'[n]} is an example."]
        for n in range(8)
    ]
    text = parse(make_pdf(pages)).text
    assert (text.count("Care and cleaning"), text.count("The manual")) == (1, 1)
    assert text.count("Topic") == 8


@pytest.mark.parametrize(("name", "font"), [("Invoice 100", "Helvetica"), ("Step", "Courier-Bold")])
def test_lines_that_number_what_the_pages_are_about_all_stay(name: str, font: str) -> None:
    def draw_page(number: int) -> Callable[[Canvas], None]:
        def draw(canvas: Canvas) -> None:
            write(canvas, 60, 780, f"{name} {number}", 10 if font == "Helvetica" else 18, font)
            for row, line in enumerate(PROSE * 4):
                write(canvas, 60, 740 - 12 * row, f"{'abcdef'[number]} {line}")
            write(canvas, 60, 60, "Payable within 30 days")
            write(canvas, 500, 60, f"Page {number} of 5")

        return draw

    text = parse(draw_pdf(*map(draw_page, range(1, 6)))).text
    assert re.findall(rf"{name} \d", text) == [f"{name} {number}" for number in range(1, 6)]
    assert (text.count("Payable within 30 days"), text.count("of 5")) == (1, 1)


def test_small_foot_with_the_number_of_its_page_amid_its_words_stays_once() -> None:
    def draw_page(number: int) -> Callable[[Canvas], None]:
        def draw(canvas: Canvas) -> None:
            for row, line in enumerate(PROSE * 4):
                write(canvas, 60, 740 - 12 * row, f"{'abcdef'[number]} {line}")
            write(canvas, 60, 40, f"Manual.indd {number} 14/09/2018 10:37", 7)

        return draw

    assert parse(draw_pdf(*map(draw_page, range(5)))).text.count("Manual.indd") == 1


def test_ligatures_are_letters_and_bullets_are_bullets() -> None:
    def draw(canvas: Canvas) -> None:
        write(canvas, 60, 700, "\u2022", 10)
        write(canvas, 74, 700, "Fill the tank")

    assert parse(draw_pdf(draw)).text == "\u2022 Fill the tank"


def test_text_beside_the_page_and_unseen_text_is_left_out_with_a_warning() -> None:
    def draw(canvas: Canvas) -> None:
        for row, line in enumerate(PROSE):
            write(canvas, 60, 700 - 12 * row, line)
        write(canvas, 700, 700, "outside")
        text = canvas.beginText(60, 300)
        text.setTextRenderMode(3)
        text.textLine("unseen")
        canvas.drawText(text)

    article = parse(draw_pdf(draw))
    assert not re.search("outside|unseen", article.text)
    assert article.warnings == (
        "1 words that are not shown were left out",
        "1 words outside their page were left out",
    )


@pytest.mark.parametrize(
    "state", ["/OFF [6 0 R]", "/OFF []", "/BaseState /OFF /ON [7 0 R]", "/BaseState /OFF"]
)
def test_words_of_a_layer_that_is_off_are_left_out_and_counted(state: str) -> None:
    content = (
        "BT /F1 12 Tf 72 700 Td (The price is 79 EUR.) Tj ET "
        "/OC /L1 BDC BT /F1 12 Tf 72 680 Td (In an edition of old it was 99 EUR.) Tj ET EMC "
        "/OC /L2 BDC BT /F1 12 Tf 72 660 Td (With tax.) Tj ET EMC"
    )
    fonts = "/F1 5 0 R >> /Properties << /L1 6 0 R /L2 7 0 R"
    layers = ("<< /Type /OCG /Name (Old) >>", "<< /Type /OCG /Name (Tax) >>")
    catalog = f"/OCProperties << /OCGs [6 0 R 7 0 R] /D << {state} >> >>"
    article = parse(make_raw_pdf(content, fonts, _HELVETICA, *layers, catalog=catalog))
    expected = {"/OFF []": 0, "/BaseState /OFF": 11}.get(state, 9)
    assert ("99" in article.text, "tax" in article.text) == (expected == 0, expected < 11)
    said = f"{expected} words that are not shown were left out"
    assert article.warnings == ((said,) if expected else ())


@pytest.mark.parametrize(
    ("drawn", "entry", "said"),
    [
        ("/X Do", "/OC 6 0 R", "1 drawings on layers that are off were left out"),
        (
            "/X Do",
            "/OC << /Type /OCMD /OCGs [6 0 R] >>",
            "1 drawings on layers that are off were left out",
        ),
        ("/OC /L1 BDC /X Do EMC", "", "2 words that are not shown were left out"),
        ("/X Do", "/OC << /Type /OCMD /OCGs [6 0 R 8 0 R] >>", ""),
        ("/X Do", "/OC 8 0 R", ""),
    ],
)
def test_drawings_of_a_layer_that_is_off_are_left_out(drawn: str, entry: str, said: str) -> None:
    words = "BT /F1 12 Tf 72 640 Td (Or 99.) Tj ET"
    resources = "/F1 5 0 R >> /Properties << /L1 6 0 R >> /XObject << /X 7 0 R"
    drawing = (
        "<< /Type /XObject /Subtype /Form /BBox [0 0 600 800] /Resources << /Font << "
        f"/F1 5 0 R >> >> {entry} /Length {len(words)} >>\nstream\n{words}\nendstream"
    )
    layers = ("<< /Type /OCG /Name (Old) >>", drawing, "<< /Type /OCG /Name (Tax) >>")
    catalog = "/OCProperties << /OCGs [6 0 R 8 0 R] /D << /OFF [6 0 R] >> >>"
    content = f"BT /F1 12 Tf 72 700 Td (The price is 79 EUR.) Tj ET {drawn}"
    article = parse(make_raw_pdf(content, resources, _HELVETICA, *layers, catalog=catalog))
    assert ("99" in article.text) == (not said)
    assert article.warnings == tuple(filter(None, [said]))


def test_words_outside_of_the_clip_are_left_out_and_counted() -> None:
    content = (
        "BT /F1 12 Tf 72 700 Td (The price is 79 EUR.) Tj ET "
        "q 60 600 200 60 re W n BT /F1 12 Tf 72 640 Td (With tax.) Tj 0 -80 Td (Or 99.) Tj "
        "220 80 Td (Or 98.) Tj ET 0.5 0 0 0.5 0 0 cm 500 0 9 9 re W n "
        "BT /F1 12 Tf 144 1250 Td (Or 97.) Tj ET Q BT /F1 12 Tf 72 500 Td (In all shops.) Tj ET"
    )
    article = parse(make_raw_pdf(content, "/F1 5 0 R", _HELVETICA))
    assert " ".join(article.text.split()) == "The price is 79 EUR. With tax. In all shops."
    assert article.warnings == ("6 words that are not shown were left out",)


def test_words_without_ink_are_left_out_and_counted() -> None:
    content = (
        "BT /F1 12 Tf 72 700 Td (The price is 79 EUR.) Tj ET "
        "/G0 gs BT /F1 12 Tf 72 640 Td (Or 99.) Tj ET"
    )
    fonts = "/F1 5 0 R >> /ExtGState << /G0 << /ca 0 >>"
    article = parse(make_raw_pdf(content, fonts, _HELVETICA))
    assert article.text == "The price is 79 EUR."
    assert article.warnings == ("2 words that are not shown were left out",)


@pytest.mark.parametrize(
    ("angle", "x", "y"), [(0, 100, 500), (90, 300, 100), (180, 500, 300), (270, 300, 500)]
)
def test_turned_page_is_read_as_its_reader_holds_it(angle: int, x: int, y: int) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setPageRotation(angle)
        canvas.translate(x, y)
        canvas.rotate(angle)
        for row, line in enumerate(PROSE):
            write(canvas, 0, -12 * row, line)

    assert parse(draw_pdf(draw)).text == " ".join(PROSE)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    places=st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 40)), min_size=1, max_size=40, unique=True
    ),
    sizes=st.lists(st.sampled_from([8, 10, 12]), min_size=40, max_size=40),
    rules=st.lists(st.integers(40, 500), min_size=0, max_size=6),
)
def test_no_word_is_lost_wherever_it_stands(
    places: list[tuple[int, int]], sizes: list[int], rules: list[int]
) -> None:
    def draw(canvas: Canvas) -> None:
        if len(rules) > 2:
            canvas.grid(sorted(rules), sorted(rules))
        for number, (column, row) in enumerate(places):
            write(canvas, 40 + 52 * column, 60 + 17 * row, f"w{number:03}w", sizes[number])

    text = parse(draw_pdf(draw)).text
    assert Counter(re.findall(r"w\d{3}w", text)) == Counter(f"w{n:03}w" for n in range(len(places)))


def test_link_keeps_its_target_unless_its_words_are_the_target() -> None:
    def draw(canvas: Canvas) -> None:
        write(canvas, 60, 700, "Driver download, and docs.example.com")
        canvas.linkURL("https://dl.example.com/driver-44.exe", (60, 696, 132, 710))
        canvas.linkURL("https://docs.example.com/", (155, 696, 240, 710))

    text = parse(draw_pdf(draw)).text
    assert "download,](https://dl.example.com/driver-44.exe)" in text
    assert text.count("docs.example.com") == 1


def test_values_of_a_form_stand_beside_their_labels_and_are_marked() -> None:
    def draw(canvas: Canvas) -> None:
        write(canvas, 60, 700, "Serial number:")
        canvas.acroForm.textfield(value="SN-77120", x=130, y=694, width=120, height=18)
        write(canvas, 60, 670, "Express:")
        canvas.acroForm.checkbox(checked=True, x=130, y=666, size=14)

    article = parse(draw_pdf(draw))
    assert re.search(r"Serial number: +\[SN-77120\]", article.text)
    assert re.search(r"Express: +\[x\]", article.text)
    assert "2 values of form fields are in brackets" in article.warnings


def test_note_is_read_and_marked_even_where_the_page_has_nothing_else() -> None:
    def draw(canvas: Canvas) -> None:
        words = "The lock code is four nine one."
        canvas.freeTextAnnotation(words, "/Helv 10 Tf", Rect=(72, 600, 300, 640))

    assert parse(draw_pdf(draw)).text == "[Note: The lock code is four nine one.]"


def test_embedded_text_is_read_after_the_pages_and_an_unknown_file_is_named() -> None:
    writer = PdfWriter(io.BytesIO(make_pdf([["The manual"]])))
    writer.add_attachment("codes.csv", b"code,meaning\nE7,pump blocked\n")
    writer.add_attachment("logo.bin", b"\x00\x01\x02")
    file = io.BytesIO()
    writer.write(file)
    article = parse(file.getvalue())
    assert "pump blocked" in article.text[article.text.index("codes.csv") :]
    assert "embedded files not read: logo.bin" in article.warnings


def test_embedded_files_past_the_limit_are_named_and_warnings_of_the_others_are_kept() -> None:
    writer = PdfWriter(io.BytesIO(make_pdf([["The manual"]])))
    for number in range(21):
        writer.add_attachment(f"{number:02}.html", b"<p>Tea</p><p hidden>no milk</p>")
    file = io.BytesIO()
    writer.write(file)
    article = parse(file.getvalue())
    assert article.text.count("Tea") == 20
    assert "embedded files not read: 20.html" in article.warnings
    assert "00.html: 2 words that are hidden from readers were left out" in article.warnings


def test_choice_of_a_form_is_read_as_it_is_shown() -> None:
    choice = (
        "<< /Type /Annot /Subtype /Widget /FT /Ch /T (c) /V (AT) /Opt [[(DE) (Germany)] "
        "[(AT) (Austria)]] /Rect [100 690 200 710] >>"
    )
    font = "/F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    content = "BT /F1 10 Tf 50 700 Td (Country) Tj ET"
    article = parse(make_raw_pdf(content, font, page=f"/Annots [{choice}]"))
    assert article.text.split() == ["Country", "[Austria]"]


def test_stamps_and_signatures_that_are_drawn_are_counted() -> None:
    font = "/F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    seen, unseen = "/Rect [100 600 200 620] /AP << >>", "/Rect [0 0 0 0] /AP << >>"
    signed = "/Type /Annot /Subtype /Widget /FT /Sig /T (s) /V << /Type /Sig >>"
    annotations = (
        f"<< /Type /Annot /Subtype /Stamp {seen} >> << {signed} {seen} >> << {signed} {unseen} >>"
    )
    content = "BT /F1 10 Tf 50 700 Td (Contract) Tj ET"
    article = parse(make_raw_pdf(content, font, page=f"/Annots [{annotations}]"))
    assert article.text == "Contract"
    assert article.warnings == ("2 stamps and signatures were left out",)


def test_form_that_only_some_programs_show_is_named() -> None:
    font = "/F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    content = "BT /F1 10 Tf 50 700 Td (Please wait...) Tj ET"
    article = parse(make_raw_pdf(content, font, catalog="/NeedsRendering true"))
    assert article.warnings == ("the form is one of XFA, which is not read",)


def test_page_that_is_a_picture_in_part_is_read_and_says_so() -> None:
    def draw(canvas: Canvas) -> None:
        write(canvas, 60, 760, "Only this line is text.")
        canvas.drawImage(ImageReader(Image.new("L", (40, 40), 128)), 60, 60, 480, 660)

    article = parse(draw_pdf(draw))
    assert article.text == "Only this line is text."
    assert article.warnings == ("1 pages are pictures in part, and only their text was read",)


def test_head_of_a_table_that_wraps_is_one_row() -> None:
    rows = [
        ["Inhibitor", "Polarization", "Corrosion"],
        ["concentration (g)", "resistance (ohm)", "rate (mm a year)"],
        ["0", "24.09", "2.81"],
        ["2", "121.44", "1.50"],
        ["4", "42.12", "0.94"],
    ]

    def draw(canvas: Canvas) -> None:
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                write(canvas, 60 + 140 * column, 640 - 12 * row, cell)

    lines = parse(draw_pdf(draw)).text.split("\n")
    assert lines[0] == (
        "| Inhibitor concentration (g) | Polarization resistance (ohm) "
        "| Corrosion rate (mm a year) |"
    )
    assert lines[2:] == ["| 0 | 24.09 | 2.81 |", "| 2 | 121.44 | 1.50 |", "| 4 | 42.12 | 0.94 |"]


def test_label_between_two_rows_is_named_in_the_first_of_them() -> None:
    """Its cell spans both, and stands halfway down."""

    def draw(canvas: Canvas) -> None:
        canvas.grid([60, 160, 260, 360], [600, 630, 650])
        for column, cell in enumerate(("Layers", "Language", "Score")):
            write(canvas, 65 + 100 * column, 636, cell)
        write(canvas, 65, 611, "6")
        for row, cells in enumerate((("OTSL", "0.965"), ("HTML", "0.969"))):
            for column, cell in enumerate(cells, start=1):
                write(canvas, 65 + 100 * column, 617 - 12 * row, cell)

    assert parse(draw_pdf(draw)).text.split("\n")[2:] == [
        "| 6 | OTSL | 0.965 |",
        "|  | HTML | 0.969 |",
    ]


def test_box_around_rows_of_its_own_is_not_one_row() -> None:
    rows = [["Parts", "2,100"], ["Labour", "300"], ["Paint", "225"], ["Tax", "278.46"]]

    def draw(canvas: Canvas) -> None:
        canvas.grid([50, 400, 500], [580, 660, 690])
        write(canvas, 60, 670, "Totals")
        write(canvas, 410, 670, "Note")
        for row, (name, value) in enumerate(rows):
            write(canvas, 60, 645 - 14 * row, name)
            write(canvas, 300, 645 - 14 * row, value)

    lines = parse(draw_pdf(draw)).text.split("\n")
    for name, value in rows:
        assert any(name in line and value in line for line in lines)
        assert not any(
            name in line and other in line for line in lines for _, other in rows if other != value
        )


def test_outline_finds_its_line_without_the_number_and_names_the_level() -> None:
    pages = [["3.3 Clean the wand each time", "Wipe it with a damp cloth."]]
    article = parse(make_pdf(pages, outline=[(0, "3.3  clean the wand EACH time", 0)]))
    assert [(h.start, h.level) for h in article.headings] == [(0, 1)]


_TEA = "BT /F1 12 Tf 72 700 Td (Hot tea) Tj ET"
_HELVETICA = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


@pytest.mark.parametrize(
    ("catalog", "objects", "warning"),
    [
        (
            "/Outlines 6 0 R",
            ("<< /First 7 0 R >>", "<< /Title (A) /Dest [3 0 R /Fit] /Count 8 0 R >>", "1"),
            "the outline is damaged: left out",
        ),
        (
            "/Names << /EmbeddedFiles << /Names [(a.txt) 6 0 R] >> >>",
            ("<< /F (a.txt) >>",),
            "embedded files not read: a.txt",
        ),
    ],
)
def test_what_is_damaged_beside_the_pages_does_not_refuse_them(
    catalog: str, objects: tuple[str, ...], warning: str
) -> None:
    article = parse(make_raw_pdf(_TEA, "/F1 5 0 R", _HELVETICA, *objects, catalog=catalog))
    assert (article.text, article.warnings) == ("Hot tea", (warning,))


@pytest.mark.parametrize("count", [b"1", b"2", b"9"])
def test_pages_are_read_whatever_the_file_says_how_many_they_are(count: bytes) -> None:
    page = (
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 7 0 R "
        "/Resources << /Font << /F1 5 0 R >> >> >>"
    )
    content = _TEA.replace("Hot tea", "Cold milk")
    stream = f"<< /Length {len(content)} >>\nstream\n{content}\nendstream"
    file = make_raw_pdf(_TEA, "/F1 5 0 R", _HELVETICA, page, stream)
    file = file.replace(b"/Kids [3 0 R]", b"/Kids [3 0 R 6 0 R]").replace(
        b"/Count 1", b"/Count " + count
    )
    article = parse(file)
    assert article.text == "Hot tea\n\nCold milk"
    assert [page.number for page in article.pages] == [1, 2]


def test_first_line_is_no_title_when_it_is_a_paragraph() -> None:
    def draw(canvas: Canvas) -> None:
        for row, line in enumerate(PROSE):
            write(canvas, 60, 700 - 12 * row, line)

    assert parse(draw_pdf(draw)).title == ""


def test_benchmark_counts_a_file_that_is_refused_as_one_without_a_word(tmp_path: Path) -> None:
    line = "Pour the water slowly over the ground coffee and wait for it."
    (tmp_path / "read.pdf").write_bytes(make_pdf([[line]]))
    outside = draw_pdf(lambda canvas: write(canvas, 700, 700, line))
    (tmp_path / "refused.pdf").write_bytes(outside)
    rows = dict(measure_pdfs(tmp_path))
    (f1,) = (value for name, value in rows.items() if name.startswith("PDFs (2 of 2): word F1"))
    assert f1 == "0.500, 1 files under 0.8, 1 of them refused, which count as 0"
    assert rows["PDFs: PDFium alone"] == "1.000"
