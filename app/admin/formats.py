"""How values are shown on a page."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import isinf
from typing import Any
from urllib.parse import quote

_UNITS = ("bytes", "KB", "MB", "GB")
# Up to two days, age is said in hours.
_HOURS = 48


def as_time(value: datetime | None) -> str:
    """Return a time in UTC, to the minute."""
    return "–" if value is None else f"{value:%Y-%m-%d %H:%M} UTC"


def as_age(value: datetime) -> str:
    """Return how long ago a time was."""
    hours = int((datetime.now(UTC) - value).total_seconds()) // 3600
    if hours < 1:
        return "less than an hour"
    return as_counted(hours, "hour") if hours < _HOURS else as_counted(hours // 24, "day")


def as_size(count: int) -> str:
    """Return a number of bytes as people read it."""
    size = float(count)
    for unit in _UNITS[:-1]:
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} {_UNITS[-1]}"


def as_count(count: int) -> str:
    """Return a number with its thousands apart."""
    return f"{count:,}"


def as_counted(count: int, noun: str) -> str:
    """Return a number with what is counted: `1 question`, `2,000 questions`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def as_segment(value: str) -> str:
    """Return a name as a part of a path: a collection, or an id with its slashes."""
    return quote(value, safe="/")


def as_argument(value: str) -> str:
    """Return a value of a query string, whatever signs it holds."""
    return quote(value, safe="")


def as_percent(value: float | None) -> str:
    """Return a share or a probability."""
    return "–" if value is None else f"{100 * value:.0f} %"


def as_bound(seconds: float) -> str:
    """Return the upper end of a bucket of times."""
    if isinf(seconds):
        return "over 10 s"
    return f"up to {seconds:g} s" if seconds >= 1 else f"up to {1000 * seconds:g} ms"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "time": as_time,
    "age": as_age,
    "size": as_size,
    "count": as_count,
    "counted": as_counted,
    "segment": as_segment,
    "argument": as_argument,
    "percent": as_percent,
    "within": as_bound,
}
