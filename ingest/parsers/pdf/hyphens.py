"""Words that the end of a line cut, put together again."""

import re
from collections.abc import Iterable

_HYPHENS = frozenset("-\u00ad\u2010\ufffe")
_CUT = re.compile(r"(\w*[^\W\d_])[-\u00ad\u2010\ufffe]$")
_MAX_WORD = 60
_FOLLOWING = re.compile(r"[^\W\d_]\w*")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_MIN_LETTERS = 4


class Hyphens:
    """Tells a hyphen that a line's end made from one that belongs to the word, by all the words
    of a document."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._words: set[str] = set()
        cut = False
        for line in lines:
            words = [word.casefold() for word in _WORD.findall(line)]
            # The pieces of a word that is cut are not words.
            first = int(cut)
            cut = line[-1:] in _HYPHENS and bool(_CUT.search(line[-_MAX_WORD:]))
            self._words.update(words[first : len(words) - cut])

    def join(self, text: str, following: str) -> str | None:
        """Return both lines as one when the first ends within a word, else None.

        The hyphen stays where the document has the word with it elsewhere, before a capital, and
        where it has both halves as words but not the whole.
        """
        if text[-1:] not in _HYPHENS:
            return None
        cut, after = _CUT.search(text[-_MAX_WORD:]), _FOLLOWING.match(following)
        if cut is None or after is None:
            return None
        kept = "-" if self._is_compound(cut[1], after[0]) else ""
        return text[:-1] + kept + following

    def _is_compound(self, before: str, after: str) -> bool:
        if not after[0].islower():
            return True
        first, second = before.casefold(), after.casefold()
        if f"{first}-{second}" in self._words:
            return True
        return (
            first + second not in self._words
            and min(len(first), len(second)) >= _MIN_LETTERS
            and first in self._words
            and second in self._words
        )
