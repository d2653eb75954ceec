"""Keys: make, list, revoke."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import AwareDatetime, Field, field_validator

from app.api.access import Admin, GuardedRoute, Opened
from app.api.bodies import json_body
from app.api.problems import problem_responses
from app.api.v1.fields import Answer, Body
from app.domain import Scope
from app.services.access import keys

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["keys"],
)


class KeyIn(Body):
    name: str = Field("", max_length=256, examples=["chatbot"])
    """For people."""
    scope: Scope = Scope.READ
    """What it may do; each scope includes the ones before it."""
    collections: list[str] | None = Field(
        None, min_length=1, max_length=100, description="None: all of them", examples=[["help"]]
    )
    expires_at: AwareDatetime | None = None
    """Null: never."""

    @field_validator("expires_at")
    @classmethod
    def _fits_the_calendar(cls, expires_at: datetime | None) -> datetime | None:
        try:
            return expires_at and expires_at.astimezone(UTC)
        except OverflowError:
            raise ValueError("this lies past the year 9999 in UTC") from None


class KeyOut(Answer):
    id: str
    """What DELETE /v1/keys/{key_id} names it by."""
    name: str
    """For people."""
    scope: Scope
    """What it may do."""
    collections: list[str] | None
    """What it covers; null: all collections."""
    created_at: datetime
    """When it was made."""
    expires_at: datetime | None
    """When it ends by itself; null: never."""
    revoked_at: datetime | None
    """When it was revoked; null unless it was."""
    last_used_at: datetime | None
    """When a request came with it last, to the minute; null: not yet."""


class KeyMade(KeyOut):
    key: str
    """The token itself; it is shown this once."""


class KeysOut(Answer):
    keys: list[KeyOut]
    """Without their secrets."""


KeyBody = Annotated[KeyIn, Depends(json_body(KeyIn))]


@router.post(
    "/keys",
    status_code=201,
    responses=problem_responses(404, 413, 415, 422),
)
def create_key(body: KeyBody, resources: Opened, _: Admin) -> KeyMade:
    """Make a key; its token is in this answer and nowhere else."""
    info, token = keys.create_key(
        resources.database,
        name=body.name,
        scope=body.scope,
        collections=body.collections,
        expires_at=body.expires_at,
    )
    return KeyMade(**KeyOut.model_validate(info).model_dump(), key=token)


@router.get("/keys")
def list_keys(resources: Opened, _: Admin) -> KeysOut:
    """List all keys, without their secrets."""
    return KeysOut(keys=[KeyOut.model_validate(key) for key in keys.list_keys(resources.database)])


@router.delete(
    "/keys/{key_id}",
    responses=problem_responses(404),
)
def revoke_key(
    key_id: Annotated[str, Path(description="As the list names it")], resources: Opened, _: Admin
) -> KeyOut:
    """Revoke a key; the next request with it is refused."""
    return KeyOut.model_validate(keys.revoke_key(resources.database, key_id))
