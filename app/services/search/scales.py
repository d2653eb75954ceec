"""What the stage scores of a question mean in a collection."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from math import sqrt
from statistics import fmean
from zlib import crc32

import numpy as np

from app.db import queries
from app.domain import Matrix, Vector
from app.index.flat import Ids
from app.index.samples import MAX_PASSAGES, MAX_UNITS, PassageSample, Spread
from app.services.search.scoring import ANCHORS, Anchors, Correction, Scale, make_anchors
from app.services.search.snapshot import OutOfDate, Snapshot

_NOTHING_COMPARED = Spread(0.0, 1.0, 1.0)
# So many words that one article holds are there by chance in half of the cases.
_BY_CHANCE = 3.0
# As if so many more articles of a language held the question's words as well as any article does:
# one or two, whose language may have been detected wrongly, say little of it.
_PRIOR_ARTICLES = 3


def measure_scale(
    snapshot: Snapshot,
    collection_ids: Sequence[int],
    query: Vector | None,
    *,
    word_weight: float,
    nearest: float,
) -> Scale:
    """Return the scale of a query; without a vector it says nothing of inner products.

    Collections that are searched together are one base.
    """
    spread = _NOTHING_COMPARED
    if query is not None:
        spread = _pool([_find_sample(snapshot, i).spread(query) for i in collection_ids])
    known = [snapshot.anchors[i] for i in collection_ids if i in snapshot.anchors]
    anchors = _average(known) if len(known) == len(collection_ids) else None
    return Scale(spread, word_weight, nearest, anchors)


def weigh_words(coverage: float, words: int) -> float:
    """Return how much the words of a question count: 0 to 1.

    `coverage` is the greatest share of their weight that any article holds. Where no article holds
    more than a few of the words, the question is put in other words than the articles, and the few
    are there by chance: by their share, but less so the more they are, since many hardly meet by
    chance even where they are a part of a long question.
    """
    shared = coverage * words
    return 1 - (1 - coverage**3) / (1 + (shared / _BY_CHANCE) ** 2)


def scale_by_language(
    scale: Scale,
    coverage: Mapping[int, float],
    languages: Mapping[int, str | None],
    known: Set[str] = frozenset(),
) -> dict[str | None, Scale]:
    """Return a question's scale for the candidates of each language, by language.

    `coverage` and `languages` are the candidates', by document id. Where the articles of a language
    hold less of the question's words than those of another do, it is asked in the other: what they
    share with it are names and chance, and words count by the square of that proportion. Articles
    in no sure language keep the scale, and so do all where the model does not know, of `known`
    ones, both: its vectors say less than a name. Empty `known` are all languages.
    """
    held: dict[str, list[float]] = {}
    for document_id, language in languages.items():
        if language is not None:
            held.setdefault(language, []).append(coverage.get(document_id, 0.0))
    scales: dict[str | None, Scale] = {None: scale, **dict.fromkeys(held, scale)}
    asked = max(held, key=lambda language: max(held[language]), default=None)
    most = 0.0 if asked is None else max(held[asked])
    for language, shares in held.items():
        if most and (not known or {language, asked} <= known):
            prior = most * _PRIOR_ARTICLES
            likeness = (max(shares) * len(shares) + prior) / (most * len(shares) + prior)
            scales[language] = replace(scale, word_weight=scale.word_weight * likeness**2)
    return scales


def _pool(spreads: Sequence[Spread]) -> Spread:
    """Return the distribution over all of these, by their passages."""
    if len(spreads) == 1:
        return spreads[0]
    passages = sum(one.passages for one in spreads)
    mean = sum(one.passages * one.mean for one in spreads) / passages
    variance = sum(one.passages * (one.deviation**2 + (one.mean - mean) ** 2) for one in spreads)
    return Spread(mean, sqrt(variance / passages), passages)


def _average(anchors: Sequence[Anchors]) -> Anchors:
    rows = [[getattr(one, name) for name in ANCHORS] for one in anchors]
    return make_anchors(
        [fmean(column) for column in zip(*rows, strict=True)],
        _average_corrections([one.hits for one in anchors]),
        _average_corrections([one.answers for one in anchors]),
    )


def _average_corrections(corrections: Sequence[Correction]) -> Correction:
    return Correction(
        fmean(one.shift for one in corrections), fmean(one.slope for one in corrections)
    )


def _find_sample(snapshot: Snapshot, collection_id: int) -> PassageSample:
    samples, vectors = snapshot.indexes.samples, snapshot.indexes.vectors
    units = vectors.count(collection_id)
    sample = samples.find(collection_id, units)
    if sample is not None:
        return sample
    unit_ids = vectors.pick_units(collection_id, MAX_UNITS)
    sample = samples.find_same(collection_id, unit_ids)
    if sample is None:
        sample = _read_sample(snapshot, unit_ids, units)
        samples.keep(collection_id, sample)
    return sample


def _read_sample(snapshot: Snapshot, unit_ids: Ids, units: int) -> PassageSample:
    dimensions = snapshot.indexes.vectors.dimensions
    kept: list[Matrix] = [np.empty((0, dimensions), dtype=np.float32)]
    passages = 0
    stored = queries.list_passage_vectors(snapshot.session, unit_ids.tolist())
    if len(stored) < len(unit_ids):
        # The indexes are of a later commit; kept, it would stand for units that it lacks.
        raise OutOfDate
    for data, checksum in stored:
        # A damaged one is quarantined when it is found; until then it says nothing.
        if crc32(data) != checksum:
            continue
        vectors = np.frombuffer(data, dtype="<f2").reshape(-1, dimensions)
        passages += len(vectors)
        picked = np.arange(min(MAX_PASSAGES, len(vectors))) * len(vectors)
        kept.append(vectors[picked // MAX_PASSAGES].astype(np.float32))
    share = units / max(len(unit_ids), 1)
    return PassageSample(unit_ids, units, passages * share, np.concatenate(kept))
