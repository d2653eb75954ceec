"""Running heads and feet: lines that pages repeat at their edges."""

import re
from collections import Counter
from collections.abc import Sequence

from ingest.parsers.pdf.lines import Line
from ingest.parsers.pdf.pages import Page
from ingest.parsers.pdf.regions import Region, Row

_MIN_PAGES = 4
_MIN_PAGES_A_SIDE = 3
_MIN_SHARE = 0.6
# A head has several rows only where there is a page under it.
_EDGE_ROWS, _FULL_PAGE_ROWS = 4, 12
_LONGEST = 160
_DIGITS = re.compile(r"\d+")
_PAGE = (
    r"(?<![^\W\d_])(?:pages?|pg|[ps]\.|seite|p[aá]gina|p[aá]g|blad|sid[ae]|sivu|oldal|strona|str"
    r"|страница|стр|sayfa)(?![^\W\d_])"
)
_AFTER_PAGE = re.compile(rf"({_PAGE}[.:]?\s*)(?=\d)", re.IGNORECASE)
# "- 7 -", "7 of 12", "Page 7/12"
_NUMBERS_ALONE = re.compile(rf"(?:{_PAGE}|of|von|de|sur|[\W\d_])+", re.IGNORECASE)
_PARTS = re.compile(r"\s[|•·–—/-]+\s")
_LABEL = re.compile(r"(?::|№|\bno\.?|\bnr\.?)$", re.IGNORECASE)
# Footers are set in smaller type than the text, and may have the number amid their words.
_SMALL = 0.85
_MARKED = re.compile(r"#(\d+)")

Placed = tuple[Region, Row]


def drop_running_rows(pages: Sequence[Page]) -> tuple[int, set[str]]:
    """Take the repeats of running heads and feet out of the pages.

    Returns how many those were, and the shapes of all running rows.
    The first occurrence stays, so that no words are lost, and so does a page of nothing else. Even
    and odd pages may have their own. Rows that repeat are the same but for the number of the page.
    """
    edges = [(_find_edge(page, top=True), _find_edge(page, top=False)) for page in pages]
    small = _SMALL * _find_size(pages)
    dropped = 0
    shapes_of_all: set[str] = set()
    for side in (0, 1):
        marked = [[_mark_numbers(row, small) for _, row in edge[side]] for edge in edges]
        keys = [[_MARKED.sub("#", text) for text in page] for page in marked]
        running = {key for key in _find_running(keys) if _counts_pages(key, marked)}
        shapes_of_all |= {
            shape_of(row)
            for edge, keys_of_page in zip(edges, keys, strict=True)
            for (_, row), key in zip(edge[side], keys_of_page, strict=True)
            if key in running
        }
        seen: set[str] = set()
        for page, edge, keys_of_page in zip(pages, edges, keys, strict=True):
            for (region, row), key in zip(edge[side], keys_of_page, strict=True):
                if key not in running:
                    break
                if key in seen and sum(len(region.rows) for region in page.regions) > 1:
                    region.rows = [other for other in region.rows if other is not row]
                    dropped += 1
                seen.add(key)
    return dropped, shapes_of_all


def _find_edge(page: Page, *, top: bool) -> list[Placed]:
    """Return the rows of text nearest to the top or the bottom of a page, the outermost first."""
    rows = [
        (region, row)
        for region in page.regions
        for row in region.rows
        if row[0].table < 0 and (not row[0].words or row[0].words[0].turn == 0)
    ]
    rows.sort(key=lambda placed: placed[1][0].y, reverse=not top)
    edge = []
    for region, row in rows[: _EDGE_ROWS if len(rows) >= _FULL_PAGE_ROWS else 1]:
        # What repeats in a table is its head.
        if region.table:
            break
        edge.append((region, row))
    return edge


def _find_size(pages: Sequence[Page]) -> float:
    """Return the size of most of the text."""
    letters: Counter[float] = Counter()
    for line in (
        line for page in pages for region in page.regions for row in region.rows for line in row
    ):
        letters[round(line.size, 1)] += len(line.text)
    return max(letters, key=lambda size: letters[size], default=0.0)


def _mark_numbers(row: Row, small: float) -> str:
    """Return a row's text with "#" before what may be the number of its page; "" for a long one.

    That number stands alone, after a word for a page, or in small type. Others say what the page
    is about: "Question 3", "Invoice 1003".
    """
    if len(_text_of(row)) > _LONGEST:
        return ""
    if max(line.size for line in row) <= small:
        return _DIGITS.sub(r"#\g<0>", _text_of(row).replace("#", ""))
    marked: list[str] = []
    for part in (part for line in row for part in _PARTS.split(line.text.replace("#", ""))):
        if _NUMBERS_ALONE.fullmatch(part) and not (marked and _LABEL.search(marked[-1])):
            marked.append(_DIGITS.sub(r"#\g<0>", part))
        else:
            marked.append(_AFTER_PAGE.sub(r"\1#", part))
    return " ".join(marked).strip()


def _find_running(keys: Sequence[Sequence[str]]) -> set[str]:
    running = set()
    if len(keys) >= _MIN_PAGES:
        running |= _find_frequent(keys)
    for parity in (0, 1):
        side = keys[parity::2]
        if len(side) >= _MIN_PAGES_A_SIDE:
            running |= _find_frequent(side)
    return running - {""}


def _counts_pages(key: str, marked: Sequence[Sequence[str]]) -> bool:
    """Say whether the marked numbers of a row stay the same, or grow as the pages do.

    Rows that only differ by other numbers are text: steps, entries of a list, lines of a log.
    """
    numbers = [
        (page, [int(number) for number in _MARKED.findall(text)])
        for page, texts in enumerate(marked)
        for text in texts
        if _MARKED.sub("#", text) == key
    ]
    for place in range(key.count("#")):
        of_place = [(page, found[place]) for page, found in numbers]
        same = Counter(number for _, number in of_place)
        counted = Counter(number - page for page, number in of_place)
        most = max([*same.values(), *counted.values()])
        if most < _MIN_SHARE * len(of_place):
            return False
    return True


def _find_frequent(keys: Sequence[Sequence[str]]) -> set[str]:
    counts = Counter(key for page in keys for key in set(page))
    return {key for key, count in counts.items() if count >= _MIN_SHARE * len(keys)}


def shape_of(row: Sequence[Line]) -> str:
    """Return a row's text without its numbers; "" for a long one."""
    text = _text_of(row)
    return _DIGITS.sub("#", text).strip() if len(text) <= _LONGEST else ""


def _text_of(row: Sequence[Line]) -> str:
    return " ".join(line.text for line in row)
