"""`folio eval`, `folio reembed --model` and `folio generations`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.api.service import Collection, Service
from tests.checkpoints import make_jina_v3
from tests.cli.command import Ran, folio

TEXTS = {f"a{n}": f"Tea number {n} with milk and sugar {n * 7}." for n in range(20)}


def write_golden(path: Path) -> Path:
    lines = [{"query": text, "relevant": [name]} for name, text in TEXTS.items()]
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def test_eval_prints_a_table_and_writes_json_and_a_report(
    ask: Callable[..., Ran], collection: Collection, files: Path
) -> None:
    collection.add(*({"id": name, "text": text} for name, text in TEXTS.items()))
    golden = write_golden(files / "golden.jsonl")
    modes = ("--mode", "lexical", "--mode", "dense:dimensions=8")
    ran = ask("eval", golden, *modes, "--report", files / "report.html")
    assert ran.code == 0, ran
    assert "dense, 8 dimensions against lexical" in ran.stdout
    assert "20 queries, 95% intervals" in ran.stdout
    assert (files / "report.html").read_text().startswith("<!doctype html>")
    result = ask("eval", golden, *modes, "--json").json
    assert result["runs"][0]["measures"]["success@1"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    assert len(result["by_query"]) == 20


def test_eval_asks_queries_without_an_answer_and_does_not_rank_by_them(
    ask: Callable[..., Ran], collection: Collection, files: Path
) -> None:
    collection.add(*({"id": name, "text": text} for name, text in TEXTS.items()))
    golden = write_golden(files / "golden.jsonl")
    with golden.open("a") as lines:
        lines.write('\n{"query": "what is a derivative?", "relevant": []}')
    result = ask("eval", golden, "--mode", "lexical", "--json").json
    assert (result["queries"], len(result["by_query"])) == (20, 20)
    calibration = result["runs"][0]["calibration"]
    # Null until the background has measured the collection.
    assert calibration is None or (calibration["questions"], calibration["unanswered"]) == (21, 1)


def test_eval_loads_the_corpus_of_a_beir_folder(service: Service, files: Path) -> None:
    (files / "qrels").mkdir()
    (files / "corpus.jsonl").write_text('{"_id": "d1", "title": "Tea", "text": "Milk first."}\n')
    (files / "queries.jsonl").write_text('{"_id": "q1", "text": "milk"}\n')
    (files / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\n")
    target = ("--server", service.url, "--collection", "beir")
    result = folio("eval", files, "--load", *target, "--json").json
    assert result["runs"][0]["measures"]["nDCG@10"]["mean"] == 1.0
    assert result["missing"] == []


@pytest.mark.parametrize("line", ['{"_id": "d1"}', '{"text": "Tea."}', "[]", "no json"])
def test_line_of_a_corpus_that_is_no_article_is_named(
    service: Service, files: Path, line: str
) -> None:
    (files / "corpus.jsonl").write_text(f"\n{line}\n")
    (files / "queries.jsonl").write_text('{"_id": "q1", "text": "milk"}\n')
    (files / "qrels.tsv").write_text("q1\td1\t1\n")
    ran = folio("eval", files, "--load", "--server", service.url, "--collection", "beir")
    assert (ran.code, "corpus.jsonl:2" in ran.error) == (1, True)


def test_golden_set_of_a_collection_is_kept_measured_and_calibrated_with(
    ask: Callable[..., Ran], collection: Collection, files: Path
) -> None:
    collection.add(*({"id": name, "text": text} for name, text in TEXTS.items()))
    assert "no query with a relevant document" in ask("eval").error
    added = ask("golden", write_golden(files / "golden.jsonl"), "--add")
    assert "20 added, 0 changed; the golden set has 20 questions" in added.stdout
    assert ask("eval", "--mode", "lexical", "--json").json["queries"] == 20
    kept = files / "kept.jsonl"
    assert "20 queries" in ask("golden", kept).stdout
    assert [json.loads(line) for line in kept.read_text().splitlines()] == [
        {"query": text, "relevant": {name: 1}} for name, text in TEXTS.items()
    ]
    assert ask("golden", files / "suggested.jsonl", "--suggested").code == 0
    assert ask("eval", "--load").code != 0
    assert ask("calibrate", "--golden").code == 0


def test_file_that_is_there_is_not_written_over_unless_that_is_said(
    ask: Callable[..., Ran], collection: Collection, files: Path
) -> None:
    written = write_golden(files / "golden.jsonl")
    before = written.read_text()
    assert "golden.jsonl is there: --add adds it" in ask("golden", written).error
    assert "is there" in ask("golden", written, "--suggested").error
    assert written.read_text() == before
    assert "0 queries" in ask("golden", written, "--replace").stdout
    assert written.read_text() == ""


def test_options_that_contradict_each_other_are_refused(
    ask: Callable[..., Ran], files: Path
) -> None:
    golden = write_golden(files / "golden.jsonl")
    for option in ("--suggested", "--replace"):
        assert "--add reads FILE" in ask("golden", golden, "--add", option).error
    for options in ((golden, "--golden"), (golden, "--forget"), ("--golden", "--forget")):
        assert "give one of" in ask("calibrate", *options).error


def test_ids_of_a_golden_set_are_those_of_documents_in_any_form(
    ask: Callable[..., Ran], collection: Collection, files: Path
) -> None:
    collection.add({"id": "caf\u00e9.md", "text": "Steam the milk."})
    golden = files / "golden.jsonl"
    golden.write_text('{"query": "milk?", "relevant": ["cafe\\u0301.md"]}\n')
    result = ask("eval", golden, "--mode", "lexical", "--json").json
    assert (result["missing"], result["runs"][0]["measures"]["success@1"]["mean"]) == ([], 1.0)


def test_eval_says_what_is_wrong_with_its_arguments(ask: Callable[..., Ran], files: Path) -> None:
    golden = write_golden(files / "golden.jsonl")
    assert "--mode" in ask("eval", golden, "--mode", "fast").error
    assert "No such file" in ask("eval", files / "none.jsonl").error
    assert "20 relevant documents are not in the collection" in ask("eval", golden).stdout


def test_reembed_with_a_model_measures_first_and_generations_can_be_rolled_back(
    service: Service, collection: Collection, files: Path
) -> None:
    collection.add(*({"id": name, "text": text} for name, text in TEXTS.items()))
    golden = write_golden(files / "golden.jsonl")
    model = make_jina_v3(files / "other", seed=7)
    server = ("--server", service.url)
    few = folio("reembed", "--model", model, *server)
    assert "at least 20 queries" in few.error
    target = (*server, "--collection", collection.name)
    ran = folio("reembed", "--model", model, "--golden", golden, "--margin", "1", *target)
    assert ran.code == 0, ran
    assert "excludes a loss of more than 1" in ran.stdout
    listed = folio("generations", "list", *server, "--json").json
    assert [row["is_live"] for row in listed] == [False, True]
    first, second = (str(row["id"]) for row in listed)
    assert folio("generations", "rollback", first, *server).code == 0
    assert "is live" in folio("generations", "remove", first, *server).error
    assert folio("generations", "remove", second, *server).code == 0
    (left,) = folio("generations", "list", *server, "--json").json
    assert left["is_live"]
