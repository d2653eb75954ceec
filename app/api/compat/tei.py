"""text-embeddings-inference's contract, at its root paths."""

from importlib.metadata import version
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic_core import to_json

from app.api.access import JSON, Opened, OpenRoute, Reader
from app.api.bodies import BodySize, json_body
from app.api.compat.errors import (
    ContractBody,
    ContractRoute,
    Failure,
    error_responses,
)
from app.api.large_answers import render_list
from app.api.v1.fields import Answer
from app.domain import Task
from app.services.operations.embeddings import MAX_TEXTS, embed_texts
from app.services.operations.tokens import Token, embed_tokens, tokenize
from app.services.search.pipeline import check_query
from app.services.search.rerank import rerank_texts

_TASKS = {"query": Task.QUERY, "passage": Task.PASSAGE, "document": Task.PASSAGE}
_TASKS |= {task.value: task for task in Task}

_POOLINGS = {"last": "last_token"}


class TeiError(Answer):
    error: str
    """One sentence for people."""
    error_type: str
    """The kind of error, for programs."""


def shape_tei(failure: Failure) -> tuple[int, BaseModel]:
    """Return a failure as text-embeddings-inference tells of it."""
    kinds = {413: "Validation", 422: "Validation", 424: "Backend", 429: "Overloaded"}
    kind = kinds.get(failure.status, "Unhealthy" if failure.status >= 500 else "Validation")
    return failure.status, TeiError(error=failure.message, error_type=kind)


class TeiRoute(ContractRoute):
    shape = staticmethod(shape_tei)


router = APIRouter(route_class=TeiRoute, tags=["text-embeddings-inference"])
health = APIRouter(route_class=OpenRoute, tags=["text-embeddings-inference"])

Texts = str | Annotated[list[str], Field(min_length=1, max_length=MAX_TEXTS)]


def _as_list(inputs: str | list[str]) -> list[str]:
    return [inputs] if isinstance(inputs, str) else inputs


def _know_prompt(name: str) -> str:
    if name not in _TASKS:
        raise ValueError(f"is one of {', '.join(_TASKS)}")
    return name


PromptName = Annotated[
    str, AfterValidator(_know_prompt), Field(json_schema_extra={"enum": [*_TASKS]})
]


def _task_of(name: str | None) -> Task:
    return Task.PASSAGE if name is None else _TASKS[name]


def _capitalize(given: Any) -> Any:
    return given.capitalize() if isinstance(given, str) else given


class Cutting(ContractBody):
    truncate: bool = False
    """Cut a text that is too long; otherwise it is refused."""
    truncation_direction: Annotated[Literal["Left", "Right"], BeforeValidator(_capitalize)] = (
        "Right"
    )
    """Only the end is cut: with `Left` a text that is too long is refused."""

    @property
    def cuts(self) -> bool:
        return self.truncate and self.truncation_direction == "Right"


class EmbedIn(Cutting):
    inputs: Texts
    """One text or several."""
    normalize: bool = True
    """False: as the model pooled them, not of unit length."""
    prompt_name: PromptName | None = None
    """Which adapter; null: passages."""
    dimensions: int | None = Field(None, ge=1)
    """Cut Matryoshka vectors to so many; null keeps all."""


class EmbedAllIn(ContractBody):
    inputs: str | Annotated[list[str], Field(min_length=1, max_length=64)]
    """One text or several."""
    prompt_name: PromptName | None = None
    """Which adapter; null: passages."""


class ComparedTexts(ContractBody):
    source_sentence: str
    """What the others are compared with."""
    sentences: list[str] = Field(min_length=1, max_length=MAX_TEXTS - 1)
    """The others."""


class SimilarityParameters(Cutting):
    prompt_name: PromptName | None = None
    """Which adapter; null: passages."""


class SimilarityIn(ContractBody):
    inputs: ComparedTexts
    """What is compared."""
    parameters: SimilarityParameters = SimilarityParameters()
    """How it is read."""


class TokenizeIn(ContractBody):
    inputs: str | Annotated[list[str], Field(min_length=1, max_length=64)]
    """One text or several."""
    add_special_tokens: bool = True
    """Whether those that the model adds are shown."""


class RankIn(ContractBody):
    """`truncate` changes nothing: a long text is read in several windows."""

    query: str
    """The question."""
    texts: list[str] = Field(min_length=1, max_length=1000)
    """What to read."""
    raw_scores: bool = False
    """Taken; scores are the same either way."""
    return_text: bool = False
    """Whether texts are in the answer."""


class RankOut(Answer):
    index: int
    """Its place among those that were given, from 0."""
    score: float
    """How well it answers."""
    text: str | None = None
    """What was read, or what stands for a token."""


class TokenOut(Answer):
    id: int
    """What names it."""
    text: str
    """What was read, or what stands for a token."""
    special: bool
    """Whether the model adds it."""
    start: int | None
    """First character; null for a special token."""
    stop: int | None
    """Character behind its last; null for a special token."""


class InfoOut(Answer):
    model_id: str
    """What is served."""
    model_sha: str | None
    """Its fingerprint."""
    model_dtype: str
    """What it computes in."""
    model_type: dict[str, Any]
    """What it is for."""
    max_concurrent_requests: int
    """How many it takes at once."""
    max_input_length: int
    """Tokens that the model reads at once."""
    max_batch_tokens: int
    """Tokens of one forward pass."""
    max_client_batch_size: int
    """Texts of one request."""
    auto_truncate: bool
    """Always false: nothing is cut unless asked for."""
    version: str
    """Of the service."""


ERRORS = error_responses(TeiError, 401, 403, 413, 415, 422, 429, 503)


# Clients of Hugging Face post to the address itself.
@router.post(
    "/",
    operation_id="tei_embed_root",
    responses=ERRORS,
    response_model=list[list[float]],
)
@router.post("/embed", operation_id="tei_embed", responses=ERRORS, response_model=list[list[float]])
def embed(
    body: Annotated[EmbedIn, Depends(json_body(EmbedIn, size=BodySize.UPLOAD))],
    resources: Opened,
    _: Reader,
) -> Response:
    """Embed texts; `prompt_name` chooses the adapter, passages without one."""
    embeddings = embed_texts(
        resources,
        _as_list(body.inputs),
        task=_task_of(body.prompt_name),
        dimensions=body.dimensions,
        truncate=body.cuts,
    )
    vectors = (e.vector if body.normalize else e.vector * e.norm for e in embeddings)
    return Response(render_list(to_json(one.tolist()) for one in vectors), media_type=JSON)


@router.post(
    "/embed_all",
    operation_id="tei_embed_all",
    responses=ERRORS,
    response_model=list[list[list[float]]],
)
def embed_all(
    body: Annotated[EmbedAllIn, Depends(json_body(EmbedAllIn, size=BodySize.UPLOAD))],
    resources: Opened,
    _: Reader,
) -> Response:
    """Embed every token of texts."""
    task = _task_of(body.prompt_name)
    of_texts = embed_tokens(resources, _as_list(body.inputs), task)
    content = render_list(render_list(to_json(row.tolist()) for row in rows) for rows in of_texts)
    return Response(content, media_type=JSON)


@router.post("/similarity", operation_id="tei_similarity", responses=ERRORS)
def compare(
    body: Annotated[SimilarityIn, Depends(json_body(SimilarityIn, size=BodySize.UPLOAD))],
    resources: Opened,
    _: Reader,
) -> list[float]:
    """Say how near texts are to one: the cosines of their vectors, as `/embed` has them."""
    embeddings = embed_texts(
        resources,
        [body.inputs.source_sentence, *body.inputs.sentences],
        task=_task_of(body.parameters.prompt_name),
        truncate=body.parameters.cuts,
    )
    source, *others = (embedding.vector for embedding in embeddings)
    return [float(source @ other) for other in others]


@router.post(
    "/rerank",
    operation_id="tei_rerank",
    responses=ERRORS,
    response_model_exclude_none=True,
)
def rerank(
    body: Annotated[RankIn, Depends(json_body(RankIn, size=BodySize.UPLOAD))],
    resources: Opened,
    _: Reader,
) -> list[RankOut]:
    """Rank given texts for a question, best first."""
    check_query(resources.settings, body.query)
    ranked = rerank_texts(resources, body.query, body.texts)
    return [
        RankOut(
            index=found.index,
            score=found.relevance_score,
            text=body.texts[found.index] if body.return_text else None,
        )
        for found in ranked.results
    ]


@router.post(
    "/tokenize",
    operation_id="tei_tokenize",
    responses=ERRORS,
    response_model=list[list[TokenOut]],
)
def split_tokens(
    body: Annotated[TokenizeIn, Depends(json_body(TokenizeIn, size=BodySize.UPLOAD))],
    resources: Opened,
    _: Reader,
) -> Response:
    """Show the tokens of texts, as the model's tokenizer has them."""
    read = tokenize(resources, _as_list(body.inputs), with_special=body.add_special_tokens)
    content = render_list(render_list(map(_render_token, tokens)) for tokens in read)
    return Response(content, media_type=JSON)


def _render_token(token: Token) -> bytes:
    shown = TokenOut(
        id=token.id,
        text=token.text,
        special=token.is_special,
        start=None if token.is_special else token.start,
        stop=None if token.is_special else token.end,
    )
    return to_json(shown)


@router.get("/info", operation_id="tei_info", responses=ERRORS)
def show_info(resources: Opened, _: Reader) -> InfoOut:
    """Say what is served."""
    generation = resources.generations.live()
    checkpoint, engine = generation.checkpoint(), generation.loaded_engine
    return InfoOut(
        model_id=checkpoint.name,
        model_sha=checkpoint.fingerprint,
        model_dtype=engine.dtype if engine else "unknown",
        model_type={
            "embedding": {"pooling": _POOLINGS.get(checkpoint.pooling, checkpoint.pooling)}
        },
        max_concurrent_requests=resources.settings.max_model_calls,
        max_input_length=checkpoint.max_tokens,
        max_batch_tokens=resources.settings.batch_tokens,
        max_client_batch_size=MAX_TEXTS,
        auto_truncate=False,
        version=version("folio-kb"),
    )


@health.get("/health", operation_id="tei_health")
def check_health() -> dict[str, str]:
    """Answer as long as the process lives."""
    return {"status": "ok"}
