"""Freed memory goes back to the system."""

import ctypes
import gc
import multiprocessing
from pathlib import Path
from threading import Barrier, Thread
from weakref import ref

import pytest

from app.runtime.memory import return_freed, return_freed_regularly, share_arenas
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


def test_threads_share_two_arenas(tmp_path: Path) -> None:
    library = ctypes.CDLL(None)
    if not hasattr(library, "malloc_info"):
        pytest.skip("another C library than glibc")
    told = tmp_path / "arenas.xml"
    # The setting is a whole process's, and counts for threads that begin after it.
    process = multiprocessing.get_context("spawn").Process(target=_tell_arenas, args=(told,))
    process.start()
    process.join(300)
    assert process.exitcode == 0
    assert told.read_text(encoding="ascii").count("<heap nr=") == 2


def _tell_arenas(told: Path) -> None:
    share_arenas()
    all_hold = Barrier(9)

    def hold() -> None:
        blocks = [bytes(1000) for _ in range(100)]
        all_hold.wait(30)
        assert blocks

    threads = [Thread(target=hold) for _ in range(8)]
    for thread in threads:
        thread.start()
    all_hold.wait(30)
    library = ctypes.CDLL(None)
    library.fopen.restype = ctypes.c_void_p
    file = ctypes.c_void_p(library.fopen(bytes(told), b"w"))
    library.malloc_info(0, file)
    library.fclose(file)
    for thread in threads:
        thread.join()
