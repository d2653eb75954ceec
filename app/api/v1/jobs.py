"""Jobs: how far the documents of an upload are, asked once or followed as events."""

import asyncio
import json
from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from app.api.access import GuardedRoute, JobCollection, JobId, Opened
from app.api.problems import problem_responses
from app.api.v1.document_schemas import JobOut
from app.errors import FolioError
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef
from app.services.articles.documents import JobInfo, get_job

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    responses=problem_responses(401, 403),
    tags=["documents"],
)

_POLL_SECONDS = 0.3
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
    deadline = asyncio.get_running_loop().time() + _STREAM_SECONDS
    sent: JobInfo | None = None
    while True:
        is_done = not job.is_pending
        if is_done or job != sent:
            yield _event("done" if is_done else "progress", job)
            sent = job
        if is_done or asyncio.get_running_loop().time() > deadline:
            return
        await asyncio.sleep(_POLL_SECONDS)
        try:
            job = await run_in_threadpool(get_job, resources.database, collection, job.job_id)
        except FolioError:
            # Its collection was deleted, or the disk fails: the next connection is told so.
            return


def _event(name: str, job: JobInfo) -> str:
    body = JobOut.model_validate(job).model_dump(mode="json")
    return f"event: {name}\ndata: {json.dumps(body)}\n\n"
