"""From the text of an article to the terms that a search by words compares.

What a word is, and what its spellings have in common: app/index/words.py, folding.py, stemming.py.
What was measured, and what lost: docs/decisions/0045-words-by-language.md.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TypeAlias

from app.index.byte_cache import keep
from app.index.folding import clean, fold
from app.index.hashing import hash_term, hash_terms
from app.index.stemming import LANGUAGES, PLAIN, rules_for, stem, stem_all
from app.index.words import (
    cut_between_words,
    find_words,
    is_simple,
    is_unspaced,
    list_grams,
    split_word,
)

ANALYSIS = 4
"""Number of these rules: terms that were stored under another number are made again."""
TITLE_WEIGHT = 3
"""How many times a word of the title counts beside one of the text."""

TermCounts: TypeAlias = Mapping[int, int]
"""How often each term, by its 64-bit hash, stands in a text."""


def list_terms(text: str, language: str | None = None) -> Iterator[tuple[int, ...]]:
    """Yield the terms of each word of `text`, in its order."""
    rules = rules_for(language)
    words = find_words(clean(text))
    forms = {word: tuple(made) for word, made in list_forms(set(words), rules)}
    yield from (tuple(map(hash_term, forms[word])) for word in words)


def count_terms(text: str, language: str | None = None) -> Counter[int]:
    """Return how often each term stands in `text`."""
    return _hash(_count_forms(text, rules_for(language)))


def count_article_terms(title: str, text: str, language: str | None) -> Counter[int]:
    """Return the terms of an article in `language`, those of its title counted TITLE_WEIGHT times.

    One of them says by which rules they were made: see language_term.
    """
    rules = rules_for(language)
    forms = _count_forms(text, rules)
    for form, count in _count_forms(title, rules).items():
        forms[form] += TITLE_WEIGHT * count
    counts = _hash(forms)
    if rules != PLAIN:
        counts[language_term(rules)] += 1
    return counts


def _hash(forms: Mapping[str, int]) -> Counter[int]:
    return Counter(dict(zip(hash_terms(forms), forms.values(), strict=True)))


def _count_forms(text: str, rules: str) -> defaultdict[str, int]:
    """Return how often what the words of a text are compared by stands in it."""
    forms: defaultdict[str, int] = defaultdict(int)
    counts: Counter[str] = Counter()
    for piece in cut_between_words(text):
        counts.update(find_words(clean(piece)))
    for word, made in list_forms(counts, rules):
        for form in made:
            forms[form] += counts[word]
    return forms


def list_forms(words: Iterable[str], rules: str) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield each word of a clean text, in any order, and what it is compared by.

    Those without an inner structure are stemmed all at once.
    """
    simple: list[str] = []
    for word in words:
        if word.isdigit() and word.isascii():
            yield word, (word,)
        elif is_unspaced(word):
            # Nothing in these scripts folds.
            yield word, tuple(list_grams(word))
        elif is_simple(word):
            simple.append(word)
        else:
            yield word, _structured_forms(word, rules)
    yield from stem_all(simple, rules)


@lru_cache(maxsize=len(LANGUAGES))
def language_term(rules: str) -> int:
    """Return the term of every article that was analysed by the rules of this language."""
    # No word of a text has a space in it.
    return hash_term(f"language {rules}")


@keep(4 << 20)
def _structured_forms(word: str, rules: str) -> tuple[str, ...]:
    return tuple(
        form
        for part in split_word(word)
        for form in (stem(part.text, rules) if part.is_stemmed else (fold_term(part.text),))
    )


def fold_term(text: str) -> str:
    """Return how a part that is not stemmed is compared; capitals that mark a name stay."""
    return text if text.isupper() and text.isalpha() and text.isascii() else fold(text)
