"""What a person types, as words to look for: which articles hold them is the index's business.

Quoted phrases must stand in an article in their order, and an article that holds a word after `-`
is left out; of more than 16 of both, as pasted text has them, none does. Everything else is only
words, and those that questions are put in count for nothing, unless they are written as names (US,
IT, WHO, vitamin A) or nothing else is asked.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from heapq import nlargest
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
import regex

from app.index.analysis import fold_term
from app.index.byte_cache import keep, keep_each
from app.index.dates import find_dates, list_date_terms
from app.index.folding import clean, fold
from app.index.hashing import SortedHashes, hash_term, hash_terms
from app.index.numerals import LONG_NUMBER
from app.index.stemming import PLAIN, stem, stem_by_each
from app.index.variants import vary
from app.index.words import (
    QUESTION_WORDS,
    Part,
    asked_parts,
    find_words,
    is_plural_of_capitals,
    is_simple,
    is_unspaced,
    split_word,
)

# None goes past another opening one: of thousands that are never closed each would go to the end.
_QUOTES = regex.compile(
    r"""(?<![\w\-])(?P<minus>-)?
    (?:"(?P<a>[^"]+)" | “(?P<b>[^”“]+)” | „(?P<c>[^„“”]+)[“”] | «(?P<d>[^«»]+)»)(?!\w)""",
    regex.VERBOSE,
)
_OPENING = frozenset('"“„«')
_EXCLUDED = regex.compile(r"(?<!\S)-(?P<word>\p{L}\S*)")
VARIANT_WEIGHT = 0.7
"""Of other forms of a word, which a stemmer does not join with it."""
_MAX_PARTS = 1024
"""Different words of a question that are looked up."""
_MAX_DEMANDS = 16
"""Phrases and excluded words, which articles are read for; who has more pasted them."""
_LAST_DIGITS = regex.compile("(?<![0-9])[0-9]+$")
_MAX_DIGITS = 40
"""What has more is a row of numbers, not one that is typed in groups."""
_MAX_CAPITALS = 6
"""Longer words are not an abbreviation and its plural."""


class Spelling(NamedTuple):
    """One way to write a word: all of these terms together, and what an article counts by it."""

    terms: tuple[str, ...]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class QueryWord:
    """A word that is asked for, or a part of one, and how often."""

    part: Part
    repeats: int = 1
    joined: tuple[str, ...] = ()
    """What it makes with its neighbours: `login` where `log in` is asked."""
    day: date | None = None
    """What it is where it stands for a whole date: nothing is asked by it that no article has."""

    @property
    def name(self) -> str:
        """What it is called in explanations: folded, but for a name that its capitals make."""
        return fold(self.part.text) if self.part.is_stemmed else fold_term(self.part.text)


@dataclass(frozen=True, slots=True)
class WordQuery:
    """What is asked of a search by words."""

    words: tuple[QueryWord, ...] = ()
    phrases: tuple[str, ...] = ()
    """Each must stand in an article."""
    excluded: tuple[str, ...] = ()
    """Words and phrases of which none may."""
    text: str = ""
    """The query without what is excluded, as the model is to read it."""

    def __bool__(self) -> bool:
        return bool(self.words)


def parse_query(query: str) -> WordQuery:
    """Return what a query asks for by words."""
    included = clean(query)
    phrases: dict[str, None] = {}
    excluded: dict[str, None] = {}
    # Most questions have none of either.
    if not _OPENING.isdisjoint(included):
        for found in _QUOTES.finditer(included):
            quoted = next(group for group in found.group("a", "b", "c", "d") if group)
            if find_words(quoted):
                (excluded if found["minus"] else phrases)[quoted] = None
        included = _QUOTES.sub(
            lambda found: " " if found["minus"] else f" {_unquote(found[0])} ", included
        )
    if "-" in included:
        excluded |= dict.fromkeys(found["word"] for found in _EXCLUDED.finditer(included))
        included = _EXCLUDED.sub(" ", included)
    if len(phrases) + len(excluded) > _MAX_DEMANDS:
        return WordQuery(tuple(_telling_words(clean(query))), text=query)
    words = tuple(_telling_words(included))
    return WordQuery(words, tuple(phrases), tuple(excluded), included if excluded else query)


def literal_words(text: str) -> WordQuery:
    """Return all words of a text, also those that questions are put in."""
    parts = dict.fromkeys(part for word in find_words(clean(text)) for part in asked_parts(word))
    return WordQuery(tuple(QueryWord(part) for part in parts))


def _unquote(quoted: str) -> str:
    return quoted[1:-1]


def _telling_words(text: str) -> Iterator[QueryWord]:
    found = find_words(text)
    shouted = len(text) > 4 and text.isupper()
    parts = [
        (place, part)
        for place, word in enumerate(found)
        for part in _telling_parts(
            word,
            is_first=place == 0,
            shouted=shouted,
            is_month=word == "May" and any(map(_is_figure, found[max(place - 1, 0) : place + 2])),
        )
    ]
    if not parts:
        parts = [(i, part) for i, word in enumerate(found) for part in split_word(word)]
    if len(parts) > _MAX_PARTS:
        parts = _choose_longest(parts)
    joined = _joined_neighbours(found, {place for place, _ in parts})
    keys = [_key(part) for _, part in parts]
    repeats = Counter(keys)
    # Of parts that are one the first stands.
    firsts = dict(zip(reversed(keys), reversed(parts), strict=True))
    for key, count in repeats.items():
        place, part = firsts[key]
        yield QueryWord(part, count, tuple(joined.get(place, ())))
    for day in find_dates(text):
        yield QueryWord(Part(day.isoformat(), False), day=day)


def _key(part: Part) -> tuple[str, bool]:
    return (fold(part.text) if part.is_stemmed else fold_term(part.text), part.is_stemmed)


def _choose_longest(parts: Sequence[tuple[int, Part]]) -> list[tuple[int, Part]]:
    """Return what is said of _MAX_PARTS different parts: the longest, for these are the rarest."""
    different = dict.fromkeys(part for _, part in parts)
    chosen = set(nlargest(_MAX_PARTS, different, key=lambda part: len(part.text)))
    return [(place, part) for place, part in parts if part in chosen]


def _is_figure(word: str) -> bool:
    return word[0].isdigit()


def _telling_parts(word: str, *, is_first: bool, shouted: bool, is_month: bool) -> Iterator[Part]:
    """Yield the parts of a word without those that only put a question."""
    for part in asked_parts(word):
        # Written as a name it counts, but only as one.
        is_name = not part.is_stemmed and not shouted and not (is_first and len(word) == 1)
        if is_name or is_month or fold(part.text) not in QUESTION_WORDS:
            yield part


def _joined_neighbours(found: Sequence[str], places: Container[int]) -> dict[int, list[str]]:
    """Return what words at some places make with their neighbours, where they have no parts."""
    joined: dict[int, list[str]] = {}
    whole = [place in places and _is_whole(word) for place, word in enumerate(found)]
    for i, (one, other) in enumerate(pairwise(found)):
        # `a part` is not `apart`, but `log in` is `login`.
        if one.isalpha() and other.isalpha() and fold(one) not in QUESTION_WORDS:
            for place in (i, i + 1):
                if whole[place]:
                    joined.setdefault(place, []).append(one + other)
    for groups, number in _find_grouped(found):
        for place in groups:
            joined.setdefault(place, []).append(number)
    return joined


def _find_grouped(found: Sequence[str]) -> Iterator[tuple[range, str]]:
    """Yield numbers that are typed in groups, with the places of these: 4111 1111 1111 1111."""
    groups: list[str] = []
    # Letters may stand before the first group: DE89 3704.
    for place, word in enumerate([*found, ""]):
        bare = word.replace(" ", "")
        if groups and bare.isdigit():
            groups.append(bare)
            continue
        number = "".join(groups)
        if len(groups) > 1 and LONG_NUMBER <= len(number) <= _MAX_DIGITS:
            yield range(place - len(groups), place), number
        groups = _LAST_DIGITS.findall(bare)


def _is_whole(word: str) -> bool:
    """Return whether a word has no parts."""
    return (is_simple(word) and not is_unspaced(word)) or len(split_word(word)) == 1


def spell_words(words: Sequence[QueryWord], rules: Sequence[str]) -> list[tuple[Spelling, ...]]:
    """Return how articles that were analysed by `rules` may write words, the surest first.

    What `list_varied` returns comes beside these.
    """
    rules = tuple(rules)
    texts = [
        text for word in words if word.part.is_stemmed for text in (word.part.text, *word.joined)
    ]
    stems = dict(zip(texts, _stem_by_rules(texts, rules), strict=True))
    return [tuple(_spell(word, stems)) for word in words]


@keep_each(2 << 20)
def _stem_by_rules(texts: Sequence[str], rules: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the stems of each text by each of some rules."""
    stems: dict[str, dict[str, None]] = {text: {} for text in texts}
    for text, forms in stem_by_each(list(stems), rules):
        stems[text].update(dict.fromkeys(forms))
    return [tuple(stems[text]) for text in texts]


class Varied(NamedTuple):
    """What else stands for a word, as an index may hold it."""

    terms: tuple[str, ...]
    hashes: SortedHashes


def list_varied(word: QueryWord, rules: tuple[str, ...]) -> Varied | None:
    """Return what else stands for a word of Hebrew, Arabic or Hindi: up to fifty forms."""
    text = word.part.text
    return None if text.isascii() or not word.part.is_stemmed else _list_varied(text, rules)


@keep(4 << 20)
def _list_varied(text: str, rules: tuple[str, ...]) -> Varied | None:
    varied = vary(text)
    if not varied:
        return None
    terms = tuple(dict.fromkeys(chain.from_iterable(_stem_by_rules(varied, rules))))
    return Varied(terms, SortedHashes.of(np.fromiter(hash_terms(terms), np.uint64, len(terms))))


def _spell(word: QueryWord, stems: Mapping[str, Sequence[str]]) -> Iterable[Spelling]:
    text = word.part.text
    if word.day is not None:
        return _spell_date(word.day)
    others: Sequence[str] = ()
    if not word.part.is_stemmed:
        exact = dict.fromkeys((fold_term(text), *word.joined))
        if is_plural_of_capitals(text):
            others = [fold(text[:-1])]
    else:
        exact = dict.fromkeys(form for some in (text, *word.joined) for form in stems[some])
        if text.isascii() and len(text) <= _MAX_CAPITALS:
            # Its plural in capitals, AMIs.
            others = [stem(text, PLAIN)[0] + "s"]
    spellings = [Spelling((form,)) for form in exact]
    spellings += [Spelling((form,), VARIANT_WEIGHT) for form in others if form not in exact]
    return spellings


def _spell_date(day: date) -> Iterator[Spelling]:
    for terms in dict.fromkeys(list_date_terms(day)):
        yield Spelling(terms, 1.0 if len(terms) == 1 else VARIANT_WEIGHT)


def count_query_terms(query: str) -> Counter[int]:
    """Return the terms of a query's telling words, as articles in no sure language hold them."""
    counts: Counter[int] = Counter()
    words = [replace(word, joined=()) for word in parse_query(query).words if word.day is None]
    for word, spellings in zip(words, spell_words(words, (PLAIN,)), strict=True):
        for spelling in spellings:
            if spelling.weight == 1.0:
                counts[hash_term(spelling.terms[0])] += word.repeats
    return counts
