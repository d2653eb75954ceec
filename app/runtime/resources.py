"""The container of a process: settings, database, generations in use, signals.

Opened and closed in one place, passed as an argument everywhere else. A use case that needs no
model takes the database alone.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from threading import Lock
from typing import TYPE_CHECKING

from app.config import Settings
from app.db import queries, queue
from app.db.database import Database
from app.db.sqlite import open_database
from app.embedding.loader import load_engine
from app.runtime.generations import EngineLoader, Generations
from app.runtime.memory import share_arenas
from app.runtime.reanalysis import reanalyse_some
from app.runtime.signals import Signals
from app.runtime.threads import use_one_blas_thread

if TYPE_CHECKING:
    from app.embedding.cross_encoder import CrossEncoder

_ANALYSED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Resources:
    """What lives as long as the process."""

    settings: Settings
    database: Database
    generations: Generations
    signals: Signals
    load_cross_encoder: "Callable[[], CrossEncoder | None]"
    """Returns the configured reranker, loaded at the first call; None where none is configured.

    It reads texts and no vectors, so it is the same for every generation."""

    def erase_deleted(self) -> bool:
        """Let no file hold what was deleted; where that has to wait the background goes on."""
        if not self.database.erase_deleted():
            self.signals.notes_arrived.set()
        return not self.database.owes_erasure


@contextmanager
def open_resources(
    settings: Settings, *, holder: str = "folio", load: EngineLoader | None = None
) -> Iterator[Resources]:
    """Own the data folder or join a shared database; closes all that stands on it at the end.

    Raises DataFolderHeld. A model that cannot be found, or that did not make the stored vectors, is
    no obstacle here: what is stored stays readable. `load` stands in for `load_engine`.
    """
    use_one_blas_thread()
    share_arenas()
    with ExitStack() as stack:
        database = stack.enter_context(_open_database(settings, holder))
        recover(database, settings)
        yield Resources(
            settings,
            database,
            Generations(settings, database, load or load_engine),
            Signals(),
            _load_once(settings),
        )


def _open_database(settings: Settings, holder: str) -> AbstractContextManager[Database]:
    if settings.database_url is None:
        return open_database(settings.data, holder=holder)
    # SQLAlchemy's dialect, and psycopg with it, only where it is used.
    from app.db.postgres import open_postgres

    return open_postgres(
        settings.database_url.get_secret_value(), max_connections=settings.max_database_connections
    )


def recover(database: Database, settings: Settings) -> None:
    """Put a database right after its last owner ended.

    In a shared one others are at work: what died is known by its lease, and the log is followed.
    """
    if database.is_shared:
        return
    with database.write() as session:
        queue.requeue_interrupted(
            session, max_attempts=settings.max_cut_offs, pause_seconds=settings.retry_seconds
        )
        # Nobody follows the log yet: indexes are read whole.
        queries.trim_changes(session)
    # The first ones at once, so that of a small collection nothing is out of reach.
    reanalyse_some(database, limit=_ANALYSED_AT_ONCE)


def _load_once(settings: Settings) -> "Callable[[], CrossEncoder | None]":
    """Return what loads the reranker at its first call; of callers that come together one does."""
    load, loading = cache(partial(_load_cross_encoder, settings)), Lock()

    def find() -> "CrossEncoder | None":
        with loading:
            return load()

    return find


def _load_cross_encoder(settings: Settings) -> "CrossEncoder | None":
    if settings.rerank_model is None:
        return None
    # torch and transformers take seconds to import.
    from app.embedding.cross_encoder import CrossEncoder

    return CrossEncoder(settings.rerank_model, device=settings.device)
