"""Collections that a caller may use: the one module that makes a `CollectionRef`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CollectionRef:
    """A collection whose use was allowed to whoever asks; use cases take it in place of a name.

    Only this module calls its constructor, which a test holds it to.
    """

    id: int
    name: str
