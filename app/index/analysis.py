"""From the text of an article to the terms that a search by words compares.

What a word is, and what its spellings have in common: app/index/words.py, folding.py, stemming.py.
What was measured, and what lost: docs/decisions/0045-words-by-language.md.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TypeAlias

from app.index.byte_cache import keep
from app.index.folding import clean, fold
from app.index.hashing import hash_term, hash_terms
from app.index.stemming import LANGUAGES, PLAIN, rules_for, stem, stem_all
from app.index.words import find_words, is_simple, is_unspaced, list_grams, split_word

ANALYSIS = 3
"""Number of these rules: terms that were stored under another number are made again."""
TITLE_WEIGHT = 3
"""How many times a word of the title counts beside one of the text."""

TermCounts: TypeAlias = Mapping[int, int]
"""How often each term, by its 64-bit hash, stands in a text."""


def list_terms(text: str, language: str | None = None) -> Iterator[tuple[int, ...]]:
    """Yield the terms of each word of `text`, in its order."""
    rules = rules_for(language)
    yield from (terms_of(word, rules) for word in find_words(clean(text)))


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
    simple: dict[str, int] = {}
    for word, count in Counter(find_words(clean(text))).items():
        if word.isdigit() and word.isascii():
            forms[word] += count
        elif is_unspaced(word):
            for gram in list_grams(word):
                forms[gram] += count
        elif is_simple(word):
            simple[word] = count
        else:
            for form in _structured_forms(word, rules):
                forms[form] += count
    for word, stems in stem_all(simple, rules):
        for form in stems:
            forms[form] += simple[word]
    return forms


@lru_cache(maxsize=len(LANGUAGES))
def language_term(rules: str) -> int:
    """Return the term of every article that was analysed by the rules of this language."""
    # No word of a text has a space in it.
    return hash_term(f"language {rules}")


def terms_of(word: str, rules: str) -> tuple[int, ...]:
    """Return the terms of a word of a clean text, by the rules of a language."""
    return tuple(map(hash_term, forms_of(word, rules)))


def forms_of(word: str, rules: str) -> tuple[str, ...]:
    """Return what terms_of hashes."""
    if is_unspaced(word):
        # Nothing in these scripts folds.
        return tuple(list_grams(word))
    return stem(word, rules) if is_simple(word) else _structured_forms(word, rules)


@keep(16 << 20)
def _structured_forms(word: str, rules: str) -> tuple[str, ...]:
    return tuple(
        form
        for part in split_word(word)
        for form in (stem(part.text, rules) if part.is_stemmed else (fold_term(part.text),))
    )


def fold_term(text: str) -> str:
    """Return how a part that is not stemmed is compared; capitals that mark a name stay."""
    return text if text.isupper() and text.isalpha() and text.isascii() else fold(text)
