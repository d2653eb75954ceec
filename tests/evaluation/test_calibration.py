"""What scores are worth as probabilities."""

import json

import numpy as np
import pytest

from app.evaluation.calibration import measure_calibration
from app.evaluation.golden import GoldenQuery
from app.evaluation.report import render_report
from app.evaluation.runner import Configuration, Found, describe, evaluate

HYBRID = Configuration()


def test_scores_that_come_true_have_no_error() -> None:
    scores = [0.25] * 100 + [0.75] * 100
    right = [n % 4 == 0 for n in range(100)] + [n % 4 != 0 for n in range(100)]
    measured = measure_calibration(scores, right, [True] * 200)
    assert measured.error == pytest.approx(0.0)
    assert [(b.questions, b.score, b.right) for b in measured.bins] == [
        (100, 0.25, 0.25),
        (100, 0.75, 0.75),
    ]


def test_scores_that_are_too_high_have_that_error() -> None:
    measured = measure_calibration([0.9] * 50, [False] * 25 + [True] * 25, [True] * 50)
    assert measured.error == pytest.approx(0.4)


def test_area_is_that_of_answered_over_unanswered_pairs() -> None:
    measured = measure_calibration(
        [0.9, 0.4, 0.4, 0.1], [True, False, False, False], [True, True, False, False]
    )
    # Of four pairs three are in order, and one is equal.
    assert measured.area == pytest.approx(3.5 / 4)
    assert measured.unanswered == 2


def test_coverage_is_the_greatest_share_with_few_wrong_ones() -> None:
    scores = np.linspace(0.99, 0.01, 100).tolist()
    measured = measure_calibration(scores, [n < 60 for n in range(100)], [True] * 100)
    # 60 right ones carry three wrong ones: 3 of 63 are less than 5 %, 4 of 64 are more.
    assert measured.coverage.mean == pytest.approx(0.63)
    assert measured.coverage.low < 0.63 < measured.coverage.high


def test_questions_of_one_score_are_answered_together() -> None:
    measured = measure_calibration([0.5] * 10, [True] * 5 + [False] * 5, [True] * 10)
    assert measured.coverage.mean == 0.0


def test_an_evaluation_measures_scores_with_the_questions_that_nothing_answers() -> None:
    def ask(query: str, _: Configuration) -> Found:
        return Found(["a"], 0.9) if query == "known" else Found(["b"], 0.2)

    golden = [GoldenQuery("1", "known", {"a": 1})]
    evaluation = evaluate(
        golden,
        [HYBRID],
        ask,
        collection="help",
        document_ids=frozenset("ab"),
        unanswered=["other", "another"],
    )
    (run,) = evaluation.runs
    assert run.calibration is not None
    assert (run.calibration.questions, run.calibration.unanswered) == (3, 2)
    assert run.calibration.area == 1.0
    assert run.measures["success@1"].mean == 1.0
    assert len(run.answers) == 1
    report = render_report(json.loads(json.dumps(describe(evaluation))))
    assert report.count("<circle") == 2
    assert "What scores mean" in report


def test_scores_that_are_not_probabilities_are_not_measured() -> None:
    evaluation = evaluate(
        [GoldenQuery("1", "known", {"a": 1})],
        [HYBRID],
        lambda _, __: Found(["a"]),
        collection="help",
        document_ids=frozenset("a"),
    )
    assert evaluation.runs[0].calibration is None
    assert "What scores mean" not in render_report(json.loads(json.dumps(describe(evaluation))))
