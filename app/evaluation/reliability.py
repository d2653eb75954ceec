"""The part of a report that says what scores are worth as probabilities."""

from collections.abc import Iterable, Sequence
from html import escape
from itertools import chain

from app.evaluation.charts import (
    Json,
    colour_of,
    draw_axis,
    draw_legend,
    draw_svg,
    draw_table,
    place,
)

_HEIGHT = 260


def render_calibration(runs: Sequence[Json]) -> list[str]:
    """Return the section's parts; none where no run has scores that are probabilities."""
    measured = [(number, run) for number, run in enumerate(runs) if run.get("calibration")]
    if not measured:
        return []
    return [
        "<h2>What scores mean</h2>",
        "<p>Of first hits with a score of .8, eight in ten should answer. A point below the line "
        "stands for scores that are too high; its size grows with the number of queries.</p>",
        _summary_table([run for _, run in measured]),
        _plot(measured),
        draw_legend(runs),
    ]


def _summary_table(runs: Iterable[Json]) -> str:
    return draw_table(
        ["configuration", "calibration error", "AUC", "answered with at most 5% wrong"],
        [[escape(run["name"]), *_summarize(run["calibration"])] for run in runs],
    )


def _summarize(calibration: Json) -> list[str]:
    coverage, area = calibration["coverage"], calibration["area"]
    return [
        f"{calibration['error']:.3f}",
        "" if area is None else f"{area:.3f}",
        f"{coverage['mean']:.0%}<br>"
        f"<span class=note>{coverage['low']:.0%}–{coverage['high']:.0%}</span>",
    ]


def _plot(measured: Sequence[tuple[int, Json]]) -> str:
    """The share of right first hits over their mean score, one point a bin."""
    shapes = draw_axis([0, 0.25, 0.5, 0.75, 1.0], 1.0, _HEIGHT)
    shapes += [_level(share) for share in (0.0, 0.5, 1.0)]
    shapes.append(
        f'<line x1="{place(0):.1f}" y1="{_y(0):.1f}" x2="{place(1):.1f}" y2="{_y(1):.1f}" '
        'stroke="#5f6b73" stroke-dasharray="4 4"/>'
    )
    shapes += chain.from_iterable(_points(number, run["calibration"]) for number, run in measured)
    return draw_svg("How often scores are right", shapes, _HEIGHT + 24)


def _points(number: int, calibration: Json) -> list[str]:
    return [
        f'<circle cx="{place(one["score"]):.1f}" cy="{_y(one["right"]):.1f}" '
        f'r="{3 + 12 * (one["questions"] / calibration["questions"]) ** 0.5:.1f}" '
        f'fill="{colour_of(number)}" fill-opacity="0.6"/>'
        for one in calibration["bins"]
    ]


def _level(share: float) -> str:
    return (
        f'<text x="{place(0) - 8:.1f}" y="{_y(share) + 4:.1f}" text-anchor="end">'
        f"{share:.0%} right</text>"
    )


def _y(share: float) -> float:
    return _HEIGHT - 8 - share * (_HEIGHT - 20)
