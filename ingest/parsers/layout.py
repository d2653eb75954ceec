"""What printing does to text, undone: running headers and footers, words cut at the line's end."""

import re
from collections import Counter
from collections.abc import Sequence

_LEAST_PAGES = 4
_LEAST_SHARE = 0.6
_DIGITS = re.compile(r"\d+")
_CUT_WORD = re.compile(r"(\w*[^\W\d_])-\n([^\W\d_]\w*)")
_HYPHENATED = re.compile(r"\b[^\W\d_]+-[^\W\d_]+\b")


def drop_running_lines(pages: Sequence[Sequence[str]]) -> tuple[list[list[str]], int]:
    """Return the pages without the repeats of their running lines, and how many those were.

    A running line is the first or last of most pages, page numbers aside. Its first occurrence
    stays, so that no words are lost, and a page of nothing else stays as it is.
    """
    kept = [list(page) for page in pages]
    dropped = 0
    if len(kept) < _LEAST_PAGES:
        return kept, 0
    for edge in (0, -1):
        shapes = [_DIGITS.sub("#", page[edge]).strip() for page in kept if page]
        counts = Counter(shape for shape in shapes if shape)
        running = {s for s, count in counts.items() if count >= _LEAST_SHARE * len(kept)}
        seen: set[str] = set()
        for page in kept:
            shape = _DIGITS.sub("#", page[edge]).strip() if page else ""
            if shape in running and shape in seen and len(page) > 1:
                del page[edge]
                dropped += 1
            seen.add(shape)
    return kept, dropped


def join_hyphenated(pages: Sequence[str]) -> list[str]:
    """Return the pages with words joined that the end of a line cut.

    The hyphen stays where the text has the word with its hyphen elsewhere, before a capital, and
    is dropped otherwise.
    """
    compounds = {word.casefold() for page in pages for word in _HYPHENATED.findall(page)}

    def join(match: re.Match[str]) -> str:
        before, after = match[1], match[2]
        keep = f"{before}-{after}".casefold() in compounds or not after[0].islower()
        return f"{before}-{after}" if keep else f"{before}{after}"

    return [_CUT_WORD.sub(join, page) for page in pages]
