"""The HTTP application: every router and layer of middleware, over one set of resources."""

from collections.abc import AsyncIterator, Sequence
from contextlib import (
    ExitStack,
    asynccontextmanager,
    nullcontext,
)
from importlib.metadata import version
from typing import TYPE_CHECKING

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
from app.api.fairness import Fairness
from app.api.keyed_paths import KeyedPaths
from app.api.methods import KnownMethods
from app.api.metrics import Metrics, MetricsMiddleware
from app.api.openapi import complete_openapi, operation_id
from app.api.own_machine import OwnMachine
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
from app.runtime.resources import Resources
from app.services.quality.background import run_background
from ingest.worker import run_worker

if TYPE_CHECKING:
    from app.api.mcp.door import McpDoor

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
    unknown = UnknownPaths(routers)
    _add_middleware(app, resources, unknown, requires_keys=requires_keys)
    for router in routers:
        app.include_router(router)
    add_pages(app, resources.settings)
    if door is not None:
        app.router.routes.extend(door.routes())
    add_problem_handlers(app, unknown.answer)
    require_declared_access(app.routes)
    complete_openapi(app, requires_keys=requires_keys)
    return app


def _add_middleware(
    app: FastAPI, resources: Resources, unknown: UnknownPaths, *, requires_keys: bool
) -> None:
    """Wrap the application, the innermost layer first."""
    settings = resources.settings
    app.add_middleware(KeyedPaths, settings=settings)
    app.add_middleware(
        Fairness,
        settings=settings,
        callers=Callers(resources.database, find_visitor) if requires_keys else None,
        model_paths=frozenset(
            str(getattr(route, "path", "")) for router in MODEL_ROUTERS for route in router.routes
        ),
        refuse=unknown.refuse,
    )
    app.add_middleware(Framing)
    if not requires_keys:
        app.add_middleware(OwnMachine, settings=settings, refuse=unknown.refuse)
    app.add_middleware(MetricsMiddleware, metrics=app.state.metrics)
    if settings.origins:
        # Keys travel in a header that a page has to know, so that no cookie is ever sent.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["*"],
            allow_headers=["*"],
            # Of a public page to a server in a private network: its origin was named.
            allow_private_network=True,
            # When to ask again, for one.
            expose_headers=["*"],
        )
    app.add_middleware(KnownMethods, metrics=app.state.metrics)
    app.add_middleware(Pace, per_second=settings.max_probes_per_second)


def _open_mcp_door(settings: Settings) -> "McpDoor":
    # Its SDK takes a second to import.
    from app.api.mcp.door import McpDoor

    return McpDoor(settings)
