"""The queue: versions that wait, who works on which, and what a claim is good for.

A claim carries a random token. Whoever commits, fails or gives back a version must still hold it:
a worker whose lease lapsed meanwhile changes nothing.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, text, true, update
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from app.db.models import Document, JobItem, Original, Version, utc_now
from app.db.queries.documents import SUPERSEDED
from app.db.queries.streams import split_bound
from app.domain import Stage, Status

# Made once: every new alias makes its attributes anew, which takes longer than the query.
_Older = aliased(Version)

CANCELLED = "cancelled"
"""Code of the error of a version that was taken out of the queue."""

_FREE = {"claim_token": None, "leased_until": None}

# No lease and no pause is as long. A later end was written before the clock was put back.
_FARTHEST = timedelta(days=1)

# In the very words of the partial index: SQLite compares them, and would read every version that
# there is where a value is bound.
_PENDING = text("versions.status IN ('queued', 'processing')")

_COLLECTION_ID = (
    select(Document.collection_id).where(Document.id == Version.document_id).scalar_subquery()
)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a version, until the lease ends."""

    version_id: int
    token: str
    attempt: int
    """1 for the first."""
    collection_id: int


@dataclass(frozen=True, slots=True)
class Claimable:
    """Which documents may be claimed."""

    not_of: frozenset[int] = frozenset()
    """Collections that have had theirs."""
    max_bytes: int | None = None
    """Size of the upload."""

    def covers(self) -> ColumnElement[bool]:
        """Return whether a version may be claimed."""
        covered = _COLLECTION_ID.not_in(self.not_of) if self.not_of else true()
        if self.max_bytes is None:
            return covered
        size = select(func.length(Original.data)).where(Original.sha256 == Version.original_sha256)
        return covered & (size.scalar_subquery() <= self.max_bytes)


EVERYTHING = Claimable()


def count_pending(session: Session) -> int:
    """Return how many versions wait or are worked on."""
    return session.scalar(select(func.count()).select_from(Version).where(_PENDING)) or 0


def claim_next(
    session: Session,
    claimable: Claimable = EVERYTHING,
    *,
    lease_seconds: float,
    only_new: bool = False,
) -> Claim | None:
    """Take the oldest version that is due, and whose turn it is, into processing.

    What was never tried goes first: a document that ends the process keeps no other from its turn,
    and one that was only in the way of a kill is tried when there is peace. But no version passes
    an older one of its document, which would come later and go live over it. With `only_new` second
    attempts are left for later.
    """
    now = _now(session)
    due = (
        select(Version.id, Version.attempts, _COLLECTION_ID.label("collection_id"))
        .where(_PENDING, Version.status == Status.QUEUED, claimable.covers(), _is_due(now))
        .order_by(Version.id)
        .limit(1)
        # What another worker is taking is passed over; SQLite, with one writer, leaves this out.
        .with_for_update(of=Version, skip_locked=True)
    )
    row = session.execute(due.where(Version.attempts == 0)).first()
    if row is None and not only_new:
        row = session.execute(due).first()
    if row is None:
        return None
    claim = Claim(row.id, uuid.uuid4().hex, row.attempts + 1, row.collection_id)
    session.execute(
        update(Version)
        .where(Version.id == claim.version_id)
        .values(
            status=Status.PROCESSING,
            stage=Stage.PARSE,
            attempts=claim.attempt,
            claim_token=claim.token,
            leased_until=now + timedelta(seconds=lease_seconds),
        )
    )
    return claim


def seconds_until_due(session: Session) -> float | None:
    """Return how long until a version may be claimed; None when none is queued.

    One whose claim has lapsed is due: the next claim puts it back first.
    """
    now = _now(session)
    queued = _PENDING & (Version.status == Status.QUEUED)
    for due in (queued & _is_due(now), _is_lapsed(now)):
        if session.scalar(select(Version.id).where(due).limit(1)) is not None:
            return 0.0
    first = session.scalar(select(func.min(Version.next_attempt_at)).where(queued))
    return None if first is None else max(0.0, (first - now).total_seconds())


def renew_claims(
    session: Session, claims: Collection[Claim], *, lease_seconds: float, stage: Stage | None = None
) -> None:
    """Give claims that are still held another lease, and note the stage that they reached.

    Those that another transaction is at are left out: it ends them, or the next call renews them.
    """
    held = _lock_free(session, _are_held(claims))
    if not held:
        return
    values = {"leased_until": _now(session) + timedelta(seconds=lease_seconds)}
    session.execute(
        update(Version)
        .where(Version.id.in_(held))
        .values(values | ({} if stage is None else {"stage": stage}))
    )


def find_held(session: Session, claims: Collection[Claim]) -> set[str]:
    """Return the tokens of those claims whose versions are still there and wanted."""
    return set(session.scalars(select(Version.claim_token).where(_are_held(claims))))


def supersede(session: Session, document_id: int) -> None:
    """End the versions of a document that wait or are worked on: a newer one takes their place."""
    replaced = (Version.document_id == document_id, _PENDING)
    ids = select(Version.id).where(*replaced)
    # Their jobs say so even when the document is deleted later.
    session.execute(update(JobItem).where(JobItem.version_id.in_(ids)).values(is_superseded=True))
    session.execute(
        update(Version)
        .where(*replaced)
        .values(
            status=Status.FAILED,
            stage=None,
            error_code=SUPERSEDED,
            error_message="a newer version was uploaded before this one was read",
            **_FREE,
        )
    )


def find_claimed(session: Session, claim: Claim) -> Version | None:
    """Return the claimed version, or None: it was deleted, or the claim is not held any more."""
    return session.scalar(_claimed(claim))


def hold_claimed(session: Session, claim: Claim) -> Version | None:
    """Return the claimed version as find_claimed does, and let nobody take the claim meanwhile."""
    return session.scalar(_claimed(claim).with_for_update(of=Version))


def give_back(session: Session, claims: Sequence[Claim]) -> None:
    """Return versions to the queue as if they had not been claimed."""
    session.execute(
        update(Version)
        .where(_are_held(claims))
        .values(status=Status.QUEUED, stage=None, attempts=Version.attempts - 1, **_FREE)
    )


def retry_later(session: Session, claim: Claim, *, after_seconds: float) -> None:
    """Return a version to the queue for another attempt; this one counts."""
    session.execute(
        update(Version)
        .where(_are_held([claim]))
        .values(
            status=Status.QUEUED,
            next_attempt_at=_now(session) + timedelta(seconds=after_seconds),
            **_FREE,
        )
    )


def fail(session: Session, claim: Claim, *, stage: Stage, code: str, message: str) -> None:
    """End a claimed version as failed."""
    # It may quote the upload, and no database holds a NUL or half a character.
    said = message.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    session.execute(
        update(Version)
        .where(_are_held([claim]))
        .values(status=Status.FAILED, stage=stage, error_code=code, error_message=said, **_FREE)
    )


def cancel(session: Session, chosen: ColumnElement[bool]) -> None:
    """Fail versions that are not ready yet; whoever works on one does not hold it any more."""
    session.execute(
        update(Version)
        .where(_PENDING, chosen)
        .values(
            status=Status.FAILED,
            error_code=CANCELLED,
            error_message="it was cancelled before it was ready",
            **_FREE,
        )
    )


def requeue_failed(session: Session, version_ids: Sequence[int]) -> None:
    """Put failed versions back into the queue as if they had never been tried."""
    for some in split_bound(version_ids):
        session.execute(
            update(Version)
            .where(Version.id.in_(some), Version.status == Status.FAILED)
            .values(
                status=Status.QUEUED,
                stage=None,
                attempts=0,
                next_attempt_at=None,
                error_code=None,
                error_message=None,
                **_FREE,
            )
        )


def requeue_interrupted(session: Session, *, max_attempts: int, pause_seconds: float) -> None:
    """Put back what a dead process was working on; what was cut off too often fails.

    After its second time a document waits for `pause_seconds`, so that others go first.
    """
    processing = _PENDING & (Version.status == Status.PROCESSING)
    _requeue(session, processing, max_attempts, pause_seconds)


def requeue_lapsed(session: Session, *, max_attempts: int, pause_seconds: float) -> None:
    """Put back what nobody has given a sign of life about, as requeue_interrupted does."""
    _requeue(session, _is_lapsed(_now(session)), max_attempts, pause_seconds)


def _now(session: Session) -> datetime:
    """Return the time by the one clock that all who share the queue have: the database's."""
    if session.get_bind().dialect.name == "postgresql":
        now: datetime = session.scalars(select(func.clock_timestamp())).one()
        return now
    return utc_now()


def _is_lapsed(now: datetime) -> ColumnElement[bool]:
    is_over = _has_come(Version.leased_until, now)
    return and_(_PENDING, Version.status == Status.PROCESSING, is_over)


def _has_come(moment: InstrumentedAttribute[datetime | None], now: datetime) -> ColumnElement[bool]:
    return or_(moment <= now, moment > now + _FARTHEST)


def _requeue(
    session: Session, chosen: ColumnElement[bool], max_attempts: int, pause_seconds: float
) -> None:
    lost_ids = _lock_free(session, chosen)
    if not lost_ids:
        return
    lost = Version.id.in_(lost_ids) & (Version.status == Status.PROCESSING)
    session.execute(
        update(Version)
        .where(lost, Version.attempts >= max_attempts)
        .values(
            status=Status.FAILED,
            error_code="too_many_attempts",
            error_message=f"the work on this was cut off {max_attempts} times",
            **_FREE,
        )
    )
    back = {"status": Status.QUEUED, **_FREE}
    due = _now(session) + timedelta(seconds=pause_seconds)
    session.execute(
        update(Version).where(lost, Version.attempts > 1).values(next_attempt_at=due, **back)
    )
    session.execute(update(Version).where(lost).values(back))


def _lock_free(session: Session, chosen: ColumnElement[bool]) -> Sequence[int]:
    """Return the ids of chosen versions, locked, but of none that another transaction has locked.

    Whoever does without the writer's lock waits for no row: two that wait for each other's would
    never end.
    """
    free = select(Version.id).where(chosen).with_for_update(of=Version, skip_locked=True)
    return session.scalars(free).all()


def _claimed(claim: Claim) -> Select[Version]:
    return select(Version).where(
        Version.id == claim.version_id,
        Version.claim_token == claim.token,
        Version.status == Status.PROCESSING,
    )


def _are_held(claims: Collection[Claim]) -> ColumnElement[bool]:
    """Return whether a version is one of the claimed; by the id as well, which has an index."""
    return Version.id.in_([claim.version_id for claim in claims]) & Version.claim_token.in_(
        [claim.token for claim in claims]
    )


def _is_due(now: datetime) -> ColumnElement[bool]:
    waits_for_older = exists().where(
        _Older.document_id == Version.document_id,
        _Older.number < Version.number,
        _Older.status.in_((Status.QUEUED, Status.PROCESSING)),
    )
    is_time = or_(Version.next_attempt_at.is_(None), _has_come(Version.next_attempt_at, now))
    return is_time & ~waits_for_older
