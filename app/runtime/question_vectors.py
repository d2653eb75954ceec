"""Vectors of logged questions: kept, so that a page that groups them embeds each only once."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from hashlib import sha256
from threading import Lock

from app.domain import Vector

MAX_VECTORS = 10_000
"""40 MB of 1,024 dimensions."""
MAX_WANTED = 2_000


class QuestionVectors:
    """Vectors by fingerprint of the model and question, the least used pushed out; thread-safe.

    It holds no question for longer than it waits to be embedded.
    """

    def __init__(self) -> None:
        self._vectors: OrderedDict[tuple[str, bytes], Vector] = OrderedDict()
        self._wanted: dict[str, None] = {}
        self._lock = Lock()

    def find(self, fingerprint: str, texts: Iterable[str]) -> dict[str, Vector]:
        """Return the vectors that are known, by question."""
        found: dict[str, Vector] = {}
        with self._lock:
            for text in dict.fromkeys(texts):
                key = (fingerprint, _digest(text))
                if (vector := self._vectors.get(key)) is not None:
                    self._vectors.move_to_end(key)
                    found[text] = vector
        return found

    def keep(self, fingerprint: str, text: str, vector: Vector) -> None:
        """Keep the vector of a question."""
        with self._lock:
            self._vectors[fingerprint, _digest(text)] = vector
            if len(self._vectors) > MAX_VECTORS:
                self._vectors.popitem(last=False)

    def want(self, texts: Sequence[str]) -> None:
        """Ask the background for vectors, in place of what was asked for before."""
        with self._lock:
            self._wanted = dict.fromkeys(texts[:MAX_WANTED])

    def take_wanted(self) -> str | None:
        """Return a question that waits to be embedded."""
        with self._lock:
            text = next(iter(self._wanted), None)
            if text is not None:
                del self._wanted[text]
        return text


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()
