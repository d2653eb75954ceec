"""What decides whether a generation goes live: both are asked the same questions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.errors import InvalidRequest
from app.evaluation.golden import GoldenQuery
from app.evaluation.runner import Configuration, find_main, summarize
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef
from app.services.quality.evaluations import ask_golden, dump_golden, keep_current, load_golden
from app.services.quality.replay import Replay, replay_log

DEFAULT_MARGIN = 0.02
"""Largest loss of nDCG@10 that may be taken for none."""
MIN_GATE_QUERIES = 20
"""With fewer, the interval says more about the golden set than about the model."""


@dataclass(frozen=True, slots=True)
class GateRequest:
    """What must hold before a generation goes live.

    The 95% interval of the difference in nDCG@10, new minus live, must lie above -`margin`. `force`
    makes it live whatever is measured, and the log says so.
    """

    collection: CollectionRef | None = None
    golden: Sequence[GoldenQuery] = ()
    margin: float = DEFAULT_MARGIN
    force: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a generation may go live, in words, and with the figures where it was measured."""

    passes: bool
    message: str
    report: dict[str, Any] | None = None


def check_gate(gate: GateRequest) -> None:
    """Raise InvalidRequest for a gate that could let nothing through."""
    if not gate.force and (gate.collection is None or len(gate.golden) < MIN_GATE_QUERIES):
        raise InvalidRequest(
            f"a golden set of at least {MIN_GATE_QUERIES} queries is needed to tell a better model "
            f"from a worse one; {len(gate.golden)} were given (or force it)",
            code="golden_set_too_small",
        )


def dump_gate(gate: GateRequest) -> dict[str, Any]:
    """Return a gate as a generation keeps it."""
    return {
        "collection": gate.collection and gate.collection.name,
        "queries": dump_golden(gate.golden),
        "margin": gate.margin,
        "force": gate.force,
    }


def judge(
    resources: Resources,
    live_id: int | None,
    generation_id: int,
    *,
    gate: Mapping[str, Any],
    collection: CollectionRef | None,
    is_stopping: Callable[[], bool],
) -> Verdict:
    """Ask the golden set and logged questions of both; `gate` is what `dump_gate` returned."""
    if live_id is None or collection is None or not gate["queries"]:
        return Verdict(False, "nothing was measured: no golden set, or its collection is gone")
    # Of the others two models find the same, nothing, which would count for both.
    golden = keep_current(resources.database, collection, load_golden(gate["queries"]))
    if not golden:
        return Verdict(
            False, f"nothing was measured: no article of the golden set is in {collection.name}"
        )
    evaluation = ask_golden(
        resources,
        collection,
        golden,
        [Configuration(generation=live_id), Configuration(generation=generation_id)],
        is_stopping,
    )
    replay = replay_log(resources, live_id, generation_id)
    report = {**summarize(evaluation), "replay": None if replay is None else replay.as_dict()}
    difference = find_main(evaluation.comparisons[0]).difference
    gains = difference.low > -gate["margin"]
    parts = [
        f"nDCG@10 changes by {difference.mean:+.3f}, 95% interval [{difference.low:+.3f}, "
        f"{difference.high:+.3f}], which {'excludes' if gains else 'does not exclude'} a loss "
        f"of more than {gate['margin']:g}"
    ]
    if replay is not None:
        parts.append(_describe_replay(replay))
    is_large = len(golden) >= MIN_GATE_QUERIES
    if not is_large:
        parts.append(
            f"{len(golden)} of the {len(gate['queries'])} questions name an article that is there, "
            f"and at least {MIN_GATE_QUERIES} are needed"
        )
    passes = gains and is_large and not (replay is not None and replay.failed)
    return Verdict(passes, "; ".join(parts), report)


def _describe_replay(replay: Replay) -> str:
    return (
        f"of {replay.queries} logged questions {replay.failed} fail, and the first ten documents "
        f"of the others are {replay.overlap:.0%} the same"
    )
