"""Request bodies: how much of them is read, and JSON into a model.

Not FastAPI's own reading: Python's json lets lone surrogates pass and fails on deep nesting and
long numbers with errors of its own, while pydantic's parser has one answer for all of them.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.types import Message

from app.api.access import resources_of
from app.errors import TooLarge, UnsupportedMediaType

MAX_SMALL_BODY_BYTES = 1 << 20
"""For every body that holds neither an article nor a golden set."""
MAX_ERRORS = 20
"""Places that an answer to a wrong body names."""
MAX_NAMES = 200_000
"""Names of fields in a large JSON body: each that is unknown costs an error of its own."""
MAX_GOLDEN_BODY_BYTES = 16 << 20

T = TypeVar("T")
# The end of a name in JSON; an escaped quotation mark is part of a text.
_NAME = re.compile(rb'(?<!\\)"\s*:')

BodyModel = TypeVar("BodyModel", bound=BaseModel)


# FastAPI keeps dependencies by their hash: each is one of its own.
@dataclass(frozen=True, slots=True, eq=False)
class BodyReader(Generic[T]):
    """A dependency of a route: reads its body, and says what the body is.

    `content` has a model or a JSON schema for each media type; the OpenAPI document is made of it.
    """

    read: Callable[[Request], Awaitable[T]]
    content: Mapping[str, type[BaseModel] | dict[str, Any]]

    async def __call__(self, request: Request) -> T:
        return await self.read(request)


def limit_body(request: Request, max_bytes: int) -> Request:
    """Return the request with a body that raises TooLarge once it is over `max_bytes`.

    A body that declares itself larger is refused before any of it is read.
    """
    too_large = TooLarge(f"the body of this request may have at most {max_bytes} bytes")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise too_large
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise too_large
        return message

    return Request(request.scope, receive)


def json_body(
    model: type[BodyModel], *, max_bytes: int | None = MAX_SMALL_BODY_BYTES
) -> BodyReader[BodyModel]:
    """Return a dependency that reads JSON into `model`; None allows as much as an upload has."""

    async def read(request: Request) -> BodyModel:
        if not is_json(request):
            raise UnsupportedMediaType("send JSON, with Content-Type: application/json")
        limit = resources_of(request).settings.max_body_bytes if max_bytes is None else max_bytes
        return await parse_json(model, await limit_body(request, limit).body())

    return BodyReader(read, {"application/json": model})


def is_json(request: Request) -> bool:
    """Return whether the body declares itself as JSON."""
    content_type = request.headers.get("content-type", "")
    return content_type.partition(";")[0].strip().lower() == "application/json"


async def parse_json(model: type[BodyModel], body: bytes) -> BodyModel:
    """Return the model; raises RequestValidationError, which says where and why it cannot be.

    It names the first MAX_ERRORS places. Nothing of it is done on the event loop.
    """
    parsed = await run_in_threadpool(_validate, model, body)
    if isinstance(parsed, RequestValidationError):
        raise parsed
    return parsed


def _validate(model: type[BodyModel], body: bytes) -> BodyModel | RequestValidationError:
    if len(body) > MAX_SMALL_BODY_BYTES and len(_NAME.findall(body)) > MAX_NAMES:
        raise TooLarge(f"the JSON of this request has more than {MAX_NAMES} names of fields")
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        # Inputs quote the request, and a body can be wrong in a hundred thousand places.
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return RequestValidationError(
            [{**part, "loc": ("body", *part["loc"])} for part in found[:MAX_ERRORS]]
        )
