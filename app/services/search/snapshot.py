"""One consistent look at database and indexes, and looking again when they moved apart."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

from sqlalchemy.orm import Session

from app.db import queries
from app.domain import Filter
from app.errors import CorruptData, NotFound
from app.index.flat import Ids
from app.runtime.deadline import check_time
from app.runtime.generations import ActiveGeneration
from app.runtime.index_follower import Indexes, quarantine
from app.runtime.lookups import LogState
from app.runtime.resources import Resources
from app.services.search.scoring import Anchors, load_anchors

T = TypeVar("T")


class OutOfDate(Exception):
    """A document was deleted or replaced between the index's commit and the transaction's."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A read transaction, and the indexes at its commit or a later one."""

    session: Session
    indexes: Indexes
    state: LogState
    """What stands for what the transaction sees of the log of changes."""
    anchors: Mapping[int, Anchors]
    """What was measured of collections, by id."""

    def recall(
        self, kind: str, of: Mapping[int, int], read: Callable[[list[int]], Mapping[int, T]]
    ) -> dict[int, T]:
        """Return what `read` returns of ids, in their order: `of` has the article of each.

        It is kept until that article changes. What it reads must not change without a note in the
        log of changes that names the article, or none and stands for all.
        """
        return self.indexes.rows.recall(self.state, kind, of, read)

    def filter_documents(self, collection_id: int, condition: Filter) -> Ids:
        """Return the ids of the collection's documents that meet `condition`."""
        # By what it says: a condition on 1 equals one on true.
        key = ("filter", collection_id, repr(condition))
        return self.indexes.lookups.find(
            self.state,
            key,
            lambda: queries.filter_documents(self.session, collection_id, condition),
        )

    def list_values(self, collection_id: int, key: str) -> queries.ValueColumn:
        """Return which of a collection's documents have which values of an attribute."""
        return self.indexes.lookups.find(
            self.state,
            ("values", collection_id, key),
            lambda: queries.list_values(self.session, collection_id, key),
        )


class Attempt:
    """One look; leaving it with OutOfDate, or at a damaged document, makes the loop look again.

    A damaged document is quarantined first, so that the next look does without it.
    """

    def __init__(self, resources: Resources, generation: ActiveGeneration) -> None:
        self.is_done = False
        self._resources = resources
        self._generation = generation
        self._stack = ExitStack()

    def __enter__(self) -> Snapshot:
        while True:
            check_time()
            snapshot, damaged = self._open()
            if not damaged:
                return snapshot
            self._stack.close()
            self._generation.follower.quarantine(self._resources.database, damaged)

    def _open(self) -> tuple[Snapshot, dict[int, str]]:
        with ExitStack() as stack:
            stack.enter_context(self._resources.signals.priority.take())
            session = stack.enter_context(self._resources.database.read())
            row = self._generation.find_row(session)
            if row is None:
                raise NotFound("the generation was removed meanwhile", code="generation_not_found")
            indexes, state, damaged = self._generation.follower.follow(session, row)
            snapshot = Snapshot(session, indexes, state, load_anchors(row.calibration))
            # What fails before ends both, with the error, which the database may turn into a typed
            # one.
            self._stack = stack.pop_all()
        return snapshot, damaged

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        # With the error, which the database may turn into a typed one.
        self._stack.__exit__(kind, error, traceback)
        if isinstance(error, OutOfDate):
            return True
        if isinstance(error, CorruptData) and error.version_id is not None:
            quarantine(self._resources.database, error.version_id, str(error))
            return True
        self.is_done = True
        return False


def snapshots(resources: Resources, generation: ActiveGeneration) -> Iterator[Attempt]:
    """Yield looks until one is left without a reason to look again; none before the first vectors.

    for attempt in snapshots(resources, generation):
        with attempt as snapshot:
            found = ...
    """
    if generation.id is None:
        return
    while True:
        attempt = Attempt(resources, generation)
        yield attempt
        if attempt.is_done:
            return
