"""What a process does again and again beside its requests, in a thread of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def repeat(call: Callable[[], object], every_s: float, name: str) -> Iterator[None]:
    """Call again and again while the block runs, first after `every_s`; it must not raise.

    The block's end waits for a call that has begun.
    """
    ended = Event()

    def work() -> None:
        while not ended.wait(every_s):
            call()

    thread = Thread(target=work, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
