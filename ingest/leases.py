"""The claims that a worker holds, and how they are kept alive."""

import logging
from collections.abc import Sequence
from threading import Event, Lock

from app.config import Settings
from app.db import queue
from app.db.database import Database
from app.db.queue import Claim, Claimable
from app.domain import Stage

logger = logging.getLogger("folio")


class Leases:
    """The claims of one worker, kept alive until they are let go; thread-safe."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._held: dict[str, Claim] = {}
        self._owed: list[Claim] = []
        self._lock = Lock()

    def take_next(self, claimable: Claimable, *, only_new: bool) -> Claim | None:
        """Claim the next document that is due and whose turn it is."""
        settings = self._settings
        with self._database.write(alone=False) as session:
            queue.requeue_lapsed(
                session, max_attempts=settings.max_cut_offs, pause_seconds=settings.retry_seconds
            )
            claim = queue.claim_next(
                session, claimable, lease_seconds=settings.lease_seconds, only_new=only_new
            )
        if claim is not None:
            with self._lock:
                self._held[claim.token] = claim
        return claim

    def let_go(self, claim: Claim) -> None:
        """Forget a claim whose document is done with."""
        with self._lock:
            self._held.pop(claim.token, None)

    def renew(self) -> None:
        """Extend every lease that is still held."""
        with self._lock:
            claims = list(self._held.values())
        if claims:
            self._renew(claims)

    def note_stage(self, claims: Sequence[Claim], stage: Stage) -> None:
        """Say what these documents have reached, and extend their leases."""
        self._renew(claims, stage)

    def _renew(self, claims: Sequence[Claim], stage: Stage | None = None) -> None:
        seconds = self._settings.lease_seconds
        with self._database.write(alone=False) as session:
            queue.renew_claims(session, claims, lease_seconds=seconds, stage=stage)

    def give_back_all(self) -> None:
        """Return what is still held to the queue: what stopped the work was not the documents.

        What a full or broken disk keeps from being returned is owed, and returned by a later call.
        """
        with self._lock:
            claims = self._owed = [*self._owed, *self._held.values()]
            self._held.clear()
        if not claims:
            return
        try:
            with self._database.write() as session:
                queue.give_back(session, claims)
        except Exception as error:  # noqa: BLE001
            logger.error("%d claims could not be given back: %s", len(claims), type(error).__name__)
            return
        with self._lock:
            self._owed = self._owed[len(claims) :]

    def owes(self) -> bool:
        """Return whether a call of `give_back_all` has to follow."""
        with self._lock:
            return bool(self._owed)

    def beat(self, stopping: Event) -> None:
        """Renew the leases three times in each period until `stopping` is set."""
        while not stopping.wait(self._settings.lease_seconds / 3):
            try:
                self.renew()
            # The worker meets the same disk and says so.
            except Exception as error:  # noqa: BLE001
                logger.error("leases could not be renewed: %s", type(error).__name__)
