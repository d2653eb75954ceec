"""Dify's external knowledge: `POST /v1/dify/retrieval`, with its whole condition language."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from app.api.access import Opened, Reader
from app.api.bodies import BodyReader, BodySize, limit_body, limits_of, parse_json
from app.api.compat.errors import (
    ContractBody,
    ContractRoute,
    Failure,
    error_responses,
    without_unprocessable,
)
from app.api.v1 import filters as filter_limits
from app.api.v1.fields import Answer, ScalarIn
from app.domain import (
    TIME_KEYS,
    Compound,
    Condition,
    Filter,
    Hit,
    Scalar,
    Scope,
    add_attributes,
    parse_time,
)
from app.errors import InvalidRequest
from app.services.search.pipeline import SearchRequest
from app.services.search.search import search_documents

MAX_RECORDS = 100
MAX_CONDITIONS = 64
MAX_LISTED = 1000
_PASSAGES = 3

Operator = Literal[
    "contains",
    "not contains",
    "start with",
    "end with",
    "is",
    "is not",
    "in",
    "not in",
    "empty",
    "not empty",
    "=",
    "≠",
    ">",
    "<",
    "≥",
    "≤",
    "before",
    "after",
]
_TEXT: dict[str, Any] = {
    "contains": "contains",
    "not contains": "not_contains",
    "start with": "starts_with",
    "end with": "ends_with",
}
_ORDER: dict[str, Any] = {
    ">": "gt",
    "<": "lt",
    "≥": "gte",
    "≤": "lte",
    "before": "lt",
    "after": "gt",
}
# Conditions that must hold under every name of a list; the others under one of them.
_NEGATIVE = {"not contains", "is not", "not in", "empty", "≠"}


class DifyError(Answer):
    error_code: int
    """Dify's own code, or the HTTP status."""
    error_msg: str
    """One sentence for people."""


def shape_dify(failure: Failure) -> tuple[int, BaseModel]:
    """Return a failure as Dify reads it: its own codes where it has one, else the status."""
    codes = {
        "unauthorized": 1002 if failure.has_key else 1001,
        "collection_not_found": 2001,
    }
    status = without_unprocessable(failure.status)
    code = codes.get(failure.code, status)
    return status, DifyError(error_code=code, error_msg=failure.message)


class DifyRoute(ContractRoute):
    shape = staticmethod(shape_dify)


router = APIRouter(prefix="/v1/dify", route_class=DifyRoute, tags=["dify"])


class RetrievalSetting(ContractBody):
    top_k: Annotated[int, Field(ge=1, le=MAX_RECORDS)] = 4
    """How many records."""
    score_threshold: Annotated[float | None, Field(ge=0, le=1, description="0: off")] = 0.0


class DifyCondition(ContractBody):
    name: str | Annotated[list[str], Field(min_length=1, max_length=16)]
    """What people call it."""
    comparison_operator: Operator
    """How it compares."""
    value: ScalarIn | list[ScalarIn] | None = None
    """What it compares with."""


class MetadataCondition(ContractBody):
    logical_operator: Literal["and", "or"] = "and"
    """Whether all conditions must hold, or one."""
    conditions: list[DifyCondition] = Field([], max_length=MAX_CONDITIONS)
    """What must hold."""


class RetrievalIn(ContractBody):
    """`knowledge_id` is the name of a collection."""

    knowledge_id: str = Field(max_length=128, examples=["help"])
    """The name of a collection."""
    query: str
    """The question."""
    retrieval_setting: RetrievalSetting = RetrievalSetting()
    """How many records, and how sure."""
    metadata_condition: MetadataCondition | None = None
    """Which articles to look at."""


class RecordOut(Answer):
    content: str
    """Its text, or its best passages."""
    score: float
    """How well it answers."""
    title: str
    """Of the article, or its id."""
    metadata: dict[str, Any]
    """Words of the caller, by key."""


class RecordsOut(Answer):
    records: list[RecordOut]
    """Best first."""


async def read_body(request: Request) -> RetrievalIn:
    """Return the body, whatever type it declares: Dify registers with none and without a body."""
    limits = limits_of(request, BodySize.SMALL)
    body = await limit_body(request, limits.max_bytes).body()
    if not body:
        raise InvalidRequest("send JSON with knowledge_id, query and retrieval_setting")
    return await parse_json(RetrievalIn, body, limits)


RetrievalBody = BodyReader(read_body, {"application/json": RetrievalIn})


@router.post(
    "/retrieval",
    operation_id="dify_retrieval",
    responses=error_responses(DifyError, 400, 401, 403, 404, 413, 503),
)
def retrieve(
    body: Annotated[RetrievalIn, Depends(RetrievalBody)], resources: Opened, caller: Reader
) -> RecordsOut:
    """Search a collection for Dify."""
    collection = caller.collection(body.knowledge_id, Scope.READ)
    setting = body.retrieval_setting
    request = SearchRequest(
        body.query,
        [collection],
        limit=setting.top_k,
        filters=read_conditions(body.metadata_condition),
        min_score=setting.score_threshold or None,
    )
    hits = search_documents(resources, request, passages=_PASSAGES).results
    return RecordsOut(records=[_describe(hit) for hit in hits])


def read_conditions(given: MetadataCondition | None) -> Filter | None:
    """Return the filter of a condition; raises InvalidRequest for a value that it cannot have."""
    if given is None or not given.conditions:
        return None
    filters = Compound(
        given.logical_operator, tuple(_read_condition(part) for part in given.conditions)
    )
    _check_size(filters)
    return filters


def _read_condition(condition: DifyCondition) -> Filter:
    names = [condition.name] if isinstance(condition.name, str) else condition.name
    parts = tuple(_compare(name, condition) for name in names)
    if len(parts) == 1:
        return parts[0]
    return Compound("and" if condition.comparison_operator in _NEGATIVE else "or", parts)


def _compare(key: str, condition: DifyCondition) -> Filter:
    operator, value = condition.comparison_operator, condition.value
    if key in TIME_KEYS and operator in {"empty", "not empty"}:
        return Condition("exists", key, operator == "not empty")
    if operator == "empty":
        return Compound("or", (Condition("exists", key, False), Condition("eq", key, "")))
    if operator == "not empty":
        return Compound("and", (Condition("exists", key, True), Condition("ne", key, "")))
    if value is None:
        raise InvalidRequest(f"{operator} needs a value", code="missing_value")
    if operator in {"in", "not in"}:
        return Condition("in" if operator == "in" else "nin", key, _as_list(key, value))
    if isinstance(value, list):
        raise InvalidRequest(f"{operator} takes one value, not a list", code="invalid_value")
    if operator in _TEXT:
        return _compare_text(key, operator, value)
    if operator in _ORDER:
        number = value if operator in {"before", "after"} else _as_number(value)
        return Condition(_ORDER[operator], key, _checked(key, number))
    # Dify's editor sends numbers as text as well: either is meant.
    kind: Literal["in", "nin"] = "in" if operator in {"is", "="} else "nin"
    return Condition(kind, key, _checked_all(key, _either(value)))


def _compare_text(key: str, operator: str, value: Scalar) -> Filter:
    if key in TIME_KEYS:
        raise InvalidRequest(f"{key} is a time: use before or after", code="invalid_value")
    text = str(value)
    if not text:
        # Every text holds the empty one.
        return Condition("exists", key, operator != "not contains")
    return Condition(_TEXT[operator], key, text)


def _as_list(key: str, value: Scalar | list[Any]) -> tuple[Scalar, ...]:
    listed = value if isinstance(value, list) else str(value).split(",")
    if len(listed) > MAX_LISTED:
        raise InvalidRequest(f"a list has at most {MAX_LISTED} values", code="invalid_value")
    values = [item.strip() if isinstance(item, str) else item for item in listed]
    return _checked_all(key, tuple(either for item in values for either in _either(item)))


def _either(value: Scalar) -> tuple[Scalar, ...]:
    number = _as_number(value)
    return (value,) if number == value else (value, number)


def _as_number(value: Scalar) -> Scalar:
    if not isinstance(value, str):
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    # `nan` and `inf` are words.
    return number if abs(number) < float("inf") else value


def _checked_all(key: str, values: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
    return tuple(_checked(key, value) for value in values)


def _checked(key: str, value: Scalar) -> Scalar:
    if key in TIME_KEYS:
        try:
            parse_time(value)
        except ValueError as error:
            raise InvalidRequest(str(error), code="invalid_value") from error
    return value


def _describe(hit: Hit) -> RecordOut:
    return RecordOut(
        content="\n\n".join(passage.quoted for passage in hit.passages),
        score=hit.score,
        title=hit.title or hit.document_id,
        metadata=add_attributes(
            {"document_id": hit.document_id, "version": hit.version, "url": hit.url or ""},
            hit.attributes,
        ),
    )


def _check_size(filters: Filter) -> None:
    leaves = list(_list_leaves(filters))
    values = sum(len(leaf.value) for leaf in leaves if isinstance(leaf.value, tuple))
    if len(leaves) > filter_limits.MAX_CONDITIONS or values > filter_limits.MAX_VALUES:
        raise InvalidRequest(
            f"conditions, each counted once for every name, are at most "
            f"{filter_limits.MAX_CONDITIONS} with {filter_limits.MAX_VALUES} values; these are "
            f"{len(leaves)} with {values}",
            code="invalid_value",
        )


def _list_leaves(condition: Filter) -> Iterator[Condition]:
    if isinstance(condition, Condition):
        yield condition
    else:
        for part in condition.filters:
            yield from _list_leaves(part)
