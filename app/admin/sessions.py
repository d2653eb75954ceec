"""Who is signed in to the pages: kept in memory, so that a restart or a revoked key ends it."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic

COOKIE = "folio_session"
INVITATION_S = 600.0
MAX_SESSIONS = 10_000
"""Of visitors, and of those who signed in: more push out the oldest of their kind."""


def _new_token() -> str:
    return secrets.token_urlsafe(32)


@dataclass(slots=True)
class Session:
    """A browser; `key_id` is None until it signs in and "" for one that may do everything."""

    key_id: str | None
    ends_at: float
    id: str = field(default_factory=_new_token)
    csrf: str = field(default_factory=_new_token)
    notice: str = ""
    """Shown once, on the next page."""
    new_key: str = field(default="", repr=False)
    """Token of a key that was made: shown once, on the page of keys."""

    def take_notice(self) -> str:
        """Return the notice, which is then gone."""
        notice, self.notice = self.notice, ""
        return notice

    def take_new_key(self) -> str:
        """Return the token of a key that was made, which is then gone."""
        token, self.new_key = self.new_key, ""
        return token


class Sessions:
    """Sessions by the value of their cookie; thread-safe."""

    def __init__(self, *, lifetime_s: float) -> None:
        self._lifetime_s = lifetime_s
        # Apart: visitors who never sign in can neither fill the memory nor sign anybody out.
        self._visitors: OrderedDict[str, Session] = OrderedDict()
        self._signed_in: OrderedDict[str, Session] = OrderedDict()
        self._invitations: dict[str, float] = {}
        self._lock = Lock()

    def start(self, key_id: str | None) -> Session:
        """Return a new session, for whoever holds a key, or for a visitor (None)."""
        session = Session(key_id, monotonic() + self._lifetime_s)
        sessions = self._visitors if key_id is None else self._signed_in
        with self._lock:
            sessions[session.id] = session
            if len(sessions) > MAX_SESSIONS:
                sessions.popitem(last=False)
        return session

    def find(self, session_id: str) -> Session | None:
        """Return a session that has not expired."""
        with self._lock:
            session = self._signed_in.get(session_id) or self._visitors.get(session_id)
        if session is not None and session.ends_at <= monotonic():
            self.end(session)
            session = None
        return session

    def end(self, session: Session) -> None:
        """Sign a browser out."""
        with self._lock:
            self._signed_in.pop(session.id, None)
            self._visitors.pop(session.id, None)

    def invite(self) -> str:
        """Return a token that signs one browser in, once, within ten minutes."""
        token = _new_token()
        with self._lock:
            self._invitations[token] = monotonic() + INVITATION_S
        return token

    def accept(self, token: str) -> bool:
        """Use up an invitation; says whether there was one."""
        with self._lock:
            ends_at = self._invitations.pop(token, 0.0)
        return ends_at > monotonic()
