"""Questions whose answers are known correct what scores mean."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.config import Settings
from app.domain import Embedding, Item, Scope
from app.errors import CorruptData, InvalidRequest, UnreadableDocument
from app.evaluation.golden import GoldenQuery
from app.runtime.generations import ActiveGeneration
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, find_collection
from app.services.access.principal import EVERYONE
from app.services.articles.collections import create_collection
from app.services.quality import calibration
from app.services.quality.background_questions import QUESTIONS
from app.services.quality.calibration import (
    calibrate_due,
    get_calibration,
    measure_anchors,
    request_calibration,
)
from app.services.quality.correction import correct, fit_correction
from app.services.quality.gate import GateRequest
from app.services.quality.generation_builder import keep_generations
from app.services.quality.generations import list_generations, roll_back
from app.services.quality.labels import MAX_LABELS, MIN_LABELS, pick_labels
from app.services.quality.reembedding import reembed
from app.services.quality.tuning import TuningRequest, request_tuning
from app.services.search.scoring import NO_CORRECTION, Anchors, Correction
from ingest.sandbox import Sandbox
from tests.conftest import article
from tests.databases import copy_folder
from tests.named import put_documents, ref_of, search_documents
from tests.services.knowledge import open_with, work
from tests.services.quality.test_calibration import read_examples

EXAMPLES = Path(__file__).parents[3] / "examples"
PLAIN = "Is the drip tray dishwasher safe?"
# An article that is there, and answers few of the questions.
WRONG = "warranty-and-returns"


def read_golden() -> list[GoldenQuery]:
    names = {name for name, _ in read_examples()}
    read = []
    for path in ("golden.jsonl", "paraphrases.jsonl", "unanswered_near.jsonl"):
        for n, line in enumerate((EXAMPLES / path).read_text(encoding="utf-8").splitlines()):
            asked = json.loads(line)
            relevant = {Path(one).stem: 1 for one in asked["relevant"]}
            if relevant.keys() <= names:
                read.append(GoldenQuery(f"{path}-{n}", asked["query"], relevant))
    return read


def test_odds_that_are_right_are_left_as_they_are() -> None:
    odds = np.linspace(-3, 3, 400).tolist()
    # One in so many is right, as the odds say.
    drawn = np.random.default_rng(3).uniform(size=400)
    right = (drawn < correct(odds, NO_CORRECTION)).tolist()
    found = fit_correction(odds, right, range(400))
    assert abs(found.shift) < 0.5
    assert 0.6 < found.slope < 1.6


def test_odds_that_are_too_low_are_raised() -> None:
    odds = np.linspace(-3, 1, 200).tolist()
    drawn = np.random.default_rng(3).uniform(size=200)
    right = (drawn < correct(odds, Correction(shift=2.0))).tolist()
    assert 1.0 < fit_correction(odds, right, range(200)).shift < 3.0


def test_labels_that_say_nothing_change_nothing() -> None:
    right = (np.random.default_rng(5).uniform(size=40) < 0.5).tolist()
    assert fit_correction([0.0] * 40, right, range(40)) == NO_CORRECTION


def test_what_was_asked_for_one_question_is_not_fitted_and_measured_apart() -> None:
    # By turns with its articles, and as if they were not there: always right, and never.
    odds, right = [1.0, -5.0] * 30, [True, False] * 30
    questions = [n // 2 for n in range(60)]
    assert fit_correction(odds, right, questions) != NO_CORRECTION


@pytest.fixture(scope="module")
def help_centre(
    tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox
) -> Iterator[tuple[Resources, CollectionRef]]:
    with open_with(tmp_path_factory.mktemp("labels"), Settings().model) as resources:
        uploads = [article(name, text, title="") for name, text in read_examples()]
        put_documents(resources, "help", uploads)
        work(resources, sandbox)
        calibrate_due(resources, lambda: False)
        yield resources, find_collection(resources.database, EVERYONE, "help", Scope.ADMIN)


def first_score(resources: Resources) -> float:
    return search_documents(resources, "help", PLAIN, limit=1).results[0].score


def test_labels_are_measured_and_kept_without_their_questions(
    help_centre: tuple[Resources, CollectionRef],
) -> None:
    resources, ref = help_centre
    golden = read_golden()
    assert request_calibration(resources, ref, golden).is_due
    calibrate_due(resources, lambda: False)

    found = get_calibration(resources, ref)
    assert not found.is_due
    assert found.measured is not None
    labels = found.measured["labels"]
    assert labels["queries"] == sum(bool(query.relevant) for query in golden)
    assert labels["unanswered"] == 50
    assert labels["corrected_error"] <= labels["error"] + 0.02
    # What is listed names no question.
    (generation,) = list_generations(resources)
    assert golden[0].text not in json.dumps(generation.calibration)


def test_scores_fall_where_first_hits_are_wrong_until_labels_are_forgotten(
    help_centre: tuple[Resources, CollectionRef],
) -> None:
    resources, ref = help_centre
    request_calibration(resources, ref, [])
    calibrate_due(resources, lambda: False)
    before = first_score(resources)
    wrong = [replace(q, relevant={WRONG: 1}) for q in read_golden() if q.relevant]
    request_calibration(resources, ref, wrong)
    calibrate_due(resources, lambda: False)
    assert first_score(resources) < before - 0.1
    request_calibration(resources, ref, [])
    calibrate_due(resources, lambda: False)
    assert first_score(resources) == before


def test_questions_that_are_given_while_others_are_measured_are_measured_next(
    help_centre: tuple[Resources, CollectionRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    resources, ref = help_centre
    request_calibration(resources, ref, [])
    golden = read_golden()

    def give_and_measure(*arguments: Any) -> Anchors | None:
        request_calibration(resources, ref, golden)
        return measure_anchors(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(calibration, "measure_anchors", give_and_measure)
        calibrate_due(resources, lambda: False)
    assert get_calibration(resources, ref).is_due
    assert measure(resources)["queries"] == sum(bool(query.relevant) for query in golden)


def test_few_labels_are_refused(help_centre: tuple[Resources, CollectionRef]) -> None:
    resources, ref = help_centre
    with pytest.raises(InvalidRequest, match=f"at least {MIN_LABELS}"):
        request_calibration(resources, ref, read_golden()[: MIN_LABELS - 1])


def test_labels_of_articles_that_are_gone_and_questions_past_the_window_say_nothing(
    help_centre: tuple[Resources, CollectionRef],
) -> None:
    resources, ref = help_centre
    answered = [query for query in read_golden() if query.relevant]
    gone = [replace(query, relevant={"gone": 1}) for query in answered]
    endless = GoldenQuery("endless", "tray " * 9000, {WRONG: 1})
    request_calibration(resources, ref, [*answered[:MIN_LABELS], *gone, endless])
    assert measure(resources)["queries"] == MIN_LABELS
    request_calibration(resources, ref, gone)
    assert measure(resources) is None
    request_calibration(resources, ref, [])
    calibrate_due(resources, lambda: False)


def test_questions_that_the_service_refuses_are_left_out(
    help_centre: tuple[Resources, CollectionRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    resources, ref = help_centre
    answered = [query for query in read_golden() if query.relevant]
    refused, measured = {QUESTIONS[0], answered[0].text}, get_calibration(resources, ref).measured
    assert measured is not None
    engine = resources.generations.live().engine()
    embed = engine.embed

    def refuse(items: Sequence[Item], **options: Any) -> list[Embedding]:
        if any(item.text in refused for item in items):
            raise UnreadableDocument("not this text", code="text_refused")
        return embed(items, **options)

    monkeypatch.setattr(engine, "embed", refuse)
    request_calibration(resources, ref, answered)
    assert measure(resources)["queries"] == len(answered) - 1
    again = get_calibration(resources, ref).measured
    assert again is not None
    assert again["anchors"] == pytest.approx(measured["anchors"], abs=0.05)


def test_collection_that_cannot_be_measured_keeps_no_other_from_it(
    copied: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_with(copied, Settings().model) as resources:
        create_collection(resources.database, "other")
        put_documents(resources, "other", [article(*one) for one in read_examples()[:5]])
        work(resources, sandbox)
        help_centre, other = ref_of(resources, "help"), ref_of(resources, "other")
        request_calibration(resources, help_centre, [])

        def fail_first(
            resources: Resources, generation: ActiveGeneration, ref: CollectionRef
        ) -> Anchors | None:
            if ref == help_centre:
                raise CorruptData("an article is damaged")
            return measure_anchors(resources, generation, ref)

        monkeypatch.setattr(calibration, "measure_anchors", fail_first)
        calibrate_due(resources, lambda: False)
        for ref, is_measured in ((help_centre, False), (other, True)):
            found = get_calibration(resources, ref)
            assert found.measured is not None
            assert (found.is_due, found.measured["anchors"] is not None) == (False, is_measured)


def test_few_questions_with_an_answer_stay_among_many_without() -> None:
    answered = [GoldenQuery(f"a{n}", "tea?", {"a": 1}) for n in range(30)]
    unanswered = [GoldenQuery(f"u{n}", "coal?", {}) for n in range(970)]
    picked = pick_labels([*unanswered, *answered])
    assert len(picked) == MAX_LABELS
    assert picked[:30] == answered
    many = pick_labels([*unanswered[:400], *(answered * 20)])
    assert sum(bool(query.relevant) for query in many) == MAX_LABELS * 600 // 1000


def measure(resources: Resources) -> dict[str, Any]:
    """Do what the background does, and return what it kept of the labels."""
    calibrate_due(resources, lambda: False)
    found = get_calibration(resources, ref_of(resources, "help"))
    assert not found.is_due
    assert found.measured is not None
    labels: dict[str, Any] = found.measured["labels"]
    return labels


@pytest.fixture(scope="module")
def corrected(
    tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox
) -> tuple[Path, dict[str, Any]]:
    """A data folder with labels, which are wrong, and what they gave."""
    folder = tmp_path_factory.mktemp("corrected") / "kb"
    with open_with(folder, Settings().model) as resources:
        uploads = [article(name, text, title="") for name, text in read_examples()]
        put_documents(resources, "help", uploads)
        work(resources, sandbox)
        wrong = [replace(q, relevant={WRONG: 1}) for q in read_golden() if q.relevant]
        request_calibration(resources, ref_of(resources, "help"), wrong[:MIN_LABELS])
        return folder, measure(resources)


@pytest.fixture
def copied(corrected: tuple[Path, dict[str, Any]], tmp_path: Path) -> Path:
    return copy_folder(corrected[0], tmp_path / "kb")


def test_labels_are_measured_again_for_another_model_and_outlive_the_former(
    corrected: tuple[Path, dict[str, Any]], copied: Path
) -> None:
    before = corrected[1]
    with open_with(copied, Settings().model, dimensions=128) as resources:
        reembed(resources)
        (generation,) = list_generations(resources)
        assert generation.dimensions == 128
        # What the former one gave is gone with it.
        assert get_calibration(resources, ref_of(resources, "help")).measured is None
        # The model is there from the first search on.
        first_score(resources)
        after = measure(resources)
    assert after["queries"] == before["queries"]
    assert after["hits"] != before["hits"]
    assert after["hits"]["shift"] < 0


def test_labels_are_measured_again_after_tuning_and_after_going_back(
    corrected: tuple[Path, dict[str, Any]], copied: Path
) -> None:
    before = corrected[1]
    golden = [query for query in read_golden() if query.relevant]
    with open_with(copied, Settings().model) as resources:
        ref = ref_of(resources, "help")
        gate = GateRequest(ref, golden[:10], force=True)
        tuned = request_tuning(resources, TuningRequest(ref, golden), gate=gate)
        keep_generations(resources, lambda: False)
        assert get_calibration(resources, ref).generation == tuned.id
        assert get_calibration(resources, ref).measured is None
        after = measure(resources)
        assert after["queries"] == before["queries"]
        assert after["hits"] != before["hits"]
        (former,) = (one.id for one in list_generations(resources) if not one.is_live)
        roll_back(resources, former)
        assert measure(resources) == before
