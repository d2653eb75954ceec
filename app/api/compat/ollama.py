"""Ollama's contract for embeddings, under `/api`."""

from datetime import UTC, datetime
from importlib.metadata import version
from time import perf_counter_ns
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import AliasChoices, BaseModel, Field
from pydantic_core import to_json

from app.api.access import Opened, Reader
from app.api.bodies import BodySize, json_body
from app.api.compat.errors import (
    ContractBody,
    ContractRoute,
    Failure,
    error_responses,
    without_unprocessable,
)
from app.api.large_answers import render_list, respond
from app.api.v1.fields import Answer
from app.domain import Task
from app.errors import NotFound
from app.runtime.resources import Resources
from app.services.operations.embeddings import MAX_TEXTS, embed_texts
from app.services.operations.model_names import list_names, resolve_model


class OllamaError(Answer):
    error: str
    """One sentence for people."""


def shape_ollama(failure: Failure) -> tuple[int, BaseModel]:
    """Return a failure as Ollama's clients read it."""
    return without_unprocessable(failure.status), OllamaError(error=failure.message)


class OllamaRoute(ContractRoute):
    shape = staticmethod(shape_ollama)


router = APIRouter(prefix="/api", route_class=OllamaRoute, tags=["ollama"])


class OllamaEmbedIn(ContractBody):
    """`options` and `keep_alive` change nothing. Nothing is cut unless `truncate` asks for it."""

    model: str
    """The served model by its id or an alias."""
    input: str | Annotated[list[str], Field(max_length=MAX_TEXTS)]
    """One text or several; of none, and of the text "", there are no vectors."""
    truncate: bool = False
    """Cut a text that is too long; otherwise it is refused."""
    dimensions: int | None = Field(None, ge=1)
    """Cut Matryoshka vectors to so many; null keeps all."""


class OllamaPromptIn(ContractBody):
    model: str
    """The served model by its id or an alias."""
    prompt: str
    """The text; of "" there is no vector."""


class OllamaShowIn(ContractBody):
    # Older clients call it `name`.
    model: str = Field(validation_alias=AliasChoices("model", "name"))
    """The served model by its id or an alias."""


class OllamaEmbedOut(Answer):
    model: str
    """The served model by its id or an alias."""
    embeddings: list[list[float]]
    """Vectors, in the order of the texts."""
    total_duration: int
    """Nanoseconds."""
    load_duration: int = 0
    """Always 0: the model is loaded."""
    prompt_eval_count: int
    """Tokens that were read."""


class OllamaPromptOut(Answer):
    embedding: list[float]
    """The vector."""


class OllamaModel(Answer):
    name: str
    """What people call it."""
    model: str
    """The served model by its id or an alias."""
    modified_at: datetime
    """Always the beginning of 1970."""
    size: int = 0
    """Always 0."""
    digest: str
    """The fingerprint of the model."""
    details: dict[str, Any]
    """What the model is."""


class OllamaModels(Answer):
    models: list[OllamaModel]
    """The model by its names."""


ERRORS = error_responses(OllamaError, 400, 401, 403, 404, 413, 415, 429, 503)


@router.post("/embed", operation_id="ollama_embed", responses=ERRORS, response_model=OllamaEmbedOut)
def embed(
    body: Annotated[OllamaEmbedIn, Depends(json_body(OllamaEmbedIn, size=BodySize.UPLOAD))],
    resources: Opened,
    _: Reader,
) -> Response:
    """Embed texts; `<model>-query` and `<model>-passage` choose the adapter."""
    started = perf_counter_ns()
    task = _find_task(resources, body.model)
    texts = body.input or []
    embeddings = embed_texts(
        resources,
        [texts] if isinstance(texts, str) else texts,
        task=task,
        dimensions=body.dimensions,
        truncate=body.truncate,
    )
    answer = OllamaEmbedOut(
        model=body.model,
        embeddings=[],
        total_duration=perf_counter_ns() - started,
        prompt_eval_count=sum(embedding.tokens for embedding in embeddings),
    )
    vectors = render_list(to_json(embedding.vector.tolist()) for embedding in embeddings)
    return respond(answer, embeddings=vectors)


@router.post(
    "/embeddings",
    operation_id="ollama_embed_prompt",
    responses=ERRORS,
)
def embed_prompt(
    body: Annotated[OllamaPromptIn, Depends(json_body(OllamaPromptIn, size=BodySize.UPLOAD))],
    resources: Opened,
    _: Reader,
) -> OllamaPromptOut:
    """Embed one text, as older clients ask for it."""
    task = _find_task(resources, body.model)
    if not body.prompt:
        return OllamaPromptOut(embedding=[])
    (embedding,) = embed_texts(resources, [body.prompt], task=task)
    return OllamaPromptOut(embedding=embedding.vector.tolist())


@router.get("/tags", operation_id="ollama_list_models", responses=ERRORS)
def list_models(resources: Opened, _: Reader) -> OllamaModels:
    """List the model by the names that choose its task."""
    checkpoint = resources.generations.live().checkpoint()
    return OllamaModels(
        models=[
            OllamaModel(
                name=name,
                model=name,
                modified_at=datetime.fromtimestamp(0, UTC),
                digest=checkpoint.fingerprint,
                details=_details(),
            )
            for name in list_names(checkpoint.name)
        ]
    )


@router.get("/ps", operation_id="ollama_list_running", responses=ERRORS)
def list_running(resources: Opened, caller: Reader) -> OllamaModels:
    """List what is loaded: the model by its names, once it answers."""
    if resources.generations.live().loaded_engine is None:
        return OllamaModels(models=[])
    return list_models(resources, caller)


@router.post("/show", operation_id="ollama_show_model", responses=ERRORS)
def show_model(
    body: Annotated[OllamaShowIn, Depends(json_body(OllamaShowIn, size=BodySize.UPLOAD))],
    resources: Opened,
    _: Reader,
) -> dict[str, Any]:
    """Show the model."""
    _find_task(resources, body.model)
    checkpoint = resources.generations.live().checkpoint()
    return {
        "details": _details(),
        "model_info": {
            "general.architecture": "bert",
            "bert.context_length": checkpoint.max_tokens,
            "bert.embedding_length": checkpoint.dimensions,
        },
        "capabilities": ["embedding"],
    }


@router.get("/version", operation_id="ollama_version", responses=ERRORS)
def show_version(_: Reader) -> dict[str, str]:
    """Show the version of the service."""
    return {"version": version("folio-kb")}


def _find_task(resources: Resources, name: str) -> Task:
    bare = name.removesuffix(":latest")
    try:
        return resolve_model(resources, bare) or Task.PASSAGE
    except NotFound as error:
        raise NotFound(f"model {name!r} not found: {error}", code=error.code) from error


def _details() -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": "safetensors",
        "family": "bert",
        "families": ["bert"],
        "parameter_size": "",
        "quantization_level": "",
    }
