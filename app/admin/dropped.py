"""Files that were dropped on a page: each is taken or refused by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from app.admin.access import HOME
from app.admin.pages import ArticleRoute
from app.api.access import Opened, WritableCollection, resources_of
from app.api.bodies import BodyReader
from app.api.v1.document_schemas import UploadOut
from app.api.v1.fields import Answer
from app.api.v1.uploads import FormFile, expand_file, read_form_files
from app.config import Settings
from app.errors import FolioError, InvalidRequest
from app.services.articles.documents import Upload, check_uploads, put_documents

router = APIRouter(prefix=HOME, route_class=ArticleRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that cannot be stored, and why."""

    id: str
    error: FolioError


@dataclass(frozen=True, slots=True)
class Dropped:
    """The articles of dropped files, what archives hold besides, and the files that are refused."""

    uploads: Sequence[Upload]
    left_out: Sequence[str]
    refused: Sequence[Refusal]


class RefusalOut(Answer):
    id: str
    code: str
    message: str


class DroppedOut(Answer):
    """What became of dropped files; `accepted` is null where none could be stored."""

    accepted: UploadOut | None
    left_out: list[str]
    refused: list[RefusalOut]


async def _read_dropped(request: Request) -> Dropped:
    files = await read_form_files(request)
    return await run_in_threadpool(_sort, files, resources_of(request).settings)


DroppedFiles = Annotated[Dropped, Depends(BodyReader(_read_dropped, {}))]


@router.post("/collections/{collection}/upload")
def upload_files(
    resources: Opened, collection: WritableCollection, dropped: DroppedFiles
) -> Response:
    """Take what can be stored, and say of each other file why it was refused.

    An answer of an error for one of twenty files would keep the others out, and every browser
    notes it in its console, although the page tells of it in words.
    """
    accepted = None
    if dropped.uploads:
        stored = put_documents(resources, collection, dropped.uploads)
        accepted = UploadOut.model_validate(stored)
    refused = [
        RefusalOut(id=one.id, code=one.error.code, message=str(one.error))
        for one in dropped.refused
    ]
    answer = DroppedOut(accepted=accepted, left_out=list(dropped.left_out), refused=refused)
    return JSONResponse(answer.model_dump(mode="json"), 202 if accepted else 200)


def _sort(files: Sequence[FormFile], settings: Settings) -> Dropped:
    uploads: list[Upload] = []
    left_out: list[str] = []
    refused = []
    seen: set[str] = set()
    for file in files:
        try:
            batch = expand_file(file, settings)
            ids = check_uploads(batch.uploads)
            if not seen.isdisjoint(ids):
                raise InvalidRequest("an id occurs twice in one upload", code="duplicate_id")
        except FolioError as error:
            refused.append(Refusal(file.id, error))
        else:
            seen.update(ids)
            uploads += batch.uploads
            left_out += batch.left_out
    return Dropped(uploads, left_out, refused)
