"""What a presentation comes out as: each part of its slides as its reader sees it."""

import pytest

from app.domain import Article, PageStart
from app.errors import UnreadableDocument
from ingest.parsers.pptx import parse_pptx
from tests.ingest.office_files import Related, chart, declare, diagram, make_slides, relate, shape


def read(*slides: str, related: Related | None = None, attributes: str = "") -> Article:
    return parse_pptx(make_slides(list(slides), related, attributes=attributes))


def frame(inner: str) -> str:
    data = f"<a:graphic><a:graphicData>{inner}</a:graphicData></a:graphic>"
    return f"<p:graphicFrame>{data}</p:graphicFrame>"


def lines(*paragraphs: str) -> str:
    return "".join(f"<a:p>{p}</a:p>" for p in paragraphs)


def words(text: str, look: str = "") -> str:
    return f"<a:r><a:rPr {look}/><a:t>{text}</a:t></a:r>"


def test_shapes_are_read_from_top_to_bottom_and_left_to_right() -> None:
    shapes = [
        shape("four", at=(0, 5)), shape("three", at=(5, 2)), shape("two", at=(0, 2)),
        shape("Title", at=(0, 0), kind="title"), shape("one", at=(0, 1)),
    ]  # fmt: skip
    article = read("".join(shapes))
    assert article.text.split() == ["##", "Title", "one", "two", "three", "four"]
    assert [heading.text for heading in article.headings] == ["Title"]


def test_placeholders_stand_where_the_layout_puts_them() -> None:
    related = {"layout.xml": ("slideLayout", declare("p:sldLayout", "<p:cSld><p:spTree>"
               + shape("", at=(0, 3), kind="body") + "</p:spTree></p:cSld>"))}  # fmt: skip
    article = read(shape("below", kind="body") + shape("above", at=(0, 1)), related=related)
    assert article.text == "above\n\nbelow"


def test_charts_are_tables_and_smart_art_is_a_list() -> None:
    article = read(
        frame('<c:chart r:id="r1"/>') + frame('<dgm:relIds r:dm="r2"/>'),
        related={
            "chart.xml": ("chart", chart({"A": {"x": 1}, "B": {"x": 2}})),
            "data.xml": ("diagramData", diagram(("", "Boss"), ("Boss", "Clerk"))),
        },
    )
    assert article.text == ("|  | A | B |\n| --- | --- | --- |\n| x | 1 | 2 |\n\n- Boss\n  - Clerk")


def test_merged_cells_of_tables_hold_for_each_row() -> None:
    cell = "<a:tc {}><a:txBody><a:p><a:r><a:t>{}</a:t></a:r></a:p></a:txBody></a:tc>"
    rows = (
        cell.format("", "Region")
        + cell.format('gridSpan="2"', "Fee")
        + cell.format('hMerge="1"', ""),
        cell.format('rowSpan="2"', "North") + cell.format("", "11") + cell.format("", "12"),
        cell.format('vMerge="1"', "") + cell.format("", "21") + cell.format("", "22"),
    )
    table = "".join(f"<a:tr>{row}</a:tr>" for row in rows)
    assert read(frame(f"<a:tbl>{table}</a:tbl>")).text.splitlines() == [
        "| Region | Fee | Fee |", "| --- | --- | --- |",
        "| North | 11 | 12 |", "| North | 21 | 22 |",
    ]  # fmt: skip


def test_notes_and_comments_are_marked() -> None:
    notes = declare("p:notes", "<p:cSld><p:spTree>" + shape("Say KL-9.", kind="body")
                    + shape("3", kind="sldNum") + "</p:spTree></p:cSld>")  # fmt: skip
    older = declare("p:cmLst", '<p:cm authorId="0"><p:text>Check this.</p:text></p:cm>')
    newer = declare(
        "n:cmLst",
        '<n:cm authorId="0"><n:txBody><a:p><a:r><a:t>And that.</a:t></a:r></a:p></n:txBody>'
        "<n:replyLst><n:reply><n:txBody><a:p><a:r><a:t>Done.</a:t></a:r></a:p></n:txBody></n:reply>"
        "</n:replyLst></n:cm>",
        'xmlns:n="http://schemas.microsoft.com/office/powerpoint/2018/8/main"',
    )
    article = read(
        shape("Words"),
        related={
            "notes.xml": ("notesSlide", notes),
            "c1.xml": ("comments", older),
            "c2.xml": ("comments", newer),
        },
    )
    assert article.text == (
        "Words\n\nNotes: Say KL-9.\n\nComment: Check this.\n\nComment: And that.\n\nComment: Done."
    )


def test_links_of_words_and_of_shapes_keep_their_targets() -> None:
    linked = '<a:r><a:rPr><a:hlinkClick r:id="r1"/></a:rPr><a:t>here</a:t></a:r>'
    button = shape("Driver").replace('name="s"/>', 'name="s"><a:hlinkClick r:id="r1"/></p:cNvPr>')
    article = read(
        shape(lines(words("Get it ") + linked)) + button,
        related={"https://e.org/d.exe": ("hyperlink", "")},
    )
    assert article.text == ("Get it [here](https://e.org/d.exe)\n\n[Driver](https://e.org/d.exe)")


def test_levels_numbers_and_raised_words() -> None:
    numbered = '<a:pPr><a:buAutoNum type="alphaLcParenR" startAt="2"/></a:pPr>'
    body = lines(
        numbered + words("boil"), numbered + words("pour"), '<a:pPr lvl="1"/>' + words("slowly"),
        words("10") + words("6", 'baseline="30000"') + words("5"),
        words("a") + "<a:br/>" + words("b"),
    )  # fmt: skip
    assert read(shape(body)).text == "b) boil\nc) pour\n- slowly\n10^6 5\na\nb"


def test_hidden_slides_are_left_out_and_keep_their_number() -> None:
    data = make_slides([shape("one"), shape("two")])
    assert parse_pptx(data).pages == (PageStart(0, 1), PageStart(5, 2))
    hidden = read(shape("one"), shape("two"), attributes='show="0"')
    assert hidden.text == ""
    assert hidden.warnings == ("2 hidden slides were left out",)


def test_hidden_shapes_are_left_out() -> None:
    hidden = shape("two").replace('name="s"', 'name="s" hidden="1"')
    article = read(shape("one") + hidden)
    assert (article.text, article.warnings) == ("one", ("1 hidden passages were left out",))


@pytest.mark.parametrize(
    ("slide", "layout", "expected"),
    [("", "", "one\n\nUnder\n\nMaster"), ("", "0", "one\n\nUnder"), ("0", "", "one")],
    ids=["both", "of the layout", "none"],
)
def test_shapes_of_layout_and_master_are_read_where_they_show(
    slide: str, layout: str, expected: str
) -> None:
    def page(name: str, words: str, shown: str = "") -> str:
        hidden = shape("never").replace('name="s"', 'name="s" hidden="1"')
        tree = f"<p:cSld><p:spTree>{shape(words)}{hidden}</p:spTree></p:cSld>"
        return declare(name, tree, f'showMasterSp="{shown}"' if shown else "")

    related = {"layout.xml": ("slideLayout", page("p:sldLayout", "Under", layout))}
    parts = {
        "ppt/slides/_rels/layout.xml.rels": relate(("m", "slideMaster", "master.xml")),
        "ppt/slides/master.xml": page("p:sldMaster", "Master"),
    }
    shown = f'showMasterSp="{slide}"' if slide else ""
    data = make_slides([shape("one")], related, parts, shown)
    assert parse_pptx(data).text == expected


def test_second_title_of_a_slide_is_text() -> None:
    article = read(shape("Tea", kind="title") + shape("Hot", kind="title") + shape("Pour it."))
    assert article.text == "## Tea\n\nHot\n\nPour it."


def test_footers_are_read_once_and_numbers_are_not() -> None:
    feet = shape("ZT-3000 manual", kind="ftr") + shape("7", kind="sldNum") + shape("May", kind="dt")
    assert read(shape("one") + feet, shape("two") + feet).text == "one\n\ntwo\n\nZT-3000 manual"


def test_unknown_shapes_and_damaged_slides_leave_the_rest() -> None:
    odd = "<p:sp><p:nvSpPr/><p:txBody><a:p><a:r><a:t>odd</a:t></a:r></a:p></p:txBody></p:sp>"
    choice = (
        "<mc:AlternateContent><mc:Choice Requires='p14'>" + shape("chosen") + "</mc:Choice>"
        "<mc:Fallback>" + shape("other") + "</mc:Fallback></mc:AlternateContent>"
    )
    parts = {"ppt/slides/slide2.xml": "<p:sld"}
    article = parse_pptx(make_slides([odd + choice, shape("two")], parts=parts))
    assert article.text == "odd\n\nchosen"
    assert article.warnings == (
        "1 damaged parts were read as far as possible: ppt/slides/slide2.xml",
    )


def test_file_without_slides_is_refused_by_its_code() -> None:
    with pytest.raises(UnreadableDocument) as caught:
        parse_pptx(make_slides([]))
    assert caught.value.code == "unreadable_pptx"
