"""The composition root: from settings to a running service."""

import gc
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import (
    ExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from importlib.metadata import version
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware

from app.admin.pages import find_visitor
from app.admin.routes import add_pages
from app.api import health
from app.api.access import require_declared_access
from app.api.body_framing import Framing
from app.api.callers import Callers
from app.api.compat import (
    cohere,
    dify,
    embeddings,
    files,
    ollama,
    open_webui,
    rerank,
    tei,
    vector_store_search,
    vector_stores,
)
from app.api.compat.unknown import UnknownPaths
from app.api.connections import make_protocol, reserve_descriptors
from app.api.fairness import Fairness
from app.api.keyed_paths import KeyedPaths
from app.api.methods import KnownMethods
from app.api.metrics import Metrics, MetricsMiddleware
from app.api.openapi import complete_openapi, operation_id
from app.api.own_machine import OwnMachine, is_loopback
from app.api.pace import Pace
from app.api.problems import add_problem_handlers
from app.api.v1 import (
    backups,
    calibrations,
    collections,
    context,
    documents,
    evaluations,
    explain,
    feedback,
    generations,
    golden_sets,
    imports,
    jobs,
    keys,
    originals,
    preflight,
    reparses,
    search,
)
from app.config import Settings
from app.errors import FolioError, InvalidRequest, ModelAway, ModelUnavailable, StaleVectors
from app.runtime.generations import EngineLoader, follow_others
from app.runtime.memory import collect_seldom, return_freed_regularly
from app.runtime.resources import Resources, open_resources
from app.services.access.keys import has_keys, install_admin_key
from app.services.operations.scheduled_sync import run_scheduled_sync
from app.services.quality.background import run_background
from ingest.confinement import forbid_tracing
from ingest.worker import run_worker

if TYPE_CHECKING:
    from app.api.mcp.door import McpDoor

logger = logging.getLogger("folio")

# Requests that wait for what is in work get their answers after it.
_ANSWER_SECONDS = 5
# Pause between two looks for a model that runs elsewhere; doubled up to the longest after each
# failure to load one.
_AWAY_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 300.0
# How long a thread may keep the interpreter while others wait for it; Python's default is 5 ms. A
# search gives it up and waits for it again hundreds of times, at every row that SQLite reads and at
# every product, and ingestion computes beside it.
_SWITCH_SECONDS = 0.0005

# What the model alone answers, whatever is stored.
MODEL_ROUTERS = (
    embeddings.router,
    rerank.router,
    cohere.router,
    cohere.old_router,
    tei.router,
    ollama.router,
)
ROUTERS = (
    health.router,
    collections.router,
    documents.router,
    jobs.router,
    originals.router,
    search.router,
    context.router,
    explain.router,
    rerank.router,
    embeddings.router,
    files.router,
    vector_stores.router,
    vector_store_search.router,
    cohere.router,
    cohere.old_router,
    tei.router,
    tei.health,
    ollama.router,
    dify.router,
    open_webui.router,
    keys.router,
    backups.router,
    calibrations.router,
    evaluations.router,
    generations.router,
    preflight.router,
    imports.router,
    reparses.router,
    feedback.router,
    golden_sets.router,
)


def create_app(
    resources: Resources,
    *,
    requires_keys: bool = True,
    works: bool = True,
    has_mcp: bool = True,
    routers: Sequence[APIRouter] = ROUTERS,
) -> FastAPI:
    """Return the application; `works` says whether it ingests while it runs.

    Without `has_mcp` there is no `/mcp`. Raises UndeclaredAccess for a route that does not say who
    may call it.
    """

    door = _open_mcp_door(resources.settings) if has_mcp else None

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        # Once more: a route may have been added since.
        require_declared_access(app.routes)
        stack = ExitStack()
        if works:
            stack.enter_context(run_worker(resources))
        stack.enter_context(run_background(resources, only_notes=not works))
        try:
            async with nullcontext() if door is None else door.open():
                yield
        finally:
            # The worker finishes its document; the loop goes on answering meanwhile.
            await run_in_threadpool(stack.close)

    # Its pages at /docs and /redoc bring their scripts along; FastAPI's fetch them from a CDN.
    app = FastAPIOffline(
        static_url="/docs/static",
        title="Folio",
        summary="Whole-article retrieval for chatbots and agents",
        version=version("folio-kb"),
        lifespan=lifespan,
        generate_unique_id_function=operation_id,
    )
    app.state.resources = resources
    app.state.settings = resources.settings
    app.state.requires_keys = requires_keys
    app.state.metrics = Metrics()
    app.state.probes = health.make_probes(resources, app.state.metrics)
    unrouted = UnknownPaths(routers)
    app.add_middleware(KeyedPaths, settings=resources.settings)
    app.add_middleware(
        Fairness,
        settings=resources.settings,
        callers=Callers(resources.database, find_visitor) if requires_keys else None,
        model_paths=frozenset(
            str(getattr(route, "path", "")) for router in MODEL_ROUTERS for route in router.routes
        ),
        refuse=unrouted.refuse,
    )
    app.add_middleware(Framing)
    if not requires_keys:
        app.add_middleware(OwnMachine, settings=resources.settings, refuse=unrouted.refuse)
    app.add_middleware(MetricsMiddleware, metrics=app.state.metrics)
    if resources.settings.origins:
        # Keys travel in a header that a page has to know, so that no cookie is ever sent.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=resources.settings.origins,
            allow_methods=["*"],
            allow_headers=["*"],
            # Of a public page to a server in a private network: its origin was named.
            allow_private_network=True,
            # When to ask again, for one.
            expose_headers=["*"],
        )
    app.add_middleware(KnownMethods, metrics=app.state.metrics)
    app.add_middleware(Pace, per_second=resources.settings.max_probes_per_second)
    for router in routers:
        app.include_router(router)
    add_pages(app, resources.settings)
    if door is not None:
        app.router.routes.extend(door.routes())
    add_problem_handlers(app, unrouted.answer)
    require_declared_access(app.routes)
    complete_openapi(app, requires_keys=requires_keys)
    return app


def _open_mcp_door(settings: Settings) -> "McpDoor":
    # Its SDK takes a second to import.
    from app.api.mcp.door import McpDoor

    return McpDoor(settings)


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
        try:
            resources.generations.live().check_fingerprint()
        except StaleVectors:
            raise
        except ModelUnavailable as error:
            # What is stored stays readable; /readyz says what is wrong.
            logger.error("no questions can be answered: %s", error)
        if settings.admin_key_file is not None:
            install_admin_key(resources.database, settings.admin_key_file)
        if not no_auth and not has_keys(resources.database):
            advice = (
                "no key exists yet. Make one with `folio keys create --scope admin` while no "
                "server runs, or name a file with one in FOLIO_ADMIN_KEY_FILE"
            )
            if not on_loopback:
                raise FolioError(f"{host} can be reached from outside, and {advice}")
            refused = "requests without the link below" if tells_link else "every request"
            logger.warning("%s will be refused: %s (or try --no-auth)", refused, advice)
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
        turn = resources.signals.priority.yield_to_requests
        shared = resources.database.is_shared
        following = follow_others(resources.generations) if shared else nullcontext()
        with run_scheduled_sync(resources), return_freed_regularly(wait_for_turn=turn), following:
            stopping = Event()
            loading = Thread(
                target=keep_model, args=(resources, stopping), name="folio-load", daemon=True
            )
            loading.start()
            try:
                listen(app, settings, host=host, port=port)
            finally:
                stopping.set()


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


def load_model(resources: Resources, stopping: Event) -> None:
    """Have the model ready, however often it takes: a probe asks no question that would load it.

    One that runs elsewhere is asked for every few seconds, one that cannot be loaded tried again
    after pauses that grow.
    """
    pause = _AWAY_SECONDS
    while not stopping.is_set():
        try:
            generation = resources.generations.live()
            device = generation.engine().device
        except ModelAway as error:
            logger.warning("the model is waited for: %s", error)
            pause = _AWAY_SECONDS
        except ModelUnavailable as error:
            logger.error("the model cannot be loaded: %s", error)
        # This thread must outlive whatever the database or a library throws at it.
        except Exception:
            logger.exception("the model could not be loaded")
        else:
            logger.info("%s answers, on %s", generation.checkpoint().name, device)
            return
        stopping.wait(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def keep_model(resources: Resources, stopping: Event) -> None:
    """Have the model ready; one that runs elsewhere and fails later is asked until it answers."""
    load_model(resources, stopping)
    while not stopping.wait(_AWAY_SECONDS):
        try:
            engine = resources.generations.live().loaded_engine
            if engine is not None and engine.problem is not None:
                engine.warm_up()
                logger.info("the model answers again, on %s", engine.device)
        except FolioError as error:
            logger.warning("the model is waited for: %s", error)
        # This thread must outlive whatever the database or a library throws at it.
        except Exception:
            logger.exception("the model could not be asked")


def favour_requests() -> None:
    """Set the interpreter up to answer beside other work; once, when the indexes are loaded."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    collect_seldom()
    # A full collection goes through the indexes, a tenth of a second in the middle of a search.
    # What is loaded by now stays; it need not be looked at again.
    gc.collect()
    gc.freeze()
