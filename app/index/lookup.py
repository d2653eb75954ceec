"""Where the words of a query stand in a collection, however they are spelled there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from app.index.analysis import TermCounts
from app.index.dates import list_figures
from app.index.folding import fold
from app.index.hashing import Hashes, hash_term, hash_terms
from app.index.query import VARIANT_WEIGHT, QueryWord, Spelling, WordQuery, spell_words
from app.index.segments import Counts, Rows, Segment
from app.index.spelling import MIN_LETTERS, list_neighbours
from app.index.stemming import PLAIN, distinct_rules, stem, stem_folded
from app.index.variants import list_numbers

Scores = npt.NDArray[np.float32]

DELTA = 0.2
MAX_WORDS = 256
"""Words of a query that are scored: the rarest."""
SURE = 0.5
"""Weight from which a spelling counts as the word itself."""

# A word that so few documents hold may be a slip of the fingers.
_FEW = 3
_SLIP = 0.6
# Below what the word itself counts at least, DELTA / (1 + DELTA): exact ones come first.
_BESIDE_EXACT = 0.1
_MAX_CORRECTED = 4
_MIN_HALF = 2
# A longer query is found by its other words.
_SHORT_QUERY = 4


@dataclass(frozen=True, slots=True)
class FoundWord:
    """A word of a query as a collection writes it."""

    name: str
    weight: float
    """How often it is asked, times its idf."""
    spellings: tuple[Spelling, ...]
    """Those that the collection holds."""

    def count(self, counts: TermCounts) -> int:
        """Return how often an article with these terms holds the word, as it spells it most."""
        spelled = ([counts.get(hash_term(term), 0) for term in s.terms] for s in self.spellings)
        return max(map(min, spelled), default=0)


class Postings:
    """Where some terms stand: looked up in each segment all at once."""

    def __init__(self, segments: Sequence[Segment], terms: Hashes) -> None:
        self.segments = segments
        bounds = [segment.find(terms) for segment in segments]
        counts = sum((ends - starts for starts, ends in bounds), np.zeros(len(terms), np.int64))
        self.found: list[int] = np.flatnonzero(counts).tolist()
        """The places of the terms that some document holds."""
        self._bounds = [
            {place: slice(int(starts[place]), int(ends[place])) for place in self.found}
            for starts, ends in bounds
        ]

    def of(self, number: int, places: Sequence[int]) -> tuple[Rows, Counts]:
        """Return the rows of a segment that hold all these terms, and how often each does."""
        first, *others = (self._of_term(number, place) for place in places)
        rows, counts = first
        for other_rows, other_counts in others:
            rows, mine, theirs = np.intersect1d(
                rows, other_rows, assume_unique=True, return_indices=True
            )
            counts = np.minimum(counts[mine], other_counts[theirs])
        return rows, counts

    def _of_term(self, number: int, place: int) -> tuple[Rows, Counts]:
        segment, some = self.segments[number], self._bounds[number][place]
        return segment.rows[some], segment.counts[some]


@dataclass(slots=True)
class WordRows:
    """The rows of one segment that hold a word: by the weight of its spelling, how often."""

    alive: npt.NDArray[np.bool_]
    all_alive: bool
    classes: list[tuple[float, Rows, Scores]] = field(default_factory=list)

    def add(self, weight: float, found: Sequence[tuple[Rows, Counts]]) -> None:
        """Add the rows of spellings that weigh the same."""
        kept = [(rows, counts) for rows, counts in found if len(rows)]
        if len(kept) == 1:
            # No row comes twice.
            self.classes.append((weight, kept[0][0], kept[0][1].astype(np.float32)))
        elif kept:
            sums = np.bincount(
                np.concatenate([rows for rows, _ in kept]),
                weights=np.concatenate([counts for _, counts in kept]),
            ).astype(np.float32)
            rows = np.flatnonzero(sums).astype(np.int32)
            self.classes.append((weight, rows, sums[rows]))

    def frequency(self, least: float) -> int:
        """Return how many living documents hold it in a spelling of at least this weight."""
        sure = [rows for weight, rows, _ in self.classes if weight >= least]
        if len(sure) == 1:
            # A term has one posting a document.
            return len(sure[0]) if self.all_alive else int(np.count_nonzero(self.alive[sure[0]]))
        return int(np.count_nonzero(self.alive[np.unique(np.concatenate(sure))])) if sure else 0

    def holders(self) -> npt.NDArray[np.bool_]:
        """Return, for each row, whether it holds the word itself."""
        held = np.zeros(len(self.alive), dtype=np.bool_)
        for weight, rows, _ in self.classes:
            if weight == 1.0:
                held[rows] = True
        return held

    def add_to(self, scores: Scores, held: Scores, norms: Scores, weight: float) -> None:
        """Add what the word is worth to the rows that hold it, each by its best spelling."""
        parts = [
            (share, rows, (tf / (tf + norms[rows]) + DELTA) * (share * weight / (1 + DELTA)))
            for share, rows, tf in self.classes
        ]
        if len(parts) == 1:
            share, rows, worth = parts[0]
            scores[rows] += worth
            if share >= SURE:
                held[rows] += weight
            return
        best = np.zeros(len(scores), dtype=np.float32)
        holds = np.zeros(len(scores), dtype=np.float32)
        for share, rows, worth in parts:
            best[rows] = np.maximum(best[rows], worth)
            if share >= SURE:
                holds[rows] = weight
        scores += best
        held += holds


@dataclass(slots=True)
class _Lookup:
    """A word of a query, how the collection may write it, and where it stands."""

    word: QueryWord
    spellings: tuple[Spelling, ...]
    rows: list[WordRows]
    frequency: int = 0

    def take(
        self, postings: Postings, place: Mapping[str, int], spellings: Sequence[Spelling]
    ) -> None:
        """Add the rows of those of these spellings that the collection holds."""
        by_weight: dict[float, list[list[int]]] = {}
        for spelling in spellings:
            places = [place[term] for term in spelling.terms if term in place]
            if len(places) == len(spelling.terms):
                self.spellings += (spelling,)
                by_weight.setdefault(spelling.weight, []).append(places)
        for weight in sorted(by_weight, reverse=True):
            for number, rows in enumerate(self.rows):
                rows.add(weight, [postings.of(number, places) for places in by_weight[weight]])
        if not self.frequency:
            self.frequency = sum(rows.frequency(SURE) for rows in self.rows)


def find_words(
    segments: Sequence[Segment], rules: Sequence[str], query: WordQuery, *, corrects: bool
) -> list[tuple[QueryWord, tuple[Spelling, ...], int, list[WordRows]]]:
    """Return the words of a query: their spellings, documents, and rows in each segment.

    Of more than MAX_WORDS the rarest are taken. With `corrects` a rare word is also looked for as
    what it may have been meant to be.
    """
    spelled = spell_words(query.words, rules)
    alive = [(segment.alive, bool(segment.alive.all())) for segment in segments]
    found = [_Lookup(word, (), [WordRows(*some) for some in alive]) for word in query.words]
    _look_up(segments, found, spelled)
    found = _settle_dates(found)
    if len(found) > MAX_WORDS:
        found = sorted(found, key=lambda one: (not one.frequency, one.frequency))[:MAX_WORDS]
    few = [one for one in found if one.frequency <= _FEW and one.word.part.is_stemmed]
    if any(numbers := [_spell_numbers(one, rules) for one in few]):
        _look_up(segments, few, numbers)
    if corrects:
        most = _FEW if len(found) <= _SHORT_QUERY else 0
        rare = [one for one in found if one.frequency <= most and one.word.part.is_stemmed]
        rare = rare[:_MAX_CORRECTED]
        _look_up(segments, rare, [_guess(segments, one, rules) for one in rare])
    return [(one.word, one.spellings, one.frequency, one.rows) for one in found]


def _settle_dates(found: Sequence[_Lookup]) -> list[_Lookup]:
    """Return words without the dates that no document has, and the figures of those that are."""
    days = [one.word.day for one in found if one.word.day is not None and one.frequency]
    figures = {figure for day in days for figure in list_figures(day)}
    return [
        one
        for one in found
        if (one.word.part.text not in figures if one.word.day is None else one.frequency)
    ]


def _look_up(
    segments: Sequence[Segment], found: Sequence[_Lookup], spelled: Sequence[Sequence[Spelling]]
) -> None:
    terms = list(dict.fromkeys(term for some in spelled for one in some for term in one.terms))
    postings = Postings(segments, np.fromiter(hash_terms(terms), np.uint64, len(terms)))
    place = {terms[i]: i for i in postings.found}
    for one, some in zip(found, spelled, strict=True):
        one.take(postings, place, some)


def _spell_numbers(found: _Lookup, rules: Sequence[str]) -> list[Spelling]:
    """Return the other number of a word, boxes of box, that no stemmer joins with it."""
    known = {spelling.terms for spelling in found.spellings}
    texts = list_numbers(found.word.part.text)
    forms = {(form,): None for text in texts for rule in rules for form in stem(text, rule)}
    weight = _BESIDE_EXACT if found.frequency else VARIANT_WEIGHT
    return [Spelling(terms, weight) for terms in forms if terms not in known]


def _guess(segments: Sequence[Segment], found: _Lookup, rules: Sequence[str]) -> list[Spelling]:
    """Return what a rare word may have been meant to be: a slip, or two words in one."""
    typed = fold(found.word.part.text)
    weight = _BESIDE_EXACT if found.frequency else _SLIP
    known = {spelling.terms for spelling in found.spellings}
    rules = distinct_rules(typed, rules)
    forms = dict.fromkeys(form for rule in rules for form in stem(typed, rule))
    guesses: set[tuple[str, ...]] = {
        (near,) for form in forms for near in _near(segments, typed, form)
    }
    guesses |= {pair for rule in rules for pair in _split(typed, rule)}
    return [Spelling(terms, weight) for terms in sorted(guesses - known)]


def _split(typed: str, rule: str) -> Iterator[tuple[str, str]]:
    """Yield the terms of each two words that a word may be made of."""
    if typed.isalpha() and len(typed) >= MIN_LETTERS:
        places = range(_MIN_HALF, len(typed) - _MIN_HALF + 1)
        halves = stem_folded([typed[:i] for i in places] + [typed[i:] for i in places], rule)
        yield from zip(halves[: len(places)], halves[len(places) :], strict=True)


def _near(segments: Sequence[Segment], typed: str, form: str) -> Iterator[str]:
    """Yield the terms of the index that are a slip away from a form of a word."""
    neighbours = list_neighbours(form) if len(typed) >= MIN_LETTERS - 1 else None
    if neighbours is None:
        return
    for number in Postings(segments, neighbours.hashes).found:
        near = neighbours.spell(number)
        # What the slip was made in has to be long enough, and a stem is shorter than its word.
        if near != form and len(typed) + len(near) - len(form) >= MIN_LETTERS:
            yield near


def rules_of(segments: Sequence[Segment]) -> tuple[str, ...]:
    """Return the rules that the documents of some segments were analysed by."""
    return (PLAIN, *sorted({rule for segment in segments for rule in segment.rules}))


def weigh(word: QueryWord, documents: int, frequency: int) -> float:
    """Return what a word counts for: how often it is asked, times Lucene's idf."""
    return word.repeats * float(np.log1p((documents - frequency + 0.5) / (frequency + 0.5)))
