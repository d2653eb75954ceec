"""The words of a question in short texts: which of them stand there, and how much that is of it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import chain
from math import fsum
from typing import NamedTuple

from app.index.analysis import list_forms
from app.index.byte_cache import keep
from app.index.folding import clean, fold, spell_out
from app.index.lookup import FoundWord
from app.index.postings import SURE
from app.index.stemming import PLAIN, rules_for, stem
from app.index.words import find_words

_SEPARATORS = b"-_.,'"
_RUN = re.compile(r"[^\W_]+")
_GROUP = 3
# What is not a word of ASCII letters, small but for the first.
_NOT_PLAIN = re.compile("^(?![A-Z]?[a-z]+$).+$", re.MULTILINE)


class _TextWords(NamedTuple):
    """The words of a text, each once, a line each: in few bytes, and in two strings to count."""

    plain: str
    """Those of ASCII letters, small but for the first: most."""
    others: str


class TermMatcher:
    """Finds the words of a question, by their places in it, in many short texts."""

    def __init__(self, words: Sequence[FoundWord]) -> None:
        """`words` are those that the index of a collection found."""
        total = sum(word.weight for word in words) or 1.0
        self._weights = [word.weight / total for word in words]
        sure = [
            (number, spelling.terms)
            for number, word in enumerate(words)
            for spelling in word.spellings
            if spelling.weight >= SURE
        ]
        self._numbers: dict[str, list[int]] = {}
        """The words that a term alone spells."""
        self._pairs = [(number, frozenset(terms)) for number, terms in sure if len(terms) > 1]
        for number, terms in sure:
            if len(terms) == 1:
                self._numbers.setdefault(terms[0], []).append(number)
        self._wanted = frozenset(chain.from_iterable(terms for _, terms in sure))
        self._plain: dict[str, Set[str]] = {
            word: frozenset((term,)) for term in self._wanted for word in _list_plain(term)
        }
        # What each spelling has in it wherever it stands.
        self._cores = list({(number, *_cores(terms)) for number, terms in sure})
        self._all = frozenset(number for number, _ in sure)
        # By the rules that they are stemmed by, the words of texts that were looked at, and what of
        # the question those hold that hold any: the same few words make up most of every text.
        self._seen: dict[str, tuple[set[str], dict[str, Set[str]]]] = {}

    def find(self, text: str, language: str | None = None) -> Set[int]:
        """Return the words that stand in a text of an article in `language`."""
        return self._spelled_by(self.list_spellings(text, language).values())

    def list_spellings(self, text: str, language: str | None = None) -> dict[str, Set[str]]:
        """Return the words of a text that spell a part of the question, and what each spells.

        They are as a clean text has them.
        """
        listed, rules = _list_words(text), rules_for(language)
        plain, words = set(listed.plain.split()), set(listed.others.split())
        spellings: dict[str, Set[str]] = {}
        if rules == PLAIN:
            # Most words, of which none has to be stemmed.
            spellings = {word: self._plain[word] for word in self._plain.keys() & plain}
        else:
            words |= plain
        seen, holding = self._seen.setdefault(rules, (set(), {}))
        for word, forms in list_forms(words - seen, rules):
            if terms := self._wanted.intersection(forms):
                holding[word] = terms
        seen |= words
        spellings.update({word: holding[word] for word in holding.keys() & words})
        return spellings

    def find_in_part(self, part: str, spellings: Mapping[str, Set[str]]) -> Set[int]:
        """Return the words that stand in a part of a text with these spellings."""
        cleaned = clean(part)
        if not any(word in cleaned for word in spellings):
            return frozenset()
        return self._spelled_by(
            map(spellings.__getitem__, spellings.keys() & set(find_words(cleaned)))
        )

    def _spelled_by(self, spelled: Iterable[Set[str]]) -> Set[int]:
        held = set(chain.from_iterable(spelled))
        found = set(chain.from_iterable(self._numbers.get(term, ()) for term in held))
        if self._pairs:
            found.update(number for number, terms in self._pairs if terms <= held)
        return found

    def find_superset(self, text: str, language: str | None = None) -> Set[int]:
        """Return a superset of what `find` returns, in a small part of its time.

        Where words are stemmed by the rules of a language that part is nothing, and so it says all.
        """
        if rules_for(language) != PLAIN:
            return self._all
        if not self._cores:
            return self._all
        joined = _join(text)
        return {
            number
            for number, first, others in self._cores
            if first in joined and all(core in joined for core in others)
        }

    def coverage(self, words: Set[int]) -> float:
        """Return the share of the question's weight that words of it have: 0 to 1."""
        # In whatever order they come, it is the same to the last digit.
        return fsum([self._weights[number] for number in words])


# The same few articles answer most of what is asked, and so the same passages are read again.
@keep(16 << 20)
def _list_words(text: str) -> _TextWords:
    words = set(find_words(clean(text)))
    others = _NOT_PLAIN.findall("\n".join(words))
    return _TextWords("\n".join(words.difference(others)), "\n".join(others))


@keep(8 << 20)
def _join(text: str) -> str:
    """Return a text in small letters without what may part a word."""
    cleaned = clean(text)
    folded = fold(cleaned)
    if not cleaned.isascii():
        folded += fold(spell_out(cleaned))
    # Of bytes many can be deleted at once.
    return folded.replace("’", "").encode().translate(None, _SEPARATORS).decode()


def _list_plain(term: str) -> Iterator[str]:
    """Yield the words of ASCII letters, small but for the first, that PLAIN rules make it of."""
    if term.isascii() and term.isalpha() and term.islower():
        for word in (term, term + "s", f"{term[:-1]}ies"):
            if stem(word, PLAIN) == (term,):
                yield from (word, word.capitalize())


def _cores(terms: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    first, *others = map(_core, terms)
    return first, tuple(others)


def _core(term: str) -> str:
    """Return what stands in every text that holds a term: not the ending that a plural changes."""
    runs: list[str] = _RUN.findall(term)
    if not runs:
        return term
    longest = max(runs, key=len).lower()
    return longest[-_GROUP:] if longest.isdigit() else longest.removesuffix("y")
