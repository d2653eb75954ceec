"""How Python is set up to answer requests beside other work."""

import gc
import sys

from app.runtime.memory import collect_seldom

# How long a thread may keep the interpreter while others wait for it; Python's default is 5 ms. A
# search gives it up and waits for it again hundreds of times, at every row that SQLite reads and at
# every product, and ingestion computes beside it.
_SWITCH_SECONDS = 0.0005


def favour_requests() -> None:
    """Set the interpreter up to answer beside other work; once, when the indexes are loaded."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    collect_seldom()
    # A full collection goes through the indexes, a tenth of a second in the middle of a search.
    # What is loaded by now stays; it need not be looked at again.
    gc.collect()
    gc.freeze()
