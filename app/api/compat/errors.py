"""What OpenAI's contract says of every route: the shape of errors, and how bodies are read."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from app.api.access import GuardedRoute
from app.api.v1.fields import Answer
from app.errors import EngineBusy, FolioError

BodyModel = TypeVar("BodyModel", bound=BaseModel)


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


class OpenAIBody(BaseModel):
    """A request body; clients send fields of many vendors, so unknown ones are passed over."""

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)


class OpenAIRoute(GuardedRoute):
    """A guarded route whose errors leave in OpenAI's shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def translate(request: Request) -> Response:
            try:
                return await handle(request)
            except FolioError as error:
                headers = {}
                if error.status == HTTPStatus.UNAUTHORIZED:
                    headers["WWW-Authenticate"] = "Bearer"
                if isinstance(error, EngineBusy):
                    headers["Retry-After"] = str(error.retry_after_s)
                return _error_response(error.status, error.code, str(error), headers=headers)
            except RequestValidationError as error:
                # Pydantic's `input` and `ctx` quote the request; place and reason are passed on.
                parts = [
                    (".".join(str(place) for place in part["loc"][1:]), str(part["msg"]))
                    for part in error.errors()
                ]
                message = "; ".join(f"{field}: {reason}" for field, reason in parts[:5])
                field = parts[0][0].partition(".")[0] or None
                return _error_response(400, "invalid_request", message, param=field)

        return translate


def openai_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries for the errors that a route answers with."""
    return {
        status: {"model": OpenAIError, "description": HTTPStatus(status).phrase}
        for status in statuses
    }


def _error_response(
    status: int,
    code: str,
    message: str,
    *,
    param: str | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    # What the caller's text cannot be is a bad request in this contract, which knows no 422.
    status = HTTPStatus.BAD_REQUEST if status == HTTPStatus.UNPROCESSABLE_ENTITY else status
    kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    kind = "server_error" if status >= 500 else kinds.get(status, "invalid_request_error")
    body = OpenAIError(error=ErrorDetail(message=message, type=kind, param=param, code=code))
    return JSONResponse(body.model_dump(), status, headers=headers)
