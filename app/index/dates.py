"""Dates of a question as articles may write them: 2024-05-01, 1 May 2024, May 1st, 01.05.2024.

Only whole dates: of a month or a year alone the words say enough. Months are named in English.
"""

import re
from collections.abc import Iterator
from datetime import date

from app.index.folding import fold

_MONTHS = (
    ("january", "jan"),
    ("february", "feb"),
    ("march", "mar"),
    ("april", "apr"),
    ("may",),
    ("june", "jun"),
    ("july", "jul"),
    ("august", "aug"),
    ("september", "sept", "sep"),
    ("october", "oct"),
    ("november", "nov"),
    ("december", "dec"),
)
_NUMBERS = {name: number for number, names in enumerate(_MONTHS, 1) for name in names}
_NAME = rf"(?P<name>{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})\.?"
_DAY, _YEAR = r"(?P<d>[0-9]{1,2})(?:st|nd|rd|th)?", r"(?P<y>[0-9]{4})"
_FORMS = tuple(
    re.compile(rf"(?<![\w.,/-]){form}(?![\w/-]|[.,][0-9])", re.IGNORECASE)
    for form in (
        rf"{_YEAR}-(?P<m>[0-9]{{1,2}})-(?P<d>[0-9]{{1,2}})",
        rf"(?P<d>[0-9]{{1,2}})\.\ ?(?P<m>[0-9]{{1,2}})\.\ ?{_YEAR}",
        rf"(?P<d>[0-9]{{1,2}})/(?P<m>[0-9]{{1,2}})/{_YEAR}",
        rf"(?P<m>[0-9]{{1,2}})/(?P<d>[0-9]{{1,2}})/{_YEAR}",
        rf"{_DAY}\ (?:of\ )?{_NAME},?\ {_YEAR}",
        rf"{_NAME}\ {_DAY},?\ {_YEAR}",
    )
)


_HAS_YEAR = re.compile(_YEAR)


def find_dates(text: str) -> list[date]:
    """Return the dates in a clean text, each once; 3/4/2024 is two."""
    if not _HAS_YEAR.search(text):
        return []
    found = (match.groupdict() for form in _FORMS for match in form.finditer(text))
    return list(dict.fromkeys(made for groups in found if (made := _as_date(groups)) is not None))


def list_date_terms(day: date) -> Iterator[tuple[str, ...]]:
    """Yield the terms that stand together in an article that writes a date: those of figures first.

    As the index holds them: app/index/numerals.py.
    """
    yield from ((written,) for written in _list_written(day))
    for name in _MONTHS[day.month - 1]:
        yield (str(day.day), name, str(day.year))


def list_figures(day: date) -> set[str]:
    """Return what the index compares a date in figures by, but for its year."""
    return {*_list_written(day), f"{day:%d}", f"{day:%m}"}


def _list_written(day: date) -> Iterator[str]:
    yield f"{day:%Y%m%d}"
    yield from (f"{day:%d.%m.%Y}", f"{day.day}.{day.month}.{day.year}")
    yield from (f"{day:%d/%m/%Y}", f"{day.day}/{day.month}/{day.year}")
    yield from (f"{day:%m/%d/%Y}", f"{day.month}/{day.day}/{day.year}")


def _as_date(groups: dict[str, str]) -> date | None:
    month = groups.get("m") or _NUMBERS[fold(groups["name"])]
    try:
        return date(int(groups["y"]), int(month), int(groups["d"]))
    except ValueError:
        return None
