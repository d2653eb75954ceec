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
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from shutil import which

from ingest.confinement import confine_runner

_PR_SET_PDEATHSIG = 1
_PICTURE = re.compile(rb"P5 (\d{1,5}) (\d{1,5}) 255\n")


class Recognizer:
    """The running process, as the parser sees it."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def recognize(self, picture: bytes) -> str:
        """Return the text on a gray picture (PGM, one byte a pixel); "" when there is none."""
        self._pipe.send_bytes(picture)
        return self._pipe.recv_bytes().decode("utf-8", "replace").strip()


def start_recognizer(*, seconds: float) -> Recognizer | None:
    """Fork the process; None where tesseract is not installed.

    It ends with the calling thread. A page may take `seconds` of processor time.
    """
    program = which("tesseract")
    if program is None:
        return None
    ours, theirs = Pipe()
    if os.fork() == 0:
        ours.close()
        try:
            _end_with_parent()
            confine_runner(Path(program))
            _serve(theirs, program, seconds)
        finally:
            os._exit(0)
    theirs.close()
    return Recognizer(ours)


def _serve(pipe: Connection, program: str, seconds: float) -> None:
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
                [program, "stdin", "stdout"],
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
