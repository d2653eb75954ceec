"""Spellings that mean the same: compatibility forms, invisible characters, case, accents, digits.

`clean` is for whole texts and keeps what a stemmer needs; `fold` is for a word of a clean text.
"""

import re
import unicodedata

import regex

# Soft hyphens, zero-width spaces and joiners, direction marks, variation selectors: no part of a
# word. A soft hyphen at the end of a line goes with the line.
_IGNORABLE = regex.compile(r"\u00ad[ \t]*\r?\n[ \t]*|\p{Default_Ignorable_Code_Point}+")
_HYPHENS = "\u2010\u2011\u2212\ufe63\uff0d"
_DIGIT = re.compile(r"[^\D0-9]")
_ARABIC_NUMBER_MARKS = regex.compile(r"(?<=[0-9])[\u066b\u066c](?=[0-9])")
# Points of Hebrew, signs of Arabic, tatweel; accents of Latin, Greek and Cyrillic. Elsewhere a mark
# can be a vowel.
_MARKS = regex.compile(
    "[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640"
    "\u064b-\u065f\u0670\u06d6-\u06ed\u08d3-\u08ff\u093c\u09bc\u0a3c\u0abc]"
)
_LETTERS = str.maketrans(
    {
        **dict.fromkeys("łƚɫ", "l"),
        **dict.fromkeys("øɵ", "o"),
        **dict.fromkeys("đðɖɗ", "d"),
        **dict.fromkeys("ıɨ", "i"),
        "ħ": "h",
        "ŧ": "t",
        "ŋ": "n",
        "ɓ": "b",
        "ƙ": "k",
        "ɠ": "g",
        "ƴ": "y",
        "ə": "e",
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
        "ß": "ss",
        "ŀ": "l",
        "ς": "σ",
        # Forms of one Arabic letter, with those that Persian and Urdu write.
        **dict.fromkeys("أإآٱ", "ا"),
        **dict.fromkeys("ىیېے", "ي"),
        **dict.fromkeys("ةۀەہھۃ", "ه"),
        "ؤ": "و",
        "ئ": "ي",
        "ک": "ك",
        # Chillus of Malayalam, which older texts write as a consonant, a virama and a joiner.
        **{chr(0x0D7A + n): f"{letter}\u0d4d" for n, letter in enumerate("ണനരലളക")},
        # Hebrew writes a mark of its own where others write an apostrophe.
        "׳": "'",
        "״": '"',
    }
)
_SPELLED_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})


def clean(text: str) -> str:
    """Return a text in compatibility form (NFKC), without invisible characters, digits as 0 to 9.

    Its length may differ from that of `text`.
    """
    if text.isascii():
        return text
    kept = unicodedata.normalize("NFKC", _IGNORABLE.sub("", text))
    for hyphen in _HYPHENS:
        kept = kept.replace(hyphen, "-")
    if _DIGIT.search(kept):
        kept = _DIGIT.sub(lambda found: str(unicodedata.digit(found[0])), kept)
        kept = _ARABIC_NUMBER_MARKS.sub(_as_ascii_mark, kept)
    return kept


def fold(word: str) -> str:
    """Return a word of a clean text without case and accents, letters with variants as one."""
    if word.isascii():
        return word.lower()
    return unicodedata.normalize("NFC", word.translate(_FOLDED))


def fold_text(text: str) -> str:
    """Return a whole text cleaned and folded."""
    return fold(clean(text))


def spell_out(text: str) -> str:
    """Return a clean text in small letters, its umlauts written as two, as in mueller."""
    return text.lower().translate(_SPELLED_OUT)


class _Folded(dict[int, str]):
    """What each character folds to, made when it is first met."""

    def __missing__(self, code: int) -> str:
        # In Cyrillic й is a letter of its own; ё is written е as often as not.
        letter = chr(code).casefold()
        bare = letter if letter == "й" else _MARKS.sub("", unicodedata.normalize("NFD", letter))
        self[code] = folded = bare.translate(_LETTERS)
        return folded


_FOLDED = _Folded()


def _as_ascii_mark(found: regex.Match[str]) -> str:
    return "." if found[0] == "\u066b" else ","
