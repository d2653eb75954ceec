"""Which claimed documents somebody still wants: not those that were deleted or replaced."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from app.db import queue
from app.db.database import Database
from app.db.queue import Claim
from app.runtime.deadline import work_while
from app.runtime.resources import Resources

logger = logging.getLogger("folio")

_LOOK_AGAIN_S = 0.25


class WantedClaims:
    """The claims of a batch that are still held, as the database said a moment ago."""

    def __init__(self, database: Database, claims: Sequence[Claim]) -> None:
        self._database = database
        self._claims = claims
        self._held = {claim.token for claim in claims}
        self._next_look = monotonic()

    def __contains__(self, claim: Claim) -> bool:
        """Return whether a claim is held; looks again a few times a second at most."""
        if monotonic() >= self._next_look:
            self.look()
        return claim.token in self._held

    def look(self) -> None:
        """Ask the database."""
        self._next_look = monotonic() + _LOOK_AGAIN_S
        try:
            with self._database.read() as session:
                self._held = queue.find_held(session, self._claims)
        # It is asked amid a pass of the model, which a busy disk must not end.
        except Exception as error:  # noqa: BLE001
            logger.warning("claims could not be looked at: %s", type(error).__name__)


@contextmanager
def work_on(resources: Resources, claim: Claim) -> Iterator[None]:
    """Let requests pass between the steps of the block, and end it once the claim is gone.

    `check_time` raises WorkCancelled then.
    """
    wanted = WantedClaims(resources.database, [claim])
    let_pass = resources.signals.priority.yield_to_requests
    with work_while(lambda: claim in wanted, let_pass=let_pass):
        yield
