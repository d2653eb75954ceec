"""The words of one paragraph, put together from runs of different looks."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from ingest.parsers.blocks import Block
from ingest.parsers.docx.styles import RunLook
from ingest.parsers.inline import lower_words, raise_words, write_link

_PLAIN = RunLook()


@dataclass(frozen=True, slots=True)
class _Piece:
    words: str
    shift: str = ""
    is_struck: bool = False
    is_code: bool = False

    @property
    def look(self) -> tuple[str, bool, bool]:
        return self.shift, self.is_struck, self.is_code


@dataclass(slots=True)
class Line:
    """A paragraph as it grows, and what hangs on it: boxes, notes and comments follow its words."""

    pieces: list[_Piece] = field(default_factory=list)
    boxes: list[Block] = field(default_factory=list)
    notes: list[Block] = field(default_factory=list)

    def add(self, words: str, look: RunLook = _PLAIN) -> None:
        """Add words of a look; raised words of several runs are one raised word."""
        if words:
            self.pieces.append(_Piece(words, look.shift, look.is_struck, look.is_code))

    def close_link(self, start: int, target: str) -> None:
        """Make the pieces from `start` on one link."""
        words = write_link(_join(self.pieces[start:]), target)
        self.pieces[start:] = [_Piece(words)] if words else []

    def write(self) -> str:
        """Return the words as one line of Markdown."""
        return _join(self.pieces)

    def write_plain(self) -> str:
        """Return the words alone, as code has them."""
        return "".join(piece.words for piece in self.pieces)


def _join(pieces: list[_Piece]) -> str:
    line = ""
    merged = [*_merge(pieces), ("", _Piece("").look)]
    for (words, (shift, is_struck, is_code)), (after, _) in pairwise(merged):
        if words.strip():
            if shift == "superscript":
                words = raise_words(line, words, after)
            elif shift == "subscript":
                words = lower_words(line, words, after)
            if is_code and "`" not in words:
                words = _wrap(words, "`")
            if is_struck:
                words = _wrap(words, "~~")
        line += words
    return line


def _merge(pieces: list[_Piece]) -> Iterator[tuple[str, tuple[str, bool, bool]]]:
    for look, group in groupby(pieces, key=lambda piece: piece.look):
        yield "".join(piece.words for piece in group), look


def _wrap(words: str, mark: str) -> str:
    """Return words between marks, which no space may stand inside of."""
    inner = words.strip()
    before, after = words[: words.index(inner[0])], words[len(words.rstrip()) :]
    return f"{before}{mark}{inner}{mark}{after}"
