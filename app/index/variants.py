"""Forms of a word that no stemmer joins.

Prefixes of Hebrew and Arabic, nasals of Devanagari, plurals of English.
"""

from collections.abc import Iterator

import regex

_HEBREW = regex.compile(r"\p{Hebrew}")
_ARABIC = regex.compile(r"\p{Arabic}")
# Before a consonant its own nasal may be written as a dot, and the other dot as this one.
_DOT, _NASALIZED = "\u0902", "\u0901"
_ROWS = {"ङ": "क-ङ", "ञ": "च-ञ", "ण": "ट-ण", "न": "त-न", "म": "प-म"}
_NASALS = {
    nasal + "\u094d": regex.compile(rf"(?:{nasal}\u094d|{_DOT})(?=[{row}])")
    for nasal, row in _ROWS.items()
}
_IS_NASAL = regex.compile("[\u0901\u0902]|[ङञणनम]\u094d")
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
_SIBILANTS = ("ss", "us", "x", "z", "ch", "sh")
_IRREGULAR = {
    "analysis": "analyses",
    "appendix": "appendices",
    "axis": "axes",
    "basis": "bases",
    "child": "children",
    "crisis": "crises",
    "criterion": "criteria",
    "foot": "feet",
    "goose": "geese",
    "half": "halves",
    "hypothesis": "hypotheses",
    "index": "indices",
    "knife": "knives",
    "leaf": "leaves",
    "life": "lives",
    "man": "men",
    "matrix": "matrices",
    "mouse": "mice",
    "phenomenon": "phenomena",
    "shelf": "shelves",
    "thesis": "theses",
    "tooth": "teeth",
    "vertex": "vertices",
    "wife": "wives",
    "wolf": "wolves",
    "woman": "women",
}
_NUMBERS = {**_IRREGULAR, **{plural: one for one, plural in _IRREGULAR.items()}}
"""The plural of a singular, and the other way round."""


def vary(word: str) -> tuple[str, ...]:
    """Return other forms of a word of a question that stand for the same."""
    if word.isascii():
        return ()
    if _HEBREW.search(word):
        return tuple(_vary_prefix(word, _HEBREW_PREFIXES))
    if _ARABIC.search(word):
        return tuple(_vary_prefix(word, _ARABIC_PREFIXES))
    if _IS_NASAL.search(word):
        return tuple(form for form in dict.fromkeys(_spell_nasals(word)) if form != word)
    return ()


def list_numbers(word: str) -> Iterator[str]:
    """Yield an English word in its other number, where it is not an s alone that makes it."""
    small = word.lower()
    if small in _NUMBERS:
        yield _NUMBERS[small]
    if small.endswith(_SIBILANTS) and len(small) >= _MIN_LETTERS:
        yield small + "es"
    bare = small.removesuffix("es")
    if bare != small and bare.endswith(_SIBILANTS) and len(bare) >= _MIN_LETTERS:
        yield bare


def _spell_nasals(word: str) -> Iterator[str]:
    """Yield a word of Devanagari with each way to write its nasals: संबंध, सम्बन्ध."""
    dotted = spelled = word.replace(_NASALIZED, _DOT)
    for nasal, written in _NASALS.items():
        dotted, spelled = written.sub(_DOT, dotted), written.sub(nasal, spelled)
    yield from (dotted, spelled, dotted.replace(_DOT, _NASALIZED))


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
