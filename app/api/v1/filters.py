"""Conditions on documents as request bodies give them."""

from collections.abc import Iterable
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StrictBool,
    model_validator,
)

from app.api.v1.fields import Body, Key, ScalarIn, Word, is_scalar
from app.domain import TIME_KEYS, Compound, Condition, Filter, parse_time

FilterKey = Annotated[
    Key,
    Field(
        description="An attribute, or $id, $url, $media_type, $language (ISO 639-1, as detected "
        "unless an attribute of this name was given), or in ISO 8601 $created_at (first "
        "uploaded) and $updated_at (the version that answers was ready)"
    ),
]


def _check_times(key: str, values: Iterable[ScalarIn]) -> None:
    if key in TIME_KEYS:
        for value in values:
            parse_time(value)


def _check_scalar(value: object) -> object:
    """Raise ValueError, in one sentence, for what no attribute is compared with."""
    if not is_scalar(value):
        raise ValueError(
            "the value is a string, a number, true or false, as in "
            '{"type": "gte", "key": "year", "value": 2024}; in and nin take several, and exists '
            "asks for attributes that are missing"
        )
    return value


def _check_list(value: object) -> object:
    """Raise ValueError, in one sentence, for what is not a list of such values."""
    if not isinstance(value, list) or not all(map(is_scalar, value)):
        raise ValueError(
            "the value is a list of strings, numbers, true or false, as in "
            '{"type": "in", "key": "product", "value": ["grinder", "kettle"]}'
        )
    return value


def _check_string(value: object) -> object:
    """Raise ValueError, in one sentence, for what no text can hold."""
    if not isinstance(value, str) or not value:
        raise ValueError(
            "the value is a string that is not empty, as in "
            '{"type": "contains", "key": "product", "value": "grind"}'
        )
    return value


class ComparisonIn(Body):
    type: Literal["eq", "ne", "gt", "gte", "lt", "lte"]
    """How the attribute compares with `value`; a list compares if one of its values does."""
    key: FilterKey
    value: Annotated[ScalarIn, BeforeValidator(_check_scalar)]
    """What to compare with."""

    @model_validator(mode="after")
    def _times_are_times(self) -> "ComparisonIn":
        _check_times(self.key, [self.value])
        return self

    def to_filter(self) -> Filter:
        return Condition(self.type, self.key, self.value)


class MembershipIn(Body):
    type: Literal["in", "nin"]
    """Whether the attribute is one of the values, or none of them."""
    key: FilterKey
    value: Annotated[list[ScalarIn], BeforeValidator(_check_list), Field(max_length=1000)]
    """What to look for; of no values nothing is one, and everything is none."""

    @model_validator(mode="after")
    def _times_are_times(self) -> "MembershipIn":
        _check_times(self.key, self.value)
        return self

    def to_filter(self) -> Filter:
        return Condition(self.type, self.key, tuple(self.value))


class TextFilterIn(Body):
    type: Literal["contains", "not_contains", "starts_with", "ends_with"]
    """What the attribute holds, letter for letter; of a list one of its values."""
    key: FilterKey
    value: Annotated[Word, BeforeValidator(_check_string), Field(min_length=1)]
    """What to look for."""

    @model_validator(mode="after")
    def _is_no_time(self) -> "TextFilterIn":
        if self.key in TIME_KEYS:
            raise ValueError(f"{self.key} is a time: compare it with gt, gte, lt or lte")
        return self

    def to_filter(self) -> Filter:
        return Condition(self.type, self.key, self.value)


class ExistenceIn(Body):
    type: Literal["exists"]
    """Whether the document has the attribute at all."""
    key: FilterKey
    value: StrictBool = True
    """False: whether it has not."""

    def to_filter(self) -> Filter:
        return Condition(self.type, self.key, self.value)


class NegationIn(Body):
    type: Literal["not"]
    """Whether a filter does not hold."""
    filter: "FilterIn"
    """What must not hold."""

    @property
    def filters(self) -> "list[FilterIn]":
        return [self.filter]

    def to_filter(self) -> Filter:
        return Compound(self.type, (self.filter.to_filter(),))


class CompoundIn(Body):
    type: Literal["and", "or"]
    """Whether all filters must hold, or one."""
    filters: "list[FilterIn]" = Field(min_length=1, max_length=32)
    """What must hold."""

    def to_filter(self) -> Filter:
        return Compound(self.type, tuple(part.to_filter() for part in self.filters))


FILTER_TYPES = (
    *("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "contains", "not_contains"),
    *("starts_with", "ends_with", "exists", "and", "or", "not"),
)


def _know_type(value: object) -> object:
    """Raise ValueError, with an example, for what is not a filter of a known type."""
    kind = value.get("type") if isinstance(value, dict) else None
    if isinstance(value, BaseModel) or kind in FILTER_TYPES:
        return value
    raise ValueError(
        f"the type of a filter is one of {', '.join(FILTER_TYPES)}, as in "
        '{"type": "eq", "key": "product", "value": "grinder"}'
    )


FilterIn: TypeAlias = Annotated[
    ComparisonIn | MembershipIn | TextFilterIn | ExistenceIn | CompoundIn | NegationIn,
    Field(discriminator="type"),
    BeforeValidator(_know_type),
]


CompoundIn.model_rebuild()
NegationIn.model_rebuild()


MAX_CONDITIONS = 256


MAX_VALUES = 4096


MAX_FILTER_DEPTH = 32


def check_filter_size(condition: FilterIn) -> FilterIn:
    """Raise ValueError for a filter that would ask too much of the database."""
    level, depth, conditions, values = [condition], 0, 0, 0
    while level:
        depth += 1
        compounds = [part for part in level if isinstance(part, CompoundIn | NegationIn)]
        conditions += len(level) - len(compounds)
        values += sum(len(part.value) for part in level if isinstance(part, MembershipIn))
        if depth > MAX_FILTER_DEPTH or conditions > MAX_CONDITIONS or values > MAX_VALUES:
            raise ValueError(
                f"a filter has at most {MAX_CONDITIONS} conditions and {MAX_VALUES} values in "
                f"lists, nested {MAX_FILTER_DEPTH} deep"
            )
        level = [part for compound in compounds for part in compound.filters]
    return condition


CheckedFilter = Annotated[FilterIn, AfterValidator(check_filter_size)]
Filters = CheckedFilter | None
