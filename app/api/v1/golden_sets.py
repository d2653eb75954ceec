"""Golden sets: as request bodies give them, and the one that a collection keeps."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field
from starlette.convertors import IntegerConvertor, register_url_convertor

from app.api.access import GuardedRoute, Opened, WritableCollection
from app.api.bodies import BodySize, json_body
from app.api.problems import problem_responses
from app.api.v1.fields import COLLECTION, Answer, Body
from app.errors import InvalidRequest
from app.evaluation.golden import MAX_GRADE, GoldenQuery
from app.services.quality import golden_sets
from app.services.quality.golden_sets import MAX_QUERIES


class _Number(IntegerConvertor):
    """Starlette's `int`, which fails past 4,300 digits."""

    regex = "[0-9]{1,4000}"


register_url_convertor("number", _Number())
router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["evaluation"],
)

Grade = Annotated[int, Field(ge=1, le=MAX_GRADE)]


class GoldenQueryIn(Body):
    id: str | None = Field(None, max_length=256)
    """Null: its number."""
    query: str = Field(min_length=1, examples=["how do I reset the machine?"])
    """A question as people ask it."""
    relevant: dict[str, Grade] | list[str] = Field(
        min_length=1, examples=[["manual/reset"]], description="Ids, or grades by id"
    )


class LabelledQueryIn(GoldenQueryIn):
    """A question whose answer, or that it has none, is known."""

    relevant: dict[str, Grade] | list[str] = Field(
        examples=[["manual/reset"]], description="Ids, or grades by id; empty: nothing answers it"
    )


class KeptQueryIn(Body):
    """A question of a collection's golden set."""

    query: str = Field(min_length=1, examples=["how do I reset the machine?"])
    """A question as people ask it."""
    relevant: dict[str, Grade] | list[str] = Field(
        examples=[["manual/reset"]], description="Ids, or grades by id; empty: nothing answers it"
    )


class KeptQueriesIn(Body):
    queries: list[KeptQueryIn] = Field(min_length=1, max_length=MAX_QUERIES)
    """To be added; one that is there gets these documents."""


class KeptQueryOut(Answer):
    id: int
    """What the routes that change and remove it name it by."""
    query: str
    """A question as people ask it."""
    relevant: dict[str, int]
    """Grades by document id; empty: nothing answers it."""
    missing: list[str]
    """Those of its documents that no search can find: they are gone, or not read yet."""
    changed_at: datetime
    """When it was added or changed last."""


class KeptQueriesOut(Answer):
    queries: list[KeptQueryOut]
    """In the order in which they were added."""
    total: int
    """Questions in the set."""
    following: int | None
    """What to give as `after` for the next page; null: there is none."""


class AddedQueriesOut(Answer):
    added: int
    """Questions that are new."""
    changed: int
    """Questions that were there with other documents."""
    total: int
    """Questions that the set has now."""


class LearnedOut(Answer):
    query: str
    """A question that was asked."""
    relevant: dict[str, int]
    """Votes by document id."""


class SuggestionsOut(Answer):
    queries: list[LearnedOut]
    """Questions that are not in the golden set, for review."""


KeptQueriesBody = Annotated[KeptQueriesIn, Depends(json_body(KeptQueriesIn, size=BodySize.GOLDEN))]
QueryId = Annotated[int, Path(ge=1, le=2**53, description="As the list has it")]


def read_queries(queries: Sequence[GoldenQueryIn]) -> list[GoldenQuery]:
    """Return the golden set of a body; queries without an id are numbered."""
    read = [
        GoldenQuery(query.id or str(number), query.query, _grade(query.relevant))
        for number, query in enumerate(queries, start=1)
    ]
    if len({query.id for query in read}) < len(read):
        raise InvalidRequest("two queries have the same id", code="duplicate_id")
    return read


@router.get(f"{COLLECTION}/golden", responses=problem_responses(404, 422))
def list_golden(
    collection: WritableCollection,
    resources: Opened,
    limit: Annotated[int, Query(ge=1, le=1000, description="Questions at most")] = 100,
    after: Annotated[int, Query(ge=0, le=2**53, description="`following` of the page before")] = 0,
) -> KeptQueriesOut:
    """Return the golden set of a collection, a page of it."""
    found = golden_sets.list_golden(resources.database, collection, limit=limit, after=after)
    return KeptQueriesOut.model_validate(found)


@router.get(f"{COLLECTION}/golden/suggestions", responses=problem_responses(404))
def suggest_golden(collection: WritableCollection, resources: Opened) -> SuggestionsOut:
    """Return what feedback says of questions that are not in the golden set; values count votes."""
    learned = golden_sets.suggest_golden(resources, collection)
    return SuggestionsOut(queries=[LearnedOut.model_validate(query) for query in learned])


@router.post(f"{COLLECTION}/golden", responses=problem_responses(404, 409, 413, 415, 422, 507))
def add_golden(
    collection: WritableCollection, body: KeptQueriesBody, resources: Opened
) -> AddedQueriesOut:
    """Add questions to the golden set, all or none; one that is there gets these documents."""
    added = golden_sets.add_golden(
        resources, collection, [_read_query(query) for query in body.queries]
    )
    return AddedQueriesOut.model_validate(added)


@router.put(
    f"{COLLECTION}/golden/{{query_id:number}}",
    responses=problem_responses(404, 409, 413, 415, 422, 507),
)
def change_golden(
    collection: WritableCollection,
    query_id: QueryId,
    body: Annotated[KeptQueryIn, Depends(json_body(KeptQueryIn))],
    resources: Opened,
) -> KeptQueryOut:
    """Give a question of the golden set another text and other documents."""
    changed = golden_sets.change_golden(resources, collection, query_id, _read_query(body))
    return KeptQueryOut.model_validate(changed)


@router.delete(
    f"{COLLECTION}/golden/{{query_id:number}}",
    status_code=204,
    responses=problem_responses(404, 422),
)
def remove_golden(collection: WritableCollection, query_id: QueryId, resources: Opened) -> None:
    """Take a question out of the golden set."""
    golden_sets.remove_golden(resources, collection, query_id)


def _read_query(query: KeptQueryIn) -> GoldenQuery:
    return GoldenQuery("", query.query, _grade(query.relevant))


def _grade(relevant: dict[str, int] | list[str]) -> dict[str, int]:
    return dict.fromkeys(relevant, 1) if isinstance(relevant, list) else relevant
