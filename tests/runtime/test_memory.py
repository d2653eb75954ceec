"""Freed memory goes back to the system."""

from pathlib import Path

import pytest

from app.runtime.memory import return_freed

STATUS = Path("/proc/self/statm")


@pytest.mark.skipif(not STATUS.exists(), reason="only Linux says how much memory is resident")
def test_freed_memory_below_what_is_kept_goes_back() -> None:
    def resident_pages() -> int:
        return int(STATUS.read_text(encoding="ascii").split()[1])

    blocks = [bytes(1000) for _ in range(50_000)]
    # The last one holds the others' place: without being asked, only the end of it is given back.
    kept = blocks[-1]
    filled = resident_pages()
    del blocks
    return_freed()
    assert filled - resident_pages() > 5_000
    assert len(kept) == 1000
