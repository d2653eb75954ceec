"""API keys: made, listed, revoked and checked.

A key is `folio_<id>_<secret>` with a secret of 256 random bits, of which the SHA-256 is stored.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.database import Database
from app.db.models import Collection, Key, KeyCollection, utc_now
from app.domain import Scope
from app.errors import FolioError, InvalidRequest, NotFound, Unauthorized
from app.services.access.collections import allow_collection
from app.services.access.principal import EVERYONE, Principal

_TOKEN = re.compile(r"folio_([a-z0-9]{1,32})_([A-Za-z0-9_-]{32,})")
# A secret that an operator made with another tool has no id of its own.
_OPERATOR_ID = "operator"
_MIN_SECRET_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A key without its secret."""

    id: str
    name: str
    scope: Scope
    collections: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    """To the minute."""


def create_key(
    database: Database,
    *,
    name: str = "",
    scope: Scope = Scope.READ,
    collections: Sequence[str] | None = None,
    expires_at: datetime | None = None,
) -> tuple[KeyInfo, str]:
    """Make a key; returns it with the token, which is shown this once and cannot be read again."""
    if expires_at is not None and expires_at <= utc_now():
        raise InvalidRequest("expires_at lies in the past", code="invalid_expiry")
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    with database.write() as session:
        key = Key(
            id=key_id,
            name=name,
            secret_sha256=_digest(secret),
            scope=scope,
            all_collections=collections is None,
            expires_at=expires_at,
        )
        session.add(key)
        session.flush()
        for collection_name in sorted(set(collections or ())):
            covered = allow_collection(session, EVERYONE, Scope.ADMIN, collection_name)
            session.add(KeyCollection(key_id=key_id, collection_id=covered.id))
        session.flush()
        return _describe(session, key), f"folio_{key_id}_{secret}"


def list_keys(database: Database) -> list[KeyInfo]:
    """Return all keys, also revoked ones, oldest first."""
    with database.read() as session:
        keys = session.scalars(select(Key).order_by(Key.created_at, Key.id))
        return [_describe(session, key) for key in keys]


def revoke_key(database: Database, key_id: str) -> KeyInfo:
    """End a key with the next request; raises NotFound."""
    with database.write() as session:
        key = session.get(Key, key_id)
        if key is None:
            raise NotFound("no such key", code="key_not_found")
        key.revoked_at = key.revoked_at or utc_now()
        return _describe(session, key)


def authenticate(session: Session, token: str) -> Principal:
    """Return who holds `token`; raises Unauthorized, the same for every reason."""
    key_id, secret = _split(token)
    key = session.get(Key, key_id)
    # Compare also for an unknown id, so that time does not tell which ids there are.
    expected = key.secret_sha256 if key is not None else _digest("")
    matches = compare_digest(_digest(secret), expected)
    if key is None or not matches or not _is_usable(key):
        raise Unauthorized("the key is not valid")
    return _principal_of(session, key)


def read_usable(database: Database) -> dict[tuple[str, str], str]:
    """Return the ids of the keys that are usable now, by what `identify` makes of their tokens."""
    with database.read() as session:
        return {
            (key.id, key.secret_sha256): key.id
            for key in session.scalars(select(Key))
            if _is_usable(key)
        }


def identify(token: str) -> tuple[str, str]:
    """Return what a token says that it is: the id of a key and the digest of its secret."""
    key_id, secret = _split(token)
    return key_id, _digest(secret)


def recall_principal(session: Session, key_id: str) -> Principal:
    """Return who signed in with a key; raises Unauthorized once it was revoked or has expired."""
    key = session.get(Key, key_id)
    if key is None or not _is_usable(key):
        raise Unauthorized("the key that was used to sign in is no longer valid")
    return _principal_of(session, key)


def _is_usable(key: Key) -> bool:
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > utc_now())


def find_refusal(session: Session, key_id: str, collection_name: str) -> str | None:
    """Return why a key cannot read a collection, None if it can; raises NotFound for no key."""
    key = session.get(Key, key_id)
    if key is None:
        raise NotFound("no such key", code="key_not_found")
    if key.revoked_at is not None:
        return f"the key was revoked on {key.revoked_at:%Y-%m-%d}"
    if key.expires_at is not None and key.expires_at <= utc_now():
        return f"the key expired on {key.expires_at:%Y-%m-%d}"
    names = _collection_names(session, key)
    if names is not None and collection_name not in names:
        return f"the key does not cover the collection {collection_name}"
    return None


def has_keys(database: Database) -> bool:
    """Return whether any key is usable now."""
    now = utc_now()
    return any(
        key.revoked_at is None and (key.expires_at is None or key.expires_at > now)
        for key in list_keys(database)
    )


def install_admin_key(database: Database, path: Path) -> None:
    """Make the key in the operator's file the one admin key that came from a file.

    Any secret of at least 32 characters will do; a former one from the file ends. A key that was
    revoked stays revoked.
    """
    key_id, secret = _split(read_key_file(path, "admin"))
    with database.write() as session:
        for former in session.scalars(select(Key).where(Key.from_file)):
            if (former.id, former.secret_sha256) != (key_id, _digest(secret)):
                session.delete(former)
        session.flush()
        if session.get(Key, key_id) is None:
            session.add(
                Key(
                    id=key_id,
                    name="from the admin key file",
                    secret_sha256=_digest(secret),
                    scope=Scope.ADMIN,
                    all_collections=True,
                    from_file=True,
                )
            )


def read_key_file(path: Path, kind: str) -> str:
    """Return the key in an operator's file; raises FolioError for one that could be guessed."""
    try:
        # Editors on Windows begin a file with a mark of its encoding.
        token = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise FolioError(
            f"the {kind} key file {path} cannot be read: {type(error).__name__}",
            code="key_file_unreadable",
        ) from error
    if len(token) < _MIN_SECRET_CHARACTERS or token.split() != [token]:
        raise FolioError(
            f"the {kind} key in {path} must be one word of at least {_MIN_SECRET_CHARACTERS} "
            "characters; `openssl rand -hex 32` makes one",
            code="key_file_weak",
        )
    return token


def _split(token: str) -> tuple[str, str]:
    match = _TOKEN.fullmatch(token)
    return (match[1], match[2]) if match else (_OPERATOR_ID, token)


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _principal_of(session: Session, key: Key) -> Principal:
    covered = None
    if not key.all_collections:
        covered = frozenset(
            session.scalars(
                select(KeyCollection.collection_id).where(KeyCollection.key_id == key.id)
            )
        )
    return Principal(key.id, Scope(key.scope), covered)


def _collection_names(session: Session, key: Key) -> list[str] | None:
    if key.all_collections:
        return None
    return list(
        session.scalars(
            select(Collection.name)
            .join(KeyCollection, KeyCollection.collection_id == Collection.id)
            .where(KeyCollection.key_id == key.id)
            .order_by(Collection.name)
        )
    )


def _describe(session: Session, key: Key) -> KeyInfo:
    names = _collection_names(session, key)
    return KeyInfo(
        key.id,
        key.name,
        Scope(key.scope),
        None if names is None else tuple(names),
        key.created_at,
        key.expires_at,
        key.revoked_at,
        key.last_used_at,
    )
