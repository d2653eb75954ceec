"""Ruled tables: the cells that a page's lines and rectangles enclose."""

import ctypes
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.parsers.pdf import engine
from ingest.parsers.pdf.words import Frame

# A drawing of more paths than this is a picture or a map.
_MAX_PATHS = 4000
_MAX_POINTS = 400
_THIN = 2.5
_LEAST = 6.0
_NEAR = 3.0
_LARGE_PICTURE = 0.3


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight line: at `at` across, from `start` to `end` along."""

    at: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Grid:
    """The lines that enclose a table's cells: their places, and the rules at each of them."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    across: tuple[tuple[Rule, ...], ...]
    down: tuple[tuple[Rule, ...], ...]

    def has_edge_right(self, row: int, column: int) -> bool:
        """Say whether a line parts a cell from the next one in its row."""
        middle = (self.ys[row] + self.ys[row + 1]) / 2
        return any(rule.start <= middle <= rule.end for rule in self.down[column + 1])

    def has_edge_below(self, row: int, column: int) -> bool:
        """Say whether a line parts a cell from the one below it."""
        middle = (self.xs[column] + self.xs[column + 1]) / 2
        return any(rule.start <= middle <= rule.end for rule in self.across[row + 1])


Box = tuple[float, float, float, float]


def find_grids(page: Any, frame: Frame, turn: int) -> list[Grid]:
    """Return the ruled tables of a page, as text turned by `turn` sees them."""
    across: list[Rule] = []
    down: list[Rule] = []
    for x0, y0, x1, y1 in _find_strokes(page, frame, turn):
        if y1 - y0 <= _THIN:
            if x1 - x0 >= _LEAST:
                across.append(Rule((y0 + y1) / 2, x0, x1))
        elif x1 - x0 <= _THIN:
            if y1 - y0 >= _LEAST:
                down.append(Rule((x0 + x1) / 2, y0, y1))
        elif x1 - x0 >= _LEAST and y1 - y0 >= _LEAST:
            across += [Rule(y0, x0, x1), Rule(y1, x0, x1)]
            down += [Rule(x0, y0, y1), Rule(x1, y0, y1)]
    across, down = _merge(across), _merge(down)
    return [grid for grid in map(_build, *_group(across, down)) if grid is not None]


def _find_strokes(page: Any, frame: Frame, turn: int) -> list[Box]:
    """Return the boxes of the page's lines and rectangles, [] when it is a drawing."""
    handle = engine.address_of(page.raw)
    boxes: list[Box] = []
    count = 0
    for drawn, matrix in _walk(handle):
        count += 1
        if count > _MAX_PATHS:
            return []
        points = engine.count_segments(drawn)
        if points > _MAX_POINTS:
            continue
        bound = _bound(drawn, matrix)
        if points <= 5:
            boxes.append(bound)
        # Of a small drawing, a letter or a sign, no part is long enough for a rule.
        elif matrix or bound[2] - bound[0] >= _LEAST or bound[3] - bound[1] >= _LEAST:
            boxes += _trace(drawn, points, matrix)
    return [_turn(box, frame, turn) for box in boxes]


def has_large_picture(page: Any, frame: Frame) -> bool:
    """Say whether a picture covers a good part of the page."""
    handle = engine.address_of(page.raw)
    width, height = frame.size
    for index in range(min(engine.count_objects(handle), _MAX_PATHS)):
        drawn = engine.page_object(handle, index)
        if engine.object_type(drawn) == engine.IMAGE:
            x0, y0, x1, y1 = _bound(drawn, None)
            if (x1 - x0) * (y1 - y0) >= _LARGE_PICTURE * width * height:
                return True
    return False


def _walk(page: int) -> Iterator[tuple[int, engine.Matrix | None]]:
    """Yield the paths of a page and of the forms on it, each with its form's matrix."""
    for index in range(min(engine.count_objects(page), 4 * _MAX_PATHS)):
        drawn = engine.page_object(page, index)
        kind = engine.object_type(drawn)
        if kind == engine.PATH:
            yield drawn, None
        elif kind == engine.FORM:
            matrix = engine.Matrix()
            engine.object_matrix(drawn, ctypes.byref(matrix))
            for inner in range(min(engine.count_form_objects(drawn), _MAX_PATHS)):
                part = engine.form_object(drawn, inner)
                if engine.object_type(part) == engine.PATH:
                    yield part, matrix


def _bound(drawn: int, matrix: engine.Matrix | None) -> Box:
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    engine.object_bounds(drawn, left, bottom, right, top)
    return _apply(matrix, left.value, bottom.value, right.value, top.value)


def _apply(matrix: engine.Matrix | None, x0: float, y0: float, x1: float, y1: float) -> Box:
    if matrix is None:
        return x0, y0, x1, y1
    a, b, c, d, e, f = matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f
    return a * x0 + c * y0 + e, b * x0 + d * y0 + f, a * x1 + c * y1 + e, b * x1 + d * y1 + f


def _trace(drawn: int, points: int, matrix: engine.Matrix | None) -> Iterator[Box]:
    """Yield the straight, level or upright parts of a path."""
    own = engine.Matrix()
    engine.object_matrix(drawn, ctypes.byref(own))
    x, y = ctypes.c_float(), ctypes.c_float()
    last: tuple[float, float] | None = None
    for number in range(points):
        segment = engine.path_segment(drawn, number)
        engine.segment_point(segment, x, y)
        point = x.value, y.value
        if last is not None and engine.segment_type(segment) == engine.LINE:
            box = _apply(matrix, *_apply(own, *last, *point))
            if abs(box[0] - box[2]) <= _THIN or abs(box[1] - box[3]) <= _THIN:
                yield box
        last = point


def _turn(box: Box, frame: Frame, turn: int) -> Box:
    x0, y0 = frame.place(box[0], box[1], turn)
    x1, y1 = frame.place(box[2], box[3], turn)
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def _merge(rules: Sequence[Rule]) -> list[Rule]:
    """Return the rules with those joined that lie on each other or follow each other."""
    merged: list[Rule] = []
    for rule in sorted(rules, key=lambda rule: (round(rule.at / _THIN), rule.start)):
        last = merged[-1] if merged else None
        if last and abs(last.at - rule.at) <= _THIN and rule.start <= last.end + _NEAR:
            merged[-1] = Rule(last.at, last.start, max(last.end, rule.end))
        else:
            merged.append(rule)
    return merged


def _group(
    across: Sequence[Rule], down: Sequence[Rule]
) -> tuple[list[list[Rule]], list[list[Rule]]]:
    """Return the level and the upright rules of each set that cross or touch one another."""
    parents = list(range(len(across) + len(down)))

    def find(at: int) -> int:
        while parents[at] != at:
            parents[at] = parents[parents[at]]
            at = parents[at]
        return at

    for first, level in enumerate(across):
        for second, upright in enumerate(down, start=len(across)):
            if (
                level.start - _NEAR <= upright.at <= level.end + _NEAR
                and upright.start - _NEAR <= level.at <= upright.end + _NEAR
            ):
                parents[find(first)] = find(second)
    roots = {find(at) for at in range(len(across))}
    numbers = {root: number for number, root in enumerate(sorted(roots))}
    levels: list[list[Rule]] = [[] for _ in numbers]
    uprights: list[list[Rule]] = [[] for _ in numbers]
    for at, rule in enumerate([*across, *down]):
        if (root := find(at)) in numbers:
            (levels if at < len(across) else uprights)[numbers[root]].append(rule)
    return levels, uprights


def _build(across: list[Rule], down: list[Rule]) -> Grid | None:
    """Return the grid of rules that touch each other, None where they enclose one row at most.

    That is the filled head or every other row of a table whose other rows have no rules.
    """
    if not down or not across:
        return None
    xs = _snap([r.at for r in down] + [min(r.start for r in across), max(r.end for r in across)])
    ys = _snap([r.at for r in across] + [min(r.start for r in down), max(r.end for r in down)])
    if len(xs) < 3 or len(ys) < 3:
        return None
    return Grid(xs, ys, _place_rules(ys, across), _place_rules(xs, down))


def _place_rules(places: Sequence[float], rules: Sequence[Rule]) -> tuple[tuple[Rule, ...], ...]:
    """Return for each place the rules that lie on it."""
    ordered = sorted(rules, key=lambda rule: rule.at)
    ats = [rule.at for rule in ordered]
    ends = [(bisect_left(ats, at - _NEAR), bisect_right(ats, at + _NEAR)) for at in places]
    return tuple(tuple(ordered[first:last]) for first, last in ends)


def _snap(places: list[float]) -> tuple[float, ...]:
    snapped: list[float] = []
    for place in sorted(places):
        if not snapped or place - snapped[-1] > _NEAR:
            snapped.append(place)
    return tuple(snapped)
