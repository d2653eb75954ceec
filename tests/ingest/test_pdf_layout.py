"""PDFs whose layout says what a line is: covers, contents pages, forms side by side, bullets."""

from reportlab.pdfgen.canvas import Canvas

from app.domain import Article
from ingest.parsers import parse_document
from tests.ingest.pdf_files import draw_pdf, encode_text, make_raw_pdf, make_unicode_font, write

TEXT = (
    "Open the lid slowly and wait until the water has gone down, then",
    "close the red valve and turn the wand to the left side of the tank.",
)


def parse(data: bytes) -> Article:
    return parse_document("application/pdf", data)


def find_headings(article: Article) -> list[str]:
    return [heading.text for heading in article.headings]


def write_text(canvas: Canvas, y: float) -> None:
    for row, line in enumerate(TEXT * 3):
        write(canvas, 72, y - 12 * row, line)


def test_points_of_a_cover_are_not_headings_and_the_title_is() -> None:
    def draw(canvas: Canvas) -> None:
        write(canvas, 72, 760, "Milk machines", 30, "Helvetica-Bold")
        for row, point in enumerate(("Brew coffee faster", "Clean the wand", "Save energy")):
            write(canvas, 72, 690 - 40 * row, point, 16, "Helvetica-Bold")
        write_text(canvas, 480)

    assert find_headings(parse(draw_pdf(draw))) == ["Milk machines"]


def test_last_of_three_lines_is_a_heading_where_text_follows_it_closely() -> None:
    def draw(canvas: Canvas) -> None:
        for row, line in enumerate(("Town of Trent", "Council of works", "Members present")):
            write(canvas, 72, 760 - 40 * row, line, 14, "Helvetica-Bold")
        write_text(canvas, 660)

    article = parse(draw_pdf(draw))
    assert find_headings(article) == ["Town of Trent", "Members present"]
    assert article.title == "Town of Trent"


def test_small_line_right_over_a_far_higher_heading_is_a_label() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.bookmarkPage("cover")
        canvas.addOutlineEntry("Machines", "cover", 0)
        canvas.addOutlineEntry("Leaves", "cover", 1)
        canvas.addOutlineEntry("Front cover", "cover", 2)
        write(canvas, 72, 790, "Front cover")
        write(canvas, 72, 750, "Milk machines", 30, "Helvetica-Bold")
        write_text(canvas, 720)
        write(canvas, 72, 600, "Part of the series", 14, "Helvetica-Bold")
        write(canvas, 72, 570, "Tea machines", 30, "Helvetica-Bold")
        write(canvas, 72, 540, "Cleaning", 18, "Helvetica-Bold")
        write_text(canvas, 520)

    article = parse(draw_pdf(draw))
    assert find_headings(article) == ["Milk machines", "Tea machines", "Cleaning"]
    assert "Front cover" in article.text
    assert "Part of the series" in article.text


def test_line_with_an_address_of_the_web_is_not_a_heading() -> None:
    def draw(canvas: Canvas) -> None:
        write(canvas, 72, 760, "Cleaning", 16, "Helvetica-Bold")
        write_text(canvas, 735)
        write(canvas, 72, 600, "For more information: example.com/help", 16, "Helvetica-Bold")

    assert find_headings(parse(draw_pdf(draw))) == ["Cleaning"]


def test_capitalized_line_in_italics_over_its_text_is_a_heading() -> None:
    def draw(canvas: Canvas) -> None:
        write_text(canvas, 760)
        for y, head in ((670, "Elastic Stop Nut"), (560, "when it leaks")):
            write(canvas, 72, y, head, 10, "Helvetica-Oblique")
            write_text(canvas, y - 12)

    article = parse(draw_pdf(draw))
    assert find_headings(article) == ["Elastic Stop Nut"]
    assert "\n\nElastic Stop Nut\n\nOpen the lid" in article.text


def test_each_entry_of_a_contents_page_is_a_line_of_its_own() -> None:
    entries = [f"{name} {'. ' * 30}{page}" for name, page in (("Notices", "vii"), ("Setup", "12"))]

    def draw(canvas: Canvas) -> None:
        for row, entry in enumerate(entries):
            write(canvas, 72, 760 - 12 * row, entry)

    assert parse(draw_pdf(draw)).text == "\n".join(entries)


def test_forms_side_by_side_are_read_one_after_the_other() -> None:
    def draw(canvas: Canvas) -> None:
        for row in range(16):
            write(canvas, 50, 760 - 14 * row, f"[ ] Choice of the first question, number {row}", 8)
            write(canvas, 320, 767 - 14 * row, f"[ ] Answer to the second one, number {row}", 8)

    text = parse(draw_pdf(draw)).text
    assert "|" not in text
    assert text.rindex("Choice of the first") < text.index("Answer to the second")


def test_columns_of_a_table_that_share_their_lines_stay_rows() -> None:
    def draw(canvas: Canvas) -> None:
        for row in range(16):
            write(canvas, 50, 760 - 14 * row, f"Part of the red machine, number {row}", 8)
            write(canvas, 320, 760 - 14 * row, f"Replaced by the new part, number {row}", 8)

    rows = parse(draw_pdf(draw)).text.split("\n")
    assert "| Part of the red machine, number 9 | Replaced by the new part, number 9 |" in rows


def test_sign_without_a_meaning_before_several_lines_is_a_bullet_and_is_counted() -> None:
    lines = ["Open the valve", "Wait a watch", "Raise the lead"]
    letters = "\ue123" + "".join(dict.fromkeys("".join(lines)))
    drawn = "".join(
        f"1 0 0 1 72 {700 - 14 * row} Tm {encode_text(letters[0] + ' ', letters)} Tj "
        f"1 0 0 1 90 {700 - 14 * row} Tm {encode_text(line, letters)} Tj "
        for row, line in enumerate(lines)
    )
    article = parse(
        make_raw_pdf(f"BT /F1 12 Tf {drawn} ET", "/F1 5 0 R", *make_unicode_font(letters))
    )
    assert article.text == "\n".join(f"• {line}" for line in lines)
    assert "3 characters have no known meaning in their font" in article.warnings


def test_letter_that_its_font_maps_to_nothing_is_counted_and_not_written_as_a_hyphen() -> None:
    letters = "\0eclintdusr bok"
    words = "dis\0culties in one book"
    drawn = f"BT /F1 12 Tf 72 700 Td {encode_text(words, letters)} Tj ET"
    article = parse(make_raw_pdf(drawn, "/F1 5 0 R", *make_unicode_font(letters)))
    assert article.text == "dis\ufffdculties in one book"
    assert "1 characters have no known meaning in their font" in article.warnings


def test_title_whose_two_lines_fill_its_width_is_one_heading() -> None:
    def draw(canvas: Canvas) -> None:
        write(canvas, 72, 760, "Row and column access", 33, "Helvetica-Bold")
        write(canvas, 72, 722, "Support in machines for tea", 30, "Helvetica-Bold")
        write_text(canvas, 640)

    article = parse(draw_pdf(draw))
    assert find_headings(article) == ["Row and column access Support in machines for tea"]


def test_watermark_is_neither_a_heading_nor_the_title() -> None:
    def draw(canvas: Canvas) -> None:
        write_text(canvas, 760)
        canvas.translate(150, 300)
        canvas.rotate(45)
        write(canvas, 0, 0, "DRAFT COPY", 40)

    article = parse(draw_pdf(draw))
    assert "DRAFT" in article.text
    assert (find_headings(article), article.title) == ([], "")


def test_words_that_fill_two_lines_far_apart_keep_their_order() -> None:
    def draw(canvas: Canvas) -> None:
        lines = (
            ("Internationalization now",),
            ("representatives", "acknowledge"),
            ("extraordinary", "responsibilities"),
            ("concerning the cables there.",),
        )
        for row, words in enumerate(lines):
            write(canvas, 72, 700 - 12 * row, words[0])
            for word in words[1:]:
                canvas.drawRightString(222, 700 - 12 * row, word)

    words = parse(draw_pdf(draw)).text.split()
    at = words.index("representatives")
    assert words[at + 1 : at + 4] == ["acknowledge", "extraordinary", "responsibilities"]


def test_two_cells_that_wrap_side_by_side_are_read_one_after_the_other() -> None:
    def draw(canvas: Canvas) -> None:
        for row, (left, right) in enumerate(
            (("(3) Open the lid and", "Put the cup under the"), ("close the valve.", "red spout."))
        ):
            write(canvas, 72, 700 - 12 * row, left)
            write(canvas, 300, 700 - 12 * row, right)

    text = parse(draw_pdf(draw)).text
    assert text == "(3) Open the lid and close the valve.  Put the cup under the red spout."


def test_larger_marks_of_a_list_are_neither_headings_nor_part_their_items() -> None:
    def draw(canvas: Canvas) -> None:
        for row in range(8):
            write(canvas, 60, 740 - 12 * row, "The pump moves water from the tank to the boiler.")
        for number, y in ((1, 600), (2, 570), (3, 540)):
            write(canvas, 60, y - 1, str(number), 12)
            write(canvas, 78, y, f"Open the valve of tank {number} and wait until it is")
            write(canvas, 78, y - 12, "full.")

    article = parse(draw_pdf(draw))
    assert not article.headings
    for number in (1, 2, 3):
        assert (
            f"{number} Open the valve of tank {number} and wait until it is full." in article.text
        )
