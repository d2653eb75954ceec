"""What the threads of one process tell each other: work that arrived, progress, the last sync."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from threading import Event, Lock
from time import perf_counter

from app.db.models import LoggedQuery
from app.db.queries import CollectionSize, LanguageSums, LogPosition, StateMark
from app.index.byte_cache import ByteCache
from app.runtime.priority import Priority
from app.runtime.question_vectors import QuestionVectors

_USES_APART = timedelta(minutes=1)
_MAX_EDGE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SyncReport:
    """The outcome of a scheduled sync."""

    finished_at: datetime
    error: str | None
    """The code of the error that stopped it; None when it completed."""
    added: int = 0
    changed: int = 0
    renamed: int = 0
    deleted: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """How far a training run is: batches out of at most `total`, and the time left for them all."""

    done: int
    total: int
    seconds_left: float | None


class TrainingProgress:
    """Lists a training run among those that are running, for as long as the block does."""

    def __init__(self, running: "dict[int, TrainingProgress]", generation_id: int) -> None:
        self._running = running
        self._generation_id = generation_id
        self._done = self._total = 0
        self._started = perf_counter()

    def __enter__(self) -> None:
        self._running[self._generation_id] = self

    def __exit__(self, *_: object) -> None:
        self._running.pop(self._generation_id, None)

    def report(self, done: int, total: int) -> None:
        """Record the batches that are done; the clock starts with the first one."""
        if not self._done:
            self._started = perf_counter()
        self._done, self._total = done, total

    def now(self) -> TrainingStep:
        done, total = self._done, self._total
        if done < 2:
            return TrainingStep(done, total, None)
        seconds = (perf_counter() - self._started) / (done - 1)
        return TrainingStep(done, total, round(seconds * (total - done), 1))


class KeyUses:
    """When keys were used, to the minute; thread-safe."""

    def __init__(self) -> None:
        self._noted: dict[str, datetime] = {}
        self._unstored: SimpleQueue[tuple[str, datetime]] = SimpleQueue()

    def __bool__(self) -> bool:
        return bool(self._noted)

    def note(self, key_id: str, now: datetime) -> None:
        """Note a use of a key, unless one of the last minute was."""
        last = self._noted.get(key_id)
        if last is None or now - last >= _USES_APART:
            self._noted[key_id] = now
            self._unstored.put((key_id, now))

    def take(self) -> dict[str, datetime]:
        """Return the last use of each key since this was asked before."""
        taken: dict[str, datetime] = {}
        while True:
            try:
                key_id, used_at = self._unstored.get_nowait()
            except Empty:
                return taken
            taken[key_id] = used_at


@dataclass(frozen=True, slots=True)
class BackupRun:
    """A backup that is being made, or, with an `error` in words, that failed."""

    name: str
    started_at: datetime
    expires_at: datetime
    error: str | None = None


class BackupRuns:
    """The backup that this process makes, or the one that failed last; thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._latest: BackupRun | None = None

    def latest(self) -> BackupRun | None:
        """Return the run that goes on or failed last; None where the last one succeeded."""
        return self._latest

    def begin(self, run: BackupRun) -> bool:
        """Note that a backup is made; False while another one is."""
        with self._lock:
            if self._latest is not None and self._latest.error is None:
                return False
            self._latest = run
            return True

    def end(self, run: BackupRun, error: str | None) -> None:
        """Note that a backup is ready, or why it failed."""
        with self._lock:
            self._latest = None if error is None else replace(run, error=error)

    def forget(self, name: str) -> None:
        """Drop a run that failed."""
        with self._lock:
            if self._latest is not None and self._latest.name == name:
                self._latest = None


@dataclass(slots=True)
class Signals:
    """Shared by the threads of one process; nothing of it outlives the process."""

    work_arrived: Event = field(default_factory=Event)
    """Set when documents were queued; the worker waits for it."""
    tasks_arrived: Event = field(default_factory=Event)
    """Set when there is work that may take long: a generation, an evaluation, a calibration."""
    notes_arrived: Event = field(default_factory=Event)
    """Set when requests left something to do in a moment: a note, a question, an erasure."""
    asked_queries: "SimpleQueue[LoggedQuery]" = field(default_factory=SimpleQueue)
    """What the query log has yet to store: a search does not wait for the writers."""
    storing_queries: Lock = field(default_factory=Lock)
    """Held while it is stored: who asks for a question of the log waits for it."""
    key_uses: KeyUses = field(default_factory=KeyUses)
    """What the database has yet to be told of keys that were used."""
    question_vectors: QuestionVectors = field(default_factory=QuestionVectors)
    """Of logged questions that were grouped."""
    receipt_sums: dict[int, tuple[StateMark, tuple[LanguageSums, ...]]] = field(
        default_factory=dict
    )
    """Sums of receipts by collection, good as long as the mark is what they were read with."""
    complete_sets: dict[int, LogPosition] = field(default_factory=dict)
    """Vector sets that held every live article, with where the log of changes stood then."""
    analysed_at: float | None = None
    """When every live article had its words by the present rules, by the monotonic clock."""
    sizes: tuple[LogPosition, dict[int, CollectionSize]] | None = None
    """The live articles of collections, with where the log of changes stood."""
    page_edges: ByteCache = field(default_factory=lambda: ByteCache(_MAX_EDGE_BYTES))
    """Where the rows stood that pages of OpenAI's lists began and ended with: a client that deletes
    what it lists goes on behind a row that is gone."""
    priority: Priority = field(default_factory=Priority)
    """Searches take it, ingestion yields it."""
    training: dict[int, TrainingProgress] = field(default_factory=dict)
    """Training runs by the generation whose adapter they train."""
    parser_confinement: str | None = None
    """What confines the parsing process, in words; None before it was started."""
    open_streams: int = 0
    """Event streams that are followed; counted on the event loop."""
    backups: BackupRuns = field(default_factory=BackupRuns)
    """The backup that is being made."""
    last_sync: SyncReport | None = None
    """The outcome of the last scheduled sync; None before the first one."""
