"""Blocks of a document put together, with the headings that they are or hold."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.domain import Heading


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a table or a heading; `level` is 0 for what is not a heading.

    `headings` are those inside a block that another parser made, counted from its start.
    """

    text: str
    level: int = 0
    headings: tuple[Heading, ...] = ()
    is_item: bool = False
    """Whether it is an item of a list, which follows the one before it at once."""


def join_blocks(blocks: Iterable[Block]) -> tuple[str, tuple[Heading, ...]]:
    """Return the text of the blocks as Markdown, and the headings with their offsets in it."""
    parts: list[str] = []
    headings: list[Heading] = []
    length, follows_item = 0, False
    for block in blocks:
        text = " ".join(block.text.split()) if block.level else block.text
        if not text.strip():
            continue
        gap = ("\n" if block.is_item and follows_item else "\n\n") if parts else ""
        follows_item = block.is_item
        start = length + len(gap)
        if block.level:
            level = min(block.level, 6)
            headings.append(Heading(start, level, text))
            text = f"{'#' * level} {text}"
        headings += [Heading(start + h.start, h.level, h.text) for h in block.headings]
        parts += [gap, text]
        length = start + len(text)
    return "".join(parts), tuple(headings)
