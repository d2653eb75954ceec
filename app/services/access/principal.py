"""Who asks, and what they may do where."""

from dataclasses import dataclass

from app.domain import Scope
from app.errors import Forbidden


@dataclass(frozen=True, slots=True)
class Principal:
    """What a valid key may do, and in the collections of which ids (None: in all)."""

    key_id: str
    scope: Scope
    collections: frozenset[int] | None

    def sees(self, collection_id: int) -> bool:
        """Return whether the key covers a collection."""
        return self.collections is None or collection_id in self.collections

    def require_scope(self, scope: Scope) -> None:
        """Raise Forbidden unless the key has `scope`, in whichever collections."""
        if not self.scope.includes(scope):
            raise Forbidden(f"this needs the scope {scope}; the key has {self.scope}")

    def require_everywhere(self, scope: Scope) -> None:
        """Raise Forbidden unless the key has `scope` in every collection."""
        self.require_scope(scope)
        if self.collections is not None:
            raise Forbidden("this needs a key for all collections")


EVERYONE = Principal("", Scope.ADMIN, None)
"""Who asks when the service runs without keys."""
