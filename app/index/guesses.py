"""What words that an index does not hold may have been meant to be, of those that it holds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from app.index.byte_cache import keep
from app.index.folding import fold
from app.index.hashing import SortedHashes, hash_terms
from app.index.segments import Segment, find_held
from app.index.spelling import MIN_LETTERS, list_neighbours
from app.index.stemming import distinct_rules, stem_folded

_MIN_HALF = 2
# Longer ones are not two words; their halves would take the square of their length.
_MAX_JOINED = 64


def guess_words(
    segments: Sequence[Segment], words: Sequence[str], rules: Sequence[str]
) -> list[set[tuple[str, ...]]]:
    """Return for each word the terms of slips, and of each two words in one, that are held."""
    typed = [fold(word) for word in words]
    guesses = [_list_guesses(word, tuple(distinct_rules(word, rules))) for word in typed]
    return [some.find(segments) for some in guesses]


@dataclass(frozen=True, slots=True)
class _Guesses:
    """What a word may have been meant to be."""

    terms: str
    """Of words that are a slip away, then the halves of pairs: each once, a line each."""
    pairs: tuple[tuple[str, str], ...]
    """The terms of each two words that it may be made of."""
    slips: int
    """How many of the terms are of a slip."""
    hashes: SortedHashes
    """Of all terms."""

    def find(self, segments: Sequence[Segment]) -> set[tuple[str, ...]]:
        """Return the terms of what some segment holds."""
        places = find_held(segments, self.hashes)
        if not places:
            return set()
        terms = self.terms.split("\n")
        found: set[tuple[str, ...]] = {(terms[place],) for place in places if place < self.slips}
        halves = {terms[place] for place in places if place >= self.slips}
        found.update(pair for pair in self.pairs if halves.issuperset(pair))
        return found


@keep(2 << 20)
def _list_guesses(typed: str, rules: tuple[str, ...]) -> _Guesses:
    # Stemmed after the slip is undone: it can hide the ending that a stemmer takes off.
    words = [typed, *list_neighbours(typed)]
    stemmed = [stem_folded(words, rule) for rule in rules]
    own = {forms[0] for forms in stemmed}
    slips = [form for form in dict.fromkeys(chain.from_iterable(stemmed)) if form not in own]
    pairs = tuple(dict.fromkeys(pair for rule in rules for pair in _split(typed, rule)))
    terms = [*slips, *dict.fromkeys(chain.from_iterable(pairs))]
    hashes = np.fromiter(hash_terms(terms), np.uint64, len(terms))
    return _Guesses("\n".join(terms), pairs, len(slips), SortedHashes.of(hashes))


def _split(typed: str, rule: str) -> Iterator[tuple[str, str]]:
    """Yield the terms of each two words that a word may be made of."""
    if typed.isalpha() and MIN_LETTERS <= len(typed) <= _MAX_JOINED:
        places = range(_MIN_HALF, len(typed) - _MIN_HALF + 1)
        halves = stem_folded([typed[:i] for i in places] + [typed[i:] for i in places], rule)
        yield from zip(halves[: len(places)], halves[len(places) :], strict=True)
