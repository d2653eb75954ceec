"""Tables of PDFs: heads of several rows, turned heads, titles, heads wider than their columns."""

import pytest
from reportlab.pdfgen.canvas import Canvas

from ingest.parsers import parse_document
from tests.ingest.pdf_files import draw_pdf, make_raw_pdf, write

HELVETICA = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def read_lines(data: bytes) -> list[str]:
    return parse_document("application/pdf", data).text.split("\n")


def write_centred(canvas: Canvas, x: float, y: float, text: str) -> None:
    canvas.setFont("Helvetica", 10)
    canvas.drawCentredString(x, y, text)


def test_upright_heads_of_narrow_columns_stand_over_them() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.grid([60, 260, 290, 320, 350], [560, 580, 600, 700])
        write(canvas, 65, 605, "Action")
        for x, head in ((280, "First job"), (310, "Second job"), (340, "No authority")):
            canvas.saveState()
            canvas.translate(x, 605)
            canvas.rotate(90)
            canvas.drawString(0, 0, head)
            canvas.restoreState()
        write(canvas, 65, 585, "Start the pump")
        write(canvas, 301, 585, "X")
        write(canvas, 65, 565, "Open the valve")
        write(canvas, 271, 565, "X")
        write(canvas, 331, 565, "X")

    assert read_lines(draw_pdf(draw)) == [
        "| Action | First job | Second job | No authority |",
        "| --- | --- | --- | --- |",
        "| Start the pump |  | X |  |",
        "| Open the valve | X |  | X |",
    ]


def test_head_of_two_ruled_rows_names_each_column() -> None:
    def draw(canvas: Canvas) -> None:
        for y in (600, 620, 660):
            canvas.line(60, y, 460, y)
        canvas.line(160, 640, 360, 640)
        for x in (60, 160, 360, 460):
            canvas.line(x, 580, x, 660)
        canvas.line(260, 580, 260, 640)
        canvas.line(60, 580, 460, 580)
        write_centred(canvas, 110, 635, "Layers")
        write_centred(canvas, 260, 645, "Score")
        write_centred(canvas, 210, 625, "simple")
        write_centred(canvas, 310, 625, "complex")
        write_centred(canvas, 410, 635, "Time")
        for y, cells in ((605, ("6", "0.96", "0.93", "2.7")), (585, ("4", "0.95", "0.90", "1.9"))):
            for x, cell in zip((110, 210, 310, 410), cells, strict=True):
                write_centred(canvas, x, y, cell)

    assert read_lines(draw_pdf(draw)) == [
        "| Layers | Score simple | Score complex | Time |",
        "| --- | --- | --- | --- |",
        "| 6 | 0.96 | 0.93 | 2.7 |",
        "| 4 | 0.95 | 0.90 | 1.9 |",
    ]


def test_row_under_a_wide_cell_with_a_name_of_its_own_is_not_part_of_the_head() -> None:
    def draw(canvas: Canvas) -> None:
        for y in (580, 600, 620, 640):
            canvas.line(60, y, 360, y)
        for x in (60, 160, 360):
            canvas.line(x, 580, x, 640)
        canvas.line(260, 580, 260, 620)
        write(canvas, 65, 625, "Model")
        write(canvas, 165, 625, "Liters, hot and cold")
        for y, cells in ((605, ("Mini", "1.5", "2.5")), (585, ("Maxi", "3.5", "4.5"))):
            for x, cell in zip((65, 165, 265), cells, strict=True):
                write(canvas, x, y, cell)

    lines = read_lines(draw_pdf(draw))
    assert lines[0].startswith("| Model | Liters, hot and cold |")
    assert lines[2:] == ["| Mini | 1.5 | 2.5 |", "| Maxi | 3.5 | 4.5 |"]


def test_title_over_all_columns_stands_before_the_table() -> None:
    def draw(canvas: Canvas) -> None:
        for y in (580, 600, 620, 640):
            canvas.line(60, y, 360, y)
        for x in (60, 360):
            canvas.line(x, 580, x, 640)
        for x in (160, 260):
            canvas.line(x, 580, x, 620)
        write_centred(canvas, 210, 625, "Machines sold in May")
        for y, cells in ((605, ("City", "Mini", "Maxi")), (585, ("Trent", "15", "25"))):
            for x, cell in zip((65, 165, 265), cells, strict=True):
                write(canvas, x, y, cell)

    assert read_lines(draw_pdf(draw)) == [
        "Machines sold in May",
        "",
        "| City | Mini | Maxi |",
        "| --- | --- | --- |",
        "| Trent | 15 | 25 |",
    ]


def test_heads_that_are_wider_than_their_columns_stand_over_them() -> None:
    names = ("Persons with disabilities", "Children", "Women", "The elderly", "Migrants")

    def draw(canvas: Canvas) -> None:
        write_centred(canvas, 340, 700, "State funded")
        write_centred(canvas, 340, 688, "legal aid")
        write_centred(canvas, 440, 694, "Associations")
        for row, name in enumerate(names):
            write(canvas, 60, 670 - 14 * row, name)
            write_centred(canvas, 340, 670 - 14 * row, str(row))
            write_centred(canvas, 440, 670 - 14 * row, str(9 - row))

    assert read_lines(draw_pdf(draw)) == [
        "|  | State funded legal aid | Associations |",
        "| --- | --- | --- |",
        *(f"| {name} | {row} | {9 - row} |" for row, name in enumerate(names)),
    ]


def test_marks_of_several_columns_that_are_drawn_at_once_stay_in_their_columns() -> None:
    rows = "".join(
        f"1 0 0 1 72 {700 - 20 * row} Tm ({name}) Tj 1 0 0 1 200 {700 - 20 * row} Tm {marks} TJ "
        for row, (name, marks) in enumerate(
            (
                ("Job", "[(A) -4500 (B) -4500 (C)]"),
                ("Start", "[(X) -4500 (X)]"),
                ("Stop", "[(X) -9667 (X)]"),
            )
        )
    )
    rules = " ".join(f"60 {y} m 360 {y} l S" for y in (655, 675, 695, 715))
    rules += " ".join(f" {x} 655 m {x} 715 l S" for x in (60, 190, 245, 305, 360))
    content = f"BT /F1 12 Tf {rows} ET {rules}"
    assert read_lines(make_raw_pdf(content, "/F1 5 0 R", HELVETICA)) == [
        "| Job | A | B | C |",
        "| --- | --- | --- | --- |",
        "| Start | X | X |  |",
        "| Stop | X |  | X |",
    ]


def test_cell_over_several_rows_is_repeated_in_each_of_them() -> None:
    def draw(canvas: Canvas) -> None:
        for y in (580, 600, 640, 660):
            canvas.line(60, y, 360, y)
        canvas.line(160, 620, 260, 620)
        for x in (60, 160, 260, 360):
            canvas.line(x, 580, x, 660)
        rows = (
            (645, ("Shift", "Name", "Room")),
            (625, ("Early", "Ada", "12")),
            (605, ("", "Cyd", "")),
            (585, ("Late", "Dee", "14")),
        )
        for y, cells in rows:
            for x, cell in zip((65, 165, 265), cells, strict=True):
                write(canvas, x, y, cell)

    assert read_lines(draw_pdf(draw)) == [
        "| Shift | Name | Room |",
        "| --- | --- | --- |",
        "| Early | Ada | 12 |",
        "| Early | Cyd | 12 |",
        "| Late | Dee | 14 |",
    ]


def test_values_of_two_rows_without_a_rule_between_them_are_not_repeated() -> None:
    def draw(canvas: Canvas) -> None:
        for y in (580, 600, 640, 660):
            canvas.line(60, y, 260, y)
        canvas.line(60, 620, 160, 620)
        for x in (60, 160, 260):
            canvas.line(x, 580, x, 660)
        for y, cells in (
            (645, ("Part", "Price")),
            (625, ("Pump", "12.50")),
            (605, ("Lid", "3.00")),
        ):
            for x, cell in zip((65, 165), cells, strict=True):
                write(canvas, x, y, cell)
        write(canvas, 65, 585, "Cup")
        write(canvas, 165, 585, "1.00")

    assert read_lines(draw_pdf(draw))[3:] == ["| Lid |  |", "| Cup | 1.00 |"]


PARTS = [["Part", "Code", "Price"], ["Pump", "P-1", "12.50"], ["Lid", "L-7", "3.00"]]
WRITTEN_PARTS = [
    "| Part | Code | Price |",
    "| --- | --- | --- |",
    "| Pump | P-1 | 12.50 |",
    "| Lid | L-7 | 3.00 |",
]


def write_parts(canvas: Canvas, top: float) -> None:
    for row, cells in enumerate(PARTS):
        for column, cell in enumerate(cells):
            write(canvas, 72 + 120 * column, top - 16 * row, cell)


@pytest.mark.parametrize("filled", [(0,), (0, 2), (1,)])
def test_rows_whose_cells_are_filled_are_of_one_table_with_the_others(
    filled: tuple[int, ...],
) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFillColorRGB(0.9, 0.9, 0.9)
        for row in filled:
            for column in range(3):
                canvas.rect(60 + 120 * column, 696 - 16 * row, 120, 16, stroke=0, fill=1)
        canvas.setFillColorRGB(0, 0, 0)
        write_parts(canvas, 700)

    assert read_lines(draw_pdf(draw)) == WRITTEN_PARTS


def test_headings_part_tables_without_rules() -> None:
    def draw(canvas: Canvas) -> None:
        for top, heading in ((760, "Prices in May"), (660, "Prices in June")):
            write(canvas, 72, top, heading, 14, "Helvetica-Bold")
            write_parts(canvas, top - 24)

    assert read_lines(draw_pdf(draw)) == [
        *("Prices in May", "", *WRITTEN_PARTS, ""),
        *("Prices in June", "", *WRITTEN_PARTS),
    ]


def test_cells_at_the_middle_of_longer_ones_stay_in_their_row() -> None:
    rows = (
        (("Code",), ("Meaning",), ("Price",)),
        (("E7",), ("No water in the tank", "or the valve is shut"), ("12",)),
        (("E8",), ("The lid is open",), ("15",)),
        (("E9",), ("The pump is blocked", "by chalk: clean it", "with the acid"), ("19",)),
        (("E10",), ("Lamp broken, or the", "Cable loose"), ("7",)),
    )

    def draw(canvas: Canvas) -> None:
        top = 700.0
        for row in rows:
            middle = top - 6 * (max(map(len, row)) - 1)
            for column, lines in enumerate(row):
                for number, line in enumerate(lines):
                    y = middle + 6 * (len(lines) - 1) - 12 * number
                    write(canvas, 72 + 120 * column, y, line)
            top = 2 * middle - top - 18
        write(canvas, 72, top + 6, "Call our desk.")

    assert read_lines(draw_pdf(draw)) == [
        "| Code | Meaning | Price |",
        "| --- | --- | --- |",
        "| E7 | No water in the tank or the valve is shut | 12 |",
        "| E8 | The lid is open | 15 |",
        "| E9 | The pump is blocked by chalk: clean it with the acid | 19 |",
        "| E10 | Lamp broken, or the Cable loose | 7 |",
        "",
        "Call our desk.",
    ]


def test_head_cell_of_the_second_row_may_stand_under_an_empty_one() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.grid([60, 140, 220, 300, 380], [600, 620, 640])
        canvas.lines([(60, 680, 380, 680), (140, 660, 380, 660), (140, 640, 140, 680)])
        canvas.lines([(x, 640, x, 660) for x in (220,)])
        canvas.lines([(x, 640, x, 680) for x in (60, 300, 380)])
        rows = (("Plan", "Price"), ("", "Month", "Year", "Note"), ("Pro", "5", "50", "old"))
        for number, row in enumerate((*rows, ("Free", "0", "0", "new"))):
            for column, cell in enumerate(row):
                write(canvas, 65 + 80 * column, 665 - 20 * number, cell)

    assert read_lines(draw_pdf(draw)) == [
        "| Plan | Price Month | Price Year | Note |",
        "| --- | --- | --- | --- |",
        "| Pro | 5 | 50 | old |",
        "| Free | 0 | 0 | new |",
    ]
