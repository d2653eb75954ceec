"""Memory that was freed, given back to the system."""

import ctypes


def return_freed() -> None:
    """Have the C library give back the freed memory that it keeps, where it can.

    Reading an index takes twice what the index needs, and glibc keeps the rest for what may come
    (malloc_trim(3)); each process that shares a database would hold it for good.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
