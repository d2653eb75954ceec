"""What words that an index does not hold may have been meant to be, of those that it holds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from app.index.byte_cache import keep
from app.index.folding import fold
from app.index.hashing import SortedHashes, hash_terms
from app.index.segments import Segment, find_held
from app.index.spelling import MIN_LETTERS, Neighbours, list_neighbours
from app.index.stemming import distinct_rules, stem, stem_folded

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

    typed: str
    near: tuple[Neighbours, ...]
    """Of each of its forms."""
    pairs: tuple[tuple[str, str], ...]
    """The terms of each two words that it may be made of."""
    halves: tuple[str, ...]
    """Those of all pairs, each once."""
    hashes: SortedHashes
    """Of all words in `near`, then of `halves`."""

    def find(self, segments: Sequence[Segment]) -> set[tuple[str, ...]]:
        """Return the terms of what some segment holds."""
        places = find_held(segments, self.hashes)
        found: set[tuple[str, ...]] = set()
        first = 0
        for neighbours in self.near:
            last = first + len(neighbours)
            forms = (neighbours.spell(place - first) for place in places if first <= place < last)
            # What the slip was made in has to be long enough, and a stem is shorter than its word.
            least = MIN_LETTERS - len(self.typed) + len(neighbours.word)
            found.update(
                (form,) for form in forms if len(form) >= least and form != neighbours.word
            )
            first = last
        held = {half for place, half in enumerate(self.halves, first) if place in places}
        found.update(pair for pair in self.pairs if held.issuperset(pair))
        return found


@keep(2 << 20)
def _list_guesses(typed: str, rules: tuple[str, ...]) -> _Guesses:
    pairs = tuple(dict.fromkeys(pair for rule in rules for pair in _split(typed, rule)))
    halves = tuple(dict.fromkeys(chain.from_iterable(pairs)))
    forms = dict.fromkeys(form for rule in rules for form in stem(typed, rule))
    near = tuple(
        neighbours for form in forms if (neighbours := _list_near(typed, form)) is not None
    )
    hashes = np.concatenate(
        [*(one.hash_all() for one in near), np.fromiter(hash_terms(halves), np.uint64, len(halves))]
    )
    return _Guesses(typed, near, pairs, halves, SortedHashes.of(hashes))


def _split(typed: str, rule: str) -> Iterator[tuple[str, str]]:
    """Yield the terms of each two words that a word may be made of."""
    if typed.isalpha() and MIN_LETTERS <= len(typed) <= _MAX_JOINED:
        places = range(_MIN_HALF, len(typed) - _MIN_HALF + 1)
        halves = stem_folded([typed[:i] for i in places] + [typed[i:] for i in places], rule)
        yield from zip(halves[: len(places)], halves[len(places) :], strict=True)


def _list_near(typed: str, form: str) -> Neighbours | None:
    return list_neighbours(form) if len(typed) >= MIN_LETTERS - 1 else None
