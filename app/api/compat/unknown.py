"""What reaches no route: unknown paths and refusals, each in the shape of the path's contract."""

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from app.api.compat.cohere import shape_cohere
from app.api.compat.dify import shape_dify
from app.api.compat.errors import ContractRoute, Failure, Shape, answer_failure, shape_openai
from app.api.compat.ollama import shape_ollama
from app.api.compat.open_webui import shape_open_webui
from app.api.compat.tei import shape_tei
from app.api.problems import problem_response
from app.errors import FolioError

# The longer prefix first. Below /v1 it is OpenAI's, but for what Folio's own interface has there.
_OWNERS: tuple[tuple[str, Shape], ...] = (
    ("/v1/dify", shape_dify),
    ("/v1/openwebui", shape_open_webui),
    ("/v1/embed", shape_cohere),
    ("/v1/check-api-key", shape_cohere),
    ("/v1", shape_openai),
    ("/v2", shape_cohere),
    ("/api", shape_ollama),
    ("/embed", shape_tei),
    ("/embed_all", shape_tei),
    ("/rerank", shape_tei),
    ("/similarity", shape_tei),
    ("/tokenize", shape_tei),
    ("/info", shape_tei),
    # What it has for models of other kinds.
    ("/decode", shape_tei),
    ("/embed_sparse", shape_tei),
    ("/predict", shape_tei),
)


class UnknownPaths:
    """Answers for requests that reach no route, in the shape of the contract that owns the path."""

    def __init__(self, routers: Sequence[APIRouter]) -> None:
        paths = [
            str(getattr(route, "path", ""))
            for router in routers
            for route in router.routes
            if not isinstance(route, ContractRoute)
        ]
        self._native = {path.split("/")[2] for path in paths if path.startswith("/v1/")}

    def answer(
        self, path: str, status: int, detail: str, headers: dict[str, str]
    ) -> JSONResponse | None:
        """Return the answer of the contract that owns the path; None where it is Folio's own."""
        code = "unknown_url" if status == 404 else "method_not_allowed"
        return self._shape(path, Failure(status, code, detail, headers=headers))

    def refuse(self, path: str, error: FolioError, headers: dict[str, str]) -> JSONResponse:
        """Return the answer to a request that is refused before a route has it."""
        failure = Failure(error.status, error.code, str(error), headers=headers)
        return self._shape(path, failure) or problem_response(
            error.status, error.code, str(error), headers=headers
        )

    def _shape(self, path: str, failure: Failure) -> JSONResponse | None:
        if path.startswith("/v1/") and path.split("/")[2] in self._native:
            return None
        for prefix, shape in _OWNERS:
            if f"{path}/".startswith(f"{prefix}/"):
                return answer_failure(failure, shape)
        return None
