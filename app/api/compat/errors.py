"""Routes that speak another system's contract: the shape of its errors, and how bodies are read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias

from fastapi import Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, model_validator
from pydantic.fields import FieldInfo
from starlette.exceptions import HTTPException

from app.api.access import GuardedRoute
from app.api.bodies import LimitedModel
from app.api.problems import log_unexpected
from app.api.v1.fields import Answer
from app.errors import FolioError, MissingKey, QueueFull


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, before it has the shape of a contract."""

    status: int
    code: str
    message: str
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    has_key: bool = True
    """Whether the request brought a key at all, valid or not."""


Shape: TypeAlias = Callable[[Failure], tuple[int, BaseModel]]
"""Returns the status and the body by which a contract tells of a failure."""


class ErrorDetail(Answer):
    message: str
    """One sentence for people."""
    type: str
    """OpenAI's kind of error."""
    param: str | None
    """The field that it is about."""
    code: str | None
    """Stable, for programs."""


class OpenAIError(Answer):
    """An error as OpenAI's clients read it."""

    error: ErrorDetail
    """What went wrong."""


class ContractBody(LimitedModel):
    """A request body; clients send fields of many vendors, so unknown ones are passed over.

    Null stands for the default of a field, as clients send it for what they do not set.
    """

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, body: object) -> object:
        if not isinstance(body, dict):
            return body
        defaults = {
            name
            for field_name, info in cls.model_fields.items()
            if not info.is_required() and info.default is not None
            for name in _list_names(field_name, info)
        }
        return {
            name: value for name, value in body.items() if value is not None or name not in defaults
        }


def _list_names(name: str, info: FieldInfo) -> list[str | AliasPath]:
    alias = info.validation_alias
    return alias.choices if isinstance(alias, AliasChoices) else [name]


def shape_openai(failure: Failure) -> tuple[int, BaseModel]:
    """Return a failure as OpenAI's clients read it."""
    status = without_unprocessable(failure.status)
    kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    kind = "server_error" if status >= 500 else kinds.get(status, "invalid_request_error")
    detail = ErrorDetail(message=failure.message, type=kind, param=failure.param, code=failure.code)
    return status, OpenAIError(error=detail)


def without_unprocessable(status: int) -> int:
    """Return 400 for 422: what a text cannot be is a bad request where there is no 422."""
    unprocessable = status == HTTPStatus.UNPROCESSABLE_ENTITY
    return HTTPStatus.BAD_REQUEST if unprocessable else status


def answer_failure(failure: Failure, shape: Shape) -> JSONResponse:
    """Return a failure as a response in the shape of a contract."""
    status, body = shape(failure)
    headers = dict(failure.headers)
    if status == HTTPStatus.CONFLICT:
        # OpenAI's clients try a conflict again, which would not end it.
        headers["x-should-retry"] = "false"
    return JSONResponse(body.model_dump(), status, headers=headers)


class ContractRoute(GuardedRoute):
    """A guarded route whose errors leave in a contract's shape: OpenAI's unless it has its own."""

    shape = staticmethod(shape_openai)

    def answer_error(self, error: Exception) -> Response | None:
        return answer_failure(describe_error(error), type(self).shape)


class OpenAIRoute(ContractRoute):
    """A route of OpenAI's contract."""


def describe_error(error: Exception) -> Failure:
    """Return what an exception says; one that nobody foresaw is logged, and says nothing."""
    if isinstance(error, FolioError):
        headers = {}
        if error.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        if isinstance(error, QueueFull):
            headers["Retry-After"] = str(error.retry_after_s)
        has_key = not isinstance(error, MissingKey)
        return Failure(error.status, error.code, str(error), headers=headers, has_key=has_key)
    if isinstance(error, RequestValidationError):
        return _describe_fields(error.errors())
    if isinstance(error, HTTPException):
        # A form that cannot be read, for one.
        phrase = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        return Failure(error.status_code, phrase, str(error.detail))
    log_unexpected(error)
    return Failure(500, "internal_error", "an unexpected error; the log says where")


def _describe_fields(errors: Sequence[Any]) -> Failure:
    # Pydantic's `input` and `ctx` quote the request; place and reason are passed on.
    parts = [
        (".".join(str(place) for place in part["loc"][1:]), str(part["msg"])) for part in errors
    ]
    # Of a body that is wrong as a whole there is no name.
    message = "; ".join(f"{name}: {reason}" if name else reason for name, reason in parts[:5])
    return Failure(422, "invalid_request", message, parts[0][0].partition(".")[0] or None)


def openai_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries for the errors that a route of OpenAI's answers with."""
    return error_responses(OpenAIError, *statuses)


def error_responses(model: type[BaseModel], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries for errors of a contract."""
    return {
        status: {"model": model, "description": HTTPStatus(status).phrase} for status in statuses
    }
