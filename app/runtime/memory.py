"""When memory is looked through for garbage, and given back to the system."""

import ctypes
import gc

# Python's default is 700. One long question makes tens of thousands, and importing a library
# hundreds of thousands, which are all in use.
_NEW_OBJECTS = 50_000


def collect_seldom() -> None:
    """Have garbage collected after more new objects; the setting is the whole process's."""
    gc.set_threshold(_NEW_OBJECTS, 10, 10)


def return_freed() -> None:
    """Have the C library give back the freed memory that it keeps, where it can.

    Reading an index takes twice what the index needs, and glibc keeps the rest for what may come
    (malloc_trim(3)); each process that shares a database would hold it for good.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
