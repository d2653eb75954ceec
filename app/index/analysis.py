"""From text to the terms that lexical search compares: the same for articles and for questions.

A word becomes one term: compatibility forms, case and accents folded, an English plural taken off.
A word with an inner structure (`PutObject`, `ERR_CONN_RESET`, `siglec-1`, `setup.cfg`) becomes one
term without its separators, so that its spellings meet, and one for each of its parts. Runs of
scripts that put no space between words become overlapping pairs of characters.

What was measured, and what lost: docs/decisions/0016-lexical-search-in-memory.md.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from functools import lru_cache
from hashlib import blake2b
from itertools import chain, pairwise
from typing import TypeAlias

import regex

ANALYSIS = 1
"""Number of these rules: terms that were stored under another number are made again."""
TITLE_WEIGHT = 3
"""How many times a word of the title counts beside one of the text."""

TermCounts: TypeAlias = Mapping[int, int]
"""How often each term, by its 64-bit hash, stands in a text."""

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTER = rf"[[\p{{L}}\p{{M}}\p{{N}}_]--[{_UNSPACED}]]"
_TOKEN = regex.compile(rf"[{_UNSPACED}]+|{_LETTER}+(?:[-.'’]{_LETTER}+)*", regex.VERSION1)
# The same where all is ASCII, as most texts of manuals are, in a fifth of the time.
_ASCII_TOKEN = re.compile(r"[A-Za-z0-9_]+(?:[-.'][A-Za-z0-9_]+)*")
_IS_UNSPACED = regex.compile(rf"[{_UNSPACED}]", regex.VERSION1)
_SEPARATOR = re.compile(r"[-_.'’]+")
_ASCII_SEPARATORS = b"-_.'"
_POSSESSIVE = re.compile(r"['’]s$", re.IGNORECASE)
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^A-Za-z0-9]+")
# Accents of Latin, Greek and Cyrillic only: elsewhere a mark can be a vowel.
_ACCENT = re.compile("[\u0300-\u036f]")

# Words that questions are put in. They stay in the index, and a question that holds no other word
# is searched by them.
_QUESTION_WORDS = (
    "a about all also am an and any are as at be been being but by can could did do does for from "
    "had has have he her his how i if in into is it its just may me might more most must my no not "
    "of on only or other our own same shall she should so some such than that the their them then "
    "there these they this to too us very was we were what when where which who whom whose why "
    "will with would you your"
)


def list_terms(text: str) -> Iterator[tuple[int, ...]]:
    """Yield the terms of each word of `text`, in its order."""
    yield from map(_terms_of, _tokens(text))


def count_terms(text: str) -> Counter[int]:
    """Return how often each term stands in `text`."""
    counts: Counter[int] = Counter()
    for token, count in Counter(_tokens(text)).items():
        for term in _terms_of(token):
            counts[term] += count
    return counts


def count_article_terms(title: str, text: str) -> Counter[int]:
    """Return the terms of an article, those of its title counted TITLE_WEIGHT times."""
    counts = count_terms(text)
    for term, count in count_terms(title).items():
        counts[term] += TITLE_WEIGHT * count
    return counts


def count_query_terms(query: str) -> Counter[int]:
    """Return the terms of a question without the words that only put it as one."""
    counts = count_terms(query)
    telling = Counter({term: n for term, n in counts.items() if term not in _question_terms()})
    return telling or counts


def name_query_terms(query: str) -> dict[str, int]:
    """Return the terms that count_query_terms keeps, in the query's order, with their hashes."""
    kept = count_query_terms(query)
    words = (term for token in _tokens(query) for term in _expand(token))
    return {word: _hash(word) for word in words if _hash(word) in kept}


class TermMatcher:
    """Finds a question's terms in many short texts, and says how much of the question they are."""

    def __init__(self, names: Mapping[str, int], weights: Mapping[int, float]) -> None:
        """`names` are those of name_query_terms; a term's weight is what it counts for."""
        total = sum(weights[term] for term in names.values()) or 1.0
        self._shares = {term: weights[term] / total for term in names.values()}
        # What each spelling of a term has in it: all but the ending that a plural changes.
        self._stems = [(name.removesuffix("y"), term) for name, term in names.items()]

    def find(self, text: str) -> Set[int]:
        """Return the terms that stand in `text`."""
        words = set(_tokens(text))
        return self._shares.keys() & chain.from_iterable(map(_terms_of, words))

    def find_at_most(self, text: str) -> Set[int]:
        """Return a superset of what `find` returns, in a small part of its time."""
        if not self._stems:
            return set()
        # Of bytes many can be deleted at once.
        folded = _fold_accents(text).casefold().replace("’", "").encode()
        joined = folded.translate(None, _ASCII_SEPARATORS).decode()
        return {term for stem, term in self._stems if stem in joined}

    def share(self, terms: Set[int]) -> float:
        """Return the share of the question's weight that terms of it have: 0 to 1."""
        return sum([self._shares[term] for term in terms])


@lru_cache(maxsize=1)
def _question_terms() -> frozenset[int]:
    return frozenset(_hash(_strip_plural(word)) for word in _QUESTION_WORDS.split())


def _tokens(text: str) -> list[str]:
    return (_ASCII_TOKEN if text.isascii() else _TOKEN).findall(_fold_accents(text))


def _fold_accents(text: str) -> str:
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _ACCENT.sub("", unicodedata.normalize("NFKD", text)))


@lru_cache(maxsize=1 << 17)
def _terms_of(token: str) -> tuple[int, ...]:
    return tuple(map(_hash, _expand(token)))


@lru_cache(maxsize=1 << 17)
def _expand(token: str) -> tuple[str, ...]:
    """Return the terms of one token: whole and in parts."""
    if _IS_UNSPACED.match(token):
        return tuple(a + b for a, b in pairwise(token)) or (token,)
    segments = [part for part in _SEPARATOR.split(_POSSESSIVE.sub("", token)) if part]
    parts = [part for segment in segments for part in _split_camel(segment)]
    terms = [_normalize(part) for part in parts]
    if len(parts) > 1:
        terms.append("".join(segments).casefold())
    return tuple(terms)


def _split_camel(segment: str) -> list[str]:
    if segment.islower() and segment.isalpha():
        return [segment]
    return _CAMEL.findall(segment)


def _normalize(word: str) -> str:
    folded = word.casefold()
    return _strip_plural(folded) if folded.isascii() else folded


def _strip_plural(word: str) -> str:
    """Return an English word without its plural: the S-stemmer (Harman, 1991)."""
    if len(word) > 4 and word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("us", "ss")):
        return word[:-1]
    return word


@lru_cache(maxsize=1 << 18)
def _hash(term: str) -> int:
    return int.from_bytes(blake2b(term.encode(), digest_size=8).digest(), "little")
