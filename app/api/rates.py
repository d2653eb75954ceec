"""How many answers each may have in a second before the next ones wait."""

from time import monotonic


class Rate:
    """So many a second without a wait, counted for each by its name.

    The next ones come as slowly as that, or `max_wait_s` late.
    """

    def __init__(self, per_second: int, max_wait_s: float, *, max_names: int = 4096) -> None:
        self._per_second = per_second
        self._max_wait_s = max_wait_s
        self._max_names = max_names
        self._paid_until: dict[str | None, float] = {}
        """When one will have waited for all that it asked."""

    def note(self, name: str | None) -> float:
        """Count an answer to one; returns how many seconds it has to wait."""
        now = monotonic()
        if len(self._paid_until) > self._max_names:
            self._paid_until = {one: at for one, at in self._paid_until.items() if at > now}
        until = max(now, self._paid_until.get(name, now)) + 1 / self._per_second
        self._paid_until[name] = min(until, now + 1 + self._max_wait_s)
        return max(0.0, min(until - now - 1, self._max_wait_s))
