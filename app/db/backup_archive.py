"""The file that a backup is: an uncompressed ZIP archive of `folio.db` and `backup.json`.

Any tool can take it apart. Where there is a key, `backup.sig` is the HMAC-SHA256 of `backup.json`,
which holds the database's own SHA-256.
"""

import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZIP_STORED, BadZipFile, ZipFile

from pydantic import TypeAdapter, ValidationError

from app.errors import CorruptData, InvalidRequest, NotFound

DATABASE = "folio.db"
FORMAT = 1
_FACTS, _SIGNATURE = "backup.json", "backup.sig"
_FACTS_BYTES = 64 * 2**10
_MIN_KEY_BYTES = 16


class BackupNotSigned(CorruptData):
    """There is a key for backups, and it did not sign this one."""

    code = "backup_not_signed"


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup says of itself."""

    format: int
    created_at: str
    expires_at: str
    """ISO 8601, UTC: until then an article that is deleted now can come back with a restore."""
    sha256: str
    bytes: int
    documents: int


_BACKUPS = TypeAdapter(Backup)


def read_backup_key(file: Path | None) -> bytes | None:
    """Return the key that signs backups; raises InvalidRequest for a file without a usable one."""
    if file is None:
        return None
    try:
        key = file.read_bytes().strip()
    except OSError as error:
        raise InvalidRequest(f"{file}: {error.strerror}", code="no_backup_key") from error
    if len(key) < _MIN_KEY_BYTES:
        raise InvalidRequest(
            f"{file} holds {len(key)} bytes; a key for backups has at least {_MIN_KEY_BYTES}",
            code="no_backup_key",
        )
    return key


def pack_archive(archive: Path, database: Path, backup: Backup, signing_key: bytes | None) -> None:
    """Write the archive of a database that was copied."""
    facts = json.dumps(asdict(backup), indent=2).encode()
    with ZipFile(archive, "w", ZIP_STORED) as file:
        file.writestr(_FACTS, facts)
        if signing_key is not None:
            file.writestr(_SIGNATURE, _sign(signing_key, facts))
        file.write(database, DATABASE)


def describe_backup(path: Path) -> Backup:
    """Return what a backup says of itself, unproven; raises CorruptData when it is not one."""
    with open_archive(path) as archive:
        return read_facts(archive, None)[0]


@contextmanager
def open_archive(path: Path) -> Iterator[ZipFile]:
    """Open a backup; raises NotFound without one, CorruptData when it is not one."""
    if not path.is_file():
        raise NotFound(f"{path} does not exist", code="no_backup")
    try:
        with ZipFile(path) as archive:
            yield archive
    # A version or method that zipfile does not know, and a password: one flipped bit says so.
    except (BadZipFile, EOFError, KeyError, RuntimeError) as error:
        raise CorruptData(f"{path} is damaged or not a Folio backup ({error})") from error


def read_facts(archive: ZipFile, signing_key: bytes | None) -> tuple[Backup, bool]:
    """Return what a backup says of itself, and whether the key signed it.

    Raises CorruptData where there is a key and the signature is none of it.
    """
    with archive.open(_FACTS) as file:
        facts = file.read(_FACTS_BYTES)
    signed = signing_key is not None and _is_signed(archive, facts, signing_key)
    if signing_key is not None and not signed:
        raise BackupNotSigned(
            f"{archive.filename} is not signed with the key in FOLIO_BACKUP_KEY_FILE: somebody "
            "else made it, or changed it"
        )
    try:
        backup = _BACKUPS.validate_json(facts)
    except ValidationError as error:
        raise CorruptData(f"{archive.filename} is damaged or not a Folio backup") from error
    if backup.format != FORMAT:
        raise CorruptData(f"{archive.filename} has format {backup.format}; {FORMAT} is read")
    return backup, signed


def _is_signed(archive: ZipFile, facts: bytes, key: bytes) -> bool:
    if _SIGNATURE not in archive.namelist():
        return False
    with archive.open(_SIGNATURE) as file:
        return hmac.compare_digest(file.read(_FACTS_BYTES).strip(), _sign(key, facts))


def _sign(key: bytes, facts: bytes) -> bytes:
    return hmac.new(key, facts, "sha256").hexdigest().encode()


def read_time(text: str, path: Path) -> datetime:
    """Return a time that a backup gives, UTC unless it says; raises CorruptData."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise CorruptData(f"{path} does not say when it expires") from error
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time
