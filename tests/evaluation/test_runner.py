"""Asking golden sets, comparing runs, and the report."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from app.domain import Mode
from app.errors import TooLarge
from app.evaluation.golden import GoldenQuery, UnreadableSet, read_golden
from app.evaluation.report import render_report
from app.evaluation.runner import Configuration, Found, describe, evaluate, find_main

GOLDEN = [GoldenQuery(f"q{n}", f"question <{n}>", {f"d{n}": 1}) for n in range(30)]
IDS = frozenset(f"d{n}" for n in range(29))
GOOD, BAD = Configuration(Mode.HYBRID), Configuration(Mode.DENSE, dimensions=8)


def ask(query: str, configuration: Configuration) -> Found:
    """Find the answer first; the bad configuration, second for the first ten."""
    number = int(query.split("<")[1].rstrip(">"))
    if configuration == BAD and number < 10:
        return Found(["other", f"d{number}"])
    if configuration == BAD and number == 29:
        raise TooLarge("long", code="query_too_large")
    return Found([f"d{number}", "other"])


def test_comparison_counts_wins_and_losses_and_is_sure_of_a_clear_one() -> None:
    evaluation = evaluate(GOLDEN, [GOOD, BAD, GOOD], ask, collection="help", document_ids=IDS)
    worse, same = map(find_main, evaluation.comparisons)
    assert (worse.wins, worse.losses, worse.ties) == (0, 11, 19)
    assert worse.difference.high < 0
    assert worse.p_value < 0.01
    assert (same.wins, same.losses, same.difference.mean, same.p_value) == (0, 0, 0.0, 1.0)
    assert evaluation.missing == ("d29",)
    good, bad, _ = evaluation.runs
    assert good.measures["success@1"].mean == 1.0
    assert bad.measures["success@1"].mean == pytest.approx(19 / 30)
    assert (bad.failed, bad.answers[29].error) == (1, "query_too_large")


class _Page(HTMLParser):
    """Counts elements and collects what would be fetched or run."""

    def __init__(self) -> None:
        super().__init__()
        self.count: dict[str, int] = {}
        self.open: list[str] = []
        self.foreign: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        self.foreign += [name for name, _ in attrs if name in {"src", "href", "onload", "onclick"}]
        if tag not in {"meta", "br", "rect", "line", "polyline", "circle"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            assert self.open.pop() == tag


def test_report_is_one_well_formed_file_that_fetches_and_runs_nothing() -> None:
    evaluation = evaluate(GOLDEN, [GOOD, BAD], ask, collection="help", document_ids=IDS)
    # As it comes back from a server.
    report = render_report(json.loads(json.dumps(describe(evaluation))))
    page = _Page()
    page.feed(report)
    assert page.open == []
    assert page.foreign == []
    assert "script" not in page.count
    assert page.count["svg"] == 3
    assert "question &lt;3&gt;" in report
    assert "question <3>" not in report


def test_golden_set_is_read_from_lines_and_from_a_beir_folder(tmp_path: Path) -> None:
    lines = tmp_path / "golden.jsonl"
    lines.write_text(
        '{"query": "a", "relevant": ["x", "y"]}\n\n'
        '{"id": "b", "query": "b", "relevant": {"x": 2}}\n'
        '{"query": "unjudged", "relevant": []}\n',
        # With the mark that editors on Windows begin a file with.
        encoding="utf-8-sig",
    )
    assert read_golden(lines) == (
        GoldenQuery("1", "a", {"x": 1, "y": 1}),
        GoldenQuery("b", "b", {"x": 2}),
    )
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    (folder / "queries.jsonl").write_text('{"_id": "1", "text": "a"}\n{"_id": "2", "text": "b"}\n')
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\tx\t1\n1\ty\t0\n")
    assert read_golden(folder) == (GoldenQuery("1", "a", {"x": 1}),)
    (folder / "qrels" / "test.tsv").write_text("1\tguides/reset guide.md\t1\n")
    assert read_golden(folder) == (GoldenQuery("1", "a", {"guides/reset guide.md": 1}),)
    (folder / "qrels" / "test.tsv").write_text("1 0 x 1\n")
    assert read_golden(folder) == (GoldenQuery("1", "a", {"x": 1}),)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "1 is not JSON"),
        ("[]", "1 is not a JSON object"),
        ('{"relevant": ["a"]}', "'query' is missing"),
        ('{"query": "a", "relevant": "b"}', "`relevant` is a list"),
        ('{"query": "a", "relevant": ["\\ud800"]}', "1 is not JSON: .*surrogates"),
        ('{"query": "a", "relevant": {"b": 2147483648}}', "1: a grade is at most 100"),
        ('{"query": "a", "relevant": []}', "no query with a relevant document"),
    ],
)
def test_golden_set_that_cannot_be_read_says_where(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "golden.jsonl"
    path.write_text(line)
    with pytest.raises(UnreadableSet, match=said):
        read_golden(path)


def test_grade_of_a_beir_folder_that_is_too_great_is_named(tmp_path: Path) -> None:
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "a"}\n')
    (tmp_path / "qrels.tsv").write_text("1\tx\t1\n1\ty\t2147483648\n")
    with pytest.raises(UnreadableSet, match=r"qrels\.tsv:2: a grade is at most 100"):
        read_golden(tmp_path)


def test_query_whose_id_is_null_is_numbered(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    lines = [json.dumps({"id": None, "query": text, "relevant": ["x"]}) for text in "ab"]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert [query.id for query in read_golden(path)] == ["1", "2"]


def test_golden_set_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    latin = '{"_id": "1", "text": "thé"}'.encode("latin-1")
    for name in ("queries.jsonl", "qrels.tsv"):
        (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "a"}\n')
        (tmp_path / "qrels.tsv").write_text("1\tx\t1\n")
        (tmp_path / name).write_bytes(latin)
        with pytest.raises(UnreadableSet, match=f"{name} is not UTF-8"):
            read_golden(tmp_path)


@pytest.mark.parametrize("text", ["fast", "dense:dimensions", "dense:size=3", "dense:dimensions=x"])
def test_configuration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is n"):
        Configuration.parse(text)
