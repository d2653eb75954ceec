"""What words that an index does not hold may have been meant to be, of those that it holds."""

from collections.abc import Iterator, Sequence

import numpy as np

from app.index.folding import fold
from app.index.segments import Segment
from app.index.spelling import MIN_LETTERS, Neighbours, list_neighbours
from app.index.stemming import distinct_rules, stem, stem_folded

_MIN_HALF = 2


def guess_words(
    segments: Sequence[Segment], words: Sequence[str], rules: Sequence[str]
) -> list[set[tuple[str, ...]]]:
    """Return for each word the terms of slips that a segment holds, and each two words in one."""
    typed = [fold(word) for word in words]
    rules_of = [distinct_rules(word, rules) for word in typed]
    guesses: list[set[tuple[str, ...]]] = [
        {pair for rule in some for pair in _split(word, rule)}
        for word, some in zip(typed, rules_of, strict=True)
    ]
    near = [
        (number, neighbours)
        for number, word in enumerate(typed)
        for form in dict.fromkeys(form for rule in rules_of[number] for form in stem(word, rule))
        if (neighbours := _list_near(word, form)) is not None
    ]
    for (number, neighbours), places in zip(near, _locate(segments, near), strict=True):
        forms = (neighbours.spell(place) for place in places)
        # What the slip was made in has to be long enough, and a stem is shorter than its word.
        least = MIN_LETTERS - len(typed[number]) + len(neighbours.word)
        guesses[number].update(
            (form,) for form in forms if len(form) >= least and form != neighbours.word
        )
    return guesses


def _split(typed: str, rule: str) -> Iterator[tuple[str, str]]:
    """Yield the terms of each two words that a word may be made of."""
    if typed.isalpha() and len(typed) >= MIN_LETTERS:
        places = range(_MIN_HALF, len(typed) - _MIN_HALF + 1)
        halves = stem_folded([typed[:i] for i in places] + [typed[i:] for i in places], rule)
        yield from zip(halves[: len(places)], halves[len(places) :], strict=True)


def _list_near(typed: str, form: str) -> Neighbours | None:
    return list_neighbours(form) if len(typed) >= MIN_LETTERS - 1 else None


def _locate(
    segments: Sequence[Segment], near: Sequence[tuple[int, Neighbours]]
) -> Iterator[list[int]]:
    """Yield the places of the neighbours of each word that a segment holds."""
    if not near:
        return
    hashes = [neighbours.hashes for _, neighbours in near]
    every = np.concatenate(hashes)
    # Of all words at once.
    # A collection may have been emptied, or not been filled yet.
    found = [segment.locate(every)[0] for segment in segments]
    held = np.unique(np.concatenate([np.empty(0, np.int64), *found]))
    first = 0
    for some in hashes:
        start, end = np.searchsorted(held, (first, first + len(some)))
        yield (held[start:end] - first).tolist()
        first += len(some)
