"""Jobs: how far the documents of an upload are, ending what waits, trying again what failed."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from app.api.access import (
    GuardedRoute,
    JobCollection,
    JobId,
    Opened,
    ReadableCollection,
    WritableCollection,
    WritableJob,
)
from app.api.bodies import json_body
from app.api.problems import problem_responses
from app.api.v1.document_schemas import JobOut, JobsOut, JobSummaryOut, UploadOut
from app.api.v1.fields import COLLECTION, Body
from app.errors import FolioError
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef
from app.services.articles.documents import JobInfo, get_job
from app.services.articles.jobs import cancel_job, list_jobs, retry_documents

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["documents"],
)

_POLL_SECONDS = 0.3
# So many streams that each looks less often: all together cost a hundred looks a second at most.
_POLL_SECONDS_PER_STREAM = 0.01
# A stream holds up the end of the process; a client opens the next one by itself, as
# server-sent events have it, and gets the whole state at once.
_STREAM_SECONDS = 8.0
_RECONNECT_MS = 500
_EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"enum": ["progress", "done"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}


class RetryIn(Body):
    document_ids: list[Annotated[str, Field(min_length=1, max_length=256)]] | None = Field(
        None, min_length=1, max_length=1000, examples=[["manual/reset"]]
    )
    """The documents to try again; null for all whose latest upload failed."""


@router.get(
    COLLECTION + "/jobs", operation_id="list_jobs", responses=problem_responses(400, 404, 422)
)
def show_jobs(
    collection: ReadableCollection,
    resources: Opened,
    pending: Annotated[
        bool, Query(description="Only those of which a document waits or is worked on")
    ] = False,
    limit: Annotated[int, Query(ge=1, le=1000, description="Jobs a page")] = 100,
    before: Annotated[
        str | None, Query(max_length=64, description="`next_before` of the page before")
    ] = None,
) -> JobsOut:
    """List the uploads of a collection, newest first."""
    found = list_jobs(
        resources.database, collection, pending=pending, limit=limit + 1, before=before
    )
    page = [JobSummaryOut.model_validate(job) for job in found[:limit]]
    return JobsOut(jobs=page, next_before=page[-1].job_id if len(found) > limit else None)


# Not below a document's own path: an id may end in any words.
@router.post(
    COLLECTION + "/retry",
    operation_id="retry_documents",
    status_code=202,
    responses=problem_responses(400, 404, 413, 415, 422, 429, 503, 507),
)
def try_again(
    collection: WritableCollection,
    body: Annotated[RetryIn, Depends(json_body(RetryIn))],
    resources: Opened,
) -> UploadOut:
    """Read documents again whose latest upload failed; the answer is a job of its own."""
    return UploadOut.model_validate(retry_documents(resources, collection, body.document_ids))


@router.post(
    "/jobs/{job_id}/cancel",
    operation_id="cancel_job",
    responses=problem_responses(404, 503, 507),
)
def end_job(job_id: JobId, collection: WritableJob, resources: Opened) -> JobOut:
    """End what of a job is not ready yet: it fails as `cancelled`, and can be tried again."""
    return JobOut.model_validate(cancel_job(resources.database, collection, job_id))


@router.get(
    "/jobs/{job_id}",
    operation_id="get_job",
    responses=problem_responses(404),
)
def show_job(job_id: JobId, collection: JobCollection, resources: Opened) -> JobOut:
    """Show how far the documents of an upload are."""
    return JobOut.model_validate(get_job(resources.database, collection, job_id))


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses=problem_responses(404)
    | {
        200: {
            "content": {"text/event-stream": {"schema": _EVENT}},
            "description": "`progress` whenever the job moved, then `done`; each holds the job",
        }
    },
)
async def follow_job(
    job_id: JobId, collection: JobCollection, resources: Opened
) -> StreamingResponse:
    """Send how far a job is, as server-sent events.

    The stream ends after `done`, or after a few seconds: a client then connects again.
    """
    job = await run_in_threadpool(get_job, resources.database, collection, job_id)
    return StreamingResponse(
        _follow(resources, collection, job),
        media_type="text/event-stream",
        # Proxies would hold the events back.
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _follow(
    resources: Resources, collection: CollectionRef, job: JobInfo
) -> AsyncIterator[str]:
    yield f"retry: {_RECONNECT_MS}\n\n"
    resources.signals.open_streams += 1
    try:
        async for event in _watch(resources, collection, job):
            yield event
    finally:
        resources.signals.open_streams -= 1


async def _watch(
    resources: Resources, collection: CollectionRef, job: JobInfo
) -> AsyncIterator[str]:
    deadline = asyncio.get_running_loop().time() + _STREAM_SECONDS
    sent: JobInfo | None = None
    while True:
        is_done = not job.is_pending
        if is_done or job != sent:
            yield _event("done" if is_done else "progress", job)
            sent = job
        if is_done or asyncio.get_running_loop().time() > deadline:
            return
        shared = _POLL_SECONDS_PER_STREAM * resources.signals.open_streams
        await asyncio.sleep(max(_POLL_SECONDS, shared))
        try:
            job = await run_in_threadpool(get_job, resources.database, collection, job.job_id)
        except FolioError:
            # Its collection was deleted, or the disk fails: the next connection is told so.
            return


def _event(name: str, job: JobInfo) -> str:
    body = JobOut.model_validate(job).model_dump(mode="json")
    return f"event: {name}\ndata: {json.dumps(body)}\n\n"
