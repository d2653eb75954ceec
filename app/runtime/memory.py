"""When memory is looked through for garbage, and given back to the system."""

import ctypes
import gc
from collections.abc import Callable
from contextlib import AbstractContextManager

from app.runtime.repeater import repeat

# Python's default is 700. One long question makes tens of thousands, and importing a library
# hundreds of thousands, which are all in use.
_NEW_OBJECTS = 50_000
_RETURN_SECONDS = 30.0
# Of malloc.h.
_M_ARENA_MAX = -8
_ARENAS = 2


def collect_seldom() -> None:
    """Have garbage collected after more new objects; the setting is the whole process's."""
    gc.set_threshold(_NEW_OBJECTS, 10, 10)


def share_arenas() -> None:
    """Have all threads take their memory from two arenas, where the C library is told so.

    glibc gives each thread one of its own, up to eight a processor, and what a burst of uploads
    leaves free lies between what is in use in every one of them. Python's own objects do not come
    from there, so that threads hardly ever wait for each other. The setting is the whole process's.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_ARENA_MAX, _ARENAS)


def return_freed() -> None:
    """Have the C library give back the freed memory that it keeps, where it can.

    Reading an index takes twice what the index needs, and glibc keeps the rest for what may come
    (malloc_trim(3)); each process that shares a database would hold it for good.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def return_freed_regularly(
    every_s: float = _RETURN_SECONDS, *, wait_for_turn: Callable[[], object] = lambda: None
) -> AbstractContextManager[None]:
    """Have garbage freed, and what is free given back, again and again while the block runs.

    An arena gives little back by itself: what a burst of requests took would stay. So would what
    they left in cycles, connections among it: old objects are looked at after millions of new ones,
    which an idle process does not make. That looking holds the interpreter, so it waits for its
    turn.
    """

    def clear() -> None:
        wait_for_turn()
        gc.collect()
        return_freed()

    return repeat(clear, every_s, "folio-memory")
