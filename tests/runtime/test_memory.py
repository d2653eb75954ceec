"""Freed memory goes back to the system."""

import gc
from pathlib import Path
from threading import Thread
from weakref import ref

import pytest

from app.runtime.memory import return_freed, return_freed_regularly
from tests.api.service import poll

STATUS = Path("/proc/self/statm")


pytestmark = pytest.mark.skipif(
    not STATUS.exists(), reason="only Linux says how much memory is resident"
)


def resident_pages() -> int:
    return int(STATUS.read_text(encoding="ascii").split()[1])


def test_freed_memory_below_what_is_kept_goes_back() -> None:
    blocks = [bytes(1000) for _ in range(50_000)]
    # The last one holds the others' place: without being asked, only the end of it is given back.
    kept = blocks[-1]
    filled = resident_pages()
    del blocks
    return_freed()
    assert filled - resident_pages() > 5_000
    assert len(kept) == 1000


def test_what_threads_freed_goes_back_regularly() -> None:
    kept: list[bytes] = []

    def fill() -> None:
        blocks = [bytes(1000) for _ in range(50_000)]
        kept.append(blocks[-1])

    thread = Thread(target=fill)
    thread.start()
    thread.join()
    filled = resident_pages()
    with return_freed_regularly(every_s=0.01):
        poll(lambda: filled - resident_pages(), lambda returned: returned > 5_000)
    assert len(kept[0]) == 1000


def test_cycles_that_requests_left_are_freed_regularly() -> None:
    class Connection:
        def __init__(self) -> None:
            self.handler = self.close

        def close(self) -> None: ...

    gc.disable()
    try:
        left = ref(Connection())
        assert left() is not None
        with return_freed_regularly(every_s=0.01):
            poll(lambda: left() is None, bool)
    finally:
        gc.enable()
