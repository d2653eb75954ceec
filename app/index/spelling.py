"""Words that are a slip away from one that was typed: a letter wrong, missing, added or swapped.

The index holds no words, only their hashes, so all that are one letter away are made and looked up:
some five hundred for a word of nine letters, by arithmetic on the hash of the word.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import regex

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
_MULTIPLES: dict[str, Hashes] = {
    name: np.array([ord(letter) for letter in letters], dtype=np.uint64)
    * POWERS[: _MAX_LETTERS + 1, None]
    for name, letters in _ALPHABETS.items()
}
"""The letters of each alphabet, a row for each place from the end of a word."""
_INVERSE = np.uint64(pow(BASE, -1, 1 << 64))


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The words that are one slip away from a word, which is of letters of one script."""

    word: str
    script: str

    def __len__(self) -> int:
        size, letters = len(self.word), len(_ALPHABETS[self.script])
        return (2 * size + 1) * letters + 2 * size - 1

    def hash_all(self) -> Hashes:
        """Return their hashes."""
        return mix(np.concatenate(list(_edit(self.word, _MULTIPLES[self.script]))))

    def spell(self, number: int) -> str:
        """Return the word of one of the hashes."""
        word, letters, size = self.word, _ALPHABETS[self.script], len(self.word)
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


def list_neighbours(word: str) -> Neighbours | None:
    """Return the neighbours of a folded word; None where a letter's slip cannot be told.

    So it is in short words, in words with digits, and in scripts whose signs are not letters.
    """
    if not MIN_LETTERS - 1 <= len(word) <= _MAX_LETTERS:
        return None
    script = next((name for name, letters in _SCRIPTS.items() if letters.fullmatch(word)), None)
    return None if script is None else Neighbours(word, script)


def _edit(word: str, multiples: Hashes) -> Iterator[Hashes]:
    """Yield the polynomials of the words with a letter more, another one, one less, two swapped."""
    size = len(word)
    codes = np.array([ord(letter) for letter in word], dtype=np.uint64)
    powers = POWERS[:size][::-1]
    values = codes * powers
    # tails[i] is the value of the letters from i on, heads[i] that of those before them.
    tails = np.zeros(size + 1, dtype=np.uint64)
    np.cumsum(values[::-1], out=tails[:-1][::-1])
    heads = tails[0] - tails
    # What stands before a letter that comes or goes is worth a power more or less.
    yield ((heads * POWERS[1] + tails)[:, None] + multiples[: size + 1][::-1]).ravel()
    yield ((tails[0] - values)[:, None] + multiples[:size][::-1]).ravel()
    yield heads[:-1] * _INVERSE + tails[1:]
    swapped = codes[1:] * powers[:-1] + codes[:-1] * powers[1:]
    yield tails[0] - values[:-1] - values[1:] + swapped
