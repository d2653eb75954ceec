"""What rich text comes out as: each control word as its reader sees what it does."""

import pytest

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.parsers.rtf import parse_rtf


def read(body: bytes) -> Article:
    return parse_rtf(rb"{\rtf1\ansi\ansicpg1252 " + body + b"}")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (rb"10{\super 6} litres, H{\sub 2}O, 1{\super st}", "10^6 litres, H2O, 1st"),
        (rb"caf\'e9 \u8364? {\uc2 \u26085??}", "café € 日"),
        (rb"\u-10179?\u-8704?", "😀"),
        (rb"non\_break a\~b soft\-hyphen \lquote x\rquote", "non-break a b softhyphen ‘x’"),
        (rb"{\upr{old}{\*\ud{new}}} {\*\unknown gone}{\b kept}", "new kept"),
        (rb"a\unknownword12 b{\pict\bin3 }}}\'00 }c", "abc"),
        (rb"{\field{\*\fldinst PAGE}{\fldrslt 7}} of 9", "7 of 9"),
        (rb'{\field{\*\fldinst{HYPERLINK "x:y"}}{\fldrslt here}}', "[here](x:y)"),
        (rb"{\fonttbl{\f1\fcharset204 A;}{\f2\fcharset2 Symbol;}}{\f1 \'c3}{\f2 \'b7}", "Г•"),
        (rb"left\column right", "left\n\nright"),
        (rb"{\strike 99} 79", "~~99~~ 79"),
        (rb"{\*\do\dobxcolumn\dptxbx{\dptxbxtext\pard Old box\par}}", "Old box"),
        (rb"\deff1{\fonttbl{\f1\fcharset204 A;}{\f2 B;}}\'c3{\f2\'e9\plain\'c3}", "ГéГ"),
    ],
)  # fmt: skip
def test_control_words_do_what_readers_see(source: bytes, text: str) -> None:
    assert read(source).text == text


def test_letters_of_symbol_fonts_are_what_they_show_and_unknown_ones_are_counted() -> None:
    fonts = rb"{\fonttbl{\f1\fcharset2 Symbol;}{\f2\fcharset2 Wingdings;}{\f3\fcharset2 Other;}}"
    article = read(fonts + rb"5 {\f1 m}m (10 {\f1 W}) {\f2 n} {\f2 z} {\f3 a}")
    assert article.text == "5 μm (10 Ω) ■  a"
    assert article.warnings == ("1 characters of symbol fonts were left out",)


def test_hidden_and_deleted_text_is_left_out() -> None:
    article = read(rb"Shown {\v one} and \v two\v0  more{\deleted three}.")
    assert article.text == "Shown  and  more."
    assert article.warnings == ("3 hidden passages were left out",)


def test_notes_comments_and_boxes_follow_their_paragraph() -> None:
    article = read(
        rb"Fee 8{\super\chftn{\footnote\pard{\super\chftn} Not in winter.}}"
        rb"{\*\atnauthor Ann}{\*\annotation Now 9.} {\shp{\*\shpinst{\sp{\sn a}{\sv 1}}"
        rb"{\shptxt Box\par}}{\shprslt Box}}\par Next."
    )
    assert article.text == (
        "Fee 8[^1]\n\nBox\n\n[^1]: Not in winter.\n\nComment (Ann): Now 9.\n\nNext."
    )


def test_headings_come_from_styles_and_outline_levels() -> None:
    article = read(
        rb"{\stylesheet{\s1\outlinelevel0 Kapitel;}{\s2 heading 2;}}"
        rb"\pard\s1 One\par\pard\s2 Two\par\pard\outlinelevel2 Three\par\pard Text\par"
    )
    assert article.text == "# One\n\n## Two\n\n### Three\n\nText"
    assert article.title == "One"


def test_lists_have_the_labels_that_are_shown() -> None:
    label = rb"{\listtext\pard\plain %b\tab}"
    article = read(
        rb"\pard\ls1 " + label % b"1." + rb"one\par " + label % b"2." + rb"two\par "
        rb"\pard\ls1\ilvl1 " + label % rb"\'b7" + rb"deep\par " + label % rb"\'b7" + rb"too\par"
    )
    assert article.text == "1. one\n2. two\n   - deep\n   - too"


def test_cells_that_merge_or_end_elsewhere_stand_under_their_head() -> None:
    article = read(
        rb"\trowd\cellx1000\cellx3000\intbl Region\cell Fee\cell\row"
        rb"\trowd\clvmgf\cellx1000\cellx2000\cellx3000 North\cell 11\cell 12\cell\row"
        rb"\trowd\clvmrg\cellx1000\cellx2000\cellx3000 \cell 21\cell 22\cell\row\pard End.\par"
    )
    assert article.text.splitlines() == [
        "| Region | Fee | Fee |", "| --- | --- | --- |",
        "| North | 11 | 12 |", "| North | 21 | 22 |", "", "End.",
    ]  # fmt: skip


def test_very_many_headers_are_each_read_once() -> None:
    heads = b"".join(b"{\\header head %d\\par}" % (n % 5000) for n in range(10_000))
    assert read(heads + b"Body.").text.split("\n\n") == [
        *(f"head {n}" for n in range(5000)),
        "Body.",
    ]


def test_headers_are_read_and_page_numbers_are_not() -> None:
    article = read(
        rb"{\header ZT-3000{\field{\*\fldinst PAGE}{\fldrslt 7}}\par}{\info{\title Pump}}Body."
    )
    assert (article.text, article.title) == ("ZT-3000\n\nBody.", "Pump")


def test_file_that_is_cut_off_ends_where_it_ends() -> None:
    assert parse_rtf(rb"{\rtf1 {\b Pour the {\i mi").text == "Pour the mi"


def test_groups_without_end_are_refused() -> None:
    with pytest.raises(UnreadableDocument) as caught:
        parse_rtf(rb"{\rtf1 " + b"{" * 100_000)
    assert caught.value.code == "unreadable_rtf"
