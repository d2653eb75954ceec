"""Golden sets as request bodies give them."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from app.api.v1.fields import Body
from app.errors import InvalidRequest
from app.evaluation.golden import GoldenQuery

MAX_QUERIES = 10_000


Grade = Annotated[int, Field(ge=1, le=100)]


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


def read_queries(queries: Sequence[GoldenQueryIn]) -> list[GoldenQuery]:
    """Return the golden set of a body; queries without an id are numbered."""
    read = [
        GoldenQuery(
            query.id or str(number),
            query.query,
            dict.fromkeys(query.relevant, 1)
            if isinstance(query.relevant, list)
            else query.relevant,
        )
        for number, query in enumerate(queries, start=1)
    ]
    if len({query.id for query in read}) < len(read):
        raise InvalidRequest("two queries have one id", code="duplicate_id")
    return read
