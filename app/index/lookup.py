"""Where the words of a query stand in a collection, however they are spelled there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log1p

import numpy as np

from app.index.analysis import TermCounts
from app.index.dates import list_figures
from app.index.guesses import guess_words
from app.index.hashing import hash_known, hash_term
from app.index.postings import SURE, Postings, WordRows
from app.index.query import (
    VARIANT_WEIGHT,
    QueryWord,
    Spelling,
    WordQuery,
    list_varied,
    spell_words,
)
from app.index.segments import Segment, find_held
from app.index.stemming import PLAIN, stem
from app.index.variants import list_numbers

MAX_WORDS = 256
"""Words of a query that are scored: the rarest."""

# A word that so few documents hold may be a slip of the fingers.
_FEW = 3
_SLIP = 0.6
# Below what the word itself counts at least, DELTA / (1 + DELTA): exact ones come first.
_BESIDE_EXACT = 0.1
_MAX_CORRECTED = 4
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


@dataclass(slots=True)
class _Lookup:
    """A word of a query, how the collection may write it, and where it stands."""

    word: QueryWord
    spellings: tuple[Spelling, ...]
    rows: list[WordRows]
    frequency: int = 0

    def take(
        self, postings: Postings, held: Mapping[str, int], spellings: Iterable[Spelling]
    ) -> None:
        """Add the rows of those of these spellings that the collection holds, all by `held`."""
        found: dict[float, list[list[int]]] = {}
        kept = []
        for spelling in spellings:
            terms = [held[term] for term in spelling.terms if term in held]
            if len(terms) == len(spelling.terms):
                kept.append(spelling)
                found.setdefault(spelling.weight, []).append(terms)
        if not kept:
            return
        self.spellings += tuple(kept)
        for weight in sorted(found, reverse=True):
            for number, rows in enumerate(self.rows):
                rows.add(weight, [postings.of(number, terms) for terms in found[weight]])
        if not self.frequency:
            self.frequency = sum(rows.frequency(SURE) for rows in self.rows)


def find_words(
    segments: Sequence[Segment], rules: Sequence[str], query: WordQuery, *, corrects: bool
) -> list[tuple[QueryWord, tuple[Spelling, ...], int, list[WordRows]]]:
    """Return the words of a query: their spellings, documents, and rows in each segment.

    Of more than MAX_WORDS the rarest are taken. With `corrects` a rare word is also looked for as
    what it may have been meant to be.
    """
    found = [_Lookup(word, (), list(map(WordRows, segments))) for word in query.words]
    _look_up(segments, found, _spell(segments, query.words, tuple(rules)))
    found = _settle_dates(found)
    if len(found) > MAX_WORDS:
        found = sorted(found, key=lambda one: (not one.frequency, one.frequency))[:MAX_WORDS]
    few = [one for one in found if one.frequency <= _FEW and one.word.part.is_stemmed]
    if any(numbers := [_spell_numbers(one, rules) for one in few]):
        _look_up(segments, few, numbers)
    if corrects:
        most = _FEW if len(found) <= _SHORT_QUERY else 0
        rare = [one for one in few if one.frequency <= most][:_MAX_CORRECTED]
        _look_up(segments, rare, _guess(segments, rare, rules))
    return [(one.word, one.spellings, one.frequency, one.rows) for one in found]


def _spell(
    segments: Sequence[Segment], words: Sequence[QueryWord], rules: tuple[str, ...]
) -> list[tuple[Spelling, ...]]:
    """Return how words may be written, of their many forms only those that are held."""
    spelled = spell_words(words, rules)
    for n, word in enumerate(words):
        if (forms := list_varied(word, rules)) is not None:
            known = {spelling.terms[0] for spelling in spelled[n]}
            held = [forms.terms[place] for place in sorted(find_held(segments, forms.hashes))]
            others = [Spelling((form,), VARIANT_WEIGHT) for form in held if form not in known]
            spelled[n] = (*spelled[n], *others)
    return spelled


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
    if not terms:
        return
    numbers = hash_known(terms, None)
    postings = Postings(segments, np.array(numbers, dtype=np.uint64))
    hashed = zip(terms, numbers, strict=True)
    held = {term: number for term, number in hashed if number in postings.found}
    for one, some in zip(found, spelled, strict=True):
        one.take(postings, held, some)


def _spell_numbers(found: _Lookup, rules: Sequence[str]) -> list[Spelling]:
    """Return the other number of a word, boxes of box, that no stemmer joins with it."""
    known = {spelling.terms for spelling in found.spellings}
    texts = list_numbers(found.word.part.text)
    forms = {(form,): None for text in texts for rule in rules for form in stem(text, rule)}
    weight = _BESIDE_EXACT if found.frequency else VARIANT_WEIGHT
    return [Spelling(terms, weight) for terms in forms if terms not in known]


def _guess(
    segments: Sequence[Segment], rare: Sequence[_Lookup], rules: Sequence[str]
) -> list[list[Spelling]]:
    """Return what rare words may have been meant to be."""
    guessed = guess_words(segments, [one.word.part.text for one in rare], rules)
    return [
        [
            Spelling(terms, _BESIDE_EXACT if one.frequency else _SLIP)
            for terms in sorted(some - {spelling.terms for spelling in one.spellings})
        ]
        for one, some in zip(rare, guessed, strict=True)
    ]


def rules_of(segments: Sequence[Segment]) -> tuple[str, ...]:
    """Return the rules that the documents of some segments were analysed by."""
    return (PLAIN, *sorted({rule for segment in segments for rule in segment.rules}))


def weigh(word: QueryWord, documents: int, frequency: int) -> float:
    """Return what a word counts for: how often it is asked, times Lucene's idf."""
    return word.repeats * log1p((documents - frequency + 0.5) / (frequency + 0.5))
