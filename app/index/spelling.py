"""Words that are a slip away from one that was typed: a letter wrong, missing, added or swapped.

The index holds no words, only their hashes, so all that are one letter away are made and looked up:
some five hundred for a word of nine letters, by arithmetic on the hash of the word.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import regex

from app.index.byte_cache import keep
from app.index.hashing import BASE, POWERS, Hashes, mix

MIN_LETTERS = 5
"""Shorter words have too many neighbours that mean something else."""
_MAX_LETTERS = 24

_ALPHABETS = {
    "Latin": "abcdefghijklmnopqrstuvwxyz",
    "Cyrillic": "абвгдежзийклмнопрстуфхцчшщъыьэюяіїєґ",
    "Greek": "αβγδεζηθικλμνξοπρστυφχψω",
    "Hebrew": "אבגדהוזחטיכלמנסעפצקרשתםןףךץ",
    "Arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهويءپچژگ",
    "Armenian": "աբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆ",
    "Georgian": "აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ",
    "Devanagari": "अआइईउऊएऐओऔकखगघचछजझटठडढणतथदधनपफबभमयरलवशषसहािीुूेैोौ्ंँः",
}
_SCRIPTS = {name: regex.compile(rf"[\p{{{name}}}]+") for name in _ALPHABETS}
_CODES = {
    name: np.array([ord(letter) for letter in letters], dtype=np.uint64)
    for name, letters in _ALPHABETS.items()
}


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The words that are one slip away from a word, by their hashes."""

    word: str
    alphabet: str
    hashes: Hashes

    def spell(self, number: int) -> str:
        """Return the word of one of the hashes."""
        word, letters, size = self.word, self.alphabet, len(self.word)
        if number < (size + 1) * len(letters):
            place, letter = divmod(number, len(letters))
            return word[:place] + letters[letter] + word[place:]
        number -= (size + 1) * len(letters)
        if number < size * len(letters):
            place, letter = divmod(number, len(letters))
            return word[:place] + letters[letter] + word[place + 1 :]
        number -= size * len(letters)
        if number < size:
            return word[:number] + word[number + 1 :]
        number -= size
        return word[:number] + word[number + 1] + word[number] + word[number + 2 :]


@keep(8 << 20)
def list_neighbours(word: str) -> Neighbours | None:
    """Return the neighbours of a folded word; None where a letter's slip cannot be told.

    So it is in short words, in words with digits, and in scripts whose signs are not letters.
    """
    script = next((name for name, letters in _SCRIPTS.items() if letters.fullmatch(word)), None)
    if script is None or not MIN_LETTERS - 1 <= len(word) <= _MAX_LETTERS:
        return None
    values = np.concatenate(list(_edit(word, _CODES[script])))
    return Neighbours(word, _ALPHABETS[script], mix(values))


def _edit(word: str, letters: Hashes) -> Iterator[Hashes]:
    """Yield the polynomials of the words with a letter more, another one, one less, two swapped."""
    size = len(word)
    codes = np.array([ord(letter) for letter in word], dtype=np.uint64)
    # heads[i] is the value of the first i letters, tails[i] that of those from i on.
    powers = POWERS[size - 1 :: -1] if size else POWERS[:0]
    tails = np.append(np.cumsum((codes * powers)[::-1])[::-1], np.uint64(0)).astype(np.uint64)
    values = accumulate(
        map(ord, word), lambda value, code: (value * BASE + code) % 2**64, initial=0
    )
    heads = np.array(list(values), dtype=np.uint64)
    after = POWERS[size::-1]
    more = heads * POWERS[size + 1 : 0 : -1] + tails
    yield (more[:, None] + after[:, None] * letters).ravel()
    other = heads[:-1] * after[:-1] + tails[1:]
    yield (other[:, None] + after[1:, None] * letters).ravel()
    yield heads[:-1] * after[1:] + tails[1:]
    if size > 1:
        swapped = codes[1:] * after[1:-1] + codes[:-1] * after[2:]
        yield heads[:-2] * after[:-2] + swapped + tails[2:]
