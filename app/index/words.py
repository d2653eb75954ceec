"""The words of a clean text, and what each is compared by.

A word with an inner structure (`PutObject`, `ERR_CONN_RESET`, `Wi-Fi`, `setup.cfg`) is compared
whole, without its separators, so that its spellings meet, and by each of its parts. A symbol that
makes a name stays with it: C#, C++, .NET, R&D, 24/7, @handle, §5. Numbers are compared as numbers.
Runs of scripts that put no space between words become pairs of characters.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import regex

from app.index.byte_cache import keep
from app.index.folding import fold
from app.index.numerals import number_terms


class Part(NamedTuple):
    """What a word, or a part of it, is compared by."""

    text: str
    is_stemmed: bool
    """Whether it is a word of a language; else it is compared as it stands."""


_QUESTION_TEXT = (
    "a about all also am an and any are as at be been being but by can could did do does for "
    "from had has have he her his how i if in into is it its just may me might more most must "
    "my no not of on only or other our own same shall she should so some such than that the "
    "their them then there these they this to too us very was we were what when where which "
    "who whom whose why will with would you your"
)
QUESTION_WORDS = frozenset(_QUESTION_TEXT.split())
"""Words that questions are put in. They stay in the index."""

_SYLLABIC = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Hangul}"
_UNSPACED = rf"{_SYLLABIC}\p{{Thai}}\p{{Lao}}\p{{Khmer}}\p{{Myanmar}}"
_FIRST_UNSPACED = "\u0e00"
"""No character of these scripts stands before it."""
_LETTER = rf"[\p{{L}}\p{{M}}\p{{N}}_]--[{_UNSPACED}]"
SPACED_LETTER = f"[{_LETTER}]"
"""A pattern, of VERSION1, for what words of scripts that put spaces between them are made of."""
_EMOJI = r"\p{Extended_Pictographic}\p{Regional_Indicator}"
_MARK = r"\p{M}"
# What joins two pieces to one word. Numbers and capitals are also joined over spaces, which
# split_word looks at more closely: 1 250, R & D. What is looked back at stands after the characters
# that are rare, so that it is seldom looked at.
_ASCII_JOINT = (
    r"[-.'/&] | ,(?<=[0-9],)(?=[0-9])"
    r"| \ (?: (?<=[0-9]\ )(?=[0-9]{3}(?!\w)) | &\ (?<=[A-Z]\ &\ )(?=[A-Z](?!\w)) )"
)
_SUFFIX = r"(?:(?:\+\+|\#)(?![A-Za-z])|\+(?!\w))?"


def _lead(mark: str = "") -> str:
    """Return the pattern of what may stand before a word; `mark`: the marks that \\w lacks."""
    before = rf"\w{mark}"
    return rf"(?: \.(?<![{before}.]\.)(?=[^\W\d_]) | @(?<![{before}@]@) | \#(?<![{before}\#&]\#) )?"


def _token(unspaced: str, letter: str, emoji: str, mark: str) -> str:
    joint = rf"""{_ASCII_JOINT} | ’ | ["״](?=[\u0590-\u05ff])"""
    return rf"""
    [{unspaced}]+
    | {_lead(mark)} [{letter}]+ (?:(?:{joint}) [{letter}]+)* {_SUFFIX}
    | [{emoji}]
    | (?<!§)§++\ ?[0-9]+[a-z]?(?!\w)
    """


_TOKEN = regex.compile(_token(_UNSPACED, _LETTER, _EMOJI, _MARK), regex.VERSION1 | regex.VERBOSE)
# The same where all is ASCII, as most texts of manuals are, in a fifth of the time.
_ASCII_TOKEN = re.compile(
    rf"{_lead()} [A-Za-z0-9_]+ (?:(?:{_ASCII_JOINT}) [A-Za-z0-9_]+)* {_SUFFIX}", re.VERBOSE
)
# Where no word goes on, in a text that was not cleaned yet either.
_BREAK = re.compile(r"(?<=[^\s\u00ad])\n|(?<=[^\W\d_]|[.,;:!?|)]) (?=[\w|(])|。")
_PIECE_CHARACTERS = 1 << 16
_ASTRAL = re.compile(r"[^\u0000-\uffff]")
_IS_UNSPACED = regex.compile(f"[{_UNSPACED}]", regex.VERSION1)
_IS_SYLLABIC = regex.compile(rf"[{_SYLLABIC}]", regex.VERSION1)
_SEPARATOR = re.compile(r"[-_.'’\"״]+")
_JOINT = re.compile(r"[/&]")
_SPACED = re.compile(r"[0-9]{1,3}(?: [0-9]{3})+(?:[.,][0-9]+)?|[A-Z] & [A-Z]")
_POSSESSIVE = re.compile(r"['’]s$", re.IGNORECASE)
_CAMEL = regex.compile(
    r"\p{Lu}+(?!\p{Ll})|\p{Lu}?[\p{Ll}\p{M}]+|\p{N}+|[^\p{Lu}\p{Ll}\p{M}\p{N}]+|\p{M}+"
)
_PLURAL_CAPITALS = re.compile(r"[A-Z]{2,}s")
_UNCASED = re.compile(r"[0-9]+|[^0-9]+")
# Tried once at each run of digits: from each digit, a question of them alone takes half a minute.
_DOTTED_NUMBER = re.compile(r"(?<![0-9])(?<![0-9]\.)[0-9]++(?:\.[0-9]++)++$")
_LEADS = ".@#"
_SHORT = 4
"""Longest piece of a name like A/B or TCP/IP."""


def find_words(text: str) -> list[str]:
    """Return the words of a clean text in its order."""
    if text.isascii():
        return _ASCII_TOKEN.findall(text)
    return (_TOKEN if _ASTRAL.search(text) else _plane_token()).findall(text)


def cut_between_words(text: str) -> Iterator[str]:
    """Yield a long text in pieces: all its words at once keep the interpreter, and much memory."""
    begin = 0
    while begin < len(text):
        found = _BREAK.search(text, begin + _PIECE_CHARACTERS)
        end = found.end() if found else len(text)
        yield text[begin:end]
        begin = end


@cache
def _plane_token() -> re.Pattern[str]:
    """Return _TOKEN for texts without characters past U+FFFF: the same in a third of the time."""
    plane = "".join(map(chr, range(0x10000)))

    def list_characters(of_class: str) -> str:
        runs = regex.finditer(rf"[{of_class}]+", plane, regex.VERSION1)
        return "".join(rf"\u{run.start():04x}-\u{run.end() - 1:04x}" for run in runs)

    classes = map(list_characters, (_UNSPACED, _LETTER, _EMOJI, _MARK))
    return re.compile(_token(*classes), re.VERBOSE)


def split_word(word: str) -> tuple[Part, ...]:
    """Return what a word is compared by: parts first, the whole last."""
    if is_unspaced(word):
        return tuple(Part(gram, False) for gram in list_grams(word))
    if is_simple(word):
        return (Part(word, True),)
    if word[0] in "§":
        return (Part("§" + word.lstrip("§ "), False), Part(word.lstrip("§ "), False))
    if word[-1] in "+#":
        return tuple(_suffixed(word))
    if word[0] in _LEADS:
        rest = word[1:]
        return (*split_word(rest), Part(word[0] + fold(rest), False))
    if not word[0].isalnum() and len(word) == 1 and word != "_":
        return (Part(word, False),)
    if " " in word and not _SPACED.fullmatch(word):
        return tuple(part for piece in word.split() for part in split_word(piece) if piece != "&")
    if (numbers := number_terms(word)) is not None:
        return tuple(Part(number, False) for number in numbers)
    if len(pieces := _JOINT.split(word := word.replace(" ", ""))) > 1:
        return tuple(_joined(pieces, word))
    if "," in word:
        return tuple(part for piece in word.split(",") for part in split_word(piece))
    return tuple(_structured(word))


@keep(1 << 20)
def asked_parts(word: str) -> tuple[Part, ...]:
    """Return what a word of a question is compared by: of a run of characters only the pairs."""
    parts = split_word(word)
    return tuple(p for p in parts if len(p.text) > 1) or parts if is_unspaced(word) else parts


def is_simple(word: str) -> bool:
    """Return whether a word, of a script that puts spaces between words, has no parts."""
    return word.isalpha() and ((word[1:] or word).islower() or word.lower() == word.upper())


def is_plural_of_capitals(word: str) -> bool:
    """Return whether it is capitals in the plural, as AMIs: compared as it stands."""
    return word.endswith("s") and _PLURAL_CAPITALS.fullmatch(word) is not None


def is_unspaced(word: str) -> bool:
    """Return whether a word is of a script that puts no space between words."""
    return word >= _FIRST_UNSPACED and _IS_UNSPACED.match(word) is not None


def list_grams(run: str) -> Iterator[str]:
    """Yield what a run of such a script is compared by: its pairs, and the characters of some."""
    if _IS_SYLLABIC.match(run) or len(run) == 1:
        yield from run
    yield from (one + other for one, other in pairwise(run))


def _suffixed(word: str) -> Iterator[Part]:
    """Yield the parts of C#, C++, Disney+: of one letter only the whole, which is another name."""
    base = word.rstrip("+#")
    if word[-1] == "#" and len(base) > 2:
        yield from split_word(base)
        return
    if len(base) > 1:
        yield from split_word(base)
    yield Part(fold(word), False)


def _joined(pieces: list[str], word: str) -> Iterator[Part]:
    """Yield the parts of A/B, R&D or 24/7; longer pieces are words of their own."""
    for piece in pieces:
        yield from split_word(piece)
    if all(len(piece) <= _SHORT for piece in pieces):
        yield Part(fold(word), False)


def _structured(word: str) -> Iterator[Part]:
    segments = [part for part in _SEPARATOR.split(_POSSESSIVE.sub("", word)) if part]
    parts = [part for segment in segments for part in _split_camel(segment)]
    for part in parts:
        is_word = part.isalpha() or not part.isascii()
        yield Part(part, is_word and not is_plural_of_capitals(part))
    if len(parts) == 1:
        if word.isupper() and word.lower() in QUESTION_WORDS and word != "I":
            # US and WHO are names. In capitals it is not a folded word, so nothing else is it.
            yield Part(word, False)
        return
    whole = "".join(segments)
    if all(len(segment) == 1 for segment in segments) and whole.lower() in QUESTION_WORDS:
        yield Part(whole.upper(), False)
    if found := _DOTTED_NUMBER.search(word):
        # 2.1.13 is not 2.11.3.
        number = found[0]
        yield Part(number, False)
        if number != word:
            yield Part(fold("".join(_SEPARATOR.split(word[: found.start()]))) + number, False)
    else:
        yield Part(whole, whole.isalpha())


def _split_camel(segment: str) -> list[str]:
    # One word, or capitals in the plural: AMIs.
    if segment.isalpha() and (segment[1:].islower() or is_plural_of_capitals(segment)):
        return [segment]
    # Only where there are capitals and small letters: elsewhere a mark is part of its letter.
    has_case = segment.lower() != segment.upper()
    return _CAMEL.findall(segment) if has_case else _UNCASED.findall(segment)
