"""From a question to ranked candidates: what each stage finds, and one score of all of it."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from app.db import queries
from app.domain import Filter, Matrix, Mode, Vector
from app.index.flat import Ids
from app.services.access.collections import CollectionRef
from app.services.search.phrases import restrict
from app.services.search.retrievers import (
    CANDIDATES,
    SCORE_DIGITS,
    Proposals,
    Question,
    make_retrievers,
)
from app.services.search.scales import measure_scale, scale_by_language, weigh_words
from app.services.search.scoring import Scale, Stages, evidence, score
from app.services.search.snapshot import OutOfDate, Snapshot
from app.services.search.stored import read_vectors


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


NO_PASSAGES = PassageScores(np.empty(0, np.float32), np.empty(0, np.int64), np.empty(0, np.int64))


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
    most: float = 1.0
    """What its score is at most: that of those before it, which were looked at more closely."""

    @property
    def score(self) -> float:
        """The probability that it answers, which grows with the evidence; most are never asked."""
        return min(score(self.stages, self.mode, self.scale), self.most)

    def with_scale(self, scale: Scale) -> "Candidate":
        """Return it with what its score means said anew; its evidence is the same."""
        return self._replace(scale=scale)

    def with_stages(self, stages: Stages) -> "Candidate":
        """Return it with other stage scores, and what these make of it."""
        return self._replace(stages=stages, evidence=evidence(stages, self.mode, self.scale))


@dataclass(frozen=True, slots=True)
class Candidates:
    """The documents that were proposed, best first, and what more could be."""

    ranked: Sequence[Candidate]
    proposals: Proposals
    scale: Scale
    """Of the question, for articles in no sure language."""


def rank_candidates(
    snapshot: Snapshot,
    question: Question,
    collections: Sequence[CollectionRef],
    *,
    limit: int,
    depth: int | None = None,
    filters: Filter | None = None,
    reads_all: bool = False,
) -> Candidates:
    """Return the candidates that are among the first `depth` (CANDIDATES) of a stage, best first.

    They are at least `limit`, if as many are allowed and found; by words alone, where no other
    stage changes their order, they are no more unless `reads_all`. Those of a hybrid search have
    the greatest score that they can have once they are read. Raises OutOfDate when a document
    changed since the indexes looked.
    """
    proposals = _make_proposals(snapshot, question, collections, filters)
    is_final = question.mode is Mode.LEXICAL and not reads_all
    found = proposals.find(limit if is_final else max(limit, depth or CANDIDATES))
    versions = find_versions(snapshot, list(found))
    passages = score_passages(snapshot, question, versions, proposals.unit_ids(versions))
    unknown = {i for i, version in versions.items() if not version.is_known}
    for document_id in unknown:
        # Its vectors are near to those of all that the model cannot read.
        found[document_id].pop("unit", None)
        passages.forget(document_id)
    scale = measure_scale(
        snapshot,
        [collection.id for collection in collections],
        question.vector,
        word_weight=weigh_words(proposals.max_coverage(), proposals.count_words()),
        nearest=max(passages.best.values(), default=0.0),
    )
    covered = proposals.coverage()
    scales = _scale_candidates(scale, question, covered, versions)
    candidates = []
    for document_id, version in versions.items():
        if document_id in unknown and not found[document_id]:
            continue
        scaled, coverage = scales[version.language], covered.get(document_id, 0.0)
        best = passages.best.get(document_id)
        stages = complete(found[document_id], question.mode, scaled, best, coverage)
        candidates.append(
            Candidate(
                version,
                question.mode,
                stages,
                scaled,
                evidence(stages, question.mode, scaled),
                passages.of.get(document_id, NO_PASSAGES),
                document_id in passages.damaged,
                coverage,
            )
        )
    return Candidates(sorted(candidates, key=order), proposals, scale)


def _make_proposals(
    snapshot: Snapshot,
    question: Question,
    collections: Sequence[CollectionRef],
    filters: Filter | None,
) -> Proposals:
    session, terms = snapshot.session, snapshot.indexes.terms
    allowed: dict[int, Ids | None] = {}
    for collection in collections:
        kept = None
        if filters is not None:
            kept = snapshot.filter_documents(collection.id, filters)
        allowed[collection.id] = restrict(session, terms, question.words, collection.id, kept)
    return Proposals(make_retrievers(snapshot.indexes, question), allowed)


def find_versions(
    snapshot: Snapshot, document_ids: Sequence[int]
) -> dict[int, queries.FoundVersion]:
    """Return the live versions of documents; raises OutOfDate where one has none any more."""
    versions = snapshot.recall(
        "live",
        dict(zip(document_ids, document_ids, strict=True)),
        lambda ids: queries.find_live(snapshot.session, ids),
    )
    if len(versions) < len(document_ids):
        raise OutOfDate
    return versions


def complete(
    stages: dict[str, float], mode: Mode, scale: Scale, best: float | None, coverage: float
) -> dict[str, float]:
    """Add to what the indexes say of a document what its best passage, if any, makes of it.

    Without its passages a document ranks as if its unit were its best one.
    """
    best = stages.get("unit") if best is None else best
    if best is not None:
        stages["passage"] = best
    if mode is Mode.HYBRID:
        stages["match"] = scale.match(best or 0.0, coverage)
    return stages


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


def find_second(ranked: Sequence[Candidate]) -> Candidate | None:
    """Return the best candidate, of these in their order, that has less evidence than the best."""
    return next((one for one in ranked if one.evidence < ranked[0].evidence), None)


def compare(scale: Scale, ranked: Sequence[Candidate]) -> Scale:
    """Return a scale that knows the evidence of the first ones of these, which are not empty."""
    second = find_second(ranked)
    return replace(
        scale, best=ranked[0].evidence, second=None if second is None else second.evidence
    )


@dataclass(frozen=True, slots=True)
class Passages:
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


def score_passages(
    snapshot: Snapshot,
    question: Question,
    versions: Mapping[int, queries.FoundVersion],
    unit_ids: Set[int],
) -> Passages:
    """Score all passages of these documents; raises OutOfDate unless all `unit_ids` are there."""
    if question.vector is None:
        return Passages({}, {}, set())
    of_version = {version.version_id: version.document_id for version in versions.values()}
    # In one order whatever the question is: the last digits of a product depend on its row's place.
    units = read_vectors(snapshot, dict(sorted(of_version.items())))
    if not unit_ids <= {unit.unit_id for unit in units}:
        raise OutOfDate
    damaged = {of_version[unit.version_id] for unit in units if unit.vectors is None}
    # A document's units come one after another, in the order of its text.
    kept = [
        (unit.unit_id, of_version[unit.version_id], unit.vectors)
        for unit in units
        if unit.vectors is not None
        and len(unit.vectors)
        and of_version[unit.version_id] not in damaged
    ]
    if not kept:
        return Passages({}, {}, damaged)
    # All at once: a product for each of a few hundred small matrices costs more than the numbers.
    scores = _compare(np.concatenate([vectors for *_, vectors in kept]), question.vector)
    counts = np.array([len(vectors) for *_, vectors in kept])
    ends = np.cumsum(counts)
    rows_of = np.repeat(np.array([unit_id for unit_id, *_ in kept], dtype=np.int64), counts)
    ordinals = np.arange(len(scores)) - np.repeat(ends - counts, counts)
    document_ids = np.array([document_id for _, document_id, _ in kept])
    firsts = np.flatnonzero(np.diff(document_ids, prepend=-1))
    starts = (ends - counts)[firsts]
    parts = [slice(a, b) for a, b in pairwise([*starts.tolist(), len(scores)])]
    ids = document_ids[firsts].tolist()
    return Passages(
        {
            document_id: PassageScores(scores[part], rows_of[part], ordinals[part])
            for document_id, part in zip(ids, parts, strict=True)
        },
        dict(zip(ids, np.maximum.reduceat(scores, starts).tolist(), strict=True)),
        damaged,
    )


def _compare(stored: Matrix, query: Vector) -> Vector:
    """Return the inner products of stored vectors, cut to the query's length, with the query."""
    vectors = stored[:, : len(query)]
    scores: Vector = vectors @ query
    if len(query) < stored.shape[1]:
        scores = scores / np.linalg.norm(vectors, axis=1)
    return np.round(scores, SCORE_DIGITS)
