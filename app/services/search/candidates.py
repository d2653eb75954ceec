"""From a question to ranked candidates: what each stage finds, and one score of all of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session

from app.db import queries
from app.domain import Filter, Mode, Vector
from app.index.flat import Ids
from app.runtime.index_follower import Indexes
from app.services.access.collections import CollectionRef
from app.services.search.phrases import restrict
from app.services.search.retrievers import (
    CANDIDATES,
    MAX_PAGED,
    SCORE_DIGITS,
    Question,
    find_matching,
    make_retrievers,
    propose,
)
from app.services.search.scales import measure_scale, scale_by_language
from app.services.search.scoring import Scale, Stages, evidence, score
from app.services.search.snapshot import OutOfDate, Snapshot


@dataclass(frozen=True, slots=True)
class PassageScores:
    """A document's passages in the order of its text; all three arrays have the same length."""

    scores: Vector
    """Inner products with the query."""
    unit_ids: Ids
    ordinals: Ids

    def by_place(self) -> dict[tuple[int, int], float]:
        """Return the scores by unit id and ordinal."""
        places = zip(self.unit_ids.tolist(), self.ordinals.tolist(), strict=True)
        return dict(zip(places, self.scores.tolist(), strict=True))


_NO_PASSAGES = PassageScores(np.empty(0, np.float32), np.empty(0, np.int64), np.empty(0, np.int64))


class Candidate(NamedTuple):
    """A document in the race: its scores and its passages."""

    version: queries.FoundVersion
    mode: Mode
    stages: Stages
    scale: Scale
    """What its stage scores mean for this question in what is searched."""
    evidence: float
    """What ranks it."""
    passages: PassageScores
    is_damaged: bool
    """Whether its passage vectors fail their checksum; it ranks without them."""
    coverage: float
    """The share of the query's term weight that it holds anywhere; 0 where words do not count."""

    @property
    def score(self) -> float:
        """The probability that it answers, which grows with the evidence; most are never asked."""
        return score(self.stages, self.mode, self.scale)

    def with_scale(self, scale: Scale) -> "Candidate":
        """Return it with what its score means said anew; its evidence is the same."""
        return self._replace(scale=scale)

    def with_stages(self, stages: Stages) -> "Candidate":
        """Return it with other stage scores, and what these make of it."""
        return self._replace(stages=stages, evidence=evidence(stages, self.mode, self.scale))


@dataclass(frozen=True, slots=True)
class Candidates:
    """The documents that were proposed, best first, and all that could be."""

    ranked: Sequence[Candidate]
    matching: Ids
    """Ids of the documents that the filters allow and a stage can find, in no order."""


def rank_candidates(
    snapshot: Snapshot,
    question: Question,
    collections: Sequence[CollectionRef],
    *,
    limit: int,
    filters: Filter | None = None,
    is_paged: bool = False,
) -> Candidates:
    """Return at least `limit` candidates, best first, if as many are allowed and found.

    With `is_paged` the order does not depend on `limit`. Those of a hybrid search have the greatest
    score that they can have once they are read. Raises OutOfDate when a document changed since the
    indexes looked.
    """
    session, indexes = snapshot.session, snapshot.indexes
    depth = max(limit, MAX_PAGED) if is_paged else max(limit, CANDIDATES)
    retrievers = make_retrievers(indexes, question)
    found: dict[int, dict[str, float]] = {}
    matching = [np.empty(0, np.int64)]
    for collection in collections:
        allowed = None
        if filters is not None:
            allowed = queries.filter_documents(session, collection.id, filters)
        allowed = restrict(session, indexes.terms, question.words, collection.id, allowed)
        found |= propose(retrievers, collection.id, depth, allowed)
        matching.append(find_matching(retrievers, collection.id, allowed))
    versions = queries.find_live(session, list(found))
    if len(versions) < len(found):
        raise OutOfDate
    unit_ids = {unit_id for retriever in retrievers for unit_id in retriever.unit_ids}
    passages = _score_passages(session, indexes, question, versions, unit_ids)
    unknown = {i for i, version in versions.items() if not version.is_known}
    for document_id in unknown:
        # Its vectors are near to those of all that the model cannot read.
        found[document_id].pop("unit", None)
        passages.forget(document_id)
    ids = [collection.id for collection in collections]
    scale = measure_scale(
        snapshot,
        ids,
        question.vector,
        coverage=max((one.max_coverage(i) for one in retrievers for i in ids), default=0.0),
        nearest=max(passages.best.values(), default=0.0),
    )
    covered = {i: share for retriever in retrievers for i, share in retriever.coverage.items()}
    scales = _scale_candidates(scale, question, covered, versions)
    candidates = []
    for document_id, version in versions.items():
        stages, scale = found[document_id], scales[version.language]
        if document_id in unknown and not stages:
            continue
        # Without its passages a document ranks as if its unit were its best one.
        best = passages.best.get(document_id, stages.get("unit"))
        coverage = covered.get(document_id, 0.0)
        if best is not None:
            stages["passage"] = best
        if question.mode is Mode.HYBRID:
            stages["match"] = scale.match(best or 0.0, coverage)
        candidates.append(
            Candidate(
                version,
                question.mode,
                stages,
                scale,
                evidence(stages, question.mode, scale),
                passages.of.get(document_id, _NO_PASSAGES),
                document_id in passages.damaged,
                coverage,
            )
        )
    return Candidates(sorted(candidates, key=order), np.concatenate(matching))


def _scale_candidates(
    scale: Scale,
    question: Question,
    coverage: Mapping[int, float],
    versions: Mapping[int, queries.FoundVersion],
) -> Mapping[str | None, Scale]:
    """Return the scale of candidates by language; where only words rank, they count everywhere."""
    languages = {document_id: version.language for document_id, version in versions.items()}
    if question.vector is None:
        return dict.fromkeys(languages.values(), scale)
    return scale_by_language(scale, coverage, languages, question.languages)


def order(candidate: Candidate) -> tuple[float, int]:
    """Return what candidates are sorted by, best first."""
    return -candidate.evidence, candidate.version.document_id


@dataclass(frozen=True, slots=True)
class _Passages:
    """The passages of the documents that are proposed, by document id."""

    of: dict[int, PassageScores]
    best: dict[int, float]
    """The score of the best one."""
    damaged: set[int]
    """Documents whose passage vectors fail their checksum."""

    def forget(self, document_id: int) -> None:
        """Leave a document out."""
        self.of.pop(document_id, None)
        self.best.pop(document_id, None)


def _score_passages(
    session: Session,
    indexes: Indexes,
    question: Question,
    versions: dict[int, queries.FoundVersion],
    unit_ids: set[int],
) -> _Passages:
    """Score all passages of these documents; raises OutOfDate unless all `unit_ids` are there."""
    if question.vector is None:
        return _Passages({}, {}, set())
    of_version = {version.version_id: version.document_id for version in versions.values()}
    rows = queries.list_units(session, list(of_version), indexes.vector_set)
    if not unit_ids <= {row[0] for row in rows}:
        raise OutOfDate
    damaged = {of_version[row[1]] for row in rows if crc32(row[2]) != row[3]}
    # A document's rows come one after another, in the order of its text.
    kept = [row for row in rows if row[2] and of_version[row[1]] not in damaged]
    if not kept:
        return _Passages({}, {}, damaged)
    # All at once: a product for each of a few hundred small matrices costs more than the numbers.
    stored = np.frombuffer(b"".join(row[2] for row in kept), dtype="<f2")
    scores = _compare(stored.reshape(-1, indexes.vectors.dimensions), question.vector)
    counts = np.array([len(row[2]) for row in kept]) // (2 * indexes.vectors.dimensions)
    ends = np.cumsum(counts)
    rows_of = np.repeat(np.array([row[0] for row in kept], dtype=np.int64), counts)
    ordinals = np.arange(len(scores)) - np.repeat(ends - counts, counts)
    document_ids = np.array([of_version[row[1]] for row in kept])
    firsts = np.flatnonzero(np.diff(document_ids, prepend=-1))
    starts = (ends - counts)[firsts]
    parts = [slice(a, b) for a, b in pairwise([*starts.tolist(), len(scores)])]
    ids = document_ids[firsts].tolist()
    return _Passages(
        {
            document_id: PassageScores(scores[part], rows_of[part], ordinals[part])
            for document_id, part in zip(ids, parts, strict=True)
        },
        dict(zip(ids, np.maximum.reduceat(scores, starts).tolist(), strict=True)),
        damaged,
    )


def _compare(stored: npt.NDArray[np.float16], query: Vector) -> Vector:
    """Return the inner products of stored vectors, cut to the query's length, with the query."""
    vectors = stored[:, : len(query)].astype(np.float32)
    scores: Vector = vectors @ query
    if len(query) < stored.shape[1]:
        scores = scores / np.linalg.norm(vectors, axis=1)
    return np.round(scores, SCORE_DIGITS)
