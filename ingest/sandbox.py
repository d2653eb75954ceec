"""Parsing in a child process with limits, so that no file can hurt the service.

The child is a Python of its own (`python -m ingest.sandbox`), so that neither the caller's main
module nor its environment gets into it. It parses a number of documents and is replaced when it
breaks a limit. It answers in JSON: nothing that it sends is unpickled.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from threading import Lock, Timer
from typing import Any

from app.config import Settings
from app.domain import Article, Heading, PageStart
from app.errors import FolioError, UnreadableDocument

_DOCUMENTS_PER_CHILD = 200
_MAX_ANSWER_BYTES = 256 * 2**20


class Sandbox:
    """Parses one document at a time in a child process; thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._seconds = settings.parse_seconds
        self._memory_bytes = settings.parse_memory_bytes
        self._child: tuple[subprocess.Popen[bytes], Connection] | None = None
        self._parsed = 0
        self._lock = Lock()

    def start(self) -> None:
        """Have a child that is ready; without it the first document waits for one."""
        with self._lock:
            try:
                if self._child is None:
                    self._ask("text/plain", b"ready")
            # The next document meets it too, and can say so.
            except UnreadableDocument:
                self._stop()

    def parse(self, media_type: str, data: bytes) -> Article:
        """Return the article in `data`.

        Raises UnreadableDocument: with the parser's own code, `parser_timeout` past the time
        limit, or `parser_crashed` when the child died, as it does past its memory.
        """
        with self._lock:
            try:
                answer = self._ask(media_type, data)
            except UnreadableDocument:
                # Half an answer may be on its way; the next document gets a new child.
                self._stop()
                raise
        if "error" in answer:
            raise UnreadableDocument(answer["error"], code=answer["code"])
        return _read_article(answer)

    def close(self) -> None:
        """End the child process."""
        with self._lock:
            self._stop()

    def _ask(self, media_type: str, data: bytes) -> dict[str, Any]:
        process, pipe = self._start()
        # Sending and half an answer can wait for ever as well: only a dead child ends both.
        alarm = Timer(self._seconds, process.kill)
        alarm.start()
        try:
            pipe.send_bytes(media_type.encode())
            pipe.send_bytes(data)
            answer: dict[str, Any] = json.loads(pipe.recv_bytes(_MAX_ANSWER_BYTES))
        except (EOFError, OSError) as error:
            raise self._explain(process, in_time=alarm.is_alive()) from error
        finally:
            alarm.cancel()
        return answer

    def _explain(self, process: subprocess.Popen[bytes], *, in_time: bool) -> UnreadableDocument:
        """Return why no answer came."""
        if in_time:
            # One that lives on gave too long an answer.
            with suppress(subprocess.TimeoutExpired):
                in_time = process.wait(timeout=1) != -signal.SIGXCPU
        if not in_time:
            return UnreadableDocument(
                f"parsing took longer than {self._seconds:g} s", code="parser_timeout"
            )
        return UnreadableDocument(
            f"the parser broke off: the document needs more than "
            f"{self._memory_bytes >> 20} MiB, gives more than {_MAX_ANSWER_BYTES >> 20} MiB, "
            "or crashes it",
            code="parser_crashed",
        )

    def _start(self) -> tuple[subprocess.Popen[bytes], Connection]:
        """Return the child that parses the next document."""
        if self._child is not None and self._parsed >= _DOCUMENTS_PER_CHILD:
            self._stop()
        if self._child is None:
            ours, theirs = socket.socketpair()
            with theirs:
                process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
                    [
                        sys.executable,
                        # Code in the current folder is not ours.
                        "-P",
                        "-m",
                        "ingest.sandbox",
                        str(theirs.fileno()),
                        str(self._memory_bytes),
                        str(self._seconds),
                    ],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                    # Ctrl-C goes to the service, which lets the document finish.
                    start_new_session=True,
                )
            self._child = process, Connection(ours.detach())
            self._parsed = 0
        self._parsed += 1
        return self._child

    def _stop(self) -> None:
        if self._child is not None:
            process, pipe = self._child
            pipe.close()
            process.kill()
            process.wait()
            self._child = None


def _serve(pipe: Connection, memory_bytes: int, seconds: float) -> None:
    """Answer parse requests until the other end closes; runs in the child."""
    # The parent never imports the parsers' libraries.
    from ingest.confinement import forbid_network, limit_process, limit_processor_time
    from ingest.parsers import parse_document

    limit_process(memory_bytes)
    forbid_network()
    while True:
        try:
            media_type = pipe.recv_bytes().decode()
            data = pipe.recv_bytes()
        except EOFError:
            return
        limit_processor_time(seconds)
        try:
            answer: dict[str, Any] = asdict(parse_document(media_type, data))
        except FolioError as error:
            answer = {"error": str(error), "code": error.code}
        # Past its memory: whatever is half done ends with the process.
        except MemoryError:
            raise
        # A parser met something its author did not think of. What it says may quote the document.
        except Exception as error:  # noqa: BLE001
            answer = {
                "error": f"the document cannot be parsed ({type(error).__name__})",
                "code": "unreadable_document",
            }
        pipe.send_bytes(json.dumps(answer).encode())


def _read_article(answer: dict[str, Any]) -> Article:
    return Article(
        text=answer["text"],
        title=answer["title"],
        url=answer["url"],
        attributes=answer["attributes"] or {},
        headings=tuple(Heading(**heading) for heading in answer["headings"]),
        pages=tuple(PageStart(**page) for page in answer["pages"]),
        pages_with_text=answer["pages_with_text"],
        warnings=tuple(answer["warnings"]),
    )


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])), int(sys.argv[2]), float(sys.argv[3]))
