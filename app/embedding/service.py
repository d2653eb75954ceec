"""HTTP to a service that embeds: its key, retries with jitter, and an end once nobody waits."""

import asyncio
import random
import re
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import httpx

from app.config import Settings
from app.errors import ModelAway, ModelUnavailable, UnreadableDocument, WorkCancelled

ATTEMPTS = 6
_MAX_PAUSE_S = 60.0
_INTERNAL_ERROR = "status 500"
# How late a cancellation may be noticed, in a pause and while an answer is waited for.
_MAX_NAP_S = 0.5
_POLL_S = 0.25


class ServiceFails(ModelAway):
    """Every attempt met an internal error, which what was asked may be the cause of."""


class Service:
    """The service that the settings name; threads share it.

    An answer that nobody waits for any more is cancelled and its connection closed, by which the
    service knows. A request that blocks a thread cannot be ended from another one, so they are made
    on an event loop of their own.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        name: str,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take a name for errors; raises ModelUnavailable for a key that cannot be read."""
        self.host = host_of(settings)
        self.problem: str | None = None
        """Why the last call got no vectors; None after one that did."""
        self._name = name
        self._pause = pause
        self._http = httpx.AsyncClient(
            base_url=settings.model_url,
            headers=_read_key(settings),
            timeout=settings.model_seconds,
            transport=transport,
        )
        self._loop = asyncio.new_event_loop()
        Thread(target=_run, args=(self._loop,), name="folio-service", daemon=True).start()
        self.close = weakref.finalize(self, _close, self._loop, self._http)

    def ask(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        timeout: httpx.Timeout | None = None,
        attempts: int = ATTEMPTS,
        takes_busy: bool = False,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> httpx.Response:
        """Return a success, or a refusal that another attempt would meet again.

        With `takes_busy` a 429 is one. `timeout` None is the settings'. Raises ModelAway after all
        attempts, ServiceFails where each of them met an internal error; WorkCancelled.
        """
        met: set[str] = set()
        for attempt in range(1, attempts + 1):
            if is_cancelled():
                raise WorkCancelled("nobody waits for these vectors any more")
            try:
                answer = self._send(method, path, content, timeout, is_cancelled)
            # One without a connection, and an answer that cannot be decoded.
            except httpx.RequestError as error:
                problem, hint = type(error).__name__, None
            else:
                if answer.status_code < 500 and (answer.status_code != 429 or takes_busy):
                    return answer
                # The service's own words may quote the texts.
                problem, hint = f"status {answer.status_code}", answer.headers.get("retry-after")
            met.add(problem)
            if attempt < attempts:
                self.rest(_pause_before(attempt, hint), is_cancelled)
        if met == {_INTERNAL_ERROR}:
            raise ServiceFails(f"{self._name} at {self.host} fails with {problem}")
        raise ModelAway(f"{self._name} at {self.host} answers with {problem}")

    @contextmanager
    def note_problems(self) -> Iterator[None]:
        """Keep what makes the model unavailable in the block, until a block ends well."""
        try:
            yield
        except ModelUnavailable as error:
            self.problem = str(error)
            raise
        self.problem = None

    def rest(self, seconds: float, is_cancelled: Callable[[], bool]) -> None:
        """Pause; raises WorkCancelled."""
        while seconds > 0:
            if is_cancelled():
                raise WorkCancelled("nobody waits for these vectors any more")
            self._pause(min(_MAX_NAP_S, seconds))
            seconds -= _MAX_NAP_S

    def _send(
        self,
        method: str,
        path: str,
        content: bytes | None,
        timeout: httpx.Timeout | None,
        is_cancelled: Callable[[], bool],
    ) -> httpx.Response:
        options: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
        if content is not None:
            options |= {"content": content, "headers": {"Content-Type": "application/json"}}
        sent: Future[httpx.Response] = asyncio.run_coroutine_threadsafe(
            self._http.request(method, path, **options), self._loop
        )
        while not wait([sent], _POLL_S).done:
            if is_cancelled():
                sent.cancel()
                raise WorkCancelled("nobody waits for these vectors any more")
        return sent.result()


def refuse_text(problem: str) -> UnreadableDocument:
    """Return the error for what a service does not embed while it does others."""
    return UnreadableDocument(
        f"the service embeds others but not this text: {problem}", code="text_refused"
    )


def host_of(settings: Settings) -> str:
    """Return where the configured service is, without user and password."""
    return urlsplit(settings.model_url).netloc.rpartition("@")[2]


def _read_key(settings: Settings) -> dict[str, str]:
    path = settings.model_key_file
    if path is None:
        return {}
    try:
        # Editors on Windows begin a file with a mark of its encoding.
        key = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelUnavailable(
            f"the file {path} of FOLIO_MODEL_KEY_FILE cannot be read: {type(error).__name__}"
        ) from None
    if not re.fullmatch("[!-~]+", key):
        raise ModelUnavailable(
            f"the file {path} of FOLIO_MODEL_KEY_FILE must hold one word of ASCII characters"
        )
    return {"Authorization": f"Bearer {key}"}


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


def _close(loop: asyncio.AbstractEventLoop, http: httpx.AsyncClient) -> None:
    async def end() -> None:
        await http.aclose()
        loop.stop()

    asyncio.run_coroutine_threadsafe(end(), loop)


def _pause_before(attempt: int, retry_after: str | None) -> float:
    """Return seconds: what the service asks for, or twice as long each time; both with jitter."""
    if retry_after is not None and retry_after.isdecimal():
        base = float(retry_after)
    else:
        base = 0.5 * 2.0 ** (attempt - 1)
    # Spreads callers that were refused at once; no secret is made of it.
    return min(_MAX_PAUSE_S, base * random.uniform(1.0, 1.5))  # noqa: S311
