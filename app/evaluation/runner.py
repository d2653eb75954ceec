"""Asking a golden set with several configurations, and comparing what comes back."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from time import perf_counter
from typing import Any

from app.domain import Mode
from app.errors import PASSING, FolioError
from app.evaluation.calibration import Calibration, measure_calibration
from app.evaluation.golden import GoldenQuery
from app.evaluation.measures import MAIN_MEASURE, MEASURES, score_rankings
from app.evaluation.statistics import Estimate, estimate_mean, randomisation_p


@dataclass(frozen=True, slots=True)
class Configuration:
    """One way to search. `generation` None is the live one, `dimensions` None all of them."""

    mode: Mode = Mode.HYBRID
    dimensions: int | None = None
    generation: int | None = None

    @property
    def name(self) -> str:
        parts = [self.mode.value]
        if self.dimensions is not None:
            parts.append(f"{self.dimensions} dimensions")
        if self.generation is not None:
            parts.append(f"generation {self.generation}")
        return ", ".join(parts)

    @classmethod
    def parse(cls, text: str) -> "Configuration":
        """Return the configuration that `mode[:dimensions=N][:generation=N]` names."""
        mode, *options = text.split(":")
        values: dict[str, int] = {}
        for option in options:
            key, _, value = option.partition("=")
            if key not in {"dimensions", "generation"} or not value.isdecimal():
                raise ValueError(f"{option!r} is neither dimensions=N nor generation=N")
            values[key] = int(value)
        return cls(Mode(mode), **values)


@dataclass(frozen=True, slots=True)
class Found:
    """What a search for a text found."""

    ranking: Sequence[str]
    """Document ids, best first."""
    score: float | None = None
    """That of the first one, where it is a probability; 0 where there is none."""


Ask = Callable[[str, Configuration], Found]
"""Search for a text."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of one search, as the caller waits for it."""

    p50: float
    p90: float
    p99: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What one query came to: its best documents, its values by measure, or why it failed."""

    ranking: tuple[str, ...]
    values: dict[str, float]
    milliseconds: float
    error: str | None


@dataclass(frozen=True, slots=True)
class Run:
    """All queries with one configuration; `answers` in the order of the golden set."""

    configuration: Configuration
    measures: dict[str, Estimate]
    latency_ms: Latency
    failed: int
    """Queries that got an error; they score 0."""
    answers: tuple[Answer, ...]
    calibration: Calibration | None = None
    """None where scores are not probabilities."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The first run against another, query by query: what the other one gains."""

    measure: str
    difference: Estimate
    p_value: float
    wins: int
    losses: int
    ties: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A golden set with one run a configuration, each later one compared with the first."""

    collection: str
    queries: tuple[GoldenQuery, ...]
    missing: tuple[str, ...]
    """Relevant documents that the collection does not hold: nothing can find them."""
    runs: tuple[Run, ...]
    comparisons: tuple[tuple[Comparison, ...], ...]
    """By run after the first, one comparison a measure."""


def evaluate(
    golden: Sequence[GoldenQuery],
    configurations: Sequence[Configuration],
    ask: Ask,
    *,
    collection: str,
    document_ids: frozenset[str],
    unanswered: Sequence[str] = (),
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Ask every query with every configuration in turn, so that a busy minute meets them all.

    `unanswered` are queries that nothing answers: they count only for what scores mean. An error
    of a query is counted; one that is PASSING ends it all.
    """
    asked: list[list[_Asked]] = [[] for _ in configurations]
    texts = [*(query.text for query in golden), *unanswered]
    for done, text in enumerate(texts, start=1):
        for answers, configuration in zip(asked, configurations, strict=True):
            answers.append(_ask(ask, text, configuration))
        on_progress(done, len(texts))
    runs = tuple(
        _score(golden, configuration, answers)
        for configuration, answers in zip(configurations, asked, strict=True)
    )
    wanted = {document_id for query in golden for document_id in query.relevant}
    return Evaluation(
        collection,
        tuple(golden),
        tuple(sorted(wanted - document_ids)),
        runs,
        tuple(compare(runs[0], run) for run in runs[1:]),
    )


def compare(first: Run, other: Run) -> tuple[Comparison, ...]:
    """Compare two runs over the same queries, by each measure."""
    return tuple(_compare(name, first, other) for name in MEASURES)


def summarize(evaluation: Evaluation) -> dict[str, Any]:
    """Return the figures of an evaluation as JSON, without its queries."""
    return {
        "collection": evaluation.collection,
        "queries": len(evaluation.queries),
        "missing": list(evaluation.missing),
        "runs": [
            {
                "name": run.configuration.name,
                "mode": run.configuration.mode.value,
                "dimensions": run.configuration.dimensions,
                "generation": run.configuration.generation,
                "failed": run.failed,
                "measures": {name: _as_dict(value) for name, value in run.measures.items()},
                "calibration": None if run.calibration is None else asdict(run.calibration),
                "latency_ms": {
                    "p50": run.latency_ms.p50,
                    "p90": run.latency_ms.p90,
                    "p99": run.latency_ms.p99,
                },
            }
            for run in evaluation.runs
        ],
        "comparisons": [
            {
                "first": evaluation.runs[0].configuration.name,
                "other": run.configuration.name,
                "measures": {
                    c.measure: {
                        "difference": _as_dict(c.difference),
                        "p_value": c.p_value,
                        "wins": c.wins,
                        "losses": c.losses,
                        "ties": c.ties,
                    }
                    for c in comparisons
                },
            }
            for run, comparisons in zip(evaluation.runs[1:], evaluation.comparisons, strict=True)
        ],
    }


def describe(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as JSON with what each query came to."""
    return {
        **summarize(evaluation),
        "by_query": [
            {
                "id": query.id,
                "query": query.text,
                "relevant": dict(query.relevant),
                "runs": [
                    {
                        "ranking": list(run.answers[i].ranking[:10]),
                        "values": run.answers[i].values,
                        "milliseconds": round(run.answers[i].milliseconds, 3),
                        "error": run.answers[i].error,
                    }
                    for run in evaluation.runs
                ],
            }
            for i, query in enumerate(evaluation.queries)
        ],
    }


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one query found, or why it failed."""

    found: Found
    milliseconds: float
    error: str | None


def _ask(ask: Ask, text: str, configuration: Configuration) -> _Asked:
    started = perf_counter()
    found, error = Found(()), None
    try:
        found = ask(text, configuration)
    except PASSING:
        # Counted as a query that finds nothing, an outage would say something of the search.
        raise
    except FolioError as failure:
        # Of this query: the others go on. What stops every query is met by the caller before.
        error = failure.code
    return _Asked(found, 1000 * (perf_counter() - started), error)


def _score(
    golden: Sequence[GoldenQuery],
    configuration: Configuration,
    asked: Sequence[_Asked],
) -> Run:
    """Score the answers to `golden`; those after them are of queries that nothing answers."""
    judged = asked[: len(golden)]
    values = score_rankings(golden, [one.found.ranking for one in judged])
    times = sorted(one.milliseconds for one in judged)
    return Run(
        configuration,
        {name: estimate_mean(some) for name, some in values.items()},
        Latency(*(round(_percentile(times, share), 3) for share in (0.5, 0.9, 0.99))),
        sum(one.error is not None for one in asked),
        tuple(
            Answer(
                tuple(one.found.ranking),
                {name: values[name][i] for name in MEASURES},
                one.milliseconds,
                one.error,
            )
            for i, one in enumerate(judged)
        ),
        _calibrate(golden, asked),
    )


def _calibrate(golden: Sequence[GoldenQuery], asked: Sequence[_Asked]) -> Calibration | None:
    """Return what scores are worth; a failed query says nothing of it."""
    relevant = [*(query.relevant for query in golden), *({} for _ in asked[len(golden) :])]
    scored = [
        (one.found.score, one.found.ranking[:1], wanted)
        for one, wanted in zip(asked, relevant, strict=True)
        if one.error is None
    ]
    scores = [score for score, _, _ in scored if score is not None]
    if not scored or len(scores) < len(scored):
        return None
    return measure_calibration(
        scores,
        [any(first in wanted for first in ranking) for _, ranking, wanted in scored],
        [bool(wanted) for _, _, wanted in scored],
    )


def _compare(name: str, first: Run, other: Run) -> Comparison:
    differences = [
        theirs.values[name] - ours.values[name]
        for ours, theirs in zip(first.answers, other.answers, strict=True)
    ]
    wins = sum(difference > 0 for difference in differences)
    losses = sum(difference < 0 for difference in differences)
    return Comparison(
        name,
        estimate_mean(differences),
        randomisation_p(differences),
        wins,
        losses,
        len(differences) - wins - losses,
    )


def find_main(comparisons: Sequence[Comparison]) -> Comparison:
    """Return the comparison by the measure that decides."""
    return next(c for c in comparisons if c.measure == MAIN_MEASURE)


def _as_dict(estimate: Estimate) -> dict[str, float]:
    return {"mean": estimate.mean, "low": estimate.low, "high": estimate.high}


def _percentile(ascending: Sequence[float], share: float) -> float:
    """Return the smallest value that `share` of all values do not exceed (nearest rank)."""
    return ascending[max(0, ceil(share * len(ascending)) - 1)]
