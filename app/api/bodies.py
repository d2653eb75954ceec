"""Request bodies: how much of them is read, and JSON into a model.

Not FastAPI's own reading: Python's json lets lone surrogates pass and fails on deep nesting and
long numbers with errors of its own, while pydantic's parser has one answer for all of them.
"""

from asyncio import sleep
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from time import thread_time
from typing import Any, Generic, TypeAlias, TypeVar, cast

from anyio import CapacityLimiter, to_thread
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema
from python_multipart.multipart import parse_options_header
from starlette.types import Message

from app.api.access import settings_of
from app.api.json_signs import count_outside_texts, count_signs
from app.config import Settings
from app.errors import TooLarge, UnsupportedMediaType

MAX_ERRORS = 20
"""Places that an answer to a wrong body names."""

T = TypeVar("T")
# Of more errors than these not even the first are put into words, which lets nothing else run.
_MAX_COUNTED_ERRORS = 1000
# A body that is wrong is answered after so many times the time that it took: validation lets no
# other thread run, and a caller has few requests at a time.
_PAUSES = 40
# Validation lets nothing else run, and several threads at it would come in turn before all others.
_LARGE_BYTES = 1 << 16
_SHORT_BYTES = 1 << 12
_ROOM_FOR_LARGE = CapacityLimiter(1)

BodyModel = TypeVar("BodyModel", bound=BaseModel)
# Places and reasons. Not an exception: one that is kept holds the frame that keeps it, and with it
# the body until the next collection of all objects.
_Wrong: TypeAlias = list[dict[str, Any]]


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


class BodySize(Enum):
    """How much a route takes, by what its bodies hold."""

    SMALL = "neither an article nor a golden set"
    GOLDEN = "a golden set"
    UPLOAD = "articles, or texts of a client that sends as much"

    def limits(self, settings: Settings) -> "BodyLimits":
        """Return what the settings allow."""
        if self is BodySize.SMALL:
            max_bytes, max_parts = settings.max_small_body_bytes, settings.max_small_body_parts
        elif self is BodySize.GOLDEN:
            max_bytes, max_parts = settings.max_golden_body_bytes, settings.max_body_parts
        else:
            max_bytes, max_parts = settings.max_body_bytes, settings.max_body_parts
        return BodyLimits(max_bytes, max_parts, settings.max_body_values)


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How large a body may be, and of how much JSON may consist."""

    max_bytes: int
    max_parts: int
    """Lists, objects and names of fields."""
    max_values: int


def limits_of(request: Request, size: BodySize) -> BodyLimits:
    """Return what the settings of this server allow."""
    return size.limits(settings_of(request))


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


def limit_form(request: Request, max_bytes: int) -> Request:
    """Return the request of a form as `limit_body` does; raises UnsupportedMediaType.

    Names in it would be decoded by the charset of its content type, whatever that is.
    """
    _, options = parse_options_header(request.headers.get("content-type", ""))
    if options.get(b"charset", b"utf-8").lower() not in {b"utf-8", b"utf8"}:
        raise UnsupportedMediaType("a form is read as UTF-8, and its type names another charset")
    return limit_body(request, max_bytes)


def json_body(model: type[BodyModel], *, size: BodySize = BodySize.SMALL) -> BodyReader[BodyModel]:
    """Return a dependency that reads JSON into `model`."""

    async def read(request: Request) -> BodyModel:
        if not is_json(request):
            raise UnsupportedMediaType("send JSON, with Content-Type: application/json")
        limits = limits_of(request, size)
        body = await limit_body(request, limits.max_bytes).body()
        return await parse_json(model, body, limits)

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


async def parse_json(model: type[BodyModel], body: bytes, limits: BodyLimits) -> BodyModel:
    """Return the model; raises RequestValidationError, which says where and why it cannot be.

    It names the first MAX_ERRORS places. What takes longer than another thread takes to begin is
    not done on the event loop.
    """
    if len(body) <= _SHORT_BYTES:
        parsed, took_s = _validate(model, body, limits)
    else:
        room = _ROOM_FOR_LARGE if len(body) > _LARGE_BYTES else None
        parsed, took_s = await to_thread.run_sync(_validate, model, body, limits, limiter=room)
    if isinstance(parsed, list):
        await sleep(_PAUSES * took_s)
        raise RequestValidationError(parsed)
    return parsed


def _validate(
    model: type[BodyModel], body: bytes, limits: BodyLimits
) -> tuple[BodyModel | _Wrong, float]:
    """Return the model, or why it cannot be, and the seconds that this took."""
    started = thread_time()
    parsed = _parse(model, body, limits)
    return parsed, thread_time() - started


def _parse(model: type[BodyModel], body: bytes, limits: BodyLimits) -> BodyModel | _Wrong:
    if not _fits(body, limits):
        return _wrong_body(
            f"Body has more than {limits.max_parts} names and lists, or {limits.max_values} values"
        )
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        if error.error_count() > _MAX_COUNTED_ERRORS:
            return _wrong_body(f"Body is wrong in {error.error_count()} places")
        # Inputs quote the request.
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return [{**part, "loc": ("body", *part["loc"])} for part in found[:MAX_ERRORS]]


def _fits(body: bytes, limits: BodyLimits) -> bool:
    """Return whether JSON has no more parts and values than a body may have."""
    # What looks like parts may be text, which takes longer to tell.
    return any(
        count(body, b"[{:") <= limits.max_parts and count(body, b",") <= limits.max_values
        for count in (count_signs, count_outside_texts)
    )


def _wrong_body(message: str) -> _Wrong:
    return [{"type": "value_error", "loc": ("body",), "msg": message}]
