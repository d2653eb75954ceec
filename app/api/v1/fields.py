"""Types that fields of several bodies share; unknown fields of a body are refused."""

from typing import Annotated, Any, TypeAlias

from fastapi import Path
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
)

from app.api.bodies import LimitedModel
from app.domain import (
    MAX_ATTRIBUTES,
    MAX_KEY_LENGTH,
    MAX_TITLE_LENGTH,
    MAX_URL_LENGTH,
    MAX_VALUE_LENGTH,
    MAX_VALUES,
    is_link,
)


def _refuse_integer(value: object) -> object:
    if isinstance(value, int):
        # Pydantic turns only this kind of error into its own.
        raise ValueError(  # noqa: TRY004
            f"integers lie between {-MAX_INTEGER} and {MAX_INTEGER}"
        )
    return value


# Integers beyond 2^53 are other numbers in many JSON readers.
MAX_INTEGER = 2**53


Integer = Annotated[StrictInt, Field(ge=-MAX_INTEGER, le=MAX_INTEGER)]


# A strict float would take such an integer, rounded.
Number = Annotated[StrictFloat, BeforeValidator(_refuse_integer), Field(allow_inf_nan=False)]


Word = Annotated[StrictStr, Field(max_length=MAX_VALUE_LENGTH)]


ScalarIn: TypeAlias = StrictBool | Integer | Number | Word


Key = Annotated[str, Field(min_length=1, max_length=MAX_KEY_LENGTH)]


def is_scalar(value: object) -> bool:
    """Return whether a value is of a type that attributes have."""
    return isinstance(value, str | bool | int | float)


def _check_changes(value: object) -> object:
    """Raise ValueError as `_check_attributes` does, but not for null."""
    if isinstance(value, dict):
        _check_attributes({key: given for key, given in value.items() if given is not None})
    return value


def _check_attributes(value: object) -> object:
    """Raise ValueError, in one sentence, for what an attribute cannot be."""
    if isinstance(value, dict):
        for key, given in value.items():
            parts = given[: MAX_VALUES + 1] if isinstance(given, list) and given else [given]
            if not all(map(is_scalar, parts)):
                raise ValueError(
                    f"the attribute {key!r} is a string, a number, true or false, or a list of "
                    "such values that is not empty; null and objects are not allowed"
                )
    return value


AttributeIn: TypeAlias = (
    ScalarIn | Annotated[list[ScalarIn], Field(min_length=1, max_length=MAX_VALUES)]
)


AttributeChangesIn = Annotated[
    dict[Key, AttributeIn | None],
    BeforeValidator(_check_changes),
    Field(max_length=2 * MAX_ATTRIBUTES, examples=[{"product": "kettle", "year": None}]),
]


AttributesIn = Annotated[
    dict[Key, AttributeIn],
    BeforeValidator(_check_attributes),
    Field(
        max_length=MAX_ATTRIBUTES,
        examples=[{"product": "grinder", "tags": ["burrs", "dose"], "year": 2025}],
    ),
]


Title = Annotated[str, Field(max_length=MAX_TITLE_LENGTH)]


def _check_link(url: str) -> str:
    if not is_link(url):
        raise ValueError("must be a link by http, https or mailto, or a relative one")
    return url


Url = Annotated[str, Field(max_length=MAX_URL_LENGTH), AfterValidator(_check_link)]


QueryText = Annotated[
    str,
    Field(examples=["how do I reset the machine?"], json_schema_extra={"pattern": r"\S"}),
]


DocumentId = Annotated[str, Path(examples=["manual/reset"], description="May hold slashes")]


COLLECTION = "/collections/{collection}"


DOCUMENT = COLLECTION + "/documents/{id:path}"


def require_fields(kind: str, **types: str) -> dict[str, Any]:
    """Return the JSON schema that `oneOf` or `anyOf` (`kind`) of some fields be there.

    Negated twice: of the plain keyword, generators make a class for each alternative.
    """
    alternatives = [
        {"required": [name], "properties": {name: {"type": of, "minLength": 1}}}
        for name, of in types.items()
    ]
    return {"not": {"not": {kind: alternatives}}}


class Body(LimitedModel):
    """A request body."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class Answer(BaseModel):
    """An answer, read off the service's own types."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)
