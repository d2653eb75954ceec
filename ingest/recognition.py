"""Tesseract in a process beside the parser's, which itself may run no program.

The parsing process forks it before it confines itself. It takes pictures as raw pixels and nothing
else, so that no decoder of files meets what a document wrote.
"""

import ctypes
import os
import re
import resource
import signal
import subprocess
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from ingest.confinement import confine_runner

DOTS_PER_INCH = 200
"""What pictures are drawn at; tesseract wants to know."""
_PR_SET_PDEATHSIG = 1
_LANGUAGE = re.compile(r"\w+")
# What finds the direction of writing, and equations: not languages.
_NO_LANGUAGES = {"osd", "equ"}
_OPTIONS = ("stdin", "stdout", "--dpi", str(DOTS_PER_INCH), "-c", "tessedit_create_tsv=1")
_WORD_ROW = "5"
_PICTURE = re.compile(rb"P5 (\d{1,5}) (\d{1,5}) 255\n")


class ScannedWord(NamedTuple):
    """A word on a picture."""

    paragraph: tuple[str, ...]
    """What its block and paragraph are numbered by, for comparison."""
    line: str
    """Of the paragraph."""
    confidence: float
    """In percent."""
    text: str


class Recognizer:
    """The running process, as the parser sees it."""

    def __init__(self, pipe: Connection, languages: str, seconds: float) -> None:
        self._pipe = pipe
        self.languages = languages
        """As tesseract takes them: `deu+eng`."""
        self.seconds = seconds
        """Time for the pages of one document."""

    def recognize(self, picture: bytes) -> list[ScannedWord]:
        """Return the words on a gray picture (PGM, one byte a pixel), in the order of reading.

        Ends this process when the other one has ended: it is started again with a new parser.
        """
        try:
            self._pipe.send_bytes(picture)
            table = self._pipe.recv_bytes().decode("utf-8", "replace")
        except (EOFError, OSError) as error:
            raise SystemExit("the process that reads scans has ended") from error
        return list(_read_table(table))


def _read_table(table: str) -> Iterator[ScannedWord]:
    """Yield the words of tesseract's TSV: level, page, block, paragraph, line, word, box (4),
    confidence, text."""
    for row in table.split("\n"):
        cells = row.split("\t")
        if cells[0] == _WORD_ROW and (text := cells[-1].strip()):
            yield ScannedWord(tuple(cells[1:4]), cells[4], float(cells[10]), text)


def start_recognizer(
    program: str, languages: str, *, seconds: float, page_seconds: float
) -> Recognizer | None:
    """Fork the process that runs `program`, tesseract; None where it has no languages.

    Raises ValueError for one that is wanted and missing. The process ends with the calling thread.
    A page may take `page_seconds` of processor time, and the pages of a document `seconds`.
    """
    languages = _choose_languages(program, languages)
    if not languages:
        return None
    ours, theirs = Pipe()
    if os.fork() == 0:
        ours.close()
        try:
            _end_with_parent()
            confine_runner(Path(program))
            _serve(theirs, [program, *_OPTIONS, "-l", languages], page_seconds)
        finally:
            os._exit(0)
    theirs.close()
    return Recognizer(ours, languages, seconds)


def _choose_languages(program: str, wanted: str) -> str:
    """Return the wanted languages, or all that there are, as the program takes them."""
    ran = subprocess.run(  # noqa: S603  # the operator's own tesseract
        [program, "--list-langs"],
        stdout=subprocess.PIPE,
        # Where older versions write them.
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    # The heading has spaces, and scripts, which come beside languages, the name of their folder.
    found = filter(_LANGUAGE.fullmatch, ran.stdout.split("\n"))
    installed = sorted(set(found) - _NO_LANGUAGES)
    if missing := sorted(set(filter(None, wanted.split("+"))).difference(installed)):
        raise ValueError(
            f"tesseract has no language {', '.join(missing)}; it has {', '.join(installed)}"
        )
    return wanted or "+".join(installed)


def _serve(pipe: Connection, command: list[str], seconds: float) -> None:
    def limit() -> None:
        _end_with_parent()
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 1))

    while True:
        try:
            picture = pipe.recv_bytes()
        except EOFError:
            return
        text = b""
        if _is_picture(picture):
            ran = subprocess.run(  # noqa: S603  # the operator's own tesseract
                command,
                input=picture,
                capture_output=True,
                check=False,
                env={"OMP_THREAD_LIMIT": "1"},
                # This process has one thread.
                preexec_fn=limit,
            )
            text = ran.stdout if ran.returncode == 0 else b""
        pipe.send_bytes(text)


def _is_picture(data: bytes) -> bool:
    head = _PICTURE.match(data)
    return head is not None and len(data) == head.end() + int(head[1]) * int(head[2])


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
