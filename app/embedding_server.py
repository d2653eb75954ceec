"""The composition root of an embedding server: a model, one key, and no database."""

import logging
import signal

from fastapi import FastAPI, Response

from app.api import engine as engine_routes
from app.api.access import require_declared_access
from app.api.body_framing import Framing
from app.api.engine import ServedModel
from app.api.methods import KnownMethods
from app.api.metrics import Metrics, MetricsMiddleware
from app.api.own_machine import OwnMachine, is_loopback
from app.api.pace import Pace
from app.api.problems import add_problem_handlers, problem_response
from app.config import Settings
from app.embedding.loader import load_engine, open_checkpoint
from app.embedding.wire import Description
from app.errors import FolioError, InvalidRequest
from app.main import exit_on_signal, listen
from app.runtime.interpreter import favour_requests
from app.runtime.memory import return_freed_regularly, share_arenas
from app.runtime.threads import use_one_blas_thread
from app.services.access.keys import read_key_file

logger = logging.getLogger("folio")


def serve_embeddings(settings: Settings, *, host: str, port: int, no_auth: bool) -> None:
    """Load the model, then answer until a signal comes.

    Raises FolioError when it would not be safe to start, ModelUnavailable.
    """
    key = _read_key(settings, host, no_auth=no_auth)
    use_one_blas_thread()
    share_arenas()
    served = load_served(settings)
    favour_requests()
    app = create_embedding_app(settings, served, key)
    signal.signal(signal.SIGTERM, exit_on_signal)
    name = served.description.checkpoint.name
    logger.info("%s answers, on %s", name, served.engine.device)
    with return_freed_regularly():
        listen(app, settings, host=host, port=port)


def load_served(settings: Settings) -> ServedModel:
    """Load the model of the settings, warm; raises ModelUnavailable."""
    if settings.model_url:
        raise InvalidRequest(
            "an embedding server runs the model itself: unset FOLIO_MODEL_URL", code="not_local"
        )
    checkpoint = open_checkpoint(settings)
    engine = load_engine(checkpoint, settings)
    engine.warm_up()
    return ServedModel(
        engine,
        Description(
            model=settings.model,
            model_revision=settings.model_revision,
            dimensions=settings.dimensions,
            checkpoint=checkpoint,
            dtype=engine.dtype,
        ),
    )


def create_embedding_app(settings: Settings, served: ServedModel, key: str | None) -> FastAPI:
    """Return the application; without a key everyone may ask it."""
    # Processes of Folio ask it, which know it by heart.
    app = FastAPI(title="Folio's embedding server", openapi_url=None)
    app.state.settings = settings
    app.state.served = served
    app.state.shared_key = key
    app.state.metrics = Metrics()
    app.add_middleware(Framing)
    if key is None:
        app.add_middleware(OwnMachine, settings=settings, refuse=_refuse)
    app.add_middleware(MetricsMiddleware, metrics=app.state.metrics)
    app.add_middleware(KnownMethods, metrics=app.state.metrics)
    app.add_middleware(Pace, per_second=settings.max_probes_per_second)
    routers = (
        engine_routes.router,
        engine_routes.probes,
        engine_routes.make_metrics_router(needs_key=settings.metrics_need_key),
    )
    for router in routers:
        app.include_router(router)
    add_problem_handlers(app, lambda *_: None)
    require_declared_access(app.routes)
    return app


def _refuse(_path: str, error: FolioError, headers: dict[str, str]) -> Response:
    return problem_response(error.status, error.code, str(error), headers=headers)


def _read_key(settings: Settings, host: str, *, no_auth: bool) -> str | None:
    """Return the key of whoever may ask; None for everyone, which goes on loopback only."""
    if no_auth and not is_loopback(host):
        raise FolioError(
            f"--no-auth lets everyone who reaches {host} use the model; it goes with a loopback "
            "address such as 127.0.0.1 only"
        )
    if no_auth:
        return None
    if settings.model_key_file is None:
        raise FolioError(
            "no key exists: name a file with one in FOLIO_MODEL_KEY_FILE, here and where the "
            "server is asked from (`openssl rand -hex 32` makes one), or try --no-auth"
        )
    return read_key_file(settings.model_key_file, "model")
