"""Words that are a slip away from one that was typed: a letter wrong, missing, added or swapped.

Some five hundred for a word of nine letters. The index holds no words, only hashes of stems, so all
of them are made, stemmed and looked up.
"""

import regex

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


def list_neighbours(word: str) -> list[str]:
    """Return the words of at least MIN_LETTERS that are one slip away from a folded word.

    None where a letter's slip cannot be told: in short words, in words with digits, and in scripts
    whose signs are not letters.
    """
    if not MIN_LETTERS - 1 <= len(word) <= _MAX_LETTERS:
        return []
    letters = next((_ALPHABETS[name] for name, one in _SCRIPTS.items() if one.fullmatch(word)), "")
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    near = [head + letter + tail for head, tail in cuts for letter in letters]
    if len(word) >= MIN_LETTERS:
        near += [head + letter + tail[1:] for head, tail in cuts[:-1] for letter in letters]
        near += [head + tail[1] + tail[0] + tail[2:] for head, tail in cuts[:-2]]
    if len(word) > MIN_LETTERS:
        near += [head + tail[1:] for head, tail in cuts[:-1]]
    return list(dict.fromkeys(near)) if letters else []
