"""The order in which a reader goes over the shapes of a slide: not that of their layers."""

from collections.abc import Mapping, Sequence

from ingest.parsers.ooxml import Element, Parts, find, find_all, get, get_number

Place = tuple[int, int]
"""Of the upper left corner: down, then right, in English metric units."""

# Shapes whose upper edges differ by less stand side by side: a fifth of an inch.
_SAME_ROW = 182_880


class Positions:
    """Where layouts and masters put the shapes that a slide does not place itself."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._places: dict[str, dict[str, Place]] = {}

    def of_slide(self, part: str) -> Mapping[str, Place]:
        """Return the places of the placeholders of a slide's layout, by index and by type."""
        layout = self._parts.find_related(part, "slideLayout")
        if not layout:
            return {}
        if layout not in self._places:
            master = self._parts.find_related(layout, "slideMaster")
            self._places[layout] = self._read(master) | self._read(layout)
        return self._places[layout]

    def _read(self, part: str) -> dict[str, Place]:
        root = self._parts.parse(part) if part else None
        places: dict[str, Place] = {}
        for shape in find_all(root, ".//p:sp"):
            place = _find_place(shape)
            if place is not None:
                places |= dict.fromkeys(_name_placeholder(shape), place)
        return places


def order_shapes(shapes: Sequence[Element], inherited: Mapping[str, Place]) -> list[Element]:
    """Return shapes from top to bottom, those side by side from left to right.

    One without a place stays behind the shape before it.
    """
    placed: list[tuple[Place, Element]] = []
    latest = (0, 0)
    for shape in shapes:
        keys = _name_placeholder(shape)
        latest = _find_place(shape) or next((inherited[k] for k in keys if k in inherited), latest)
        placed.append((latest, shape))
    return order_placed(placed)


def order_placed(placed: list[tuple[Place, Element]]) -> list[Element]:
    """Return elements by their places, likewise."""
    placed.sort(key=lambda pair: pair[0][0])
    ordered: list[Element] = []
    row: list[tuple[Place, Element]] = []
    for place, shape in placed:
        if row and place[0] - row[0][0][0] > _SAME_ROW:
            ordered += _from_left(row)
            row = []
        row.append((place, shape))
    return ordered + _from_left(row)


def _from_left(row: list[tuple[Place, Element]]) -> list[Element]:
    return [shape for _, shape in sorted(row, key=lambda pair: pair[0][1])]


def _find_place(shape: Element) -> Place | None:
    paths = ("p:spPr/a:xfrm/a:off", "p:grpSpPr/a:xfrm/a:off", "p:xfrm/a:off")
    offset = next((o for path in paths if (o := find(shape, path)) is not None), None)
    if offset is None:
        return None
    return get_number(offset, "y", 0), get_number(offset, "x", 0)


def _name_placeholder(shape: Element) -> list[str]:
    """Return the names by which a placeholder meets that of its layout."""
    placeholder = find(shape, "*/p:nvPr/p:ph")
    if placeholder is None:
        return []
    index, kind = get(placeholder, "idx"), get(placeholder, "type", "body")
    return [f"#{index}", kind] if index else [kind]
