"""Request bodies: how much of them is read, and JSON into a model.

Not FastAPI's own reading: Python's json lets lone surrogates pass and fails on deep nesting and
long numbers with errors of its own, while pydantic's parser has one answer for all of them.
"""

import re
from asyncio import sleep
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import thread_time
from typing import Any, Generic, TypeVar, cast

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema
from starlette.concurrency import run_in_threadpool
from starlette.types import Message

from app.api.access import resources_of
from app.errors import TooLarge, UnsupportedMediaType

MAX_SMALL_BODY_BYTES = 1 << 20
"""For every body that holds neither an article nor a golden set."""
MAX_ERRORS = 20
"""Places that an answer to a wrong body names."""
MAX_SMALL_PARTS = 20_000
"""Lists, objects and names of fields in such a body; each costs 300 bytes and a microsecond."""
MAX_PARTS = 200_000
"""The same for the others."""
MAX_VALUES = 1_000_000
"""Values in the lists and objects of a body, numbers for the most part."""
MAX_GOLDEN_BODY_BYTES = 16 << 20

T = TypeVar("T")
# Of more errors than these not even the first are put into words, which lets nothing else run.
_MAX_COUNTED_ERRORS = 1000
# A body that is wrong is answered after so many times the time that it took: validation lets no
# other thread run, and a caller has few requests at a time.
_PAUSES = 40
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)

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
    max_parts = MAX_SMALL_PARTS if max_bytes == MAX_SMALL_BODY_BYTES else MAX_PARTS

    async def read(request: Request) -> BodyModel:
        if not is_json(request):
            raise UnsupportedMediaType("send JSON, with Content-Type: application/json")
        limit = resources_of(request).settings.max_body_bytes if max_bytes is None else max_bytes
        body = await limit_body(request, limit).body()
        return await parse_json(model, body, max_parts=max_parts)

    return BodyReader(read, {"application/json": model})


def is_json(request: Request) -> bool:
    """Return whether the body declares itself as JSON."""
    content_type = request.headers.get("content-type", "")
    return content_type.partition(";")[0].strip().lower() == "application/json"


def _fail_fast(schema: Any) -> Any:
    """Return the schema with lists that stop at an item that is wrong."""
    if isinstance(schema, list):
        return [_fail_fast(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    # A schema has a type, and metadata of pydantic's own; without a type these are fields by name.
    own = {"metadata"} if isinstance(schema.get("type"), str) else set()
    changed = {key: part if key in own else _fail_fast(part) for key, part in schema.items()}
    return changed | {"fail_fast": True} if changed.get("type") == "list" else changed


class LimitedModel(BaseModel):
    """A body or a part of one, whose lists are wrong in one place at most, the first."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return cast(CoreSchema, _fail_fast(handler(source)))


async def parse_json(
    model: type[BodyModel], body: bytes, *, max_parts: int = MAX_PARTS
) -> BodyModel:
    """Return the model; raises RequestValidationError, which says where and why it cannot be.

    It names the first MAX_ERRORS places. Nothing of it is done on the event loop.
    """
    parsed, took_s = await run_in_threadpool(_validate, model, body, max_parts)
    if isinstance(parsed, RequestValidationError):
        await sleep(_PAUSES * took_s)
        raise parsed
    return parsed


def _validate(
    model: type[BodyModel], body: bytes, max_parts: int
) -> tuple[BodyModel | RequestValidationError, float]:
    """Return the model, or why it cannot be, and the seconds that this took."""
    started = thread_time()
    try:
        parsed: BodyModel | RequestValidationError = _parse(model, body, max_parts)
    except RequestValidationError as error:
        parsed = error
    return parsed, thread_time() - started


def _parse(model: type[BodyModel], body: bytes, max_parts: int) -> BodyModel:
    _check_size(body, max_parts)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        if error.error_count() > _MAX_COUNTED_ERRORS:
            raise _wrong_body(f"Body is wrong in {error.error_count()} places") from None
        # Inputs quote the request.
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError(
            [{**part, "loc": ("body", *part["loc"])} for part in found[:MAX_ERRORS]]
        ) from None


def _check_size(body: bytes, max_parts: int) -> None:
    """Raise RequestValidationError for JSON of more parts or values than a body may have."""
    if _fits(body, max_parts):
        return
    # What looks like parts may be text.
    if not _fits(_STRING.sub(b"", body), max_parts):
        raise _wrong_body(f"Body has more than {max_parts} names and lists, or {MAX_VALUES} values")


def _fits(body: bytes, max_parts: int) -> bool:
    parts = body.count(b"[") + body.count(b"{") + body.count(b":")
    return parts <= max_parts and body.count(b",") <= MAX_VALUES


def _wrong_body(message: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": ("body",), "msg": message}])
