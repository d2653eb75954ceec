"""Collections: make, show, list, describe, measure, erase."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from app.api.access import Admin, GuardedRoute, Opened, OwnedCollection, ReadableCollection, Reader
from app.api.bodies import json_body
from app.api.problems import problem_responses
from app.api.v1.fields import (
    COLLECTION,
    Answer,
    Body,
)
from app.domain import Status
from app.services.articles import collections, document_lists, statistics
from app.services.articles.collections import NAME_PATTERN

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["collections"],
)


class CollectionIn(Body):
    name: str = Field(pattern=NAME_PATTERN, examples=["help"])
    """Letters, digits, `.`, `_` and `-`; it stands in paths."""
    description: str = Field("", max_length=4096, examples=["Help articles for customers"])
    """For people; search does not use it."""


class CollectionChangesIn(Body):
    description: str = Field(max_length=4096, examples=["Help articles for customers"])
    """For people; search does not use it."""


class CollectionOut(Answer):
    name: str
    """Its name, as paths hold it."""
    description: str
    """For people; search does not use it."""
    created_at: datetime
    """When it was made."""
    documents: dict[Status, int]
    """How many documents stand at each status."""


class CollectionsOut(Answer):
    collections: list[CollectionOut]
    """Those that the key covers, by name."""


class LanguageCountOut(Answer):
    language: str | None
    """ISO 639-1 code, as it was detected; null where that was unsure."""
    documents: int
    """How many articles are in it."""


class FailureCountOut(Answer):
    code: str
    """Why: one of the error codes."""
    documents: int
    """How many documents failed with it."""
    message: str
    """What one of them was told."""


class StatisticsOut(Answer):
    name: str
    """Of the collection."""
    bytes: int
    """Of the uploads that its articles were read from, as they came; former versions and what
    failed do not count."""
    tokens: int
    """Of the texts of its articles, as the model counts them."""
    languages: list[LanguageCountOut]
    """How many articles are in which language, the most frequent first."""
    last_upload_at: datetime | None
    """When documents were uploaded, or tried again, last; null: never."""
    failures: list[FailureCountOut]
    """What the latest uploads of documents failed with, the most frequent first."""


class AttributesOut(Answer):
    attributes: list[str]
    """Names, sorted; `$language` is one, detected or given."""


class CollectionDeleted(Answer):
    name: str
    """The collection that was erased."""
    documents: int
    """How many documents it held."""


CollectionBody = Annotated[CollectionIn, Depends(json_body(CollectionIn))]
ChangesBody = Annotated[CollectionChangesIn, Depends(json_body(CollectionChangesIn))]


@router.post(
    "/collections",
    status_code=201,
    responses=problem_responses(409, 413, 415, 422),
)
def create_collection(body: CollectionBody, resources: Opened, _: Admin) -> CollectionOut:
    """Make a collection."""
    made = collections.create_collection(resources.database, body.name, body.description)
    return CollectionOut.model_validate(made)


@router.get("/collections")
def list_collections(resources: Opened, caller: Reader) -> CollectionsOut:
    """List the collections that the key covers."""
    seen = collections.list_collections(resources.database, caller.principal)
    return CollectionsOut(collections=[CollectionOut.model_validate(c) for c in seen])


@router.get(
    COLLECTION,
    responses=problem_responses(404),
)
def get_collection(collection: ReadableCollection, resources: Opened) -> CollectionOut:
    """Show a collection and how many of its documents stand at each status."""
    return CollectionOut.model_validate(collections.get_collection(resources.database, collection))


@router.patch(
    COLLECTION,
    responses=problem_responses(404, 413, 415, 422),
)
def change_collection(
    collection: OwnedCollection, body: ChangesBody, resources: Opened
) -> CollectionOut:
    """Change the description of a collection."""
    changed = collections.describe_collection(resources.database, collection, body.description)
    return CollectionOut.model_validate(changed)


@router.get(
    f"{COLLECTION}/statistics",
    responses=problem_responses(404),
)
def get_statistics(collection: ReadableCollection, resources: Opened) -> StatisticsOut:
    """Show what the articles of a collection come to: bytes, tokens, languages; what failed, why.

    All its receipts are read for it, about 5 ms for a thousand articles, where anything changed.
    """
    return StatisticsOut.model_validate(statistics.get_statistics(resources, collection))


@router.get(
    f"{COLLECTION}/attributes",
    responses=problem_responses(404),
)
def list_attributes(collection: ReadableCollection, resources: Opened) -> AttributesOut:
    """List the names that filters and facets know: the attributes of the latest 200 documents."""
    return AttributesOut(attributes=document_lists.list_attributes(resources.database, collection))


@router.delete(
    COLLECTION,
    responses=problem_responses(404, 409, 422),
)
def delete_collection(
    collection: OwnedCollection,
    resources: Opened,
    confirm: Annotated[
        str | None,
        Query(max_length=64, description="Its name; needed while it holds documents"),
    ] = None,
) -> CollectionDeleted:
    """Erase a collection with all its documents.

    It is gone, and its name free, when this answers; what is left of a large one is erased after.
    """
    count = collections.delete_collection(resources, collection, confirmed=confirm)
    return CollectionDeleted(name=collection.name, documents=count)
