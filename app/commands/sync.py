"""What `folio sync` does: make a collection hold what a folder holds, and nothing else."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unicodedata import normalize

from pathspec import GitIgnoreSpec

from app.commands.client import Client, RequestFailed, document_path
from app.commands.upload import Entry, Outcome, upload
from app.errors import FolioError, InvalidRequest
from ingest.formats import SUFFIXES

# Below this many, losing most of a collection is an everyday edit.
_FEW = 10


class TooManyDeletions(FolioError):
    """A sync would erase most of a collection: the wrong folder, or one that is not mounted."""

    status, code = 409, "too_many_deletions"


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be done so that the collection equals the folder."""

    added: tuple[Entry, ...] = ()
    changed: tuple[Entry, ...] = ()
    renamed: tuple[tuple[str, Entry], ...] = ()
    """The former id, and the file that has the same bytes."""
    deleted: tuple[str, ...] = ()
    unchanged: int = 0

    def describe(self) -> dict[str, Any]:
        """Return the ids by what happens to them."""
        return {
            "added": [entry.id for entry in self.added],
            "changed": [entry.id for entry in self.changed],
            "renamed": [{"from": former, "to": entry.id} for former, entry in self.renamed],
            "deleted": list(self.deleted),
            "unchanged": self.unchanged,
        }


@dataclass(slots=True)
class Folder:
    """The articles in a folder by their id, with the SHA-256 of each, and what is no article."""

    entries: dict[str, tuple[Entry, str]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


def read_folder(root: Path) -> Folder:
    """Read a folder: ids are relative paths; hidden files, links and what git ignores stay out.

    Archives and other files of several articles are skipped and named: their documents have ids of
    their own, which no path stands for. Raises InvalidRequest for what is no folder, or when the
    names of two files are one id.
    """
    require_folder(root)
    folder = Folder()
    for path in _walk(root, []):
        relative = path.relative_to(root).as_posix()
        data = b"" if path.is_symlink() else _read_article(path)
        if not data:
            folder.skipped.append(relative)
            continue
        document_id = normalize("NFC", relative)
        if document_id in folder.entries:
            raise InvalidRequest(f"two files have the id {document_id}", code="duplicate_id")
        entry = Entry(document_id, str(path), path=path, size=len(data))
        folder.entries[document_id] = entry, hashlib.sha256(data).hexdigest()
    return folder


def require_folder(root: Path) -> None:
    """Raise InvalidRequest for what is no folder."""
    if not root.is_dir():
        raise InvalidRequest(f"{root} is no folder")


def make_plan(folder: Folder, documents: list[dict[str, Any]]) -> Plan:
    """Compare a folder with the documents of a collection, as the API lists them."""
    stored = {document["id"]: document for document in documents}
    added, changed, unchanged = [], [], 0
    for document_id, (entry, digest) in folder.entries.items():
        document = stored.get(document_id)
        if document is None:
            added.append((entry, digest))
        elif document["sha256"] != digest or document["status"] == "failed":
            changed.append(entry)
        else:
            unchanged += 1
    gone = {i: d["sha256"] for i, d in stored.items() if i not in folder.entries}
    renamed, new = [], []
    for entry, digest in added:
        former = next((i for i, former_digest in gone.items() if former_digest == digest), None)
        if former is None:
            new.append(entry)
        else:
            del gone[former]
            renamed.append((former, entry))
    return Plan(tuple(new), tuple(changed), tuple(renamed), tuple(gone), unchanged)


def plan_sync(
    client: Client, root: Path, collection: str, outcome: Outcome, *, force: bool = False
) -> Plan:
    """Return what it takes to make a collection hold what a folder holds.

    What the folder holds beside articles is noted in `outcome.skipped`. Raises InvalidRequest for
    what is no folder, and TooManyDeletions unless `force` is given.
    """
    folder = read_folder(root)
    outcome.skipped = folder.skipped
    stored = list_documents(client, collection)
    plan = make_plan(folder, stored)
    if not force:
        check_deletions(plan, len(stored))
    return plan


def list_documents(client: Client, collection: str) -> list[dict[str, Any]]:
    """Return all documents of a collection; none when there is no such collection."""
    try:
        return client.list_documents(collection)
    except RequestFailed as error:
        if error.code != "collection_not_found":
            raise
        return []


def check_deletions(plan: Plan, stored: int) -> None:
    """Raise TooManyDeletions when more than half of a collection of some size would go."""
    if stored > _FEW and len(plan.deleted) > stored / 2:
        raise TooManyDeletions(
            f"{len(plan.deleted)} of the {stored} articles are not in the folder and would be "
            "erased; look with --dry-run, and give --force if that is meant"
        )


def apply_plan(
    client: Client,
    collection: str,
    plan: Plan,
    outcome: Outcome,
    on_progress: Callable[[Outcome], None],
) -> None:
    """Upload what is new and different, wait for it, and then erase what is gone.

    The collection is made if need be. The former id of a renamed article answers until the new one
    does.
    """
    client.ensure_collection(collection)
    renamed = [entry for _, entry in plan.renamed]
    upload(client, collection, [*plan.added, *plan.changed, *renamed], outcome, on_progress)
    failed = {failure["id"] for failure in outcome.failures}
    former = [before for before, entry in plan.renamed if entry.id not in failed]
    for document_id in (*plan.deleted, *former):
        try:
            client.call("DELETE", document_path(collection, document_id))
        except RequestFailed as error:
            if error.code != "document_not_found":
                raise


def _walk(folder: Path, specs: list[tuple[Path, GitIgnoreSpec]]) -> Iterator[Path]:
    """Yield the files that no .gitignore of their folders ignores, in the order of their names."""
    rules = folder / ".gitignore"
    if rules.is_file():
        lines = rules.read_text(encoding="utf-8", errors="replace").splitlines()
        specs = [*specs, (folder, GitIgnoreSpec.from_lines(lines))]
    for item in sorted(os.scandir(folder), key=lambda item: item.name):
        path = Path(item.path)
        is_folder = item.is_dir(follow_symlinks=False)
        if item.name.startswith(".") or _is_ignored(path, specs, is_folder=is_folder):
            continue
        if is_folder:
            yield from _walk(path, specs)
        elif item.is_file() or item.is_symlink():
            yield path


def _is_ignored(path: Path, specs: list[tuple[Path, GitIgnoreSpec]], *, is_folder: bool) -> bool:
    # The nearest file that says something about it decides.
    for base, spec in reversed(specs):
        relative = path.relative_to(base).as_posix() + ("/" if is_folder else "")
        verdict = spec.check_file(relative).include
        if verdict is not None:
            return verdict
    return False


def _read_article(path: Path) -> bytes:
    """Return the bytes of a file that is one article; none of any other."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        return b""
    data = path.read_bytes()
    return b"" if suffix == ".json" and data.lstrip()[:1] == b"[" else data
