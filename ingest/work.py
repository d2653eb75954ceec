"""Work in a thread of its own, whose error is met by who waits for it."""

from collections.abc import Callable
from threading import Thread


class Work:
    """A call in a thread: a daemon, as the worker is."""

    def __init__(self, call: Callable[[], None], name: str) -> None:
        self._error: Exception | None = None
        # Most calls are of who holds this. A thread lets go of its arguments at its end; kept here,
        # a document and all that was made of it would stay until garbage is looked for.
        self._thread = Thread(target=self._run, args=(call,), name=name, daemon=True)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Return whether it is done, after so long a wait at most; raises what ended it."""
        self._thread.join(timeout_s)
        # Taken out, as its traceback holds this frame and those of the call.
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error
        return self.is_done

    def _run(self, call: Callable[[], None]) -> None:
        try:
            call()
        # Met again by who waits.
        except Exception as error:  # noqa: BLE001
            self._error = error
