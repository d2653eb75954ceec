"""What a passage amid a table lacks."""

import pytest

from app.index.tables import find_tables, table_head

_HEAD = "| Plan | Fee |\n| --- | --- |"
_ROWS = "| Basic | 11 |\n| Pro | 22 |"
_TEXT = f"# Fees\n\nMonthly fees\n\n{_HEAD}\n{_ROWS}\n\nAfter it.\n\n| no table\n"


@pytest.mark.parametrize(
    ("at", "head"),
    [
        ("| Pro", f"Monthly fees\n\n{_HEAD}\n"),
        ("| Basic", f"Monthly fees\n\n{_HEAD}\n"),
        ("| Plan", "Monthly fees\n\n"),
        ("Monthly", ""),
        ("After", ""),
        ("| no", ""),
    ],
)
def test_rows_lack_caption_and_head_of_their_table(at: str, head: str) -> None:
    assert table_head(find_tables(_TEXT), _TEXT.index(at)) == head


@pytest.mark.parametrize(
    "table",
    [
        "Plan | Fee\n--- | ---\nBasic | 11\nPro | 22",
        "| Plan | Fee\n|---|:-:\n| Basic | 11\n| Pro | 22",
        "  | Plan | Fee |\n  | --- | --- |\n  | Basic | 11 |\n  | Pro | 22 |",
        "> | Plan | Fee |\n> | --- | --- |\n> | Basic | 11 |\n> | Pro | 22 |",
    ],
)
def test_table_without_outer_bars_indented_or_quoted_is_one(table: str) -> None:
    text = f"Fees\n\n{table}\n\nAfter | it.\n"
    (found,) = find_tables(text)
    assert text[found.start : found.end] == table
    head = "\n".join(table.split("\n")[:2])
    assert table_head([found], text.index("Pro")) == f"Fees\n\n{head}\n"


@pytest.mark.parametrize(
    "text", ["Tea | milk\n---\nx | y", "Tea\n--- | ---", "--- | ---\nx | y", "a | b\n\n- | -\n"]
)
def test_bars_without_a_rule_under_them_are_no_table(text: str) -> None:
    assert find_tables(text) == ()


def test_heading_and_prose_are_no_captions() -> None:
    for before in ("# Fees", "x" * 300, "```"):
        text = f"{before}\n\n{_HEAD}\n{_ROWS}"
        assert table_head(find_tables(text), text.index("| Pro")) == f"{_HEAD}\n"


def test_head_of_thousands_of_columns_is_not_repeated_for_each_row() -> None:
    cells = " | ".join(f"Column {n}" for n in range(1000))
    rule = " | ".join(["---"] * 1000)
    text = f"Fees\n\n| {cells} |\n| {rule} |\n| {cells} |\n"
    assert table_head(find_tables(text), len(text) - 5) == "Fees\n\n"


def test_table_of_a_long_text_is_found_in_one_pass() -> None:
    rows = "| a | b |\n" * 100_000
    text = f"{_HEAD}\n{rows}"
    tables = find_tables(text)
    assert [(table.start, table.end) for table in tables] == [(0, len(text) - 1)]
