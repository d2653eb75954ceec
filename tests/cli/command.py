"""The command line, in this process or as an operator runs it."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from app.cli import app
from tests.api.service import FOLIO


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command said, and how it ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The document on stdout, which must hold nothing else."""
        return json.loads(self.stdout)

    @property
    def error(self) -> str:
        """The one line that says why it failed; nothing may stand on stdout."""
        assert self.code == 1, self
        assert self.stdout == ""
        (line,) = self.stderr.splitlines()
        assert line.startswith("error: ")
        return line.removeprefix("error: ")


def folio(*arguments: str | Path) -> Ran:
    """Run a command in this process; an exception that would print a traceback is raised."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


def run_folio(
    *arguments: str | bytes | Path, environment: Mapping[str, str], cwd: Path | None = None
) -> Ran:
    """Run the console script, with its output in pipes."""
    ended = subprocess.run(
        [FOLIO, *arguments],
        env=dict(environment),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return Ran(ended.returncode, ended.stdout, ended.stderr)
