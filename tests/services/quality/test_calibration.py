"""What scores mean is measured in each collection, without labels."""

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import pytest

from app.config import Settings
from app.domain import Mode
from app.runtime.resources import Resources
from app.services.quality.calibration import (
    MIN_DOCUMENTS,
    RULES,
    calibrate_due,
    get_calibration,
)
from app.services.quality.feedback import record_query
from app.services.quality.generations import list_generations
from app.services.quality.query_log import list_log
from app.services.search import search as searching
from app.services.search.pipeline import SearchRequest
from ingest.sandbox import Sandbox
from tests.conftest import article
from tests.named import build_context, put_documents, ref_of, search_documents
from tests.services.knowledge import open_with, work

EXAMPLES = Path(__file__).parents[3] / "examples" / "articles"


def read_examples() -> list[tuple[str, str]]:
    return [
        (path.stem, path.read_text(encoding="utf-8"))
        for path in sorted(EXAMPLES.rglob("*"))
        if path.suffix in {".md", ".txt"}
    ]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> Iterator[Resources]:
    with open_with(
        tmp_path_factory.mktemp("measured"),
        Settings().model,
        passage_tokens=160,
        query_log_days=30,
    ) as resources:
        uploads = [article(name, text, title="") for name, text in read_examples()]
        put_documents(resources, "help", uploads)
        work(resources, sandbox)
        calibrate_due(resources, lambda: False)
        yield resources


def no_answer(resources: Resources, query: str) -> float:
    found = build_context(resources, "help", query, max_tokens=500)
    assert found.calibrated
    assert found.no_answer is not None
    return found.no_answer


def test_questions_with_an_answer_are_told_from_questions_without(measured: Resources) -> None:
    answered = [
        no_answer(measured, query)
        for query in (
            "Is the drip tray dishwasher safe?",
            "How do I go back to the previous firmware version?",
            "What collar number should I use for a French press?",
        )
    ]
    unanswered = [
        no_answer(measured, query)
        for query in (
            "What is the capital of Mongolia?",
            "How do I knit a scarf?",
            "Which chess opening is best for beginners?",
        )
    ]
    assert max(answered) < 0.5
    assert min(unanswered) > 0.6


def test_where_nothing_is_found_nothing_answers(measured: Resources) -> None:
    assert no_answer(measured, '"no article holds this phrase"') == 1.0


def test_the_first_hit_of_a_plain_question_scores_as_one_that_answers(
    measured: Resources,
) -> None:
    found = search_documents(measured, "help", "Is the drip tray dishwasher safe?", limit=3)
    assert found.calibrated
    assert found.results[0].document_id == "cleaning-schedule"
    assert found.results[0].score > 0.6


def test_logged_score_is_the_probability_also_of_what_was_reranked(measured: Resources) -> None:
    ref = ref_of(measured, "help")
    request = SearchRequest("Is the drip tray dishwasher safe?", [ref], limit=10)
    found = searching.search_documents(measured, request)
    reranked = searching.search_documents(measured, request, rerank=True)
    probabilities = {hit.document_id: hit.score for hit in found.results}
    first = reranked.results[0]
    assert not reranked.calibrated
    assert first.score != pytest.approx(probabilities[first.document_id], abs=1e-6)
    record_query(measured, ref, reranked)
    (logged,) = list_log(measured, ref)
    assert (logged.score, logged.calibrated) == (probabilities[first.document_id], True)


@pytest.mark.parametrize("query", ["Is the drip tray dishwasher safe?", "How do I knit a scarf?"])
def test_an_article_scores_the_same_however_many_are_shown(measured: Resources, query: str) -> None:
    whole = search_documents(measured, "help", query, limit=10).results
    scores = {hit.document_id: hit.score for hit in whole}
    for limit in (1, 2, 3):
        shown = search_documents(measured, "help", query, limit=limit).results
        assert [hit.score for hit in shown] == [hit.score for hit in whole[:limit]]
    for offset in (0, 1, 4):
        page = search_documents(measured, "help", query, limit=3, offset=offset).results
        assert [hit.score for hit in page] == [scores[hit.document_id] for hit in page]


@pytest.mark.parametrize("mode", Mode)
def test_scores_by_few_dimensions_are_no_probabilities(measured: Resources, mode: Mode) -> None:
    for dimensions, is_calibrated in ((384, True), (96, True), (95, mode is Mode.LEXICAL)):
        found = search_documents(measured, "help", "drip tray?", mode=mode, dimensions=dimensions)
        assert found.calibrated is is_calibrated


def test_what_was_measured_is_kept_with_the_generation(measured: Resources) -> None:
    (generation,) = list_generations(measured)
    assert generation.calibration is not None
    (kept,) = generation.calibration["collections"].values()
    assert (kept["rules"], kept["documents"]) == (RULES, len(read_examples()))
    assert kept["anchors"]["own_nearness"] > kept["anchors"]["null_nearness"]


def test_a_collection_is_measured_again_when_a_quarter_of_it_changed(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    examples = read_examples()
    with open_with(tmp_path, Settings().model) as resources:

        def grow(first: int, last: int) -> int | None:
            uploads = [article(name, text) for name, text in examples[first:last]]
            put_documents(resources, "help", uploads)
            work(resources, sandbox)
            calibrate_due(resources, lambda: False)
            (generation,) = list_generations(resources)
            collections = (generation.calibration or {}).get("collections", {})
            return next((kept["documents"] for kept in collections.values()), None)

        assert grow(0, MIN_DOCUMENTS - 1) is None
        assert grow(MIN_DOCUMENTS - 1, MIN_DOCUMENTS) == MIN_DOCUMENTS
        assert grow(MIN_DOCUMENTS, MIN_DOCUMENTS + 1) == MIN_DOCUMENTS
        assert grow(MIN_DOCUMENTS + 1, MIN_DOCUMENTS + 2) == MIN_DOCUMENTS + 2


def test_a_collection_is_measured_again_when_a_quarter_of_it_was_replaced(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    names = [name for name, _ in read_examples()[:8]]
    with open_with(tmp_path, Settings().model) as resources:

        def put(texts: dict[str, str]) -> bool:
            put_documents(resources, "help", [article(*one) for one in texts.items()])
            work(resources, sandbox)
            found = get_calibration(resources, ref_of(resources, "help"))
            calibrate_due(resources, lambda: False)
            return found.is_due

        assert put(dict(read_examples()[:8]))
        assert not put(dict.fromkeys(names[:2], "Crates of tea are counted."))
        assert not put({names[0]: "Crates of milk are counted."})
        assert put({names[2]: "Crates of coffee are counted."})
        assert not put(dict.fromkeys(names[:2], "Crates of sugar are counted."))


def test_a_model_of_random_weights_is_not_sure_of_what_is_wrong(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox
) -> None:
    with open_with(tmp_path, jina_v3) as resources:
        put_documents(resources, "help", [article(name, text) for name, text in read_examples()])
        work(resources, sandbox)
        calibrate_due(resources, lambda: False)
        errors = []
        for name, is_unanswered in (("golden", False), ("unanswered_far", True)):
            for line in (EXAMPLES.parent / f"{name}.jsonl").read_text("utf-8").splitlines()[:15]:
                found = build_context(resources, "help", json.loads(line)["query"], max_tokens=500)
                said = 0.5 if found.no_answer is None else found.no_answer
                errors.append((said - is_unanswered) ** 2)
        # Words still say something; who says .5 to everything has .25.
        assert fmean(errors) <= 0.25
