"""Questions asked of a collection as it is and as it would be, inside a transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.config import Settings
from app.db import queries
from app.db.models import Version
from app.domain import Article, Mode
from app.evaluation.golden import GoldenQuery
from app.index.analysis import TermCounts, count_article_terms
from app.index.segments import pack_terms
from app.runtime.generations import ActiveGeneration
from app.runtime.index_follower import read_indexes
from app.services.access.collections import CollectionRef
from app.services.articles.documents import Upload
from app.services.search.pipeline import ask_all
from app.services.search.ranking import rank_articles
from app.services.search.retrievers import Question
from app.services.search.scoring import load_anchors
from app.services.search.snapshot import Snapshot
from ingest.commit import store_article
from ingest.parse_and_cut import EmbeddedArticle, embed_cut, parse_and_cut
from ingest.sandbox import Sandbox

_RANKED = 10


@dataclass(frozen=True, slots=True)
class AnswerChange:
    """A query whose answers would change: the first hit before and after, and who falls behind.

    `rank` is where the new article would stand, from 1; None below the tenth.
    """

    query: str
    golden: bool
    """Whether it is of the golden set; else it is the title of a near article."""
    before: str | None
    after: str | None
    rank: int | None
    overtaken: tuple[str, ...]
    first_is_relevant: bool | None
    """Whether the golden set calls the new first hit right; None without one."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A question of a golden set or of a title, as the indexes take it."""

    query: GoldenQuery
    golden: bool
    question: Question


@dataclass(frozen=True, slots=True)
class PreparedUpload:
    """An upload as it would be stored."""

    upload: Upload
    parsed: Article
    article: Article
    embedded: EmbeddedArticle


def prepare_upload(
    generation: ActiveGeneration, sandbox: Sandbox, upload: Upload, settings: Settings
) -> PreparedUpload:
    """Parse, cut and embed an upload; raises what would make it fail."""
    engine = generation.engine()
    parsed, cut = parse_and_cut(
        sandbox,
        engine,
        upload.media_type,
        upload.data,
        upload.declared(),
        filename=upload.filename,
        settings=settings,
    )
    embedded = embed_cut(engine, cut, source_bytes=len(upload.data))
    return PreparedUpload(upload, parsed, cut.article, embedded)


def store_prepared(
    generation: ActiveGeneration,
    session: Session,
    version: Version,
    prepared: PreparedUpload,
    terms: TermCounts,
) -> None:
    """Make a version of the upload live, in a transaction that is to be taken back."""
    store_article(
        generation,
        session,
        version,
        prepared.parsed,
        prepared.article,
        prepared.embedded,
        pack_terms(terms),
    )


def count_prepared_terms(prepared: PreparedUpload) -> TermCounts:
    """Return the terms by which lexical search would know the upload."""
    article = prepared.article
    return count_article_terms(article.title, article.text, prepared.embedded.receipt.language)


def make_probes(
    generation: ActiveGeneration, golden: Sequence[GoldenQuery], titles: Sequence[str]
) -> list[Probe]:
    """Return what is asked: a golden set, and titles of articles."""
    queries_asked = [(query, True) for query in golden]
    queries_asked += [(GoldenQuery(title, title, {}), False) for title in dict.fromkeys(titles)]
    asked = ask_all(generation, [query.text for query, _ in queries_asked], Mode.HYBRID)
    return [
        Probe(query, is_golden, question)
        for (query, is_golden), question in zip(queries_asked, asked, strict=True)
    ]


def rank_probes(
    session: Session, probes: Sequence[Probe], collection: CollectionRef, *, corrects_spelling: bool
) -> list[list[str]]:
    """Return the ids of the first ten of each probe, as this transaction sees the collection."""
    session.flush()
    live = queries.find_live_generation(session)
    if live is None:
        return [[] for _ in probes]
    snapshot = Snapshot(
        session,
        read_indexes(session, live, {}, corrects_spelling=corrects_spelling),
        # One transaction, which sees one state.
        0,
        load_anchors(live.calibration),
    )
    rankings = []
    for probe in probes:
        ranked = rank_articles(snapshot, probe.question, [collection], limit=_RANKED)
        first = ranked.candidates[:_RANKED]
        rankings.append([candidate.version.external_id for candidate in first])
    return rankings


def compare_ranks(
    document_id: str, probe: Probe, before: Sequence[str], after: Sequence[str]
) -> AnswerChange:
    """Return what a document that comes, or changes, does to a probe."""
    rank = after.index(document_id) + 1 if document_id in after else None
    overtaken: tuple[str, ...] = ()
    if rank is not None:
        ahead = set(before[: before.index(document_id)] if document_id in before else before)
        overtaken = tuple(other for other in after[rank:] if other in ahead)
    first = after[0] if after else None
    return AnswerChange(
        probe.query.text,
        probe.golden,
        before[0] if before else None,
        first,
        rank,
        overtaken,
        first in probe.query.relevant if probe.golden else None,
    )


def term_similarity(ours: TermCounts, theirs: TermCounts) -> float:
    """Return the weighted Jaccard similarity of two bags of terms (Ioffe 2010): 0 to 1."""
    keys = ours.keys() | theirs.keys()
    shared = sum(min(ours.get(key, 0), theirs.get(key, 0)) for key in keys)
    whole = sum(max(ours.get(key, 0), theirs.get(key, 0)) for key in keys)
    return shared / whole if whole else 0.0
