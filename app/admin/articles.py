"""Pages of collections, uploads and articles."""

from difflib import unified_diff
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from markupsafe import Markup, escape

from app.admin.access import HOME
from app.admin.changes import write_lines
from app.admin.formats import as_counted, as_segment, as_size
from app.admin.pages import PageRoute, redirect, render
from app.api.access import (
    Admin,
    CurrentCaller,
    Opened,
    OwnedCollection,
    ReadableCollection,
    Reader,
    WritableCollection,
)
from app.api.v1.jobs import follow_job
from app.domain import Scope, Status
from app.errors import InvalidRequest
from app.services.access.collections import CollectionRef
from app.services.articles import collections, documents
from app.services.articles.passages import ReadArticle, get_read_article, get_version_text
from app.services.articles.statistics import list_statistics
from app.services.articles.versions import restore_version
from app.services.quality.questions import list_questions

router = APIRouter(prefix=HOME, route_class=PageRoute, include_in_schema=False)

PAGE = 50
_MAX_DIFF_CHARACTERS = 400_000
DocumentId = Annotated[str, Form(max_length=256)]


@router.get("")
def list_collections(request: Request, resources: Opened, caller: Reader) -> Response:
    """Show the collections that the key covers."""
    return render(
        request,
        "collections.html",
        collections=collections.list_collections(resources.database, caller.principal),
        statistics=list_statistics(resources, caller.principal),
        statuses=list(Status),
    )


@router.post("/collections")
def create_collection(
    request: Request,
    resources: Opened,
    _: Admin,
    name: Annotated[str, Form(max_length=256)],
    description: Annotated[str, Form(max_length=4096)] = "",
) -> Response:
    """Make a collection."""
    made = collections.create_collection(resources.database, name, description)
    return redirect(request, f"{HOME}/collections/{made.name}", f"{made.name} was made.")


@router.post("/collections/{collection}/describe")
def describe_collection(
    request: Request,
    resources: Opened,
    collection: OwnedCollection,
    description: Annotated[str, Form(max_length=4096)] = "",
) -> Response:
    """Change what is said of a collection."""
    collections.describe_collection(resources.database, collection, description)
    return redirect(request, f"{HOME}/collections/{collection.name}", "Changed.")


@router.post("/collections/{collection}/delete")
def delete_collection(
    request: Request,
    resources: Opened,
    collection: OwnedCollection,
    confirm: Annotated[str, Form(max_length=256)] = "",
) -> Response:
    """Erase a collection, once its name was typed."""
    if confirm != collection.name:
        raise InvalidRequest(f"type {collection.name} to erase it", code="not_confirmed")
    count = collections.delete_collection(resources, collection, confirmed=confirm)
    articles = as_counted(count, "article")
    return redirect(request, HOME, f"{collection.name} was erased with {articles}.")


@router.get("/collections/{collection}")
def show_collection(
    request: Request,
    resources: Opened,
    collection: ReadableCollection,
    status: Annotated[Status | None, Query()] = None,
    cursor: Annotated[str | None, Query(max_length=512)] = None,
    write: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Show the articles of a collection, a page of them, with what can be done.

    `write` is the title of an article that somebody is about to write.
    """
    info = collections.get_collection(resources.database, collection)
    page, following = documents.list_documents(
        resources.database, collection, status=status, limit=PAGE, cursor=cursor
    )
    return render(
        request,
        "collection.html",
        collection=info,
        documents=page,
        imports=resources.settings.imports,
        max_bytes=resources.settings.max_body_bytes,
        max_files=resources.settings.max_files_per_upload,
        status=status,
        statuses=list(Status),
        following=following,
        is_first=cursor is None,
        write=write,
    )


router.add_api_route("/jobs/{job_id}/events", follow_job, methods=["GET"], response_class=Response)


@router.get("/collections/{collection}/articles/{id:path}")
def show_article(
    request: Request,
    resources: Opened,
    collection: ReadableCollection,
    caller: CurrentCaller,
    id: str,
    compare: Annotated[int | None, Query(ge=1, le=2**53)] = None,
) -> Response:
    """Show what was read of an article, its receipt and its versions."""
    document = documents.get_document(resources.database, collection, id, with_versions=True)
    read = None
    if document.live_version is not None:
        read = get_read_article(resources.database, collection, id)
    diff = None
    if compare is not None and read is not None:
        former = get_version_text(resources.database, collection, id, compare)
        diff = _compare(former, read.text)
    return render(
        request,
        "article.html",
        collection=collection,
        document=document,
        # The query log is for keys that may write, as over REST.
        questions=list_questions(resources, collection, id)
        if caller.principal.scope.includes(Scope.WRITE)
        else (),
        attributes=write_lines(dict(document.attributes)),
        pieces=_mark_passages(read) if read is not None else (),
        compare=compare,
        diff=diff,
    )


@router.post("/collections/{collection}/rollback")
def roll_back(
    request: Request,
    resources: Opened,
    collection: WritableCollection,
    id: DocumentId,
    version: Annotated[int, Form(ge=1, le=2**53)],
) -> Response:
    """Make an earlier version the newest one again."""
    restore_version(resources, collection, id, version)
    return redirect(request, _path_of(collection, id), f"Version {version} is read once more.")


@router.post("/collections/{collection}/erase")
def delete_article(
    request: Request, resources: Opened, collection: WritableCollection, id: DocumentId
) -> Response:
    """Erase an article."""
    erased = documents.delete_document(resources, collection, id)
    versions = as_counted(erased.versions, "version")
    notice = f"{erased.deleted} was erased: {versions}, {as_size(erased.bytes)}."
    return redirect(request, f"{HOME}/collections/{collection.name}", notice)


def _path_of(collection: CollectionRef, document_id: str) -> str:
    return f"{HOME}/collections/{collection.name}/articles/{as_segment(document_id)}"


def _mark_passages(read: ReadArticle) -> list[tuple[str, int, Markup, str, int | None]]:
    """Return (kind, number, text, heading, page) of the passages and of what lies between them."""
    pieces: list[tuple[str, int, Markup, str, int | None]] = []
    end = 0
    for number, passage in enumerate(read.passages, start=1):
        start = max(passage.span.start, end)
        if read.text[end:start].strip():
            pieces.append(("between", 0, escape(read.text[end:start].strip("\n")), "", None))
        text = read.text[start : passage.span.end]
        pieces.append(("passage", number, escape(text), passage.heading, passage.page))
        end = max(end, passage.span.end)
    if read.text[end:].strip():
        pieces.append(("between", 0, escape(read.text[end:].strip("\n")), "", None))
    return pieces


def _compare(former: str, now: str) -> list[tuple[str, str]] | None:
    """Return the lines that changed, as (added, removed or same, line); None if it is too much."""
    if len(former) + len(now) > _MAX_DIFF_CHARACTERS:
        return None
    kinds = {"+": "added", "-": "removed"}
    lines = unified_diff(former.splitlines(), now.splitlines(), lineterm="", n=2)
    # The first two name the files.
    return [(kinds.get(line[:1], "same"), line) for line in islice(lines, 2, None)]
