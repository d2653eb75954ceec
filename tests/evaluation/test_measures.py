"""Measures and statistics against implementations of their own."""

from math import comb, log2
from random import Random

import pytest

from app.evaluation.golden import GoldenQuery
from app.evaluation.measures import MEASURES, score_rankings
from app.evaluation.statistics import estimate_mean, randomisation_p


def dcg(grades: list[int]) -> float:
    return sum(grade / log2(rank + 1) for rank, grade in enumerate(grades, start=1))


def by_formula(query: GoldenQuery, ranking: list[str]) -> dict[str, float]:
    """Return the measures from their definitions alone."""
    grades = [query.relevant.get(document_id, 0) for document_id in ranking]
    ideal = sorted(query.relevant.values(), reverse=True)
    found = [rank for rank, grade in enumerate(grades, start=1) if grade > 0]

    def recall(k: int) -> float:
        return sum(rank <= k for rank in found) / len(query.relevant)

    return {
        "nDCG@10": dcg(grades[:10]) / dcg(ideal[:10]),
        "recall@5": recall(5),
        "recall@10": recall(10),
        "recall@100": recall(100),
        "MRR": 1 / found[0] if found else 0.0,
        "success@1": float(found[:1] == [1]),
    }


def test_figures_equal_the_definitions_to_a_millionth() -> None:
    random = Random(3)
    names = [f"d{number}" for number in range(150)]
    golden, rankings = [], []
    for number in range(300):
        relevant = {
            name: random.randint(1, 3) for name in random.sample(names, random.randint(1, 12))
        }
        golden.append(GoldenQuery(str(number), "?", relevant))
        rankings.append(random.sample(names, random.choice([0, 1, 5, 10, 100])))
    scored = score_rankings(golden, rankings)
    assert set(scored) == set(MEASURES)
    compared = 0
    for i, (query, ranking) in enumerate(zip(golden, rankings, strict=True)):
        for name, value in by_formula(query, ranking).items():
            assert scored[name][i] == pytest.approx(value, abs=1e-6), (name, i)
            compared += 1
    assert compared == 300 * len(MEASURES)


def test_order_of_the_ranking_counts_and_not_the_names() -> None:
    golden = [GoldenQuery("q", "?", {"a": 1})]
    assert score_rankings(golden, [["a", "z"]])["success@1"] == [1.0]
    assert score_rankings(golden, [["z", "a"]])["success@1"] == [0.0]


def test_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    random = Random(5)
    covered = 0
    for _ in range(200):
        estimate = estimate_mean([random.random() for _ in range(60)])
        covered += estimate.low <= 0.5 <= estimate.high
    # 190 expected; the binomial standard deviation is 3.
    assert 178 <= covered <= 199


def test_p_value_equals_the_exact_one_of_equal_differences() -> None:
    """Of 10 equal differences 8 positive: both tails of the binomial distribution."""
    exact = 2 * sum(comb(10, k) for k in (8, 9, 10)) / 2**10
    assert randomisation_p([1.0] * 8 + [-1.0] * 2) == pytest.approx(exact, abs=0.012)


def test_no_difference_is_no_evidence() -> None:
    assert randomisation_p([0.0] * 20) == 1.0
    assert randomisation_p([1.0] * 40) < 0.001
