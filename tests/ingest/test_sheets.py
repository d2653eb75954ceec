"""What workbooks come out as: cells as they are shown, and what stands around them."""

import struct
from collections.abc import Iterator, Mapping

import pytest

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.formats import resolve_media_type
from ingest.parsers import parse_document
from ingest.parsers.number_formats import show_number, show_words
from ingest.parsers.sheets import Sheet, write_sheet
from ingest.parsers.spreadsheet import parse_spreadsheet
from tests.ingest.bad_files import make_zip
from tests.ingest.office_files import Related, chart, declare, make_book, relate, row, shape


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (0.075, "0.0%", "7.5%"),
        (1299.5, "#,##0.00", "1,299.50"),
        (1234, "00000", "01234"),
        (46090, "dd/mm/yyyy", "09/03/2026"),
        (26.5 / 24, "[h]:mm:ss", "26:30:00"),
        (45.5 / 1440, "mm:ss", "45:30"),
        (0.25, "h:mm AM/PM", "6:00 AM"),
        (46090.5, "d mmm yyyy h:mm", "9 Mar 2026 12:00"),
        (46090, "[$-F800]dddd, mmmm dd, yyyy", "Monday, March 09, 2026"),
        (46090, "[$-407]d. MMMM yyyy", "9. März 2026"),
        (46090, "[$-de-DE]dddd", "Montag"),
        (46090, "[$-419]d mmmm yyyy", "9 марта 2026"),
        (46090, "[$-419]mmmm yyyy", "март 2026"),
        (46090, "[$-40C]ddd d mmm", "lun 9 mars"),
        (46090, "[$-x-sysdate]mmmmm", "M"),
        (46090, "[$]mmmm", "March"),
        (46090, 'yyyy"年"m"月"d"日"', "2026年3月9日"),
        (0.1 + 0.2, "General", "0.3"),
        (1e20, "General", "1E+20"),
        (123456789012, "General", "123456789012"),
        (-5, "#,##0;(#,##0)", "(5)"),
        (-0.001, "0.0", "0.0"),
        (0, '_-* #,##0.00_-;-* #,##0.00_-;_-* "-"??_-;_-@_-', "-"),
        (1234.5, "[$€-407] #,##0.00", "€ 1,234.50"),
        (1234567, '0.0,,"M"', "1.2M"),
        (2125551234, "(000) 000-0000", "(212) 555-1234"),
        (1.25, "# ?/?", "1 1/4"),
        (1.5, '"ca. "# ?/?" in"', "ca. 1 1/2 in"),
        (1.25, '# ??/100" in"', "1 25/100 in"),
        (-0.01, "# ?/?", "0"),
        (12345, "0.00E+00", "1.23E+04"),
        (12345, '0.00E+00" Hz"', "1.23E+04 Hz"),
        (9999999, "0.00E+00", "1.00E+07"),
        (999999, "##0.0E+0", "1.0E+6"),
        (-1.25 / 24, "[h]:mm", "-1:15"),
        (1234.5, "#\\ ##0.00", "1 234.50"),
        (1234, "#\\ ##0.##", "1 234"),
        (12, "#\\ ##0.00", "12.00"),
        (123456789, "00\\ 00\\ 00\\ 00\\ 00", "01 23 45 67 89"),
        (7, "[>.]0%", "7"),
        (5, "[>=100]0;[<100]0.0", "5.0"),
        (0, '"Yes";"Yes";"No"', "No"),
        (7, "[Red]0;;;", "7"),
        (3, "", "3"),
        (float("nan"), "General", "nan"),
        (float("-inf"), "yyyy-mm-dd", "-inf"),
    ],
)
def test_numbers_are_shown_by_their_format(value: float, code: str, shown: str) -> None:
    assert show_number(value, code) == shown


def test_dates_of_the_other_epoch_and_words_with_a_format() -> None:
    assert show_number(44628, "yyyy-mm-dd", is_1904=True) == "2026-03-09"
    assert show_words("44", '0;0;0;"ID "@') == "ID 44"
    assert show_words("44", '"ID-"@') == "ID-44"


def read(xml: str, *formats: str, related: Related | None = None) -> Article:
    return parse_spreadsheet(make_book({"S": xml}, formats=formats, related=related))


def data(*rows: str) -> str:
    return f"<x:sheetData>{''.join(rows)}</x:sheetData>"


def cell(place: str, inner: str, look: str = "") -> str:
    return f'<x:c r="{place}" {look}>{inner}</x:c>'


def number(place: str, value: float, style: int = 0) -> str:
    return cell(place, f"<x:v>{value}</x:v>", f's="{style}"')


def test_cells_are_shown_as_their_styles_say() -> None:
    cells = number("A2", 0.075, 1), number("B2", 1234, 2), number("C2", 1.1041666667, 3)
    article = read(data(row(1, "Rate", "Zip", "Length"), row(2, *cells)), "0.0%", "00000", "[h]:mm")
    assert article.text.endswith("| 7.5% | 01234 | 26:30 |")


def test_formula_that_was_never_computed_is_shown_and_said() -> None:
    formula = cell("B2", "<x:f>1+2</x:f><x:v></x:v>")
    article = read(data(row(1, "Sum", "Value"), row(2, "all", formula)))
    assert "| all | =1+2 |" in article.text
    assert article.warnings == ("1 formulas have no stored value: shown as formulas",)


def test_merged_cells_hold_for_each_row_and_shift_nothing() -> None:
    merged = '<x:mergeCells><x:mergeCell ref="A2:A3"/><x:mergeCell ref="B1:C1"/></x:mergeCells>'
    rows = (
        row(1, "Region", "Fee"),
        row(2, "North", number("B2", 11), number("C2", 12)),
        row(3, number("B3", 21), number("C3", 22)),
    )
    assert read(data(*rows) + merged).text.splitlines()[2:] == [
        "| Region | Fee | Fee |", "| --- | --- | --- |",
        "| North | 11 | 12 |", "| North | 21 | 22 |",
    ]  # fmt: skip


def test_tables_of_a_sheet_have_heads_of_their_own_and_titles_stand_above_them() -> None:
    rows = (
        row(1, "Prices 2026"), row(3, "Plan", "Fee"), row(4, "Basic", number("B4", 11)),
        row(6, "Pro", number("B6", 22)), row(9, "City", "Phone"), row(10, "Graz", "0316-77"),
    )  # fmt: skip
    assert read(data(*rows)).text.split("\n\n")[1:] == [
        "Prices 2026",
        "| Plan | Fee |\n| --- | --- |\n| Basic | 11 |\n| Pro | 22 |",
        "| City | Phone |\n| --- | --- |\n| Graz | 0316-77 |",
    ]


def test_hidden_rows_and_columns_are_left_out_unless_a_filter_hides_them() -> None:
    columns = '<x:cols><x:col min="2" max="2" hidden="1"/></x:cols>'
    rows = row(1, "A", "B", "C"), row(2, "a", "b", "c").replace('r="2"', 'r="2" hidden="1"', 1)
    hidden = read(columns + data(*rows))
    assert hidden.text.splitlines()[2:] == ["| A | C |", "| --- | --- |"]
    assert hidden.warnings == ("2 hidden rows and columns were left out",)
    assert "| a | b | c |" in read(data(*rows) + '<x:autoFilter ref="A1:C2"/>').text


@pytest.mark.parametrize(
    ("column", "is_filtered"), [('<x:filterColumn colId="0"/>', True), ("", False)]
)
def test_rows_that_the_filter_of_a_table_hides_are_read(column: str, is_filtered: bool) -> None:
    rows = row(1, "A", "B"), row(2, "a", "b").replace('r="2"', 'r="2" hidden="1"', 1)
    table = declare("x:table", f'<x:autoFilter ref="A1:B2">{column}</x:autoFilter>')
    article = read(data(*rows), related={"table.xml": ("table", table)})
    assert ("| a | b |" in article.text) == is_filtered


def test_headers_and_footers_with_words_are_said_to_be_left_out() -> None:
    printed = (
        "<x:headerFooter><x:oddHeader>&amp;L&amp;8&amp;K00FF00&amp;D&amp;RQ3 report</x:oddHeader>"
        '<x:oddFooter>&amp;C&amp;"Arial,Bold"&amp;P / &amp;N</x:oddFooter></x:headerFooter>'
    )
    warning = "1 headers and footers of printed pages were left out"
    assert read(data(row(1, "Fee")) + printed).warnings == (warning,)
    numbered = printed.replace("Q3 report", "")
    assert numbered != printed
    assert read(data(row(1, "Fee")) + numbered).warnings == ()


def test_comments_of_xml_part_no_cells_and_no_words() -> None:
    words = "<x:is><x:t>Ba<!-- a note -->sic</x:t></x:is>"
    cells = cell("A1", words, 't="inlineStr"') + "<!-- a note -->" + number("B1", 11)
    article = read(data(f'<!-- a note --><x:row r="1"><!-- a note -->{cells}</x:row>'))
    assert "| Basic | 11 |" in article.text


def test_thread_of_comments_is_read_once_in_whatever_language_its_stand_in_is() -> None:
    note = declare(
        "x:comments",
        "<x:authors><x:author>tc={1}</x:author></x:authors><x:commentList>"
        '<x:comment ref="A1" authorId="0"><x:text><x:t>[Kommentarthread] Net</x:t></x:text>'
        "</x:comment></x:commentList>",
    )
    thread = declare(
        "tc:ThreadedComments",
        '<tc:threadedComment ref="A1"><tc:text>Net</tc:text></tc:threadedComment>',
        'xmlns:tc="http://schemas.microsoft.com/office/spreadsheetml/2018/threadedcomments"',
    )
    both = {"comments.xml": ("comments", note), "thread.xml": ("threadedComment", thread)}
    assert read(data(row(1, "Fee", "Tax")), related=both).text.count("Net") == 1
    alone = {"comments.xml": ("comments", note)}
    assert "[Kommentarthread] Net" in read(data(row(1, "Fee", "Tax")), related=alone).text


class _CountedRows(dict[int, dict[int, str]]):
    """Rows of a sheet that count how often all of them are gone through."""

    walks = 0

    def __iter__(self) -> Iterator[int]:
        _CountedRows.walks += 1
        return super().__iter__()


def test_rows_of_a_sheet_are_not_gone_through_for_each_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "ingest.parsers.xlsx.Sheet", lambda name, number: Sheet(name, number, _CountedRows())
    )
    rows = [row(n, "a", "b").replace(f'r="{n}"', "", 1) for n in range(1, 301)]
    assert read(data(*rows)).text.count("| a | b |") == 300
    assert _CountedRows.walks < 5


class _MeasuredRow(dict[int, str]):
    """A row of a sheet that counts how often its length is asked for."""

    asked = 0

    def __len__(self) -> int:
        _MeasuredRow.asked += 1
        return super().__len__()


def test_rows_with_empty_ones_between_are_each_measured_a_few_times() -> None:
    rows: dict[int, dict[int, str]] = {
        2 * number: _MeasuredRow({0: "Tea", 1: str(number)}) for number in range(400)
    }
    assert write_sheet(Sheet("S", 1, rows))[0].count("| Tea |") == 400
    assert _MeasuredRow.asked < 5 * len(rows)


def test_hidden_sheets_are_left_out() -> None:
    book = make_book(
        {"Shown": data(row(1, "a")), "Not": data(row(1, "b"))}, states={"Not": "veryHidden"}
    )
    article = parse_spreadsheet(book)
    assert article.text == "## Shown\n\na"
    assert article.warnings == ("1 hidden sheets were left out",)


def test_links_comments_shapes_and_charts_are_read() -> None:
    note = declare(
        "x:comments",
        "<x:authors><x:author>Ann</x:author></x:authors><x:commentList>"
        '<x:comment ref="B2" authorId="0"><x:text><x:r><x:t>Ann:</x:t></x:r>'
        "<x:r><x:t> net</x:t></x:r></x:text></x:comment></x:commentList>",
    )
    drawn = declare(
        "xdr:wsDr",
        shape("Only in May").replace("p:", "xdr:")
        + '<xdr:graphicFrame><c:chart r:id="c1"/></xdr:graphicFrame>',
    )
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="c1" Type="x/chart" Target="chart.xml"/></Relationships>'
    )
    book = make_book(
        {"S": data(row(1, "Item", "Price"), row(2, "Pump", number("B2", 9)))
         + '<x:hyperlinks><x:hyperlink ref="A2" r:id="r1"/></x:hyperlinks>'},
        related={
            "https://e.org/pump": ("hyperlink", ""),
            "comments.xml": ("comments", note),
            "drawing.xml": ("drawing", drawn),
        },
        parts={
            "xl/worksheets/_rels/drawing.xml.rels": relations,
            "xl/worksheets/chart.xml": chart({"Sold": {"May": 3}}),
        },
    )  # fmt: skip
    assert parse_spreadsheet(book).text.split("\n\n")[1:] == [
        "| Item | Price |\n| --- | --- |\n| [Pump](https://e.org/pump) | 9 |",
        "Only in May",
        "|  | Sold |\n| --- | --- |\n| May | 3 |",
        "Comment on B2 (Ann): net",
    ]


def test_words_for_programs_that_know_no_slicers_are_not_read() -> None:
    drawn = declare(
        "xdr:wsDr",
        "<mc:AlternateContent><mc:Choice><xdr:graphicFrame/></mc:Choice><mc:Fallback>"
        + shape("This shape represents a slicer.").replace("p:", "xdr:")
        + "</mc:Fallback></mc:AlternateContent>",
    )
    article = read(data(row(1, "a")), related={"drawing.xml": ("drawing", drawn)})
    assert article.text == "## S\n\na"


def test_escaped_characters_are_what_they_stand_for() -> None:
    rows = row(1, "Turn._x000D_\nWait.", "a_x005F_x000D_"), row(2, "b", "snake_x_case")
    text = read(data(*rows)).text
    assert "| Turn. Wait. | a_x000D_ |" in text
    assert "| b | snake_x_case |" in text


def test_picture_in_a_cell_is_counted_and_not_read_as_an_error() -> None:
    picture = cell("B1", "<x:v>#VALUE!</x:v>", 't="e" vm="1"')
    article = read(data(row(1, "Pump", picture)))
    assert article.text == "## S\n\nPump"
    assert article.warnings == ("1 pictures and linked data in cells were left out",)


def test_sheet_that_is_cut_off_is_read_as_far_as_it_goes_and_said_to_be_damaged() -> None:
    cut = declare("x:worksheet", data(row(1, "a"), row(2, "b"))).partition(">b<")[0]
    book = make_book({"S": ""}, parts={"xl/worksheets/sheet1.xml": cut})
    article = parse_spreadsheet(book)
    assert article.text.startswith("## S\n\na")
    assert article.warnings == (
        "1 damaged parts were read as far as possible: xl/worksheets/sheet1.xml",
    )


def make_binary_book(sheets: Mapping[str, str], *, hidden: str) -> bytes:
    """Return an XLSB whose sheets hold one word each: records of a kind, a length and a content."""

    def record(kind: int, content: bytes = b"") -> bytes:
        head = bytes((kind & 0x7F | 0x80, kind >> 7)) if kind > 0x7F else bytes((kind,))
        return head + bytes((len(content),)) + content

    def words(text: str) -> bytes:
        return struct.pack("<I", len(text)) + text.encode("utf-16-le")

    listed = b"".join(
        record(0x9C, struct.pack("<II", name == hidden, n) + words(f"s{n}") + words(name))
        for n, name in enumerate(sheets, 1)
    )
    numbers = range(1, len(sheets) + 1)
    return make_zip(
        {
            "[Content_Types].xml": "<Types/>",
            "_rels/.rels": relate(("r1", "officeDocument", "xl/workbook.bin")),
            "xl/workbook.bin": record(0x8F) + listed + record(0x90) + record(0x9D),
            "xl/_rels/workbook.bin.rels": relate(
                *((f"s{n}", "worksheet", f"worksheets/sheet{n}.bin") for n in numbers)
            ),
            **{
                f"xl/worksheets/sheet{n}.bin": record(0x94, bytes(16))
                + record(0x91)
                + record(0x00, bytes(17))
                + record(0x06, bytes(8) + words(cell))
                + record(0x92)
                for n, cell in zip(numbers, sheets.values(), strict=True)
            },
        }
    )


def test_binary_workbook_says_what_is_not_read_of_it() -> None:
    article = parse_spreadsheet(make_binary_book({"A": "Tea", "B": "Milk"}, hidden="B"))
    assert article.text == "## A\n\nTea"
    assert article.warnings == (
        "1 hidden sheets were left out",
        "a binary workbook: its values are read without their number formats, and no comments, "
        "shapes and charts",
    )


def make_excel_4(*rows: tuple[str, ...]) -> bytes:
    """Return a worksheet as Excel 4 wrote it: BIFF4 records (type, length, content)."""

    def record(kind: int, content: bytes) -> bytes:
        return kind.to_bytes(2, "little") + len(content).to_bytes(2, "little") + content

    cells = b"".join(
        record(0x0204, bytes((r, 0, c, 0, 0, 0, len(words), 0)) + words.encode())
        for r, line in enumerate(rows)
        for c, words in enumerate(line)
    )
    return record(0x0409, bytes((0, 0, 0x10, 0, 0, 0))) + cells + record(0x0A, b"")


def test_sheet_of_excel_4_is_read() -> None:
    old = make_excel_4(("Item", "Fee"), ("Pump", "nine"))
    assert resolve_media_type("", "a.xls", old) == "application/vnd.ms-excel"
    assert parse_spreadsheet(old).text.endswith("| Item | Fee |\n| --- | --- |\n| Pump | nine |")


@pytest.mark.parametrize(
    ("sheet", "title"), [("Sheet1", ""), ("Tabelle 2", ""), ("Rates", "Rates")]
)
def test_name_that_a_program_gave_a_sheet_is_not_a_title(sheet: str, title: str) -> None:
    records = drawn("Turn the red valve")
    book = make_excel_97(*records, name=sheet)
    assert parse_document("application/vnd.ms-excel", book).title == title


def make_compound_file(name: str, stream: bytes) -> bytes:
    """Return an OLE file with one stream: header, table of sectors, directory, the stream."""
    stream = stream.ljust(4096, b"\0")
    stream += b"\0" * (-len(stream) % 512)
    count = len(stream) // 512
    table = [0xFFFFFFFD, 0xFFFFFFFE, *range(3, count + 2), 0xFFFFFFFE]

    def entry(title: str, kind: int, child: int, start: int, size: int) -> bytes:
        letters = title.encode("utf-16-le") + b"\0\0"
        links = struct.pack("<III", 0xFFFFFFFF, 0xFFFFFFFF, child)
        head = letters.ljust(64, b"\0") + struct.pack("<HBB", len(letters), kind, 1) + links
        return head.ljust(116, b"\0") + struct.pack("<IQ", start, size)

    directory = entry("Root Entry", 5, 1, 0xFFFFFFFE, 0) + entry(
        name, 2, 0xFFFFFFFF, 2, len(stream)
    )
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    header += struct.pack("<109I", 0, *[0xFFFFFFFF] * 108)
    sectors = struct.pack(f"<{len(table)}I", *table).ljust(512, b"\xff")
    return header + sectors + directory.ljust(512, b"\0") + stream


def make_excel_97(
    *sheet: tuple[int, bytes],
    name: str = "Plans",
    hidden: bool = False,
    around: tuple[tuple[int, bytes], ...] = (),
) -> bytes:
    """Return a workbook of Excel 97 with one sheet of these records; `around` are the book's."""

    def record(kind: int, content: bytes) -> bytes:
        return struct.pack("<HH", kind, len(content)) + content

    begin = struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 0)
    others = b"".join(record(*part) for part in around)
    place = len(record(0x809, begin) + record(0x85, bytes(8 + len(name))) + others) + 4
    named = struct.pack("<IBBBB", place, hidden, 0, len(name), 0) + name.encode()
    stream = record(0x809, begin) + record(0x85, named) + others + record(0x0A, b"")
    stream += record(0x809, struct.pack("<HHHHII", 0x600, 0x10, 0, 0, 0, 0))
    stream += b"".join(record(*part) for part in sheet) + record(0x0A, b"")
    return make_compound_file("Workbook", stream)


def drawn(words: str, *, kind: int = 6) -> list[tuple[int, bytes]]:
    """Return the records of an object with a text, half of it in each of two parts."""
    half = len(words) // 2
    text = struct.pack("<HH6xHH4x", 0x212, 0, len(words), 16)
    return [
        (0x5D, struct.pack("<HHHH", 0x15, 0x12, kind, 1) + bytes(18)),
        (0x1B6, text),
        (0x3C, b"\0" + words[:half].encode("latin-1")),
        (0x3C, b"\1" + words[half:].encode("utf-16-le")),
        # How its characters look.
        (0x3C, struct.pack("<HHIHHI", 0, 0, 0, len(words), 0, 0)),
    ]


def test_shapes_and_charts_of_excel_97_are_read_and_hidden_sheets_are_not() -> None:
    series = struct.pack("<HBB", 0, 5, 1) + "Sales".encode("utf-16-le")
    records = [*drawn("Turn the red valve"), (0x100D, series)]
    text = parse_document("application/vnd.ms-excel", make_excel_97(*records)).text
    assert text == "## Plans\n\nTurn the red valve\n\nSales"
    with pytest.raises(UnreadableDocument, match="no text"):
        parse_document("application/vnd.ms-excel", make_excel_97(*records, hidden=True))


def test_hidden_rows_and_columns_of_excel_97_are_left_out_unless_a_filter_hides_them() -> None:
    def label(row: int, column: int, words: str) -> tuple[int, bytes]:
        return 0x204, struct.pack("<HHHHB", row, column, 0, len(words), 0) + words.encode()

    def look(row: int, options: int) -> tuple[int, bytes]:
        return 0x208, struct.pack("<HHHHHHI", row, 0, 3, 255, 0, 0, options)

    hidden, folded = 0x20, 0x21
    columns = (0x7D, struct.pack("<HHHHHH", 1, 1, 9, 0, 1, 0))
    cells = [label(r, c, f"{name}{r}") for r in range(4) for c, name in enumerate("abc")]
    records = (columns, look(1, hidden), look(2, folded), *cells)
    article = parse_spreadsheet(make_excel_97(*records))
    assert article.text.splitlines()[2:] == [
        "| a0 | c0 |", "| --- | --- |", "| a2 | c2 |", "| a3 | c3 |",
    ]  # fmt: skip
    assert article.warnings == ("2 hidden rows and columns were left out",)
    filtered = (0x18, struct.pack("<HBBHHH4BBB", 0x21, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0x0D))
    article = parse_spreadsheet(make_excel_97(*records, around=(filtered,)))
    assert "| a1 | c1 |" in article.text


def test_raised_characters_of_excel_97_keep_the_value() -> None:
    fonts = [
        (0x31, struct.pack("<HHHHHBBBBBB", 200, 0, 0, 400, shift, 0, 0, 0, 0, 1, 0) + b"A")
        for shift in (0, 1, 2)
    ]
    words = b"10" + b"6" + b"5R1" + b"2"
    looks = struct.pack("<HHHHHHH", 3, 2, 1, 3, 0, 6, 2)
    cell = (0xD6, struct.pack("<HHHHB", 0, 0, 0, len(words), 0) + words + looks)
    article = parse_spreadsheet(make_excel_97(cell, around=tuple(fonts)))
    assert article.text == "## Plans\n\n10^6 5R1_2"


def test_short_date_of_the_machine_is_written_as_iso_has_it() -> None:
    looks = [(0xE0, struct.pack("<HHH14x", 0, built_in, 0)) for built_in in (14, 22)]
    cells = [(0x203, struct.pack("<HHHd", 0, look, look, 46090.5)) for look in (0, 1)]
    article = parse_spreadsheet(make_excel_97(*cells, around=tuple(looks)))
    assert article.text.splitlines()[2] == "| 2026-03-09 | 2026-03-09 12:00 |"


def test_comment_of_excel_97_is_not_taken_for_a_shape() -> None:
    with pytest.raises(UnreadableDocument, match="no text"):
        parse_document("application/vnd.ms-excel", make_excel_97(*drawn("A note", kind=0x19)))


@pytest.mark.parametrize("name", ["Workbook", "Book"])
def test_workbooks_of_both_older_forms_are_told_by_their_stream(name: str) -> None:
    book = b"\xd0\xcf\x11\xe0" + bytes(508) + f"{name}\0".encode("utf-16-le")
    assert resolve_media_type("", "a", book) == "application/vnd.ms-excel"


def test_encrypted_workbook_is_said_to_be_encrypted() -> None:
    book = b"\xd0\xcf\x11\xe0" + bytes(508) + "EncryptedPackage".encode("utf-16-le")
    with pytest.raises(UnreadableDocument) as caught:
        parse_spreadsheet(book)
    assert caught.value.code == "encrypted"


@pytest.mark.parametrize("broken", [b"PK", b"tea", b"\xd0\xcf\x11\xe0" + bytes(600)])
def test_what_is_not_a_workbook_is_refused_by_its_code(broken: bytes) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        parse_spreadsheet(broken)
    assert caught.value.code in {"unreadable_spreadsheet", "unreadable_archive"}


def test_row_whose_number_comes_twice_is_one_row() -> None:
    article = read(data(row(1, "A", "B"), row(2, "1"), row(2, "", "2")))
    assert article.text.endswith("| A | B |\n| --- | --- |\n| 1 | 2 |")
