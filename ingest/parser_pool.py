"""Several parsing processes, so that one hard document does not hold up the others."""

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from time import monotonic

from app.db.queue import Claim, Claimable
from app.runtime.resources import Resources
from ingest.leases import Leases
from ingest.pipeline import Parsed, parse_claimed
from ingest.sandbox import Sandbox
from ingest.wanted import WantedClaims

# Looking for a document that may have the last parser can mean to read the whole queue.
_LOOK_SECONDS = 0.25
_KILL_AGAIN_SECONDS = 0.1


@dataclass(slots=True)
class _Work:
    claim: Claim
    sandbox: Sandbox
    is_ended: bool = False
    """Its parser was killed, as nobody wants the document any more."""


class ParserPool:
    """Claims documents and has one parsed in each sandbox; for use by one thread.

    Of several sandboxes the last free one is for small documents of collections that none of the
    others is busy with: neither a collection nor large documents ever have them all.
    """

    def __init__(self, resources: Resources, leases: Leases, sandboxes: Sequence[Sandbox]) -> None:
        self._resources = resources
        self.leases = leases
        self._sandboxes = sandboxes
        self._free = list(sandboxes)
        self._running: dict[Future[Parsed | None], _Work] = {}
        self._executor = ThreadPoolExecutor(len(sandboxes), "folio-parser")
        self._next_look = 0.0
        self._next_check = 0.0

    @property
    def busy(self) -> int:
        """How many documents are being parsed."""
        return len(self._running)

    def start(self) -> None:
        """Have one process that is ready; raises ParserUnavailable."""
        if not self._running:
            self._free[0].start()

    def claim(self, most: int, *, only_new: bool, waiting: frozenset[int] = frozenset()) -> None:
        """Begin to parse up to `most` documents that are due, as far as parsers are free.

        A second attempt goes alone. While long documents of some collections wait for the model,
        small ones of others are parsed only.
        """
        while most > 0 and self._free and not self._is_alone():
            claimable = self._find_claimable(waiting)
            if claimable is None:
                return
            claim = self.leases.take_next(claimable, only_new=only_new or self.busy > 0)
            if claim is None:
                self._next_look = monotonic() + _LOOK_SECONDS
                return
            sandbox = self._free.pop(0)
            future = self._executor.submit(parse_claimed, self._resources, sandbox, claim)
            self._running[future] = _Work(claim, sandbox)
            most -= 1

    def _is_alone(self) -> bool:
        return any(work.claim.attempt > 1 for work in self._running.values())

    def _find_claimable(self, waiting: frozenset[int]) -> Claimable | None:
        """Return which documents may come next; None when it is too early to look for one."""
        is_last = len(self._free) == 1 and bool(self._running)
        if not is_last and not waiting:
            return Claimable()
        if monotonic() < self._next_look:
            return None
        busy = {work.claim.collection_id for work in self._running.values()} if is_last else set()
        # Parsing a large one may take a minute.
        return Claimable(waiting.union(busy), self._resources.settings.parse_small_bytes)

    def take(self, timeout_s: float) -> list[tuple[Claim, Parsed | None]]:
        """Return what has been parsed, after a wait for the first; None for what has failed.

        Documents that were deleted are not parsed on. Raises NOT_THE_DOCUMENTS_FAULT.
        """
        self._end_unwanted()
        done, _ = wait(self._running, timeout_s, FIRST_COMPLETED)
        taken = []
        # In the order in which they were claimed.
        for future in [each for each in self._running if each in done]:
            work = self._running.pop(future)
            if work.is_ended:
                # Killed when it had just parsed, its process would be missed by the next document.
                work.sandbox.close()
            self._free.append(work.sandbox)
            taken.append((work.claim, None if work.is_ended else future.result()))
        return taken

    def _end_unwanted(self) -> None:
        """Kill the parsers of documents that were deleted or replaced; looks now and then."""
        if not self._running or monotonic() < self._next_check:
            return
        self._next_check = monotonic() + _LOOK_SECONDS
        claims = [work.claim for work in self._running.values()]
        wanted = WantedClaims(self._resources.database, claims)
        for work in self._running.values():
            if work.claim not in wanted:
                work.is_ended = True
                work.sandbox.kill()

    def close(self) -> None:
        """End what is being parsed: its claims are void or given back."""
        while self._running:
            for work in self._running.values():
                work.sandbox.kill()
            # A thread that was only about to parse starts another process.
            done, _ = wait(self._running, _KILL_AGAIN_SECONDS)
            for future in done:
                del self._running[future]
        self._executor.shutdown()
        # One stays ready for the next document; the others start when they are needed again.
        for sandbox in self._sandboxes[1:]:
            sandbox.close()
