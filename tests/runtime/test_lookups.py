"""What searches look up is what their own transaction would read."""

import numpy as np

from app.index.flat import Ids
from app.runtime.lookups import ArticleRows, Lookups


class Table:
    """Rows by id as one transaction sees them, and which of them were read."""

    def __init__(self, rows: dict[int, str]) -> None:
        self.rows = rows
        self.read: list[int] = []

    def find(self, ids: list[int]) -> dict[int, str]:
        self.read += ids
        return {i: self.rows[i] for i in ids if i in self.rows}


def recall(rows: ArticleRows, state: int | None, table: Table, *ids: int) -> dict[int, str]:
    """Recall rows whose ids are ten times those of their articles."""
    return rows.recall(state, "texts", {i: i // 10 for i in ids}, table.find)


def test_row_is_read_again_when_its_own_article_changed_and_only_then() -> None:
    rows, table = ArticleRows(), Table({10: "a", 20: "b"})
    assert list(recall(rows, 1, table, 20, 10, 30).items()) == [(20, "b"), (10, "a")]
    rows.note(2, [1])
    table.rows[10] = "A"
    # In the order of the ids, whichever was read.
    assert list(recall(rows, 2, table, 10, 20).items()) == [(10, "A"), (20, "b")]
    assert list(recall(rows, 2, table, 20, 10).items()) == [(20, "b"), (10, "A")]
    assert table.read == [20, 10, 30, 10]


def test_change_that_names_no_article_is_of_all() -> None:
    rows, table = ArticleRows(), Table({10: "a", 20: "b"})
    recall(rows, 1, table, 10, 20)
    rows.note(2, None)
    recall(rows, 2, table, 10, 20)
    assert table.read == [10, 20, 10, 20]


def test_transactions_beside_a_change_each_get_what_they_see() -> None:
    rows, before, after = ArticleRows(), Table({10: "a"}), Table({10: "A"})
    rows.note(2, [1])
    # One that began before, and reads after another was told of the change.
    assert recall(rows, 1, before, 10) == {10: "a"}
    assert recall(rows, 2, after, 10) == {10: "A"}
    assert recall(rows, 1, before, 10) == {10: "a"}
    assert recall(rows, 2, after, 10) == {10: "A"}
    assert recall(rows, None, before, 10) == {10: "a"}


def test_more_changes_than_are_noted_change_all() -> None:
    rows, table = ArticleRows(), Table({10: "a", 20: "b"})
    recall(rows, 1, table, 10, 20)
    rows.note(2, range(3, 20_000))
    table.rows[20] = "B"
    rows.note(3, [2])
    assert recall(rows, 3, table, 10, 20) == {10: "a", 20: "B"}
    assert table.read == [10, 20, 10, 20]


def test_look_ups_by_long_keys_are_not_kept_without_end() -> None:
    lookups, asked = Lookups(), []

    def look_up() -> Ids:
        asked.append(1)
        return np.empty(0, np.int64)

    # Filters of a megabyte, as a body may hold; what each keeps is nothing.
    for number in range(64):
        lookups.find(1, ("filter", number, "x" * (1 << 20)), look_up)
    lookups.find(1, ("filter", 0, "x" * (1 << 20)), look_up)
    assert len(asked) == 65
