"""The text of a PDF's pages, and where its headings stand in it."""

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest

from app.domain import Heading, PageStart
from ingest.parsers.pdf.hyphens import Hyphens
from ingest.parsers.pdf.paragraphs import Block, is_item, write_paragraph

_CLOSE = 2.2
_ALIKE = 0.85
_LINK = re.compile(r"\[([^\]]*)\]\([^)\s]*\)")


def write_pages(blocks: Sequence[Sequence[Block]], notes: Sequence[Sequence[str]]) -> list[str]:
    """Return the text of each page, its notes last; the blocks learn where they start in it."""
    hyphens = Hyphens(line.text for page in blocks for block in page for line in block.lines)
    return [
        "\n\n".join(filter(None, [_write_page(page, hyphens), "\n".join(said)]))
        for page, said in zip(blocks, notes, strict=True)
    ]


def _write_page(blocks: Sequence[Block], hyphens: Hyphens) -> str:
    text = ""
    last: Block | None = None
    for block in blocks:
        if not block.table:
            if block.level:
                block.text = " ".join(line.text for line in block.lines)
            else:
                block.text = write_paragraph(block.lines, hyphens)
        block.text = block.text.replace("\ufffe", "-").strip()
        if text and block.text:
            text += "\n" if last is not None and _is_list(last, block) else "\n\n"
        last = block
        block.start = len(text)
        text += block.text
    return text


def _is_list(above: Block, block: Block) -> bool:
    """Say whether two blocks are items that follow each other closely."""
    return is_item(above) and is_item(block) and block.gap <= _CLOSE


def find_headings(
    outline: Iterable[tuple[int, int, str]],
    text: str,
    pages: Sequence[PageStart],
    blocks: Sequence[Sequence[Block]],
) -> list[Heading]:
    """Return the headings by their place: the outline's entries, and what the pages show.

    An entry of the outline that no line repeats begins with its page.
    """
    marked = _mark_places(outline, text, pages, blocks)
    return _drop_labels([marked[start] for start in sorted(marked)], text)


def _drop_labels(headings: Sequence[Heading], text: str) -> list[Heading]:
    """Return the headings without those that stand right over a far higher one.

    Such a line names the leaf or the series ("Front cover"): no text is under it.
    """
    kept = []
    for heading, following in zip_longest(headings, headings[1:]):
        if following is not None and following.level + 1 < heading.level:
            between = text[heading.start : following.start]
            if _key(between) == _key(heading.text):
                continue
        kept.append(heading)
    return kept


def _mark_places(
    outline: Iterable[tuple[int, int, str]],
    text: str,
    pages: Sequence[PageStart],
    blocks: Sequence[Sequence[Block]],
) -> dict[int, Heading]:
    marked = {
        pages[number].start + block.start: Heading(
            pages[number].start + block.start, block.level, _LINK.sub(r"\1", block.text)
        )
        for number, page in enumerate(blocks)
        for block in page
        if block.level and block.text
    }
    near_by_page: dict[int, list[Heading]] = {}
    for level, number, words in outline:
        start = pages[number].start
        end = pages[number + 1].start if number + 1 < len(pages) else len(text)
        if number not in near_by_page:
            near_by_page[number] = [h for at, h in marked.items() if start <= at < end]
        near = near_by_page[number]
        at = _find_entry(text, start, end, words, near)
        if at not in marked or _key(marked[at].text) != _key(words):
            marked[at] = Heading(at, level, words)
        else:
            marked[at] = Heading(at, level, marked[at].text)
    return marked


def _find_entry(text: str, start: int, end: int, words: str, near: Sequence[Heading]) -> int:
    """Return where a page repeats an entry of the outline, or begins."""
    wanted = _key(words)
    offset = start
    for line in text[start:end].splitlines(keepends=True):
        if _key(line) == wanted:
            return offset
        offset += len(line)
    for heading in near:
        shown = _key(heading.text)
        if shown.endswith(wanted) or _are_alike(shown, wanted):
            return heading.start
    return start


def _are_alike(shown: str, wanted: str) -> bool:
    matcher = SequenceMatcher(None, shown, wanted)
    # The first two are quick, and never less than the third.
    return (
        matcher.real_quick_ratio() >= _ALIKE
        and matcher.quick_ratio() >= _ALIKE
        and matcher.ratio() >= _ALIKE
    )


def _key(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))
