"""Golden sets that the server asks itself."""

import logging
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, select, type_coerce

from app.db import queries
from app.db.database import Database
from app.db.models import Collection, Document, EvaluationRow, Version, utc_now
from app.db.queries.documents import find_existing
from app.domain import Mode, Progress
from app.errors import PASSING, FolioError, InvalidRequest, NotFound, WorkCancelled
from app.evaluation.golden import GoldenQuery
from app.evaluation.measures import DEPTH, MAIN_MEASURE
from app.evaluation.runner import Configuration, Evaluation, Found, describe, evaluate
from app.runtime.generations import ActiveGeneration
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, recall_collection, require_row
from app.services.search.pipeline import SearchRequest, check_dimensions
from app.services.search.search import search_documents

logger = logging.getLogger("folio")


@dataclass(frozen=True, slots=True)
class EvaluationInfo:
    """Where an evaluation stands; `result` is what runner.describe gives."""

    id: str
    collection: str
    status: Progress
    result: dict[str, Any] | None
    message: str | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One way to search, and what it came to."""

    name: str
    generation: int | None
    """Which vectors answered; None where that was not noted."""
    ndcg: float
    """nDCG@10."""


@dataclass(frozen=True, slots=True)
class EvaluationSummary:
    """An evaluation without the figures of each query."""

    id: str
    collection: str
    status: Progress
    message: str | None
    created_at: datetime
    finished_at: datetime | None
    queries: int | None
    """How many were asked; None until it is done."""
    runs: tuple[RunSummary, ...]


def start_evaluation(
    resources: Resources,
    ref: CollectionRef,
    golden: Sequence[GoldenQuery],
    configurations: Sequence[Configuration],
) -> EvaluationInfo:
    """Store what is to be asked; the background thread asks it.

    Raises NotFound, and InvalidRequest for dimensions that a generation's vectors cannot be cut to.
    """
    for configuration in configurations:
        _check_dimensions(resources.generations.get(configuration.generation), configuration)
    with resources.database.write() as session:
        collection = require_row(session, ref)
        row = EvaluationRow(
            id=uuid.uuid4().hex,
            collection_id=collection.id,
            status=Progress.QUEUED,
            request={
                "queries": dump_golden(golden),
                "configurations": [
                    {"mode": c.mode.value, "dimensions": c.dimensions, "generation": c.generation}
                    for c in configurations
                ],
            },
        )
        session.add(row)
        session.flush()
        info = _describe(row, collection.name)
    resources.signals.tasks_arrived.set()
    return info


def get_evaluation(database: Database, evaluation_id: str) -> EvaluationInfo:
    """Return an evaluation; raises NotFound."""
    with database.read() as session:
        chosen = select(EvaluationRow, Collection.name).join(Collection)
        found = session.execute(
            chosen.where(EvaluationRow.id == evaluation_id, queries.IS_THERE)
        ).first()
        if found is None:
            raise NotFound("no such evaluation", code="evaluation_not_found")
        return _describe(*found)


def list_evaluations(
    database: Database,
    collections: Sequence[CollectionRef] | None = None,
    *,
    limit: int = 20,
    before: str | None = None,
) -> list[EvaluationSummary]:
    """Return evaluations, newest first, of all collections or of those; `before` ends a page.

    Raises InvalidRequest where `before` is no evaluation.
    """
    row = EvaluationRow
    # Figures without those of each query, which may be megabytes.
    result = type_coerce(row.result, JSON)
    chosen = select(
        row.id,
        Collection.name,
        row.status,
        row.message,
        row.created_at,
        row.finished_at,
        result["queries"],
        result["live_generation"],
        result["runs"],
    ).join(Collection, Collection.id == row.collection_id)
    chosen = chosen.where(queries.IS_THERE)
    if collections is not None:
        chosen = chosen.where(row.collection_id.in_([ref.id for ref in collections]))
    with database.read() as session:
        if before is not None:
            last = session.get(row, before)
            if last is None:
                raise InvalidRequest("`before` is not an evaluation", code="invalid_cursor")
            is_older = (row.created_at < last.created_at) | (
                (row.created_at == last.created_at) & (row.id < last.id)
            )
            chosen = chosen.where(is_older)
        latest = chosen.order_by(row.created_at.desc(), row.id.desc()).limit(limit)
        return [_summarize(*found) for found in session.execute(latest)]


def remove_evaluation(resources: Resources, evaluation_id: str) -> None:
    """Erase an evaluation, whose figures quote its questions; raises NotFound.

    One that is being asked is asked to its end, and nothing is kept of it.
    """
    with resources.database.write() as session:
        chosen = select(EvaluationRow).join(Collection)
        row = session.scalar(chosen.where(EvaluationRow.id == evaluation_id, queries.IS_THERE))
        if row is None:
            raise NotFound("no such evaluation", code="evaluation_not_found")
        session.delete(row)
    resources.erase_deleted()


def run_next_evaluation(resources: Resources, is_stopping: Callable[[], bool]) -> bool:
    """Ask the oldest golden set that waits; False when none does.

    One that the end of the process cuts off, or an outage, still waits, and is asked anew. Raises
    PASSING errors.
    """
    with resources.database.read() as session:
        row = session.scalar(
            select(EvaluationRow)
            .where(EvaluationRow.status == Progress.QUEUED)
            .order_by(EvaluationRow.created_at)
            .limit(1)
        )
        if row is None:
            return False
        evaluation_id, request = row.id, row.request
        collection = recall_collection(session, row.collection_id)
    result, message = None, None
    try:
        live = resources.generations.live().id
        asked = ask_golden(
            resources,
            collection,
            load_golden(request["queries"]),
            [
                Configuration(Mode(c["mode"]), c["dimensions"], c["generation"])
                for c in request["configurations"]
            ],
            is_stopping,
        )
        result = describe(asked) | {"live_generation": live}
    except PASSING:
        raise
    except FolioError as error:
        message = str(error)
    # The thread must outlive it, and its message may quote a query.
    except Exception as error:  # noqa: BLE001
        logger.error("an evaluation failed: %s", type(error).__name__)
        message = f"unexpected {type(error).__name__}"
    with resources.database.write() as session:
        stored = session.get(EvaluationRow, evaluation_id)
        # It may have been removed, by itself or with its collection.
        if stored is not None:
            stored.status = Progress.FAILED if result is None else Progress.DONE
            stored.result, stored.message, stored.finished_at = result, message, utc_now()
    return True


def ask_golden(
    resources: Resources,
    collection: CollectionRef,
    golden: Sequence[GoldenQuery],
    configurations: Sequence[Configuration],
    is_stopping: Callable[[], bool],
) -> Evaluation:
    """Ask a golden set through the search that answers everybody else.

    Queries without a relevant document count only for what scores mean. Raises WorkCancelled once
    `is_stopping` says so, and InvalidRequest for dimensions that no query could be asked with.
    """
    with ExitStack() as held:
        # Named once: what is live may change while the set is asked. In memory to the end: of
        # several each would else be loaded anew for every query.
        asked = {
            c: held.enter_context(resources.generations.hold(c.generation)) for c in configurations
        }
        # Loaded, so that the first search does not pay for it; what is wrong with it ends this.
        for configuration, generation in asked.items():
            _check_dimensions(generation, configuration)
            generation.catch_up()
            if configuration.mode is not Mode.LEXICAL:
                generation.engine()

        def ask(query: str, configuration: Configuration) -> Found:
            if is_stopping():
                raise WorkCancelled("the process ends")
            request = SearchRequest(
                query,
                [collection],
                configuration.mode,
                limit=DEPTH,
                dimensions=configuration.dimensions,
                generation=asked[configuration].id,
            )
            result = search_documents(resources, request, passages=0)
            ranking = [hit.document_id for hit in result.results]
            first = result.results[0].score if result.results else 0.0
            return Found(ranking, first if result.calibrated else None)

        return evaluate(
            [query for query in golden if query.relevant],
            configurations,
            ask,
            unanswered=[query.text for query in golden if not query.relevant],
            collection=collection.name,
            document_ids=_list_ids(resources.database, collection),
        )


def dump_golden(golden: Sequence[GoldenQuery]) -> list[dict[str, Any]]:
    """Return a golden set as JSON."""
    return [{"id": q.id, "query": q.text, "relevant": dict(q.relevant)} for q in golden]


def load_golden(stored: Sequence[dict[str, Any]]) -> list[GoldenQuery]:
    """Return the golden set of `dump_golden`."""
    return [GoldenQuery(q["id"], q["query"], q["relevant"]) for q in stored]


def keep_current(
    database: Database, ref: CollectionRef, golden: Sequence[GoldenQuery]
) -> list[GoldenQuery]:
    """Return the queries that name an article which searches find, and those that nothing answers.

    The others say nothing of a search: whatever it is worth, it finds none of theirs.
    """
    named = {document_id for query in golden for document_id in query.relevant}
    with database.read() as session:
        there = find_existing(session, ref.id, named, is_live=True)
    return [query for query in golden if not query.relevant or not there.isdisjoint(query.relevant)]


def _check_dimensions(generation: ActiveGeneration, configuration: Configuration) -> None:
    if configuration.mode is not Mode.LEXICAL and configuration.dimensions is not None:
        check_dimensions(generation.checkpoint().dimensions, configuration.dimensions)


def _list_ids(database: Database, ref: CollectionRef) -> frozenset[str]:
    with database.read() as session:
        collection = require_row(session, ref)
        return frozenset(
            session.scalars(
                select(Document.external_id)
                .join(Version, Version.document_id == Document.id)
                .where(Document.collection_id == collection.id, Version.is_live)
            )
        )


def _summarize(
    id: str,
    collection: str,
    status: Progress,
    message: str | None,
    created_at: datetime,
    finished_at: datetime | None,
    queries: int | None,
    live: int | None,
    runs: list[dict[str, Any]] | None,
) -> EvaluationSummary:
    summaries = tuple(
        RunSummary(run["name"], run["generation"] or live, run["measures"][MAIN_MEASURE]["mean"])
        for run in runs or ()
    )
    return EvaluationSummary(
        id, collection, Progress(status), message, created_at, finished_at, queries, summaries
    )


def _describe(row: EvaluationRow, collection: str) -> EvaluationInfo:
    return EvaluationInfo(
        row.id,
        collection,
        Progress(row.status),
        row.result,
        row.message,
        row.created_at,
        row.finished_at,
    )
