"""Every error of the REST interface as `application/problem+json` (RFC 9457)."""

import logging
import traceback
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route

from app.errors import FolioError, QueueFull

logger = logging.getLogger("folio")

MEDIA_TYPE = "application/problem+json"
UNEXPECTED = "an unexpected error; the log says where"


class InvalidField(BaseModel):
    """A field of the request that is not as it must be."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    field: str
    """Where in the request it is."""
    message: str
    """What is wrong with it."""


class Problem(BaseModel):
    """What went wrong, in words for people (`detail`) and for programs (`code`)."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str = "about:blank"
    """Always `about:blank`: `code` tells problems apart."""
    title: str
    """The phrase of the HTTP status."""
    status: int
    """The HTTP status."""
    detail: str
    """One sentence for people."""
    code: str = Field(examples=["collection_not_found"])
    """Stable, for programs; docs/reference lists them."""
    errors: list[InvalidField] | None = None
    """The fields that are wrong, where that is the problem."""


def add_problem_handlers(
    app: FastAPI,
    answer_unknown: Callable[[str, int, str, dict[str, str]], JSONResponse | None],
) -> None:
    """Let every error leave as a problem document.

    `answer_unknown` gives the answer to a path without a route where another contract owns it.
    """

    @app.exception_handler(FolioError)
    async def on_folio_error(_request: Request, error: FolioError) -> JSONResponse:
        headers = {}
        if error.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        if isinstance(error, QueueFull):
            headers["Retry-After"] = str(error.retry_after_s)
        return problem_response(error.status, error.code, str(error), headers=headers)

    @app.exception_handler(RequestValidationError)
    async def on_invalid_request(_request: Request, error: RequestValidationError) -> JSONResponse:
        # Pydantic's `input` and `ctx` quote the request; only place and reason are passed on.
        fields = [
            InvalidField(field=".".join(map(str, part["loc"])), message=str(part["msg"]))
            for part in error.errors()
        ]
        detail = "; ".join(f"{field.field}: {field.message}" for field in fields[:5])
        return problem_response(422, "invalid_request", detail, errors=fields)

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        code = phrase.lower().replace(" ", "_")
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            # Starlette names the methods of the first route only that has this path.
            headers["Allow"] = ", ".join(_find_methods(app.routes, request.url.path))
        owned = answer_unknown(request.url.path, error.status_code, str(error.detail), headers)
        if owned is not None:
            return owned
        return problem_response(error.status_code, code, str(error.detail), headers=headers)


def _find_methods(routes: Sequence[BaseRoute], path: str) -> list[str]:
    originals = (context.original_route for context in iter_route_contexts(routes))
    found = [route for route in originals if isinstance(route, Route)]
    matching = [route for route in found if route.path_regex.match(path)]
    return sorted({method for route in matching for method in route.methods or ()})


def unexpected_problem(error: Exception) -> JSONResponse:
    """Return the answer to an error that nobody foresaw, and log where it happened.

    Starlette's own handler raises it again for the server to print, message included; and the
    message of an unknown exception may quote the request.
    """
    log_unexpected(error)
    return problem_response(500, "internal_error", UNEXPECTED)


def log_unexpected(error: Exception) -> None:
    """Log where an error that nobody foresaw happened, without its message."""
    where = "".join(traceback.format_tb(error.__traceback__))
    logger.error("unexpected %s at\n%s", type(error).__name__, where)


def problem_response(
    status: int,
    code: str,
    detail: str,
    *,
    headers: dict[str, str] | None = None,
    errors: list[InvalidField] | None = None,
) -> JSONResponse:
    """Return a problem document as a response."""
    problem = Problem(
        title=HTTPStatus(status).phrase, status=status, detail=detail, code=code, errors=errors
    )
    return JSONResponse(
        problem.model_dump(exclude_none=True), status, headers=headers, media_type=MEDIA_TYPE
    )


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries for the problems that a route answers with."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }
