"""What the forms of a word have in common, by the language of the article they stand in.

Snowball (https://snowballstem.org) knows the rules. English articles, and those of no language that
is sure, lose only the plural of an English word: docs/decisions/0045 has what was measured.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from threading import local
from types import MappingProxyType

import regex
import Stemmer

from app.index.folding import fold, spell_out

PLAIN = ""
"""The rules for English, and for where the language is not sure."""

_LATIN, _CYRILLIC, _ARABIC = r"\p{Latin}", r"\p{Cyrillic}", r"\p{Arabic}"
# By ISO 639-1 code: the algorithm, and the script that it reads.
_ALGORITHMS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "ar": ("arabic", _ARABIC),
        "ca": ("catalan", _LATIN),
        "cs": ("czech", _LATIN),
        "da": ("danish", _LATIN),
        "de": ("german", _LATIN),
        "el": ("greek", r"\p{Greek}"),
        "es": ("spanish", _LATIN),
        "et": ("estonian", _LATIN),
        "eu": ("basque", _LATIN),
        "fa": ("persian", _ARABIC),
        "fi": ("finnish", _LATIN),
        "fr": ("french", _LATIN),
        "ga": ("irish", _LATIN),
        "hi": ("hindi", r"\p{Devanagari}"),
        "hu": ("hungarian", _LATIN),
        "hy": ("armenian", r"\p{Armenian}"),
        "id": ("indonesian", _LATIN),
        "it": ("italian", _LATIN),
        "lt": ("lithuanian", _LATIN),
        "nb": ("norwegian", _LATIN),
        "ms": ("indonesian", _LATIN),
        "ne": ("nepali", r"\p{Devanagari}"),
        "nl": ("dutch", _LATIN),
        "nn": ("norwegian", _LATIN),
        "no": ("norwegian", _LATIN),
        "pl": ("polish", _LATIN),
        "pt": ("portuguese", _LATIN),
        "ro": ("romanian", _LATIN),
        "ru": ("russian", _CYRILLIC),
        "sr": ("serbian", rf"{_CYRILLIC}{_LATIN}"),
        "sv": ("swedish", _LATIN),
        "ta": ("tamil", r"\p{Tamil}"),
        "tr": ("turkish", _LATIN),
    }
)
_LATIN_LANGUAGES = frozenset(code for code, (_, script) in _ALGORITHMS.items() if _LATIN in script)
LANGUAGES = tuple(_ALGORITHMS)
"""The languages that have rules of their own."""

# Umlauts are written as two letters where the language has them; elsewhere nobody does.
_WITH_UMLAUTS = frozenset({PLAIN, "de", "da", "et", "fi", "nb", "nn", "no", "sv"})


def rules_for(language: str | None) -> str:
    """Return the language whose rules are used for articles in `language`, or PLAIN."""
    return language if language is not None and language in _ALGORITHMS else PLAIN


def stem(word: str, language: str) -> tuple[str, ...]:
    """Return what a word of a clean text is compared by, folded: most often one string.

    A second one stands for the word as who has no such keyboard types it.
    """
    rule = language if _reads(language, word) else PLAIN
    if rule == PLAIN and word.isascii():
        return (_strip_plural(word.lower()),)
    return tuple(next(iter(_stem_lines(word, rule))))


def stem_all(words: Iterable[str], language: str) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield each of many words with what `stem` returns for it, in a small part of its time."""
    of_script, others = _part_by_script(words, language)
    yield from _stem_many(of_script, language)
    yield from _stem_many(others, PLAIN)


def stem_by_each(
    words: Sequence[str], languages: Iterable[str]
) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield words with what `stem` makes of them, by the rules of each language for its words.

    PLAIN ones are for all.
    """
    readable: dict[str, Sequence[str]] = {}
    for language in languages:
        script = "" if language == PLAIN else _ALGORITHMS[language][1]
        if script not in readable:
            readable[script] = _part_by_script(words, language)[0]
        yield from _stem_many(readable[script], language)


def _part_by_script(words: Iterable[str], language: str) -> tuple[list[str], list[str]]:
    words = list(words)
    if language == PLAIN:
        return words, []
    # Most often none of them is, or all are.
    if not _reads(language, "\n".join(words)):
        return [], words
    parts: tuple[list[str], list[str]] = ([], [])
    for word in words:
        parts[not _reads(language, word)].append(word)
    return parts


def _stem_many(words: Sequence[str], rule: str) -> Iterator[tuple[str, Iterable[str]]]:
    # Words of ASCII letters have one spelling.
    for some in ([w for w in words if w.isascii()], [w for w in words if not w.isascii()]):
        if some:
            yield from zip(some, _stem_lines("\n".join(some), rule), strict=True)


def _stem_lines(lines: str, rule: str) -> Iterable[Iterable[str]]:
    """Return what each of some words is compared by: one a line, all ASCII or none."""
    stemmed = [
        _stem_folded(spelled.split("\n"), rule) for spelled in dict.fromkeys(_spell(lines, rule))
    ]
    return zip(*stemmed, strict=True) if len(stemmed) == 1 else map(_distinct, *stemmed)


def _distinct(*forms: str) -> Iterable[str]:
    return dict.fromkeys(forms)


def _spell(lines: str, rule: str) -> Iterator[str]:
    yield _lower(lines, rule)
    if not lines.isascii():
        yield _lower(fold(lines), rule)
        if rule in _WITH_UMLAUTS:
            yield spell_out(lines)


def _stem_folded(words: list[str], rule: str) -> Iterable[str]:
    if rule == PLAIN:
        folded = fold("\n".join(words)).split("\n")
        return [_strip_plural(word) if word.endswith("s") else word for word in folded]
    return fold("\n".join(_stemmer(_ALGORITHMS[rule][0]).stemWords(words))).split("\n")


def distinct_rules(word: str, rules: Iterable[str]) -> list[str]:
    """Return those of some rules that can differ in what they make of words of this script."""
    return [rule for rule in rules if rule == PLAIN or _reads(rule, word)]


def stem_folded(words: Sequence[str], language: str) -> list[str]:
    """Return the stems of folded words of one script, folded: a shorter way than `stem`."""
    if not words or not _reads(language, words[0]):
        return [_strip_plural(word) for word in words]
    return [fold(form) for form in _stemmer(_ALGORITHMS[language][0]).stemWords(list(words))]


def _reads(language: str, word: str) -> bool:
    if word.isascii():
        return language in _LATIN_LANGUAGES
    return language != PLAIN and not _letters_of(_ALGORITHMS[language][1]).isdisjoint(word)


@cache
def _letters_of(script: str) -> frozenset[str]:
    return frozenset(regex.findall(f"[{script}]", "".join(map(chr, range(0x20000)))))


def _lower(word: str, language: str) -> str:
    if language == "tr":
        return word.replace("I", "ı").replace("İ", "i").lower()
    return word.lower()


def _strip_plural(word: str) -> str:
    """Return an English word without its plural: the S-stemmer (Harman, 1991)."""
    if not word.endswith("s") or not word.isascii():
        return word
    if len(word) > 4 and word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("us", "ss")):
        return word[:-1]
    return word


_per_thread = local()


def _stemmer(algorithm: str) -> "Stemmer.Stemmer":
    """Return a stemmer of this thread: one must not be used by two at a time."""
    made: dict[str, Stemmer.Stemmer] = _per_thread.__dict__.setdefault("made", {})
    if algorithm not in made:
        # Callers keep what they have asked.
        made[algorithm] = Stemmer.Stemmer(algorithm, 0)
    return made[algorithm]
