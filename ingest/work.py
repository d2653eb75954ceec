"""Work in a thread of its own, whose error is met by who waits for it."""

from collections.abc import Callable
from threading import Thread


class Work:
    """A call in a thread: a daemon, as the worker is."""

    def __init__(self, call: Callable[[], None], name: str) -> None:
        self._call = call
        self._error: Exception | None = None
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Return whether it is done, after so long a wait at most; raises what ended it."""
        self._thread.join(timeout_s)
        if self._error is not None:
            raise self._error
        return self.is_done

    def _run(self) -> None:
        try:
            self._call()
        # Met again by who waits.
        except Exception as error:  # noqa: BLE001
            self._error = error
