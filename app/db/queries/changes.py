"""The log of changes that indexes follow, and how far one has read it.

Where several processes write, numbers are committed out of order: 8 may be there before 7 is. A
follower that remembered only the last number would never see 7. On PostgreSQL each change carries
the number of its transaction, and a follower remembers the snapshot in which it last looked: what
it has not read is of transactions that began later, or that were running then. After a crash, or on
a standby that took over, PostgreSQL gives numbers of transactions out again: a follower starts anew
there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, insert, select, text
from sqlalchemy.orm import Session

from app.db.models import Change

_KEPT = 100_000
"""Changes that a shared log keeps: a follower that is further behind reads its index anew."""

_NO_INDEX = -1
"""In place of a unit: the change is none of the indexes' business."""

_SNAPSHOT = text(
    "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1,"
    " ARRAY(SELECT pg_snapshot_xip(pg_current_snapshot())::text::bigint),"
    # The second is when a crash of one session had all others started again.
    " concat_ws(' ', pg_postmaster_start_time(), (SELECT stats_reset FROM pg_stat_archiver),"
    # A standby does not tell what was running.
    " pg_is_in_recovery())"
)
_FIRST = text("SELECT min(transaction) FROM changes")
_UNREAD = text(
    "SELECT unit_id, document_id FROM changes"
    " WHERE transaction > :last OR transaction = ANY(CAST(:running AS bigint[]))"
)
_TRIM = text(
    # Below all that run: a follower sees by the first row that is left what it has missed.
    "DELETE FROM changes"
    # Seldom, and asked of the ends of an index.
    " WHERE (SELECT max(number) - min(number) FROM changes) > 2 * :kept AND transaction < least("
    " pg_snapshot_xmin(pg_current_snapshot())::text::bigint,"
    " (SELECT min(transaction) FROM"
    "   (SELECT transaction FROM changes ORDER BY number DESC LIMIT :kept) AS newest))"
)


@dataclass(frozen=True, slots=True)
class LogPosition:
    """How far a follower has read: up to `last`, but for what was running."""

    last: int = 0
    """The number of a change or, on PostgreSQL, of a transaction."""
    running: frozenset[int] = field(default_factory=frozenset)
    """Transactions up to it that had not ended, of any database of the server."""
    run: str = ""
    """Of PostgreSQL, since its last start: only within it numbers of transactions grow."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a follower has not read yet, and where it stands when it has."""

    unit_ids: Sequence[int]
    document_ids: Sequence[int]
    """Of those whose units or words changed."""
    position: LogPosition
    count: int = 0
    """Of changes, with those that no index has to follow."""
    changed_ids: Sequence[int] | None = ()
    """Of documents of which anything changed; None where it may be all of them."""
    is_behind: bool = False
    """Whether the transaction sees less than was read: what it sees began before."""


def log_units(session: Session, unit_ids: Sequence[int], document_id: int = 0) -> None:
    """Log that units of a document came."""
    if unit_ids:
        rows = [{"unit_id": unit_id, "document_id": document_id} for unit_id in unit_ids]
        session.execute(insert(Change), rows)


def log_words(session: Session, document_id: int) -> None:
    """Log that the words of a document were analysed anew; its units stay."""
    session.execute(insert(Change), [{"unit_id": 0, "document_id": document_id}])


def log_attributes(session: Session, document_id: int) -> None:
    """Log that what is shown and filtered of a document changed: nothing for the indexes."""
    session.execute(insert(Change), [{"unit_id": _NO_INDEX, "document_id": document_id}])


def log_all(session: Session) -> None:
    """Log that anything may have changed; nothing for the indexes."""
    session.execute(insert(Change), [{"unit_id": _NO_INDEX, "document_id": 0}])


def log_position(session: Session) -> LogPosition:
    """Return the position of who has read all that this transaction sees."""
    if _is_shared(session):
        last, running, run = session.execute(_SNAPSHOT).one()
        return LogPosition(last, frozenset(running), run)
    return LogPosition(_last_number(session))


def read_changes(session: Session, position: LogPosition) -> Changes | None:
    """Return what came after `position`; None when the log does not tell."""
    if _is_shared(session):
        return _read_shared(session, position)
    last = _last_number(session)
    if last <= position.last:
        return Changes((), (), position, is_behind=last < position.last)
    rows = session.execute(
        select(Change.unit_id, Change.document_id).where(Change.number > position.last)
    ).all()
    return _collect([(row.unit_id, row.document_id) for row in rows], LogPosition(last))


def trim_changes(session: Session) -> None:
    """Forget what followers have read long since; numbers go on."""
    if _is_shared(session):
        session.execute(_TRIM, {"kept": _KEPT})
    else:
        # Called at the start: nobody follows yet, indexes are read whole.
        session.execute(delete(Change))


def _read_shared(session: Session, position: LogPosition) -> Changes | None:
    now = log_position(session)
    if now == position:
        return Changes((), (), position)
    if now.run != position.run:
        return None
    hidden = {number for number in now.running if number <= position.last} - position.running
    if hidden or now.last < position.last:
        return Changes((), (), position, is_behind=True)
    first = session.execute(_FIRST).scalar_one()
    ended = position.running - now.running
    # Trimmed are transactions before the first one that is left.
    if first is None or first >= min(ended, default=position.last + 1):
        return None
    unread = {"last": position.last, "running": list(position.running)}
    rows = session.execute(_UNREAD, unread).all()
    return _collect([(row.unit_id, row.document_id) for row in rows], now)


def _collect(rows: Sequence[tuple[int, int]], position: LogPosition) -> Changes:
    changed = {document_id for _, document_id in rows}
    indexed = {document_id for unit_id, document_id in rows if unit_id != _NO_INDEX}
    return Changes(
        list({unit_id for unit_id, _ in rows} - {0, _NO_INDEX}),
        list(indexed - {0}),
        position,
        len(rows),
        None if 0 in changed else list(changed),
    )


def _last_number(session: Session) -> int:
    """Return the number of the last change, also of one that was cleared since."""
    number = session.scalar(text("SELECT seq FROM sqlite_sequence WHERE name = 'changes'"))
    return int(number or 0)


def _is_shared(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"
