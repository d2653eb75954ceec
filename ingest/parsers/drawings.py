"""What drawings of office files say: text in shapes, charts as tables, SmartArt as lists.

The format: ISO/IEC 29500-1, chapters 20 and 21 (DrawingML), and Microsoft's chartex.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ingest.parsers.equations import write_omml
from ingest.parsers.inline import lower_words, raise_words, write_link
from ingest.parsers.number_formats import GENERAL, is_date, show_general, show_number
from ingest.parsers.ooxml import (
    NAMESPACES,
    Element,
    Parts,
    choose_alternative,
    collect,
    find,
    find_all,
    get,
    get_number,
    get_text,
    name_of,
)
from ingest.parsers.ordinals import show_ordinal
from ingest.parsers.tables import render_table

_MAX_POINTS = 10_000
_MAX_LEVEL = 20
# What holds the values of a series, and what they are of.
_LISTS = (
    *(
        f"{{{NAMESPACES['c']}}}{kind}"
        for kind in ("numCache", "numLit", "strCache", "strLit", "lvl")
    ),
    f"{{{NAMESPACES['cx']}}}lvl",
)
# A file's name, or what a program says instead of a description.
_NO_DESCRIPTION = re.compile(
    r"\S+\.\w{3,4}|(?:picture|image|grafik|bild|graphic|img|photo)?[\W\d_]*|https?:\S+",
    re.IGNORECASE,
)
_MADE_BY_PROGRAM = re.compile(
    r"\s*(?:description automatically generated.*|ai-generated content may be incorrect\.?)",
    re.IGNORECASE | re.DOTALL,
)
_NUMBERINGS = {"arabic": "decimal", "alphaLc": "lowerLetter", "alphaUc": "upperLetter",
               "romanLc": "lowerRoman", "romanUc": "upperRoman"}  # fmt: skip


def describe_image(properties: Element | None) -> str:
    """Return the alternative text of a drawing's properties; "" where it says nothing."""
    words = get(properties, "descr") or get(properties, "title")
    words = " ".join(_MADE_BY_PROGRAM.sub("", words).split())
    return "" if _NO_DESCRIPTION.fullmatch(words) else f"[Image: {words}]"


# Text of shapes


@dataclass(slots=True)
class _Numbers:
    """How far the numbered paragraphs of a shape have come, by level."""

    counts: dict[int, int] = field(default_factory=dict)

    def label(self, level: int, numbering: Element) -> str:
        kind = get(numbering, "type", "arabicPeriod")
        start = get_number(numbering, "startAt", 1)
        self.counts = {k: v for k, v in self.counts.items() if k <= level}
        self.counts[level] = self.counts.get(level, start - 1) + 1
        name = next((n for n in _NUMBERINGS if kind.startswith(n)), "arabic")
        shown = show_ordinal(self.counts[level], _NUMBERINGS[name])
        if kind.endswith("ParenBoth"):
            return f"({shown}) "
        return shown + (") " if kind.endswith("ParenR") else ". ")


def write_text(body: Element | None, parts: Parts, part: str) -> str:
    """Return the paragraphs of a shape's text (`txBody`), one a line; `part` is where it stands."""
    numbers, lines = _Numbers(), []
    for paragraph in find_all(body, "a:p"):
        words = write_paragraph(paragraph, parts, part)
        if words:
            lines.append(_mark(paragraph, numbers) + words)
    return "\n".join(lines)


def _mark(paragraph: Element, numbers: _Numbers) -> str:
    properties = find(paragraph, "a:pPr")
    level = min(get_number(properties, "lvl", 0), _MAX_LEVEL)
    numbering = find(properties, "a:buAutoNum")
    if numbering is not None:
        return "  " * level + numbers.label(level, numbering)
    numbers.counts = {k: v for k, v in numbers.counts.items() if k < level}
    if find(properties, "a:buChar") is not None:
        return "  " * level + "- "
    # The first level may be a plain paragraph; a deeper one is an item of a list.
    return "  " * (level - 1) + "- " if level else ""


def write_paragraph(paragraph: Element, parts: Parts, part: str) -> str:
    """Return the words of one paragraph in a shape."""
    line = ""
    for piece in paragraph:
        line += _write_piece(piece, line, parts, part)
    return re.sub(r"[^\S\n]+", " ", line.replace("\v", "\n")).strip()


def _write_piece(piece: Element, before: str, parts: Parts, part: str) -> str:
    match name_of(piece):
        case "a:r" | "a:fld":
            return _write_run(piece, before, parts, part)
        case "a:br":
            return "\n"
        case "mc:AlternateContent":
            return "".join(_write_piece(p, before, parts, part) for p in choose_alternative(piece))
        case "m:oMath" | "m:oMathPara":
            latex = write_omml(piece)
            return f" ${latex}$ " if latex else ""
        case "?:m":
            return "".join(_write_piece(inner, before, parts, part) for inner in piece)
    return ""


def _write_run(run: Element, before: str, parts: Parts, part: str) -> str:
    words = get_text(run, "a:t")
    properties = find(run, "a:rPr")
    baseline = get_number(properties, "baseline", 0)
    if words.strip() and baseline:
        write = raise_words if baseline > 0 else lower_words
        words = write(before, words, get_text(run.getnext(), "a:t"))
    if words.strip() and get(properties, "strike", "noStrike") != "noStrike":
        words = f"~~{words.strip()}~~"
    return write_link(words, find_target(find(properties, "a:hlinkClick"), parts, part))


def find_target(link: Element | None, parts: Parts, part: str) -> str:
    """Return where a link of a drawing leads outside the file; "" for anything else."""
    relation = parts.relations(part).get(get(link, "r:id"))
    if relation is None or relation.kind != "hyperlink" or not relation.is_external:
        return ""
    return relation.target


# What a frame holds


def write_graphics(elements: Iterable[Element], parts: Parts, part: str) -> list[str]:
    """Return the charts and diagrams among elements as blocks of Markdown."""
    blocks: list[str] = []
    for element in elements:
        name = name_of(element)
        if name == "dgm:relIds":
            data = _resolve(parts, part, get(element, "r:dm"))
            blocks += [_write_diagram(data, parts)] if data else []
        elif name in {"c:chart", "cx:chart"} and get(element, "r:id"):
            chart = _resolve(parts, part, get(element, "r:id"))
            blocks += write_chart(chart, parts) if chart else []
    return list(filter(None, blocks))


def _resolve(parts: Parts, part: str, relation_id: str) -> str:
    relation = parts.relations(part).get(relation_id)
    return relation.target if relation is not None else ""


def _write_diagram(part: str, parts: Parts) -> str:
    """Return the points of SmartArt as a list, each under the one that it belongs to."""
    root = parts.parse(part)
    if root is None:
        return ""
    points = {get(p, "modelId"): p for p in find_all(root, "dgm:ptLst/dgm:pt")}
    children: dict[str, list[tuple[int, str]]] = {}
    for link in find_all(root, "dgm:cxnLst/dgm:cxn"):
        if get(link, "type", "parOf") == "parOf":
            place = get_number(link, "srcOrd", 0), get(link, "destId")
            children.setdefault(get(link, "srcId"), []).append(place)
    lines: list[str] = []
    seen: set[str] = set()

    def walk(identifier: str, level: int) -> None:
        if identifier in seen or level > _MAX_LEVEL:
            return
        seen.add(identifier)
        words = write_text(find(points.get(identifier), "dgm:t"), parts, part)
        if words:
            lines.append(f"{'  ' * max(0, level - 1)}- {' '.join(words.split())}")
        for _, child in sorted(children.get(identifier, [])):
            walk(child, level + 1)

    # The document is the root; what hangs on nothing follows.
    for identifier, point in sorted(points.items(), key=lambda item: get(item[1], "type") != "doc"):
        if get(point, "type", "node") in {"doc", "node", "asst"}:
            walk(identifier, 0 if get(point, "type") == "doc" else 1)
    return "\n".join(lines)


# Charts


@dataclass(frozen=True, slots=True)
class _Series:
    name: str
    categories: tuple[str, ...]
    values: tuple[str, ...]


def write_chart(part: str, parts: Parts) -> list[str]:
    """Return a chart's titles, and its values as a table with a column a series."""
    root = parts.parse(part)
    if root is None:
        return []
    is_extended = name_of(root).startswith("cx:")
    titles = _find_titles(root, parts, part)
    series = list(_read_extended(root) if is_extended else _read_series(root))
    cut = sum(map(_is_long, root.iter(*_LISTS)))
    parts.counts[f"{{}} lists of a chart have more than {_MAX_POINTS} points: cut"] += cut
    tables: dict[tuple[str, ...], list[_Series]] = {}
    for one in series:
        tables.setdefault(one.categories, []).append(one)
    return [*titles, *(_write_series(c, members) for c, members in tables.items())]


def _find_titles(root: Element, parts: Parts, part: str) -> list[str]:
    """Return the title of the chart and those of its axes."""
    found = []
    for title in root.iter(f"{{{NAMESPACES['c']}}}title", f"{{{NAMESPACES['cx']}}}title"):
        paragraphs = title.iter(f"{{{NAMESPACES['a']}}}p")
        words = " ".join(write_paragraph(paragraph, parts, part) for paragraph in paragraphs)
        words = words or collect(title, "c:v")
        found.append(" ".join(words.split()))
    heading, axes = found[:1], [axis for axis in found[1:] if axis]
    return [*heading, *([f"Axes: {', '.join(axes)}"] if axes else [])]


def _read_series(root: Element) -> Iterator[_Series]:
    for element in root.iter(f"{{{NAMESPACES['c']}}}ser"):
        categories = _find_first(element, "c:cat", "c:xVal")
        values = _find_first(element, "c:val", "c:yVal")
        name = collect(find(element, "c:tx"), "c:v")
        yield _Series(name, _read_points(categories), _read_points(values))


def _find_first(element: Element, *paths: str) -> Element | None:
    return next((found for path in paths if (found := find(element, path)) is not None), None)


def _read_points(data: Element | None) -> tuple[str, ...]:
    """Return the points of a series by their places; a category of several levels as one."""
    if data is None:
        return ()
    levels = list(data.iter(f"{{{NAMESPACES['c']}}}lvl"))
    caches = levels[::-1] or [
        cache for cache in data.iter() if name_of(cache).endswith(("Cache", "Lit"))
    ]
    return _join_levels([_read_cache(cache) for cache in caches])


def _join_levels(columns: Sequence[dict[int, str]]) -> tuple[str, ...]:
    """Return points by their places, those of several levels, the outermost first, as one."""
    last = max((max(column, default=-1) for column in columns), default=-1)
    rows = []
    latest = [""] * len(columns)
    for index in range(min(last + 1, _MAX_POINTS)):
        for number, column in enumerate(columns):
            # The outer levels name their first point only.
            inner = number == len(columns) - 1
            latest[number] = column.get(index, "" if inner else latest[number])
        rows.append(" ".join(filter(None, latest)))
    return tuple(rows)


def _read_cache(cache: Element) -> dict[int, str]:
    code = cache.findtext("c:formatCode", GENERAL, NAMESPACES)
    is_number = name_of(cache).startswith("c:num")
    points = {}
    for point in find_all(cache, "c:pt"):
        value = point.findtext("c:v", "", NAMESPACES)
        code_here = get(point, "formatCode") or code
        index = get_number(point, "idx", 0)
        if 0 <= index < _MAX_POINTS:
            points[index] = _show(value, code_here) if is_number else " ".join(value.split())
    return points


def _show(value: str, code: str) -> str:
    try:
        number = float(value)
    except ValueError:
        return value
    # A code that hides digits is for the axis; dates make sense only by it.
    return show_number(number, code) if is_date(code) or "%" in code else show_general(number)


def _read_extended(root: Element) -> Iterator[_Series]:
    """Read the charts of 2016 and later, whose data stand apart from their series."""
    data = {get(d, "id"): d for d in find_all(root, "cx:chartData/cx:data")}
    for element in root.iter(f"{{{NAMESPACES['cx']}}}series"):
        held = data.get(get(find(element, "cx:dataId"), "val"))
        if held is None:
            continue
        name = element.findtext("cx:tx/cx:txData/cx:v", "", NAMESPACES)
        columns = {kind: _read_dimension(held, kind) for kind in ("strDim", "numDim")}
        yield _Series(" ".join(name.split()), columns["strDim"], columns["numDim"])


def _is_long(points: Element) -> bool:
    return len(points) > 0 and get_number(points[-1], "idx", 0) >= _MAX_POINTS


def _read_dimension(data: Element, kind: str) -> tuple[str, ...]:
    levels = find_all(data, f"cx:{kind}/cx:lvl")
    return _join_levels([_read_level(level) for level in reversed(levels)])


def _read_level(level: Element) -> dict[int, str]:
    code = get(level, "formatCode") or GENERAL
    return {
        index: _show(" ".join((point.text or "").split()), code)
        for point in find_all(level, "cx:pt")
        if 0 <= (index := get_number(point, "idx", 0)) < _MAX_POINTS
    }


def _write_series(categories: tuple[str, ...], series: list[_Series]) -> str:
    last = max((len(one.values) for one in series), default=0)
    column: Callable[[tuple[str, ...], int], str] = lambda v, n: v[n] if n < len(v) else ""  # noqa: E731
    rows = [
        [column(categories, number), *(column(one.values, number) for one in series)]
        for number in range(max(last, len(categories)))
    ]
    return render_table([["", *(one.name for one in series)], *rows])
