"""The service in processes that are up in a fraction of a second.

They are forks of one that has imported everything, and run what `folio serve` runs from there on:
starting an interpreter with torch takes seconds, and 500 of them most of an hour.
"""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from time import monotonic

import httpx

from app.config import Settings
from tests.api.service import START_SECONDS, find_free_port, poll

STOP_SECONDS = 30.0

_context = multiprocessing.get_context("forkserver")
_IMPORTED = [
    "app.main",
    "app.embedding.torch.engine",
    "transformers.models.jina_embeddings_v3.modeling_jina_embeddings_v3",
    "alembic.runtime.migration",
    "peft",
]


@dataclass(frozen=True, slots=True)
class Server:
    """A service on a loopback port."""

    process: ForkServerProcess
    url: str
    log: Path

    def send_signal(self, how: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, how)

    def wait(self, seconds: float = 2 * STOP_SECONDS) -> float:
        """Wait until it has ended; returns the seconds. Fails when it does not end."""
        started = monotonic()
        self.process.join(seconds)
        assert self.process.exitcode is not None, f"it still runs after {seconds:g} s"
        return monotonic() - started

    def memory_mb(self) -> float:
        """Return its resident memory, without that of its parsing processes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        lines = (line.split() for line in status.splitlines())
        return next(int(line[1]) for line in lines if line[0] == "VmRSS:") / 1000

    def is_up(self) -> bool:
        """Return whether it answers; fails with its log when it has ended."""
        return self._answers("/healthz")

    def is_ready(self) -> bool:
        """Return whether it answers questions; fails with its log when it has ended."""
        return self._answers("/readyz")

    def _answers(self, path: str) -> bool:
        assert self.process.exitcode is None, self.log.read_text(encoding="utf-8")
        try:
            return httpx.get(f"{self.url}{path}").is_success
        except httpx.TransportError:
            return False


@contextmanager
def run_forked(
    settings: Settings, log: Path, *, no_auth: bool = True, waits: bool = True
) -> Iterator[Server]:
    """Serve until the block ends; yields once it answers, or at once without `waits`."""
    port = find_free_port()
    process = forkserver().Process(target=serve_forked, args=(settings, port, str(log), no_auth))
    process.start()
    server = Server(process, f"http://127.0.0.1:{port}", log)
    try:
        if waits:
            poll(server.is_up, bool, seconds=START_SECONDS)
        yield server
    finally:
        if process.exitcode is None:
            process.terminate()
        process.join(STOP_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()


def forkserver() -> ForkServerContext:
    """Return what starts processes that have imported everything already."""
    _context.set_forkserver_preload(_IMPORTED)
    return _context


def serve_forked(settings: Settings, port: int, log: str, no_auth: bool = True) -> None:
    """Run `folio serve` in this process."""
    file = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    import torch

    from app.main import serve

    # These models are so small that more threads only wait for each other.
    torch.set_num_threads(1)
    serve(settings, host="127.0.0.1", port=port, no_auth=no_auth)
