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

Placed = tuple[Region, Row]


def drop_running_rows(pages: Sequence[Page]) -> tuple[int, set[str]]:
    """Take the repeats of running heads and feet out of the pages.

    Returns how many those were, and the shapes of all running rows.
    The first occurrence stays, so that no words are lost, and so does a page of nothing else. Even
    and odd pages may have their own.
    """
    edges = [(_find_edge(page, top=True), _find_edge(page, top=False)) for page in pages]
    dropped = 0
    shapes_of_all: set[str] = set()
    for side in (0, 1):
        shapes = [[shape_of(row) for _, row in edge[side]] for edge in edges]
        rows = [[row for _, row in edge[side]] for edge in edges]
        running = {shape for shape in _find_running(shapes) if _counts_pages(shape, rows)}
        shapes_of_all |= running
        seen: set[str] = set()
        for page, edge in zip(pages, edges, strict=True):
            for region, row in edge[side]:
                shape = shape_of(row)
                if shape not in running:
                    break
                if shape in seen and sum(len(region.rows) for region in page.regions) > 1:
                    region.rows = [other for other in region.rows if other is not row]
                    dropped += 1
                seen.add(shape)
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


def _find_running(shapes: Sequence[Sequence[str]]) -> set[str]:
    running = set()
    if len(shapes) >= _MIN_PAGES:
        running |= _find_frequent(shapes)
    for parity in (0, 1):
        side = shapes[parity::2]
        if len(side) >= _MIN_PAGES_A_SIDE:
            running |= _find_frequent(side)
    return running - {""}


def _counts_pages(shape: str, pages: Sequence[Sequence[Row]]) -> bool:
    """Say whether the numbers of a row stay the same, or grow as the pages do.

    Rows that only differ by other numbers are text: steps, entries of a list, lines of a log.
    """
    numbers = [
        (page, [int(number) for number in _DIGITS.findall(_text_of(row))])
        for page, rows in enumerate(pages)
        for row in rows
        if shape_of(row) == shape
    ]
    for place in range(shape.count("#")):
        of_place = [(page, found[place]) for page, found in numbers if place < len(found)]
        same = Counter(number for _, number in of_place)
        counted = Counter(number - page for page, number in of_place)
        most = max([*same.values(), *counted.values()], default=0)
        if most < _MIN_SHARE * len(of_place):
            return False
    return True


def _find_frequent(shapes: Sequence[Sequence[str]]) -> set[str]:
    counts = Counter(shape for page in shapes for shape in set(page))
    return {shape for shape, count in counts.items() if count >= _MIN_SHARE * len(shapes)}


def shape_of(row: Sequence[Line]) -> str:
    """Return a row's text without its numbers; "" for a long one."""
    text = _text_of(row)
    return _DIGITS.sub("#", text).strip() if len(text) <= _LONGEST else ""


def _text_of(row: Sequence[Line]) -> str:
    return " ".join(line.text for line in row)
