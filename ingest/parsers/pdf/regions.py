"""Where a page's columns and borderless tables are, in reading order.

Rows that share a gap form a band. Where the parts beside the gap are running text the band is
columns, read one after the other; otherwise its rows stay together, as those of a table.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ingest.parsers.pdf.lines import Line, find_rows

Row = list[Line]
Gap = tuple[float, float]

_NARROWEST_GUTTER = 0.6
_FARTHEST_ROWS = 6.0
_LINE_STEP, _HALF_STEP = 1.7, 0.9
_HEADING_SIZE = 1.12
_PROSE_LINES = 3
_PROSE_LETTERS = 14
_PROSE_FILL = 0.6
_PROSE_LETTERS_UNCASED, _PROSE_FILL_UNCASED = 10, 0.8
_DEEPEST = 6
_APART_LINES, _APART_WIDTH, _APART_SHARED, _SAME_BASELINE = 12, 0.7, 0.5, 0.08


@dataclass(slots=True)
class Region:
    """Rows that belong together: lines of text, or rows of a table with its gaps."""

    rows: list[Row]
    table: bool = False


def find_regions(segments: Sequence[Line], depth: int = 0) -> list[Region]:
    """Return the regions of a page in reading order."""
    rows = find_rows(segments)
    regions: list[Region] = []
    start = at = 0
    while at < len(rows):
        end, gaps = _extend_band(rows, at)
        if not gaps or end - at < 2:
            at += 1
            continue
        columns = _split_columns(rows[at:end], gaps)
        if depth < _DEEPEST and _are_columns(columns):
            first = _extend_upwards(rows, start, at, gaps)
            last = _trim_end(rows, at, end)
            if start < first:
                regions.append(Region(rows[start:first]))
            for column in _split_columns(rows[first:last], gaps):
                regions += find_regions(column, depth + 1)
            end = last
        elif _is_table(rows[at:end]):
            end = _trim_table(rows, at, _find_heading(rows, at, end))
            if start < at:
                regions.append(Region(rows[start:at]))
            regions.append(Region(rows[at:end], table=True))
        else:
            at = end
            continue
        start = at = end
    if start < len(rows):
        regions.append(Region(rows[start:]))
    return regions


def _extend_band(rows: Sequence[Row], at: int) -> tuple[int, list[Gap]]:
    """Return the end of the band that starts with a row, and the gaps that all its rows have."""
    gaps = _find_gaps(rows[at])
    end = at + 1
    if not gaps and end < len(rows) and rows[end][0].y - rows[at][0].y < 0.9 * rows[at][0].size:
        # Columns whose baselines differ.
        gaps = _find_gaps(sorted(rows[at] + rows[end], key=lambda line: line.x0))
    while end < len(rows) and gaps:
        row = rows[end]
        size = max(row[0].size, rows[end - 1][0].size)
        if row[0].y - rows[end - 1][0].y > _FARTHEST_ROWS * size:
            break
        left = _keep_gaps(gaps, row)
        if not left:
            break
        gaps, end = left, end + 1
    return end, gaps


def _find_gaps(row: Row) -> list[Gap]:
    gaps = []
    reach = row[0].x1
    for line in row[1:]:
        if line.x0 - reach >= _NARROWEST_GUTTER * line.size:
            gaps.append((reach, line.x0))
        reach = max(reach, line.x1)
    return gaps


def _keep_gaps(gaps: Sequence[Gap], row: Row) -> list[Gap]:
    """Return what a row leaves free of the gaps."""
    free = []
    for gap in gaps:
        pieces = [gap]
        for line in row:
            pieces = [
                piece
                for left, right in pieces
                for piece in ((left, min(right, line.x0)), (max(left, line.x1), right))
                if piece[1] - piece[0] > 0
            ]
        free += [p for p in pieces if p[1] - p[0] >= _NARROWEST_GUTTER * row[0].size]
    return free


def _split_columns(rows: Sequence[Row], gaps: Sequence[Gap]) -> list[list[Line]]:
    columns: list[list[Line]] = [[] for _ in range(len(gaps) + 1)]
    for row in rows:
        for line in row:
            middle = (line.x0 + line.x1) / 2
            columns[sum(middle > (left + right) / 2 for left, right in gaps)].append(line)
    return [column for column in columns if column]


def _are_columns(columns: Sequence[Sequence[Line]]) -> bool:
    """Say whether all the long ones of some columns are running text."""
    long = [column for column in columns if len(find_rows(column)) >= _PROSE_LINES]
    if len(long) == len(columns) == 2 and _are_apart(*long):
        return True
    return len(long) >= 2 and all(_is_prose(column) for column in long)


def _are_apart(left: Sequence[Line], right: Sequence[Line]) -> bool:
    """Say whether two wide columns of many lines of words seldom share a baseline.

    Rows of a table do, whatever its cells hold; lists and forms side by side do not.
    """
    sides = [find_rows(left), find_rows(right)]
    if min(map(len, sides)) < _APART_LINES:
        return False
    widths = [
        max(line.x1 for line in side) - min(line.x0 for line in side) for side in (left, right)
    ]
    letters = min(median(sum(len(line.text) for line in row) for row in side) for side in sides)
    if min(widths) < _APART_WIDTH * max(widths) or letters < _PROSE_LETTERS:
        return False
    places = [row[0].y for row in sides[1]]
    near = sum(_has_near(places, row[0].y, _SAME_BASELINE * row[0].size) for row in sides[0])
    return near < _APART_SHARED * len(sides[0])


def _has_near(places: Sequence[float], y: float, reach: float) -> bool:
    at = bisect_left(places, y - reach)
    return at < len(places) and places[at] <= y + reach


def _is_prose(column: Sequence[Line]) -> bool:
    rows = find_rows(column)
    texts = [" ".join(line.text for line in row) for row in rows]
    digits = sum(letter.isdigit() for text in texts for letter in text)
    if digits > 0.3 * sum(map(len, texts)) or any(line.table >= 0 for line in column):
        return any(line.table >= 0 for line in column)
    left = min(line.x0 for line in column)
    width = max(line.x1 for line in column) - left
    fill = median((row[-1].x1 - row[0].x0) / max(1.0, width) for row in rows)
    letters = median(map(len, texts))
    cased = sum(text[:1].islower() or text[:1].isupper() for text in texts)
    if cased < 0.3 * len(texts):
        # Hangul, ideographs, Arabic: no letter says whether a line goes on.
        return letters >= _PROSE_LETTERS_UNCASED and fill >= _PROSE_FILL_UNCASED
    wrapped = sum(text[:1].islower() for text in texts[1:]) / max(1, len(texts) - 1)
    if letters >= 2 * _PROSE_LETTERS and fill >= 0.5 and wrapped >= 0.3:
        return True
    return letters >= _PROSE_LETTERS and fill >= _PROSE_FILL and wrapped >= 0.2


def _is_table(rows: Sequence[Row]) -> bool:
    return sum(len(row) >= 2 for row in rows) >= 2


def _extend_upwards(rows: Sequence[Row], start: int, at: int, gaps: Sequence[Gap]) -> int:
    """Return where a band of columns begins when lines of one column stand above the others."""
    while at > start and len(_keep_gaps(gaps, rows[at - 1])) == len(gaps):
        if rows[at][0].y - rows[at - 1][0].y > 1.7 * rows[at][0].size:
            break
        at -= 1
    return at


def _trim_end(rows: Sequence[Row], at: int, end: int) -> int:
    """Return the end of a band of columns without what follows them on one side only."""
    last = max((n for n in range(at, end) if len(rows[n]) > 1), default=end - 1)
    while last + 1 < end and rows[last + 1][0].y - rows[last][0].y <= 1.7 * rows[last][0].size:
        last += 1
    return last + 1


def _find_heading(rows: Sequence[Row], at: int, end: int) -> int:
    """Return where a table ends: before a larger line that stands alone over the next one."""
    left = min(row[0].x0 for row in rows[at:end])
    for number in range(at + 2, end - 1):
        row, above = rows[number], max(line.size for line in rows[number - 1])
        larger = len(row) == 1 and row[0].size > _HEADING_SIZE * above
        over = row[0].x0 <= left + row[0].size and len(rows[number + 1]) > 1
        if larger and over and _is_table(rows[at:number]):
            return number
    return end


def _trim_table(rows: Sequence[Row], at: int, end: int) -> int:
    """Return the end of a table without lines that stand alone after it.

    Those right under another column than the first, or half a line below the last row, are of it.
    """
    last = max(n for n in range(at, end) if len(rows[n]) > 1) + 1
    left = min(row[0].x0 for row in rows[at:last])
    # Fewer are not written as a table.
    while last < end and sum(len(row) > 1 for row in rows[at:last]) > 2:
        first = rows[last][0]
        under = first.x0 > left + first.size
        if first.y - rows[last - 1][0].y > (_LINE_STEP if under else _HALF_STEP) * first.size:
            break
        last += 1
    return last
