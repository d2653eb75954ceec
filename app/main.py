"""The composition root: from settings to a running service."""

import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from types import FrameType

import uvicorn
from fastapi import FastAPI

from app.api.connections import make_protocol, reserve_descriptors
from app.api.own_machine import is_loopback
from app.application import create_app
from app.config import Settings
from app.errors import FolioError, InvalidRequest, ModelAway, ModelUnavailable, StaleVectors
from app.runtime.generations import EngineLoader, follow_others
from app.runtime.interpreter import favour_requests
from app.runtime.memory import return_freed_regularly
from app.runtime.model_loader import keep_model_ready
from app.runtime.resources import Resources, open_resources
from app.services.access.keys import has_keys, install_admin_key
from app.services.operations.scheduled_sync import run_scheduled_sync
from app.services.quality.background import run_background
from ingest.confinement import forbid_tracing
from ingest.worker import run_worker

logger = logging.getLogger("folio")

# Requests that wait for what is in work get their answers after it.
_ANSWER_SECONDS = 5


def serve(
    settings: Settings,
    *,
    host: str,
    port: int,
    no_auth: bool,
    works: bool = True,
    load: EngineLoader | None = None,
) -> None:
    """Serve until a signal comes; without `works` other processes read what is uploaded.

    Raises FolioError when it would not be safe to start.
    """
    on_loopback = is_loopback(host)
    # For whoever sits at this terminal: a log that is kept must not let anybody in.
    tells_link = on_loopback and sys.stderr.isatty()
    if no_auth and not on_loopback:
        raise FolioError(
            f"--no-auth lets everyone who reaches {host} read and delete; it goes with a loopback "
            "address such as 127.0.0.1 only"
        )
    if not works:
        require_shared(settings, "--no-work")
    forbid_tracing()
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    with open_resources(settings, holder=f"folio serve on {url}", load=load) as resources:
        _check_model(resources)
        if settings.admin_key_file is not None:
            install_admin_key(resources.database, settings.admin_key_file)
        if not no_auth:
            _check_keys(resources, host, tells_link=tells_link)
        resources.generations.live().catch_up()
        favour_requests()
        reserve_descriptors()
        app = create_app(resources, requires_keys=not no_auth, works=works)
        if tells_link:
            link = "" if no_auth else f"/sign-in?link={app.state.sessions.invite()}"
            print(f"the pages: {url}/admin{link}", file=sys.stderr)  # noqa: T201  not a log line
        # uvicorn sends itself the signal once more when it has stopped. Left as it is, the process
        # would die before the data folder is closed, and deleted text would stay in the log.
        signal.signal(signal.SIGTERM, exit_on_signal)
        with ExitStack() as stack:
            stack.enter_context(run_scheduled_sync(resources))
            turn = resources.signals.priority.yield_to_requests
            stack.enter_context(return_freed_regularly(wait_for_turn=turn))
            if resources.database.is_shared:
                stack.enter_context(follow_others(resources.generations))
            stack.enter_context(keep_model_ready(resources))
            listen(app, settings, host=host, port=port)


def _check_model(resources: Resources) -> None:
    """Raise StaleVectors for what another model embedded."""
    try:
        resources.generations.live().check_fingerprint()
    except StaleVectors:
        raise
    except ModelUnavailable as error:
        # What is stored stays readable; /readyz says what is wrong.
        logger.error("no questions can be answered: %s", error)


def _check_keys(resources: Resources, host: str, *, tells_link: bool) -> None:
    """Warn where nobody has a key; raise FolioError where strangers could reach such a server."""
    if has_keys(resources.database):
        return
    advice = (
        "no key exists yet. Make one with `folio keys create --scope admin` while no server runs, "
        "or name a file with one in FOLIO_ADMIN_KEY_FILE"
    )
    if not is_loopback(host):
        raise FolioError(f"{host} can be reached from outside, and {advice}")
    refused = "requests without the link below" if tells_link else "every request"
    logger.warning("%s will be refused: %s (or try --no-auth)", refused, advice)


def listen(app: FastAPI, settings: Settings, *, host: str, port: int) -> None:
    """Answer until a signal comes."""
    uvicorn.run(
        app,
        host=host,
        port=port,
        access_log=False,
        server_header=False,
        http=make_protocol(settings),
        limit_concurrency=settings.max_connections,
        timeout_graceful_shutdown=ceil(settings.stop_seconds) + _ANSWER_SECONDS,
    )


def work(settings: Settings, *, load: EngineLoader | None = None) -> None:
    """Read what others queue in a shared database until a signal comes; answer nobody.

    Raises FolioError without a shared database, or when it would not be safe to start.
    """
    require_shared(settings, "folio work")
    forbid_tracing()
    with open_resources(settings, holder="folio work", load=load) as resources:
        try:
            resources.generations.live().check_fingerprint()
        except ModelAway as error:
            logger.warning("documents wait: %s", error)
        signal.signal(signal.SIGTERM, exit_on_signal)
        with return_freed_regularly(), run_worker(resources), run_background(resources):
            Event().wait()


def require_shared(settings: Settings, what: str) -> None:
    """Raise InvalidRequest where one process owns the data."""
    if settings.database_url is None:
        raise InvalidRequest(
            f"{what} shares a database with others: set FOLIO_DATABASE_URL", code="not_shared"
        )


@contextmanager
def serve_on_socket(resources: Resources, *, works: bool) -> Iterator[Path]:
    """Serve without keys on a Unix socket that only this user can reach; yields its path.

    So a command that opens the data folder itself takes the same way as one that asks a server.
    """
    forbid_tracing()
    with TemporaryDirectory(prefix="folio-") as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder) / "api.sock"
        listener.bind(str(path))
        # Requests that come before the server accepts wait in the backlog.
        listener.listen()
        app = create_app(resources, requires_keys=False, works=works, has_mcp=False)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="folio-socket")
        thread.start()
        try:
            yield path
        finally:
            server.should_exit = True
            thread.join()


def exit_on_signal(signal_number: int, _frame: FrameType | None) -> None:
    """End the process with what a shell reports of one that a signal ended."""
    raise SystemExit(128 + signal_number)
