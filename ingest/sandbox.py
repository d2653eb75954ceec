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
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from shutil import which
from threading import Lock, Timer
from typing import Any

from app.config import Settings
from app.domain import Article, Heading, PageStart
from app.errors import FolioError, ParserUnavailable, UnreadableDocument
from ingest.confinement import Confinement

_DOCUMENTS_PER_CHILD = 200
_MAX_GREETING_BYTES = 2**16
_START_SECONDS = 60.0
_NICENESS = 10
_SCANNED = "application/pdf"
"""The format whose pages can be scans."""


@dataclass(frozen=True, slots=True)
class _Options:
    """What a child is told when it starts."""

    uses_landlock: bool
    memory_bytes: int
    tesseract: str | None
    """Path of the program that reads scans; None for none."""
    ocr_languages: str
    ocr_seconds: float
    page_seconds: float
    """Processor time for one scanned page."""


class Sandbox:
    """Parses one document at a time in a child process; thread-safe.

    `uses_landlock=False` does without it, as on a kernel that has none.
    """

    def __init__(self, settings: Settings, *, uses_landlock: bool = True) -> None:
        self.confinement: Confinement | None = None
        """What holds the child; None before the first one."""
        self.scan_languages = ""
        """What it reads scans in, as tesseract has it: `deu+eng`; "" where it reads none."""
        self._seconds = settings.parse_seconds
        self._small_seconds = settings.parse_small_seconds
        self._seconds_per_mib = settings.parse_seconds_per_mib
        self._answer_bytes = settings.parse_answer_bytes
        self._options = _Options(
            uses_landlock=uses_landlock,
            memory_bytes=settings.parse_memory_bytes,
            tesseract=which("tesseract") if settings.ocr_seconds else None,
            ocr_languages=settings.ocr_languages,
            ocr_seconds=settings.ocr_seconds,
            page_seconds=settings.parse_seconds,
        )
        self._child: tuple[subprocess.Popen[bytes], Connection] | None = None
        self._parsed = 0
        self._is_killed = False
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
        ParserUnavailable when it was killed.
        """
        with self._lock:
            try:
                answer = self._ask(media_type, data)
            except (UnreadableDocument, ParserUnavailable):
                # Half an answer may be on its way; the next document gets a new child.
                self._stop()
                raise
        if "error" in answer:
            raise UnreadableDocument(answer["error"], code=answer["code"])
        return _read_article(answer)

    def kill(self) -> None:
        """Break off what is being parsed, from another thread."""
        child = self._child
        if child is not None:
            self._is_killed = True
            child[0].kill()

    def close(self) -> None:
        """End the child process."""
        with self._lock:
            self._stop()

    def _ask(self, media_type: str, data: bytes) -> dict[str, Any]:
        process_seconds = self._limit_processor_time(len(data))
        wall_seconds = self._limit_wall_time(media_type)
        process, pipe = self._start()
        # Sending and half an answer can wait for ever as well: only a dead child ends both.
        alarm = Timer(wall_seconds, process.kill)
        alarm.start()
        try:
            pipe.send_bytes(f"{process_seconds} {media_type}".encode())
            pipe.send_bytes(data)
            received = pipe.recv_bytes(self._answer_bytes)
        except (EOFError, OSError) as error:
            if self._is_killed:
                raise ParserUnavailable("the parsing process was stopped") from error
            if not alarm.is_alive():
                raise UnreadableDocument(
                    f"parsing took longer than {wall_seconds:g} s", code="parser_timeout"
                ) from error
            raise self._explain(process, process_seconds) from error
        finally:
            alarm.cancel()
        answer: dict[str, Any] = json.loads(received)
        return answer

    def _limit_processor_time(self, size: int) -> float:
        """Return the seconds for a document of so many bytes: a small one has no right to many."""
        return min(self._seconds, self._small_seconds + self._seconds_per_mib * size / 2**20)

    def _limit_wall_time(self, media_type: str) -> float:
        """Return the seconds for a document; while its scans are read the parser itself waits."""
        reads_scans = self._options.tesseract is not None and media_type == _SCANNED
        return self._seconds + self._options.ocr_seconds * reads_scans

    def _explain(
        self, process: subprocess.Popen[bytes], process_seconds: float
    ) -> UnreadableDocument:
        """Return why no answer came in time."""
        # One that lives on gave too long an answer.
        with suppress(subprocess.TimeoutExpired):
            if process.wait(timeout=1) == -signal.SIGXCPU:
                return UnreadableDocument(
                    f"parsing took more than {process_seconds:.3g} s of processor time, which is "
                    "what a document of this size may take",
                    code="parser_timeout",
                )
        return UnreadableDocument(
            "the parser broke off: the document needs more than "
            f"{self._options.memory_bytes >> 20} MiB, gives more than "
            f"{self._answer_bytes >> 20} MiB, or crashes it",
            code="parser_crashed",
        )

    def _start(self) -> tuple[subprocess.Popen[bytes], Connection]:
        """Return the child that parses the next document."""
        # One that was killed while nothing was parsed is no document's fault.
        if self._child is not None and (
            self._parsed >= _DOCUMENTS_PER_CHILD or self._child[0].poll() is not None
        ):
            self._stop()
        if self._child is None:
            process, pipe = self._spawn()
            self._child = process, pipe
            self._parsed = 0
            self._is_killed = False
            self.confinement, self.scan_languages = self._greet(process, pipe)
        self._parsed += 1
        return self._child

    def _spawn(self) -> tuple[subprocess.Popen[bytes], Connection]:
        """Return a new child; raises ParserUnavailable where the system has no room for one."""
        try:
            ours, theirs = socket.socketpair()
            with ours, theirs:
                process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
                    [
                        sys.executable,
                        # Code in the current folder is not ours, and nothing can be written.
                        "-P",
                        "-B",
                        "-m",
                        "ingest.sandbox",
                        str(theirs.fileno()),
                        json.dumps(asdict(self._options)),
                    ],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                    # Ctrl-C goes to the service, which lets the document finish.
                    start_new_session=True,
                )
                return process, Connection(ours.detach())
        except OSError as error:
            raise ParserUnavailable(f"the parsing process does not start: {error}") from error

    def _greet(self, process: subprocess.Popen[bytes], pipe: Connection) -> tuple[Confinement, str]:
        """Return what a new child says that holds it, and what languages it reads scans in.

        Raises ParserUnavailable, and ends it.
        """
        alarm = Timer(_START_SECONDS, process.kill)
        alarm.start()
        try:
            said = json.loads(pipe.recv_bytes(_MAX_GREETING_BYTES))
        except (EOFError, OSError):
            said = {"problem": f"it ended with {process.wait()}"}
        finally:
            alarm.cancel()
        if "problem" in said:
            self._stop()
            raise ParserUnavailable(f"the parsing process does not start: {said['problem']}")
        return Confinement(**said["confinement"]), said["languages"]

    def _stop(self) -> None:
        if self._child is not None:
            process, pipe = self._child
            pipe.close()
            process.kill()
            process.wait()
            self._child = None


def _serve(pipe: Connection, options: _Options) -> None:
    """Answer parse requests until the other end closes; runs in the child."""
    try:
        confinement, languages = _start_parser(options)
    # No document was read yet, so what is said can quote none.
    except Exception as error:
        pipe.send_bytes(json.dumps({"problem": f"{type(error).__name__}: {error}"}).encode())
        raise
    said = {"confinement": asdict(confinement), "languages": languages}
    pipe.send_bytes(json.dumps(said).encode())
    from ingest.confinement import limit_processor_time
    from ingest.parsers import parse_document

    while True:
        try:
            process_seconds, _, media_type = pipe.recv_bytes().decode().partition(" ")
            data = pipe.recv_bytes()
        except EOFError:
            return
        limit_processor_time(float(process_seconds))
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


def _start_parser(options: _Options) -> tuple[Confinement, str]:
    """Give up every right that parsing has no need of.

    Returns what is in force, and the languages that scans are read in.
    """
    # The parent never imports the parsers' libraries.
    from ingest.confinement import confine_parser, limit_process
    from ingest.parsers import preload_parsers

    # Requests go first where there are few processors.
    os.nice(_NICENESS)
    limit_process(options.memory_bytes)
    languages = ""
    if options.tesseract is not None:
        from ingest.parsers.pdf.scans import connect_recognizer
        from ingest.recognition import start_recognizer

        recognizer = start_recognizer(
            options.tesseract,
            options.ocr_languages,
            seconds=options.ocr_seconds,
            page_seconds=options.page_seconds,
        )
        if recognizer is not None:
            connect_recognizer(recognizer)
            languages = recognizer.languages
    confinement = confine_parser(uses_landlock=options.uses_landlock, preload=preload_parsers)
    return confinement, languages


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
    _serve(Connection(int(sys.argv[1])), _Options(**json.loads(sys.argv[2])))
