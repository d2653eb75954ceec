"""Generations in use: each with its model, its indexes, and how the two are kept together."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from time import monotonic
from zlib import crc32

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.config import Settings
from app.db import queries
from app.db.database import Database
from app.db.models import AdapterRow, Generation
from app.embedding.checkpoint import Checkpoint
from app.embedding.engine import Engine
from app.embedding.loader import open_checkpoint
from app.errors import ModelUnavailable, NotFound, StaleVectors
from app.runtime.deadline import check_time
from app.runtime.index_follower import Indexes, IndexFollower
from app.runtime.repeater import repeat

EngineLoader = Callable[[Checkpoint, Settings], Engine]

logger = logging.getLogger("folio")

# The one that is built beside the live one, and the one whose vectors it shares.
_MAX_BESIDE = 2
_FOLLOW_SECONDS = 1.0
# How late whoever waits for the model notices that its time is over.
_POLL_S = 0.25


class ActiveGeneration:
    """One generation in use: the model that answers with it and the indexes over its vectors.

    Without a generation (`id` None) it is the configured model before anything was embedded. What
    is computed with one object is of one generation, also while another one goes live.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        load_engine: EngineLoader,
        generation_id: int | None = None,
    ) -> None:
        self.settings = settings
        self.id = generation_id
        self.loaded_engine: Engine | None = None
        """The model if it is loaded already."""
        self.follower = IndexFollower(corrects_spelling=settings.typo_tolerance)
        self._database = database
        self._load_engine = load_engine
        self._loading = Lock()
        self._failure: tuple[float, ModelUnavailable] | None = None
        self._checkpoint: Checkpoint | None = None

    @property
    def model_problem(self) -> str | None:
        """Why the last attempt to load the model failed."""
        return None if self._failure is None else str(self._failure[1])

    def checkpoint(self) -> Checkpoint:
        """Return its checkpoint, opened at the first call; raises ModelUnavailable."""
        if self._checkpoint is None:
            self._checkpoint = self._open_checkpoint()
        return self._checkpoint

    def engine(self) -> Engine:
        """Return its model, loaded at the first call; raises ModelUnavailable or StaleVectors.

        Whoever asks while it is being loaded gets what comes of it, the failure too; waits as
        `check_time` allows.
        """
        if self.loaded_engine is not None:
            return self.loaded_engine
        asked_at = monotonic()
        while not self._loading.acquire(timeout=_POLL_S):
            check_time()
        try:
            if self.loaded_engine is None:
                if self._failure is not None and self._failure[0] >= asked_at:
                    known = self._failure[1]
                    # Another one each time: an exception holds the frames of who raises it.
                    raise type(known)(str(known), code=known.code)
                self.loaded_engine = self._load()
            return self.loaded_engine
        finally:
            self._loading.release()

    def _load(self) -> Engine:
        try:
            self.check_fingerprint()
            engine = self._load_engine(self.checkpoint(), self.settings)
            engine.warm_up()
        except ModelUnavailable as error:
            self._failure = monotonic(), type(error)(str(error), code=error.code)
            raise
        return engine

    def check_fingerprint(self) -> None:
        """Raise StaleVectors when the stored vectors were made by another model."""
        with self._database.read() as session:
            stored = self.find_row(session)
            # Opening the checkpoint takes long, and may ask the database itself.
            session.expunge_all()
        if stored is not None and stored.fingerprint != self.checkpoint().fingerprint:
            raise _describe_difference(self.checkpoint(), stored)

    def find_row(self, session: Session) -> Generation | None:
        """Return its row; the live one before anything was embedded with it."""
        if self.id is None:
            return queries.find_live_generation(session)
        return session.get(Generation, self.id)

    def ensure_row(self, session: Session) -> Generation:
        """Return the live generation's row, added now if these are its first vectors.

        Raises StaleVectors when another model's generation is live by now.
        """
        live = queries.find_live_generation(session)
        if live is None:
            live = self.describe(self.engine(), is_live=True)
            session.add(live)
            session.flush()
        elif live.fingerprint != self.checkpoint().fingerprint:
            raise StaleVectors("the live generation belongs to another model")
        return live

    def describe(self, engine: Engine, *, is_live: bool) -> Generation:
        """Return a new row for vectors that `engine` makes with its model."""
        return describe_generation(
            self.checkpoint(),
            self.settings,
            engine=f"{engine.name} {engine.dtype}",
            is_live=is_live,
        )

    def catch_up(self) -> Indexes | None:
        """Bring the indexes to the last commit; None while nothing was ever embedded.

        Versions with a damaged vector, or damaged text and terms, are quarantined on the way.
        """
        while True:
            with self._database.read() as session:
                row = self.find_row(session)
                if row is None:
                    return None
                indexes, _, damaged = self.follower.follow(session, row)
            if not damaged:
                return indexes
            self.follower.quarantine(self._database, damaged)

    def settle(self, *, reads: bool = True) -> None:
        """Catch up after a change, and merge what small changes leave in the lexical index.

        Without `reads`, only where the indexes are in memory already.
        """
        if not reads and not self.follower.has_read:
            return
        indexes = self.catch_up()
        if indexes is not None:
            indexes.terms.merge()

    def _open_checkpoint(self) -> Checkpoint:
        checkpoint = open_checkpoint(self.settings)
        if self.id is None:
            return checkpoint
        with self._database.read() as session:
            generation = session.get(Generation, self.id)
            if generation is None or generation.vectors_of is None:
                return checkpoint
            adapter = session.get(AdapterRow, generation.id)
            if adapter is None:
                raise ModelUnavailable(f"generation {generation.id} has not been trained yet")
            if crc32(adapter.data) != adapter.data_crc32:
                raise ModelUnavailable(
                    f"the adapter of generation {generation.id} fails its checksum; roll back to "
                    f"generation {generation.vectors_of} or restore a backup"
                )
            return checkpoint.with_query_adapter(adapter.data)


class Generations:
    """The generations of a database that this process has in use; thread-safe."""

    def __init__(self, settings: Settings, database: Database, load_engine: EngineLoader) -> None:
        self._settings = settings
        self._database = database
        self._load_engine = load_engine
        self._configured = ActiveGeneration(settings, database, load_engine)
        self._active: dict[int, ActiveGeneration] = {}
        # By how many they are not to be let go of.
        self._held: Counter[int] = Counter()
        self._live: ActiveGeneration | None = None
        # How often the live one was to be looked up again.
        self._refreshes = 0
        self._choosing = Lock()

    def live(self) -> ActiveGeneration:
        """Return the generation that answers; the configured model before anything was embedded.

        It is looked up once, and again after `refresh`; where another process may change it, at
        every call.
        """
        refreshes, live = self._refreshes, self._live
        if live is None or live.id is None or self._database.is_shared:
            with self._database.read() as session:
                row = queries.find_live_generation(session)
                session.expunge_all()
            live = self._configured if row is None else self._activate(row)
            with self._choosing:
                # What a transaction of before a change saw must not stay for good.
                if self._refreshes == refreshes:
                    self._live = live
        return live

    def get(self, generation_id: int | None) -> ActiveGeneration:
        """Return a generation, the live one for None; raises NotFound if there is no such one."""
        if generation_id is None:
            return self.live()
        with self._database.read() as session:
            row = session.get(Generation, generation_id)
            if row is None:
                raise NotFound(f"no such generation: {generation_id}", code="generation_not_found")
            session.expunge_all()
        return self._activate(row)

    @contextmanager
    def hold(self, generation_id: int | None) -> Iterator[ActiveGeneration]:
        """Return a generation as `get` does, which stays in memory while the block runs."""
        active = self.get(generation_id)
        held = active.id
        if held is None:
            yield active
            return
        with self._choosing:
            self._held[held] += 1
            # Another thread may have had it let go of in between.
            active = self._active.setdefault(held, active)
        try:
            yield active
        finally:
            with self._choosing:
                self._held[held] -= 1
                self._release_idle()

    def configured_checkpoint(self) -> Checkpoint:
        """Return the checkpoint that the settings name; raises ModelUnavailable."""
        return self._configured.checkpoint()

    def load_configured(self) -> Engine:
        """Load the model that the settings name anew, whatever made the stored vectors."""
        return self._load_engine(self._configured.checkpoint(), self._settings)

    def refresh(self) -> None:
        """Look the live generation up again at the next use; whoever changes it calls this."""
        with self._choosing:
            self._refreshes += 1
            self._live = None

    def forget(self, generation_id: int, *, model: bool) -> None:
        """Release the indexes of a generation that is not live and, with `model`, its model."""
        with self._choosing:
            active = self._active.get(generation_id)
            if active is not None:
                active.follower.forget()
            if model:
                self._active.pop(generation_id, None)

    def _activate(self, row: Generation) -> ActiveGeneration:
        """Return the generation of a row, which is detached: this may ask the database itself."""
        with self._choosing:
            known = self._active.pop(row.id, None)
            # The one used last comes last.
            active = self._active[row.id] = known or self._open(row)
            if known is None:
                self._release_idle()
        return active

    def _release_idle(self) -> None:
        """Let go of generations that are gone, and of those that were not in use for longest.

        Each tuning leaves one behind, and each of them would keep a model and its indexes. Who
        still computes with one keeps it as long as that takes.
        """
        with self._database.read() as session:
            rows = session.execute(select(Generation.id, Generation.is_live))
            is_live = {row.id: row.is_live for row in rows}
        beside = [known for known in self._active if not is_live.get(known, True)]
        idle = [known for known in beside[:-_MAX_BESIDE] if not self._held[known]]
        for known in {*idle, *(self._active.keys() - is_live.keys())}:
            self._active.pop(known).follower.forget()

    def _open(self, row: Generation) -> ActiveGeneration:
        """Return what answers with a generation: the configured model if it is its own.

        One that went live in place of the configured model keeps its own. A live one of any other
        model must not answer: the configured model refuses then with StaleVectors.
        """
        if self._is_configured(row):
            if self._configured.id is None:
                self._configured.id = row.id
            if self._configured.id == row.id:
                return self._configured
            return ActiveGeneration(self._settings, self._database, self._load_engine, row.id)
        own = self._settings.model_copy(update=row.source)
        return ActiveGeneration(own, self._database, self._load_engine, row.id)

    def _is_configured(self, row: Generation) -> bool:
        if row.source is None or (row.is_live and row.replaced is None):
            return True
        try:
            configured = self._configured.checkpoint().fingerprint
        except ModelUnavailable:
            return row.is_live
        if row.is_live:
            return configured != row.replaced
        return configured == row.fingerprint


def follow_others(
    generations: Generations, every_s: float = _FOLLOW_SECONDS
) -> AbstractContextManager[None]:
    """Settle the live generation again and again while the block runs: other processes write.

    Else the first search after many changes would read all of them, and nobody would join the small
    parts of the lexical index that each such search leaves and every later one goes through. Where
    another process made another generation live, the indexes of the former one are released.
    """
    former: ActiveGeneration | None = None

    def follow() -> None:
        nonlocal former
        try:
            live = generations.live()
            live.settle()
            if former is not None and former is not live:
                former.follower.forget()
            former = live
        # PostgreSQL is away, or memory is short: searches say so, and the next turn goes on.
        except Exception as error:  # noqa: BLE001
            logger.warning("the index follows later, after %s", type(error).__name__)

    return repeat(follow, every_s, "folio-follower")


def describe_generation(
    checkpoint: Checkpoint, settings: Settings, *, engine: str, is_live: bool
) -> Generation:
    """Return a new row for vectors of a checkpoint that `settings` open."""
    return Generation(
        fingerprint=checkpoint.fingerprint,
        identity=dict(checkpoint.identity),
        model=checkpoint.name,
        dimensions=checkpoint.dimensions,
        engine=engine,
        is_live=is_live,
        source={
            "model": settings.model,
            "model_revision": settings.model_revision,
            "dimensions": settings.dimensions,
        },
    )


def _describe_difference(checkpoint: Checkpoint, stored: Generation) -> StaleVectors:
    ours, theirs = dict(checkpoint.identity), stored.identity
    changed = sorted(part for part in {*ours, *theirs} if ours.get(part) != theirs.get(part))
    return StaleVectors(
        f"the stored vectors were made by {stored.model} ({stored.fingerprint}), the "
        f"configured model is {checkpoint.name} ({checkpoint.fingerprint}); "
        f"they differ in: {', '.join(changed)}. Run `folio reembed` to embed every article "
        "with the configured model, or configure the former one"
    )
