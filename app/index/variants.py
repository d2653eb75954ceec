"""Forms of a word that no stemmer joins: prefixes of Hebrew and Arabic, forms of English verbs."""

from collections.abc import Iterator

import regex

from app.index.byte_cache import keep

_HEBREW = regex.compile(r"\p{Hebrew}")
_ARABIC = regex.compile(r"\p{Arabic}")
_HEBREW_PREFIXES = (
    "ה",
    "ו",
    "ב",
    "ל",
    "מ",
    "ש",
    "כ",
    "וה",
    "בה",
    "מה",
    "שה",
    "לה",
    "כש",
    "ול",
    "וב",
)
_ARABIC_PREFIXES = ("ال", "و", "وال", "ب", "بال", "ل", "لل", "ف", "فال", "ك", "كال")
_MIN_LETTERS = 3


@keep(4 << 20)
def vary(word: str) -> tuple[str, ...]:
    """Return other forms of a word of a question that stand for the same."""
    if word.isascii():
        return ()
    if _HEBREW.search(word):
        return tuple(_vary_prefix(word, _HEBREW_PREFIXES))
    if _ARABIC.search(word):
        return tuple(_vary_prefix(word, _ARABIC_PREFIXES))
    return ()


def _vary_prefix(word: str, prefixes: tuple[str, ...]) -> Iterator[str]:
    bare = {
        word[len(p) :]
        for p in prefixes
        if word.startswith(p) and len(word) - len(p) >= _MIN_LETTERS
    }
    # In an order that is the same in every process.
    for stem in (*sorted(bare), word):
        if stem != word:
            yield stem
        yield from (prefix + stem for prefix in prefixes if prefix + stem != word)
