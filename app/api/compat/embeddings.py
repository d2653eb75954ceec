"""`POST /v1/embeddings` and `GET /v1/models`: OpenAI's contract with Jina's fields."""

import base64
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import AliasChoices, Field, StrictBool, StrictInt, field_validator
from pydantic_core import to_json

from app.api.access import Opened, Reader
from app.api.bodies import BodySize, json_body
from app.api.compat.errors import ContractBody, OpenAIRoute, openai_responses
from app.api.large_answers import render_list, respond
from app.api.v1.fields import Answer
from app.domain import Task, Vector
from app.embedding.foreign_tokens import MAX_IDS, decode_ids
from app.runtime.resources import Resources
from app.services.operations.embeddings import MAX_TEXTS, TextEmbedding, embed_texts
from app.services.operations.model_names import list_names, resolve_model

router = APIRouter(prefix="/v1", route_class=OpenAIRoute, tags=["embeddings"])

_TASKS = {task.value: task for task in Task} | {"clustering": Task.SEPARATION}
# As Voyage and Cohere name them.
_INPUT_TYPES = {
    "query": Task.QUERY,
    "document": Task.PASSAGE,
    "search_query": Task.QUERY,
    "search_document": Task.PASSAGE,
    "classification": Task.CLASSIFICATION,
    "clustering": Task.SEPARATION,
}
_MAX_INT8 = 127
# What the largest of these stands for, in standard deviations of a unit vector's components.
_DEVIATIONS = 8
Ids = Annotated[list[Annotated[StrictInt, Field(ge=0)]], Field(min_length=1, max_length=MAX_IDS)]


class TextInput(ContractBody):
    """Jina's object form of one input."""

    text: str
    """What to embed."""


class EmbeddingsIn(ContractBody):
    """What to embed: OpenAI's fields, and those of Jina's API."""

    input: (
        str
        | Annotated[list[str | TextInput], Field(min_length=1, max_length=MAX_TEXTS)]
        | Ids
        | Annotated[list[Ids], Field(min_length=1, max_length=MAX_TEXTS)]
    ) = Field(
        examples=["How do I descale it?"],
        description="Texts, or token ids of cl100k_base, which are read as the text they stand for",
    )
    model: str = Field(
        "",
        description="The served model's id, an alias of it, or nothing; with `-query` or "
        "`-passage` at its end it chooses the task",
        examples=[""],
    )
    dimensions: int | None = Field(
        None, ge=1, validation_alias=AliasChoices("dimensions", "output_dimension")
    )
    """Cut Matryoshka vectors to so many; null keeps all."""
    encoding_format: Literal["float", "base64"] = "float"
    """Numbers, or base64 of little-endian float32."""
    embedding_type: Literal["float", "base64", "binary", "ubinary"] | None = Field(
        None, validation_alias=AliasChoices("embedding_type", "encoding_type")
    )
    """Jina's name for it, with packed signs besides."""
    task: str | None = Field(
        None,
        description="What the vectors are for; null: as `model` says, else passages",
        json_schema_extra={"enum": [*_TASKS, None]},
    )
    late_chunking: StrictBool = False
    """Read all texts as one and pool each from it."""
    truncate: StrictBool = Field(False, validation_alias=AliasChoices("truncate", "truncation"))
    """Cut a text that is too long; otherwise it is refused."""
    normalized: StrictBool = True
    """False: as the model pooled them, not of unit length."""

    input_type: str | None = Field(
        None, description="As other APIs name a task: query, document, search_query, …"
    )
    embedding_types: (
        Annotated[
            list[Literal["float", "base64", "binary", "ubinary"]],
            Field(min_length=1, max_length=1),
        ]
        | None
    ) = Field(None, description="As `embedding_type`, in a list of one")
    output_dtype: Literal["float", "int8", "uint8", "binary", "ubinary"] | None = None
    """Voyage's name for it; with `encoding_format` base64 the base64 of such numbers."""

    @field_validator("input_type")
    @classmethod
    def _know_input_type(cls, value: str | None) -> str | None:
        if value is not None and value not in _INPUT_TYPES:
            raise ValueError(f"is one of {', '.join(_INPUT_TYPES)}")
        return value

    @property
    def asked_task(self) -> Task | None:
        """The task, by either of its names; `task` wins; None where neither is given."""
        if self.task is not None:
            return _TASKS[self.task]
        return _INPUT_TYPES[self.input_type] if self.input_type else None

    @property
    def has_numbers(self) -> bool:
        """Whether vectors are other numbers than floats, by Voyage's name."""
        return self.output_dtype not in (None, "float")

    @property
    def asked_encoding(self) -> str:
        """How vectors are written, by any of the names it has."""
        if self.has_numbers:
            return str(self.output_dtype)
        listed = self.embedding_types[0] if self.embedding_types else None
        return self.embedding_type or listed or self.encoding_format

    @field_validator("task")
    @classmethod
    def _know_task(cls, value: str | None) -> str | None:
        if value is not None and value not in _TASKS:
            raise ValueError(f"is one of {', '.join(_TASKS)}")
        return value

    @property
    def has_ids(self) -> bool:
        """Whether token ids are given in place of texts."""
        return not isinstance(self.input, str) and isinstance(self.input[0], int | list)

    def texts(self) -> list[str]:
        """Return the texts; raises InvalidRequest for ids of another tokenizer."""
        if isinstance(self.input, str):
            return [self.input]
        if isinstance(self.input[0], int):
            return [decode_ids([part for part in self.input if isinstance(part, int)])]
        return [_text_of(part) for part in self.input if not isinstance(part, int)]


def _text_of(part: str | TextInput | list[int]) -> str:
    if isinstance(part, str):
        return part
    return part.text if isinstance(part, TextInput) else decode_ids(part)


class EmbeddingOut(Answer):
    """One vector: numbers, base64 of little-endian float32, or packed signs."""

    object: Literal["embedding"] = "embedding"
    """OpenAI's name of the type."""
    index: int
    """Which input it is of."""
    embedding: list[float] | list[int] | str
    """The vector, encoded as asked."""
    truncated_from: int | None = Field(
        None, description="Tokens that the input had, where `truncate` cut it; absent otherwise"
    )
    parts: int | None = Field(
        None,
        description="Of how many parts this is the mean, where token ids stand for a text past the "
        "model's window; absent otherwise",
    )


class Usage(Answer):
    """Tokens that the model read, prompts and special tokens included."""

    prompt_tokens: int
    """Tokens that the model read."""
    total_tokens: int
    """The same: nothing is generated."""


class EmbeddingsOut(Answer):
    object: Literal["list"] = "list"
    """OpenAI's name of the type."""
    model: str
    """The served model."""
    data: list[EmbeddingOut]
    """One vector for each input, in order."""
    usage: Usage
    """Tokens."""


class ModelOut(Answer):
    """The served model, and how it runs."""

    id: str
    """Its name."""
    object: Literal["model"] = "model"
    """OpenAI's name of the type."""
    created: int = 0
    """Always 0."""
    owned_by: str = "folio"
    """Always `folio`."""
    dimensions: int
    """Length of its vectors."""
    max_tokens: int
    """The longest text that it reads."""
    tasks: list[Task]
    """What it has an adapter or prompt for."""
    fingerprint: str
    """What makes its vectors, as a digest."""
    engine: str | None = Field(description="What runs it; null until it is loaded")
    dtype: str | None
    """Of the weights; null until it is loaded."""
    device: str | None
    """Where it runs; null until it is loaded."""


class ModelsOut(Answer):
    object: Literal["list"] = "list"
    """OpenAI's name of the type."""
    data: list[ModelOut]
    """The one model that is served."""


@router.post(
    "/embeddings",
    responses=openai_responses(400, 401, 403, 404, 413, 415, 429, 503),
    response_model=EmbeddingsOut,
)
def create_embeddings(
    body: Annotated[EmbeddingsIn, Depends(json_body(EmbeddingsIn, size=BodySize.UPLOAD))],
    resources: Opened,
    _: Reader,
    request: Request,
) -> Response:
    """Embed texts. Work that nobody waits for any more is dropped."""
    chosen = resolve_model(resources, body.model)
    task = body.asked_task or chosen or Task.PASSAGE
    embeddings = embed_texts(
        resources,
        [" "] if body.input == "" and _fills_empty(request) else body.texts(),
        task=task,
        splits=body.has_ids,
        dimensions=body.dimensions,
        late_chunking=body.late_chunking,
        truncate=body.truncate,
    )
    tokens = sum(embedding.tokens for embedding in embeddings)
    answer = EmbeddingsOut(
        model=resources.generations.live().checkpoint().name,
        data=[],
        usage=Usage(prompt_tokens=tokens, total_tokens=tokens),
    )
    data = (_render(index, embedding, body) for index, embedding in enumerate(embeddings))
    return respond(answer, data=render_list(data))


@router.get("/models", responses=openai_responses(401, 403, 503))
def list_models(resources: Opened, _: Reader) -> ModelsOut:
    """List the one model that is served, by the names that choose its task as well."""
    model = _describe_model(resources)
    names = list_names(model.id) if {Task.QUERY, Task.PASSAGE} <= {*model.tasks} else [model.id]
    return ModelsOut(data=[model.model_copy(update={"id": name}) for name in names])


@router.get(
    "/models/{id:path}",
    responses=openai_responses(401, 403, 404, 503),
)
def get_model(
    id: Annotated[str, Path(description="Name of the served model")], resources: Opened, _: Reader
) -> ModelOut:
    """Show the served model."""
    resolve_model(resources, id)
    return _describe_model(resources)


def _fills_empty(request: Request) -> bool:
    """Return whether a client asks for the vector of "" in place of an empty text of a batch.

    LangChain's does, and fails the whole batch without one. It sends what OpenAI's client sends
    when somebody passes an empty text by mistake.
    """
    return request.headers.get("x-stainless-lang") == "python"


def _render(index: int, embedding: TextEmbedding, body: EmbeddingsIn) -> bytes:
    encoded = encode_vector(_scaled(embedding, body.normalized), body.asked_encoding)
    if body.has_numbers and body.encoding_format == "base64":
        # A byte each, as Voyage's client takes them apart.
        encoded = base64.b64encode(np.array(encoded).astype(np.uint8).tobytes()).decode()
    shown = EmbeddingOut(
        index=index,
        embedding=encoded,
        truncated_from=embedding.truncated_from,
        parts=embedding.parts if embedding.parts > 1 else None,
    )
    return to_json(shown, exclude_none=True)


def _scaled(embedding: TextEmbedding, normalized: bool) -> Vector:
    """Return the unit vector, or the pooled one as the model gave it."""
    if normalized:
        return embedding.vector
    return np.asarray(embedding.vector * np.float32(embedding.norm), dtype=np.float32)


def encode_vector(vector: Vector, kind: str) -> list[Any] | str:
    """Return a vector as it travels; `binary` and `ubinary` hold a bit a dimension, set above 0.

    `int8` and `uint8` are of one scale for all vectors of so many dimensions, so that their inner
    products rank as the vectors do.
    """
    match kind:
        case "int8" | "uint8":
            steps = np.rint(vector * (_MAX_INT8 * np.sqrt(len(vector)) / _DEVIATIONS))
            steps = np.clip(steps, -_MAX_INT8 - 1, _MAX_INT8).astype(np.int16)
            return list((steps + (_MAX_INT8 + 1 if kind == "uint8" else 0)).tolist())
        case "base64":
            return base64.b64encode(vector.astype("<f4").tobytes()).decode()
        case "ubinary":
            return list(np.packbits(vector > 0).tolist())
        case "binary":
            return list((np.packbits(vector > 0).astype(np.int16) - 128).tolist())
    return list(vector.tolist())


def _describe_model(resources: Resources) -> ModelOut:
    generation = resources.generations.live()
    checkpoint, engine = generation.checkpoint(), generation.loaded_engine
    return ModelOut(
        id=checkpoint.name,
        dimensions=checkpoint.dimensions,
        max_tokens=checkpoint.max_tokens,
        tasks=[task for task in Task if not checkpoint.adapters or task in checkpoint.adapters],
        fingerprint=checkpoint.fingerprint,
        engine=engine.name if engine else None,
        dtype=engine.dtype if engine else None,
        device=engine.device if engine else None,
    )
