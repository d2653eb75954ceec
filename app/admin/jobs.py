"""The page of a collection's uploads: what waits, what failed, trying again and cancelling."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.admin.access import HOME
from app.admin.formats import as_counted
from app.admin.pages import PageRoute, redirect, render
from app.api.access import Opened, ReadableCollection, WritableCollection, WritableJob
from app.domain import Status
from app.services.articles.documents import list_documents
from app.services.articles.jobs import cancel_job, list_jobs, retry_documents

router = APIRouter(prefix=HOME, route_class=PageRoute, include_in_schema=False)

PAGE = 50


@router.get("/collections/{collection}/uploads")
def show_uploads(
    request: Request,
    resources: Opened,
    collection: ReadableCollection,
    before: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Show the uploads of a collection, newest first, and the articles that failed."""
    found = list_jobs(resources.database, collection, limit=PAGE + 1, before=before)
    failed, more = list_documents(resources.database, collection, status=Status.FAILED, limit=PAGE)
    return render(
        request,
        "uploads.html",
        collection=collection,
        jobs=found[:PAGE],
        following=found[PAGE - 1].job_id if len(found) > PAGE else None,
        failed=failed,
        more_failed=more is not None,
        statuses=list(Status),
    )


@router.post("/collections/{collection}/retry")
def retry(request: Request, resources: Opened, collection: WritableCollection) -> Response:
    """Read every article again whose latest upload failed."""
    made = retry_documents(resources, collection)
    count = len(made.documents)
    articles = "1 article is" if count == 1 else f"{count} articles are"
    return redirect(request, _path_of(collection.name), f"{articles} read once more.")


@router.post("/jobs/{job_id}/cancel")
def cancel(request: Request, resources: Opened, job_id: str, collection: WritableJob) -> Response:
    """End what of an upload is not ready yet."""
    ended = cancel_job(resources.database, collection, job_id)
    ready = as_counted(ended.counts[Status.READY], "article")
    notice = f"Cancelled; ready before: {ready}."
    return redirect(request, _path_of(collection.name), notice)


def _path_of(collection: str) -> str:
    return f"{HOME}/collections/{collection}/uploads"
