"""What the commands share: options, consoles, how errors are told, how a server is reached."""

import json
import re
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from app.commands.client import Client, connect
from app.config import Settings
from app.errors import FolioError, InvalidRequest

P = ParamSpec("P")

# A line for a program must not be broken where a terminal's would end.
_PIPE_WIDTH = 1000
out = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
err = Console(
    stderr=True,
    markup=False,
    highlight=False,
    width=None if sys.stderr.isatty() else _PIPE_WIDTH,
)

# What a terminal obeys instead of showing it, and what no encoding has.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# Of these, what json.dumps leaves as it is.
_CONTROL_IN_JSON = re.compile(r"[\x7f-\x9f\ud800-\udfff]")

# The variable FOLIO_DATA is left to Settings, where FOLIO_DATABASE_URL comes before it.
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Data folder, used directly without --server; by default what FOLIO_DATABASE_URL "
        "or FOLIO_DATA names.",
    ),
]
Server = Annotated[
    str | None, typer.Option("--server", envvar="FOLIO_SERVER", help="URL of a running server.")
]
ApiKey = Annotated[
    str | None, typer.Option("--key", envvar="FOLIO_KEY", help="API key for the server.")
]
Collection = Annotated[str, typer.Option("--collection", help="The knowledge base.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def reports_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Print what went wrong as one sentence and exit with 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except FolioError as error:
            print_error(str(error))
        except UnicodeEncodeError as error:
            # From an argument or a file name, as the shell gave it.
            unknown = error.object[error.start : error.end]
            print_error(f"{unknown!a} cannot be written in {error.encoding}")
        except BrokenPipeError:
            # Who reads the output has seen enough; typer ends quietly.
            raise
        except OSError as error:
            print_error(": ".join(str(part) for part in (error.filename, error.strerror) if part))
        except sqlite3.Error as error:
            print_error(f"the database cannot be opened: {error}; `folio doctor` says more")
        except KeyboardInterrupt:
            err.print("stopped; what was acknowledged is kept, and what is queued goes on later")
            raise typer.Exit(130) from None
        else:
            return
        raise typer.Exit(1) from None

    return run


def read_settings(data: Path | None) -> Settings:
    try:
        # What is said on the command line wins over the environment.
        return Settings() if data is None else Settings(data=data, database_url=None)
    except ValidationError as error:
        problems = [f"FOLIO_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()]
        raise InvalidRequest("; ".join(problems)) from error


@contextmanager
def open_client(
    data: Path | None,
    server: str | None,
    key: str | None,
    command: str,
    *,
    embeds: bool = False,
    works: bool = False,
) -> Iterator[Client]:
    with connect(
        read_settings(data), server=server, key=key, command=command, embeds=embeds, works=works
    ) as client:
        try:
            yield client
        except KeyboardInterrupt:
            if works and server is None:
                # Safe at any moment, and some articles take minutes.
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                err.print("stopping after the article in work; Ctrl-C again stops at once")
            raise


def safe_text(words: str, style: str = "") -> Text:
    """Return words of others for the terminal, which shows their control characters as �."""
    return Text(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", words), style)


def print_error(message: str) -> None:
    err.print(Text("error: ", "bold red") + safe_text(message), soft_wrap=True)


def print_json(value: Any) -> None:
    def escape(match: re.Match[str]) -> str:
        return f"\\u{ord(match[0]):04x}"

    document = json.dumps(value, ensure_ascii=False)
    sys.stdout.write(_CONTROL_IN_JSON.sub(escape, document) + "\n")
    # Left to the end of the process, a reader that is gone would be told of there.
    sys.stdout.flush()
