"""Vectors from an embedding server of Folio: the engine of a process that runs no model itself.

The server says which model it runs and gives its tokenizer, so that a replica needs nothing else;
its vectors have the fingerprint, and the bits, of those that the model gives where it is loaded.
"""

import socket
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import httpx
from tokenizers import Tokenizer

from app.config import BUNDLED_MODEL, BUNDLED_NAME, Settings
from app.domain import Embedding, Item, Task
from app.embedding.checkpoint import Checkpoint
from app.embedding.metrics import EngineMetrics
from app.embedding.scheduler import Lane, choose_lane
from app.embedding.service import ATTEMPTS, Service, ServiceFails, host_of, refuse_text
from app.embedding.tokenization import ReadsTokens, TokenReader
from app.embedding.wire import (
    EMBEDDINGS_PATH,
    ENGINE_PATH,
    TOKENIZER_PATH,
    Description,
    EmbedRequest,
    cut_requests,
    unpack,
)
from app.errors import EngineBusy, FolioError, ModelUnavailable

_CONNECT_S = 5.0
_WARM_UP = Item("warm up", Task.QUERY)
# Somebody waits at a screen for a question; articles can wait for a server that starts anew.
_QUESTION_ATTEMPTS = 3
# A server that is gone without a word is noticed after a minute without an answer to these.
_KEEP_ALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
]
# Shorter than the server keeps an idle connection: a request on one that it closes just then fails.
_LIMITS = httpx.Limits(max_connections=256, keepalive_expiry=4.0)


def describe_served(settings: Settings) -> Checkpoint:
    """Ask the configured server what it runs; the folder of the checkpoint names only the server.

    Raises ModelAway when it does not answer, ModelUnavailable when it is another model than that of
    the settings, or does not take the key.
    """
    with closing(_open_service(settings)) as service:
        description = _describe(service)
    if _name_model(description) != _name_model(settings):
        raise ModelUnavailable(
            f"the embedding server at {service.host} runs {_say_model(description)}, and this "
            f"process wants {_say_model(settings)}: FOLIO_MODEL, FOLIO_MODEL_REVISION and "
            "FOLIO_DIMENSIONS must be the same there and here",
            code="other_model",
        )
    return replace(description.checkpoint, folder=Path(service.host))


class ServedEngine(ReadsTokens):
    """Tokens are counted here; what the vectors are made of goes to the server."""

    name = "remote"

    def __init__(self, checkpoint: Checkpoint, settings: Settings) -> None:
        """Get the tokenizer; raises what describe_served does, and ModelUnavailable when tuned."""
        if checkpoint.query_adapter is not None:
            raise ModelUnavailable(
                f"the live generation has a tuned adapter, and the embedding server at "
                f"{host_of(settings)} runs the model without: unset FOLIO_MODEL_URL, so that this "
                "process loads the model itself, or roll back to the generation before",
                code="tuned_adapter",
            )
        self.checkpoint = checkpoint
        self._service = _open_service(settings)
        self.device = self._service.host
        description = _describe(self._service)
        if description.checkpoint.fingerprint != checkpoint.fingerprint:
            raise self._other_model()
        self.dtype = description.dtype
        self.max_tokens = checkpoint.max_tokens
        self.unit_tokens = checkpoint.unit_tokens
        self.late_chunking = checkpoint.late_chunking
        self.languages = checkpoint.languages
        self.dimensions = checkpoint.dimensions
        self.metrics = EngineMetrics()
        tokenizer = Tokenizer.from_str(_get(self._service, TOKENIZER_PATH).text)
        self._reader = TokenReader(tokenizer, checkpoint)
        # Articles wait their turn in the server, behind those of others, however long that takes.
        self._patient = httpx.Timeout(settings.model_seconds, connect=_CONNECT_S, read=None)
        self._prompt = httpx.Timeout(settings.model_seconds, connect=_CONNECT_S)

    @property
    def problem(self) -> str | None:
        """See Engine.problem."""
        return self._service.problem

    def embed(
        self,
        items: Sequence[Item],
        *,
        dimensions: int | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
        refuses: bool = False,
    ) -> list[Embedding]:
        """See Engine.embed. Raises ModelAway when the server does not answer.

        Raises ModelUnavailable when it runs another model by now, or refuses the key.
        """
        cut = self.checkpoint.check_dimensions(dimensions)
        for item in items:
            self.checkpoint.find_adapter(item.task)
        lane = choose_lane(items, of_others=refuses)
        embeddings: list[Embedding] = []
        with self.metrics.seconds.labels(lane).time():
            for part in cut_requests(items, cut):
                with self._service.note_problems():
                    embeddings += self._ask(part, cut, lane, is_cancelled)
        self.metrics.tokens.labels(lane).inc(sum(one.tokens for one in embeddings))
        return embeddings

    def warm_up(self) -> None:
        """Ask once, so that a wrong key or name is found at the start."""
        self.embed([_WARM_UP])

    def _ask(
        self,
        items: Sequence[Item],
        dimensions: int,
        lane: Lane,
        is_cancelled: Callable[[], bool],
        *,
        attempts: int | None = None,
    ) -> list[Embedding]:
        request = EmbedRequest(
            fingerprint=self.checkpoint.fingerprint,
            items=tuple(items),
            dimensions=dimensions,
            refuses=lane is Lane.CALLS,
        )
        problem: FolioError
        try:
            answer = self._service.ask(
                "POST",
                EMBEDDINGS_PATH,
                content=request.model_dump_json().encode(),
                timeout=self._prompt if lane is Lane.QUERIES else self._patient,
                attempts=attempts or (_QUESTION_ATTEMPTS if lane is Lane.QUERIES else ATTEMPTS),
                takes_busy=request.refuses,
                is_cancelled=is_cancelled,
            )
            if not answer.is_success:
                self._refuse(answer, items)
            return unpack(answer.content, items, dimensions)
        except ServiceFails as failure:
            problem = failure
        except _Refused as refusal:
            problem = refusal
        except ValueError as error:
            problem = ModelUnavailable(
                f"the embedding server at {self.device} gives no embeddings: {type(error).__name__}"
            )
        if list(items) == [_WARM_UP]:
            raise problem
        # At once: a server that comes back later failed for another reason than these texts.
        self._ask([_WARM_UP], dimensions, Lane.QUERIES, is_cancelled, attempts=1)
        raise refuse_text(str(problem))

    def _refuse(self, answer: httpx.Response, items: Sequence[Item]) -> NoReturn:
        """Raise what the model would where it is loaded, or what is wrong with the server."""
        match answer.status_code:
            case 409:
                raise self._other_model()
            case 413 | 422:
                # Raises TextTooLong for one that is.
                self._reader.read(items)
                raise _Refused(str(_explain(answer, self.device)))
            case 429:
                self.metrics.refused.labels(Lane.CALLS).inc()
                wait_s = answer.headers.get("retry-after", "")
                raise EngineBusy(
                    "the queue of the model is full", int(wait_s) if wait_s.isdecimal() else 1
                )
        raise _explain(answer, self.device)

    def _other_model(self) -> ModelUnavailable:
        checkpoint = self.checkpoint
        return ModelUnavailable(
            f"the embedding server at {self.device} runs another model by now than "
            f"{checkpoint.name} ({checkpoint.fingerprint})",
            code="other_model",
        )


class _Refused(ModelUnavailable):
    """The server takes no such request; another one it may."""


def _open_service(settings: Settings) -> Service:
    transport = httpx.AsyncHTTPTransport(limits=_LIMITS, socket_options=_KEEP_ALIVE)
    return Service(settings, name="the embedding server", transport=transport)


def _describe(service: Service) -> Description:
    try:
        return Description.model_validate_json(_get(service, ENGINE_PATH).content)
    except ValueError:
        raise _not_ours(service.host) from None


def _get(service: Service, path: str) -> httpx.Response:
    # Whoever waits for a server to start asks again.
    answer = service.ask("GET", path, attempts=1, timeout=httpx.Timeout(30.0, connect=_CONNECT_S))
    if not answer.is_success:
        raise _explain(answer, service.host)
    return answer


def _explain(answer: httpx.Response, host: str) -> ModelUnavailable:
    if answer.status_code == 401:
        return ModelUnavailable(
            f"the embedding server at {host} does not take the key: FOLIO_MODEL_KEY_FILE must hold "
            "the same one there and here",
            code="model_key_refused",
        )
    if answer.status_code == 404:
        return _not_ours(host)
    return ModelUnavailable(
        f"the embedding server at {host} answers with status {answer.status_code}"
    )


def _not_ours(host: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"{host} is not `folio embed-server` of this version, which FOLIO_MODEL_API=folio asks"
    )


def _name_model(chosen: Settings | Description) -> tuple[str, str, int | None]:
    """Return what tells models apart before anything was embedded."""
    name = BUNDLED_NAME if chosen.model == BUNDLED_MODEL else chosen.model
    return name, chosen.model_revision, chosen.dimensions


def _say_model(chosen: Settings | Description) -> str:
    name, revision, dimensions = _name_model(chosen)
    parts = [name, revision, f"cut to {dimensions} dimensions" if dimensions else ""]
    return " ".join(part for part in parts if part)
