"""What a golden set would find if all changes of a reparse went live: rehearsed only."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.db import queries
from app.errors import FolioError, ParserUnavailable
from app.evaluation.golden import GoldenQuery
from app.evaluation.measures import MAIN_MEASURE, score_rankings
from app.runtime.generations import ActiveGeneration
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, require_row
from app.services.articles.documents import add_version
from app.services.quality.rehearsal import (
    PreparedUpload,
    Probe,
    count_prepared_terms,
    make_probes,
    prepare_upload,
    rank_probes,
    store_prepared,
)
from app.services.quality.reread import Source, find_source
from ingest.sandbox import Sandbox

MAX_DOCUMENTS = 200
"""All of them are embedded before anything is stored, and are in memory at once."""


@dataclass(frozen=True, slots=True)
class MovedAnswer:
    """A query with another first hit."""

    query: str
    before: str | None
    after: str | None
    before_is_relevant: bool
    after_is_relevant: bool


@dataclass(frozen=True, slots=True)
class PredictedAnswers:
    """nDCG@10 of the golden set before and after, and the queries whose first hit moves."""

    asked: int
    ndcg_before: float
    ndcg_after: float
    moved: tuple[MovedAnswer, ...]


def predict_answers(
    resources: Resources,
    sandbox: Sandbox,
    ref: CollectionRef,
    changed: Sequence[str],
    golden: Sequence[GoldenQuery],
) -> PredictedAnswers:
    """Return what the golden set finds now, and with the changed documents as they read now."""
    generation = resources.generations.live()
    prepared = [
        made
        for document_id in changed
        if (made := _prepare(resources, generation, sandbox, ref, document_id)) is not None
    ]
    probes = make_probes(generation, golden, ())
    before, after = _rank_both(resources, generation, ref, prepared, probes)
    return PredictedAnswers(
        len(golden),
        _mean_ndcg(golden, before),
        _mean_ndcg(golden, after),
        tuple(
            _describe(query, first, then)
            for query, first, then in zip(golden, before, after, strict=True)
            if first[:1] != then[:1]
        ),
    )


def _prepare(
    resources: Resources,
    generation: ActiveGeneration,
    sandbox: Sandbox,
    ref: CollectionRef,
    document_id: str,
) -> tuple[Source, PreparedUpload] | None:
    """Return a changed document as it would be stored; None where it would fail, or is gone."""
    with resources.database.read() as session:
        document = queries.find_document(session, ref.id, document_id)
        source = find_source(session, document)
    if source is None:
        return None
    resources.signals.priority.yield_to_requests()
    try:
        return source, prepare_upload(generation, sandbox, source.upload, resources.settings)
    except ParserUnavailable:
        raise
    except FolioError:
        return None


def _rank_both(
    resources: Resources,
    generation: ActiveGeneration,
    ref: CollectionRef,
    prepared: Sequence[tuple[Source, PreparedUpload]],
    probes: Sequence[Probe],
) -> tuple[list[list[str]], list[list[str]]]:
    corrects = resources.settings.typo_tolerance
    with resources.database.write() as session:
        collection = require_row(session, ref)
        before = rank_probes(session, probes, ref, corrects_spelling=corrects)
        for source, made in prepared:
            document = queries.find_document(session, collection.id, source.upload.id)
            if document is not None:
                version = add_version(session, document, source.upload, source.sha256)
                store_prepared(generation, session, version, made, count_prepared_terms(made))
        after = rank_probes(session, probes, ref, corrects_spelling=corrects)
        session.rollback()
    # What SQLite spilled into its log of texts that may never be published.
    resources.erase_deleted()
    return before, after


def _mean_ndcg(golden: Sequence[GoldenQuery], rankings: Sequence[Sequence[str]]) -> float:
    values = score_rankings(golden, rankings)[MAIN_MEASURE]
    return round(sum(values) / len(values), 4)


def _describe(query: GoldenQuery, before: Sequence[str], after: Sequence[str]) -> MovedAnswer:
    first, then = next(iter(before), None), next(iter(after), None)
    return MovedAnswer(query.text, first, then, first in query.relevant, then in query.relevant)
