"""One HTML file with tables and plots of an evaluation: no script, nothing fetched.

Reads the JSON of `describe`, so that a result from a server gives the same report.
"""

from collections.abc import Iterable, Sequence
from html import escape

from app.evaluation.charts import (
    COLOURS,
    LEFT,
    WIDTH,
    Json,
    colour_of,
    draw_axis,
    draw_legend,
    draw_svg,
    draw_table,
    place,
)
from app.evaluation.measures import MAIN_MEASURE, MEASURES
from app.evaluation.reliability import render_calibration

_SHOWN = 20

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 960px; margin: 2em auto; padding: 0 1em;
       color: #1d2429; background: #fff; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; width: 100%; font-size: 0.92em; }
th, td { text-align: left; padding: 0.3em 0.7em 0.3em 0; border-bottom: 1px solid #dde2e6;
         vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
svg { max-width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: #1d2429; }
.note { color: #5f6b73; } .good { color: #2d6e3a; } .bad { color: #a33c3c; }
""" + "".join(f".c{i} {{ color: {colour}; }} " for i, colour in enumerate(COLOURS))


def render_report(evaluation: Json) -> str:
    """Return the report as an HTML document."""
    title = f"Retrieval in {escape(evaluation['collection'])}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>\n<h1>{title}</h1>\n"
        f"{render_sections(evaluation)}\n</body></html>\n"
    )


def render_sections(evaluation: Json) -> str:
    """Return what the report says as HTML without a head: tables, plots and headings of level 2."""
    asked = evaluation["queries"]
    parts = [
        f"<p>{asked} {'query' if asked == 1 else 'queries'}. Intervals are 95% "
        "bootstrap intervals over queries; "
        "p values are of a paired randomisation test.</p>",
        _missing(evaluation["missing"]),
        "<h2>Measures</h2>",
        _measure_table(evaluation["runs"]),
        _measure_plot(evaluation["runs"]),
        *render_calibration(evaluation["runs"]),
        "<h2>Time of one search</h2>",
        "<p>The lines show the share of searches that took at most so long.</p>",
        _latency_table(evaluation["runs"]),
        _latency_plot(evaluation),
    ]
    for number, comparison in enumerate(evaluation["comparisons"], start=1):
        parts += _comparison(evaluation, comparison, number)
    parts += ["<h2>Hardest queries</h2>", _hardest(evaluation)]
    return "\n".join(parts)


def _missing(missing: Sequence[str]) -> str:
    if not missing:
        return ""
    names = ", ".join(escape(name) for name in missing[:_SHOWN])
    return (
        f'<p class="bad">{len(missing)} relevant documents are not in the collection, and no '
        f"search can find them: {names}</p>"
    )


def _measure_table(runs: Sequence[Json]) -> str:
    return draw_table(
        ["configuration", *MEASURES, "failed"],
        [
            [
                escape(run["name"]),
                *(_interval(run["measures"][name]) for name in MEASURES),
                str(run["failed"]),
            ]
            for run in runs
        ],
    )


def _latency_table(runs: Sequence[Json]) -> str:
    return draw_table(
        ["configuration", "median", "90%", "99%"],
        [
            [
                escape(run["name"]),
                *(f"{run['latency_ms'][p]:.1f} ms" for p in ("p50", "p90", "p99")),
            ]
            for run in runs
        ],
    )


def _measure_plot(runs: Sequence[Json]) -> str:
    """Bars with whiskers from 0 to 1, grouped by measure."""
    bar, gap = 14, 12
    shapes = draw_axis([0, 0.25, 0.5, 0.75, 1.0], 1.0, len(MEASURES) * (len(runs) * bar + gap))
    y = 4
    for name in MEASURES:
        shapes.append(
            f'<text x="{LEFT - 8}" y="{y + len(runs) * bar / 2 + 4:.0f}" '
            f'text-anchor="end">{name}</text>'
        )
        for i, run in enumerate(runs):
            value = run["measures"][name]
            middle = y + bar / 2
            shapes += [
                f'<rect x="{LEFT}" y="{y + 1}" width="{place(value["mean"]) - LEFT:.1f}" '
                f'height="{bar - 2}" fill="{colour_of(i)}"/>',
                f'<line x1="{place(value["low"]):.1f}" x2="{place(value["high"]):.1f}" '
                f'y1="{middle}" y2="{middle}" stroke="#1d2429" stroke-width="1.5"/>',
            ]
            y += bar
        y += gap
    return draw_svg("Measures by configuration", shapes, y + 20) + draw_legend(runs)


def _latency_plot(evaluation: Json) -> str:
    """The share of searches that took at most so long, one line a run."""
    height = 180
    by_run = [
        sorted(query["runs"][i]["milliseconds"] for query in evaluation["by_query"])
        for i in range(len(evaluation["runs"]))
    ]
    # A single slow search would squeeze all others to the left; the table names the 99th.
    cut = max(times[min(len(times) - 1, int(0.99 * len(times)))] for times in by_run)
    longest = min(1.25 * cut, max(max(times) for times in by_run)) or 1.0
    shapes = draw_axis(
        [longest * share for share in (0, 0.25, 0.5, 0.75, 1)], longest, height, " ms"
    )
    for share in (0.5, 0.9, 1.0):
        y = height - share * (height - 10)
        label = f"{share:.0%}"
        shapes.append(f'<text x="{LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{label}</text>')
    for i, times in enumerate(by_run):
        points = " ".join(
            f"{place(milliseconds / longest):.1f},{height - rank / len(times) * (height - 10):.1f}"
            for rank, milliseconds in enumerate(times, start=1)
            if milliseconds <= longest
        )
        shapes.append(
            f'<polyline points="{points}" fill="none" stroke="{colour_of(i)}" stroke-width="2"/>'
        )
    return draw_svg("Share of searches by time", shapes, height + 24) + draw_legend(
        evaluation["runs"]
    )


def _comparison(evaluation: Json, comparison: Json, number: int) -> list[str]:
    first, other = escape(comparison["first"]), escape(comparison["other"])
    changes = sorted(
        (
            (
                query["runs"][number]["values"][MAIN_MEASURE]
                - query["runs"][0]["values"][MAIN_MEASURE],
                query,
            )
            for query in evaluation["by_query"]
        ),
        key=lambda change: -change[0],
    )
    rows = [
        [
            name,
            _change(values["difference"]),
            f"{values['p_value']:.4f}",
            str(values["wins"]),
            str(values["losses"]),
            str(values["ties"]),
        ]
        for name, values in comparison["measures"].items()
    ]
    wins = [change for change in changes if change[0] > 0]
    losses = [change for change in reversed(changes) if change[0] < 0]
    return [
        f"<h2>{other} against {first}</h2>",
        draw_table(["measure", "difference", "p", "wins", "losses", "ties"], rows),
        f"<h3>{MAIN_MEASURE}, query by query</h3>",
        _change_plot([change for change, _ in changes]),
        f"<h3>Largest gains of {other}</h3>",
        _changed_queries(wins, number),
        f"<h3>Largest losses of {other}</h3>",
        _changed_queries(losses, number),
    ]


def _change_plot(changes: Sequence[float]) -> str:
    """One bar a query, the largest gain first."""
    half, width = 70, (WIDTH - LEFT - 20) / len(changes)
    shapes = [
        f'<text x="{LEFT - 8}" y="14" text-anchor="end">+1</text>',
        f'<text x="{LEFT - 8}" y="{half + 4}" text-anchor="end">0</text>',
        f'<text x="{LEFT - 8}" y="{2 * half}" text-anchor="end">-1</text>',
        f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{half}" y2="{half}" stroke="#5f6b73"/>',
    ]
    for i, change in enumerate(changes):
        if change:
            x, y = LEFT + i * width, half - max(change, 0) * half
            colour = "#2d6e3a" if change > 0 else "#a33c3c"
            shapes.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width * 0.9, 0.6):.1f}" '
                f'height="{abs(change) * half:.1f}" fill="{colour}"/>'
            )
    return draw_svg("Difference by query", shapes, 2 * half + 8)


def _changed_queries(changes: Sequence[tuple[float, Json]], number: int) -> str:
    if not changes:
        return '<p class="note">none</p>'
    return draw_table(
        ["query", "relevant", "first before", "first after", MAIN_MEASURE],
        [
            [
                escape(query["query"]),
                _ids(query["relevant"]),
                _ids(query["runs"][0]["ranking"][:1]),
                _ids(query["runs"][number]["ranking"][:1]),
                f'<span class="{"good" if change > 0 else "bad"}">{change:+.3f}</span>',
            ]
            for change, query in changes[:_SHOWN]
        ],
        words=4,
    )


def _hardest(evaluation: Json) -> str:
    """The queries that no configuration does well."""

    def best(query: Json) -> float:
        return max(float(run["values"][MAIN_MEASURE]) for run in query["runs"])

    return draw_table(
        ["query", "relevant", "found first", f"best {MAIN_MEASURE}"],
        [
            [
                escape(query["query"]),
                _ids(query["relevant"]),
                escape(query["runs"][0]["error"] or "") or _ids(query["runs"][0]["ranking"][:1]),
                f"{best(query):.3f}",
            ]
            for query in sorted(evaluation["by_query"], key=best)[:_SHOWN]
        ],
        words=3,
    )


def _interval(value: Json) -> str:
    return f"{value['mean']:.3f}<br><span class=note>{value['low']:.3f}–{value['high']:.3f}</span>"


def _change(value: Json) -> str:
    return (
        f"{value['mean']:+.3f} <span class=note>[{value['low']:+.3f}, {value['high']:+.3f}]</span>"
    )


def _ids(document_ids: Iterable[str]) -> str:
    return "<br>".join(escape(document_id) for document_id in document_ids) or "nothing"
