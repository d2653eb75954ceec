"""The parts that tables and plots of a report are drawn from."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

Json = Mapping[str, Any]

WIDTH = 720
"""Of a plot."""
LEFT = 110
"""Where its values begin, after its labels."""

COLOURS = ("#3b6ea5", "#c8742b", "#4d8b57", "#8d5a97", "#a33c3c", "#5f6b73")


def draw_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    """Return a table of HTML cells; all but the first `words` columns hold numbers."""

    def line(cells: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=n' if i >= words else ''}>{cell}</{tag}>"
            for i, cell in enumerate(cells)
        )

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return f"<table><tr>{line(head, 'th')}</tr>{body}</table>"


def draw_axis(ticks: Sequence[float], top: float, height: float, unit: str = "") -> list[str]:
    """Return the upright lines of a plot's values, 0 to `top`, with their labels below."""
    shapes = []
    for tick in ticks:
        x = place(tick / top)
        label = f"{tick:.3g}{unit}"
        shapes += [
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}" stroke="#dde2e6"/>',
            f'<text x="{x:.1f}" y="{height + 16}" text-anchor="middle">{label}</text>',
        ]
    return shapes


def draw_svg(name: str, shapes: Sequence[str], height: float) -> str:
    """Return a plot; its name is what screen readers say, and the tables say the rest."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}" '
        f'role="img" aria-label="{name}">{"".join(shapes)}</svg>'
    )


def draw_legend(runs: Sequence[Json]) -> str:
    """Return which colour is which run; the page's style has a class for each."""
    items = " &nbsp; ".join(
        f'<span class="c{i % len(COLOURS)}">&#9632;</span> {escape(run["name"])}'
        for i, run in enumerate(runs)
    )
    return f"<p>{items}</p>"


def place(share: float) -> float:
    """Return where 0 to 1 lies across a plot."""
    return LEFT + share * (WIDTH - LEFT - 40)


def colour_of(number: int) -> str:
    """Return the colour of a run by its place."""
    return COLOURS[number % len(COLOURS)]
