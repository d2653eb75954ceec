"""Asking for a generation whose query adapter is fine-tuned on a knowledge base's own questions."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from app.db import queries
from app.db.models import Generation
from app.domain import GenerationState
from app.embedding.checkpoint import Checkpoint
from app.errors import Conflict, InvalidRequest
from app.evaluation.golden import GoldenQuery
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef
from app.services.quality.evaluations import dump_golden
from app.services.quality.feedback import same_text
from app.services.quality.fine_tuning import collect_pairs
from app.services.quality.gate import GateRequest, check_gate, dump_gate
from app.services.quality.generations import GenerationInfo, describe_row, require_none_building

_GATE_EVERY = 3


@dataclass(frozen=True, slots=True)
class TuningRequest:
    """What to learn from: golden pairs of a collection and, with `feedback`, what people said."""

    collection: CollectionRef
    queries: Sequence[GoldenQuery] = ()
    feedback: bool = True


def request_tuning(
    resources: Resources, request: TuningRequest, *, gate: GateRequest
) -> GenerationInfo:
    """Begin a generation with the live vectors and a query adapter that is yet to be trained.

    Questions that the gate asks are not learned; a gate without any gets a third of the golden
    pairs. Raises Conflict while another one is built or nothing was embedded, TooFewPairs, and
    InvalidRequest for a model without adapters.
    """
    if not gate.golden:
        learned, asked = hold_out(request.queries)
        request = replace(request, queries=learned)
        gate = replace(gate, collection=request.collection, golden=asked)
    collect_pairs(
        resources,
        request.collection,
        request.queries,
        gate.golden,
        with_feedback=request.feedback,
    )
    check_gate(gate)
    live = resources.generations.live()
    if live.id is None:
        raise Conflict("nothing was embedded yet", code="nothing_embedded")
    live.check_fingerprint()
    _require_adapters(live.checkpoint(), is_remote=bool(resources.settings.model_url))
    with resources.database.write() as session:
        require_none_building(session)
        parent = queries.find_live_generation(session)
        if parent is None or parent.id != live.id:
            raise Conflict("another generation went live meanwhile", code="generation_is_live")
        settings = resources.settings
        # Nothing is made with it before it is trained; then it gets the fingerprint of its adapter.
        untrained = f"untrained {uuid.uuid4().hex}"
        made = Generation(
            fingerprint=untrained,
            identity={**parent.identity, "query_adapter": untrained},
            model=parent.model,
            dimensions=parent.dimensions,
            engine=parent.engine,
            is_live=False,
            state=GenerationState.BUILDING,
            source=parent.source
            or {
                "model": settings.model,
                "model_revision": settings.model_revision,
                "dimensions": settings.dimensions,
            },
            vectors_of=parent.vector_set,
            gate=dump_gate(gate),
            tuning={
                "start": parent.id,
                "collection": request.collection.name,
                "queries": dump_golden(request.queries),
                "feedback": request.feedback,
            },
        )
        session.add(made)
        session.flush()
        info = describe_row(session, made)
    resources.signals.tasks_arrived.set()
    return info


def hold_out(
    golden: Sequence[GoldenQuery],
) -> tuple[tuple[GoldenQuery, ...], tuple[GoldenQuery, ...]]:
    """Return what is learned and the third that the gate asks, chosen by a digest of its text.

    So the same question is on the same side, however often a golden set grows and is tuned on.
    """
    sides: tuple[list[GoldenQuery], list[GoldenQuery]] = ([], [])
    for query in golden:
        digest = sha256(same_text(query.text).encode()).digest()
        sides[int.from_bytes(digest) % _GATE_EVERY == 0].append(query)
    return tuple(sides[0]), tuple(sides[1])


def _require_adapters(checkpoint: Checkpoint, *, is_remote: bool) -> None:
    if is_remote or not checkpoint.has_query_adapter:
        raise InvalidRequest(
            f"{checkpoint.name} has no adapter for questions that runs here, and only that can be "
            "fine-tuned without embedding every article again",
            code="cannot_be_tuned",
        )
