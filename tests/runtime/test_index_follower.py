"""How the indexes follow the log of changes."""

import sqlite3

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.db import queries
from app.db.models import Document
from app.errors import StorageFailed
from app.runtime.index_follower import Indexes
from app.runtime.resources import Resources
from app.services.search.scales import measure_scale
from app.services.search.snapshot import OutOfDate, Snapshot
from tests.conftest import Ingest, article
from tests.named import ref_of, search_documents


def test_a_transaction_of_before_takes_no_index_back(resources: Resources, ingest: Ingest) -> None:
    ingest(article("a", "Tea."))
    live = resources.generations.live()
    live.catch_up()

    def follow(session: Session) -> tuple[Indexes, object]:
        row = live.find_row(session)
        assert row is not None
        indexes, state, _ = live.follower.follow(session, row)
        return indexes, state

    with resources.database.read() as early:
        _, before = follow(early)
        ingest(article("b", "Coffee."))
        with resources.database.read() as late:
            indexes, after = follow(late)
        assert len(indexes.terms) == 2
        # What it looks up is neither of the one state nor of the other.
        assert (follow(early)[1], before == after) == (None, False)
    with resources.database.read() as session:
        # Nothing is read again.
        assert follow(session)[1] == after


def test_sample_of_units_that_a_transaction_does_not_see_is_not_taken(
    resources: Resources, ingest: Ingest
) -> None:
    ingest(article("a", "Tea."))
    live = resources.generations.live()
    vector = np.ones(live.engine().dimensions, dtype=np.float32)
    ids = [ref_of(resources, "help").id]
    with resources.database.read() as early:
        early.execute(select(Document.id))
        ingest(article("b", "Coffee."))
        indexes = live.catch_up()
        assert indexes is not None
        # Kept, it would stand for both articles until one of them changes.
        with pytest.raises(OutOfDate):
            measure_scale(Snapshot(early, indexes, None, {}), ids, vector, word_weight=1, nearest=0)
    with resources.database.read() as late:
        measure_scale(Snapshot(late, indexes, None, {}), ids, vector, word_weight=1, nearest=0)
    sample = indexes.samples.find_same(ids[0], indexes.vectors.pick_units(ids[0], 10))
    assert sample is not None
    assert len(sample.vectors) == 2


class DiskError(Exception):
    """What both databases say where a disk fails."""

    sqlite_errorcode = sqlite3.SQLITE_IOERR
    sqlstate = "58030"


def test_disk_that_fails_while_the_index_follows_is_named_and_ends_the_turn(
    resources: Resources, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(article("a", "Tea."))
    search_documents(resources, "help", "tea")

    def fail(*_: object) -> None:
        raise DBAPIError("SELECT", {}, DiskError())

    with monkeypatch.context() as patch:
        patch.setattr(queries, "read_changes", fail)
        with pytest.raises(StorageFailed) as caught:
            search_documents(resources, "help", "tea")
        # Although who handles it holds the error, and with it all that was open.
        assert caught.traceback
        assert resources.signals.priority.yield_to_requests()
    assert search_documents(resources, "help", "tea").results
