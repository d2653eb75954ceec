"""Filters of the page of search, built by clicking: each is a comparison in its address."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from pydantic import ValidationError

from app.api.v1.filters import ComparisonIn
from app.db.queries import ValueCount
from app.domain import Compound, Filter, Scalar
from app.errors import InvalidRequest

MAX_FILTERS = 20
_VALUES = 20
# Of longer ones nobody reads a list.
_VALUE_LENGTH = 500
_SIGNS = {"eq": "=", "ne": "≠", "gt": ">", "gte": "≥", "lt": "<", "lte": "≤"}


@dataclass(frozen=True, slots=True)
class Link:
    """What a click leads to."""

    text: str
    path: str
    count: int | None = None
    is_current: bool = False


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What a search is narrowed by; all comparisons have to hold."""

    asked: Mapping[str, str]
    """What else is in the address: the question and how it is asked."""
    comparisons: tuple[ComparisonIn, ...]
    by: str | None
    """The attribute whose values are shown to choose from."""

    @classmethod
    def read(cls, asked: Mapping[str, str], given: Sequence[str], by: str | None) -> "Narrowing":
        """Return what an address says; raises InvalidRequest for what is not a comparison."""
        return cls(asked, tuple(_read_comparison(text) for text in given), by)

    def filter(self) -> Filter | None:
        """Return the filter of the search."""
        filters = tuple(one.to_filter() for one in self.comparisons)
        return Compound("and", filters) if len(filters) > 1 else next(iter(filters), None)

    def body(self) -> dict[str, Any]:
        """Return what the body of the same request has for it."""
        filters = [one.model_dump(mode="json") for one in self.comparisons]
        if not filters:
            return {}
        return {"filters": filters[0] if len(filters) == 1 else {"type": "and", "filters": filters}}

    def fields(self) -> list[tuple[str, str]]:
        """Return it as the fields of a form."""
        by = [] if self.by is None else [("by", self.by)]
        return [*(("filter", one.model_dump_json()) for one in self.comparisons), *by]

    def chips(self) -> list[Link]:
        """Return the comparisons, each with the address without it."""
        return [
            Link(
                f"{one.key} {_SIGNS[one.type]} {_show(one.value)}",
                replace(
                    self, comparisons=tuple(c for c in self.comparisons if c is not one)
                ).path(),
            )
            for one in self.comparisons
        ]

    def keys(self, offered: Sequence[str]) -> list[Link]:
        """Return the attributes, each with the address that shows its values, or hides them."""
        return [
            Link(
                key, replace(self, by=None if key == self.by else key).path(), None, key == self.by
            )
            for key in offered
        ]

    def values(self, counted: Sequence[ValueCount]) -> list[Link]:
        """Return the most frequent values of the attribute that is not chosen yet."""
        return [*self._offer(counted)][:_VALUES]

    def path(self) -> str:
        """Return the address, as a link on the same page has it."""
        return "?" + urlencode([*self.asked.items(), *self.fields()])

    def _offer(self, counted: Sequence[ValueCount]) -> Iterator[Link]:
        assert self.by is not None
        for one in counted:
            text = _show(one.value)
            if len(text) <= _VALUE_LENGTH and len(self.comparisons) < MAX_FILTERS:
                added = ComparisonIn(type="eq", key=self.by, value=one.value)
                if added not in self.comparisons:
                    chosen = replace(self, comparisons=(*self.comparisons, added))
                    yield Link(text, chosen.path(), one.count)


def _read_comparison(text: str) -> ComparisonIn:
    try:
        return ComparisonIn.model_validate_json(text)
    except ValidationError as error:
        parts = (f"{'.'.join(map(str, p['loc']))} {p['msg']}" for p in error.errors()[:2])
        raise InvalidRequest(f"filter: {'; '.join(parts).strip()}") from None


def _show(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
