"""A folder of articles, and what it takes to make a collection hold it and nothing else."""

import hashlib
import os
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any
from unicodedata import normalize

from pathspec import GitIgnoreSpec

from app.errors import FolioError, InvalidRequest
from ingest.formats import SUFFIXES

# Below this many, losing most of a collection is an everyday edit.
_FEW = 10


class TooManyDeletions(FolioError):
    """A sync would erase most of a collection: the wrong folder, or one that is not mounted."""

    status, code = 409, "too_many_deletions"


@dataclass(frozen=True, slots=True)
class FolderFile:
    """An article in a folder; its id is its path relative to the folder, in NFC."""

    id: str
    path: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What a collection holds under an id: the latest upload's digest, and whether it failed."""

    sha256: str
    failed: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be done so that the collection equals the folder."""

    added: tuple[FolderFile, ...] = ()
    changed: tuple[FolderFile, ...] = ()
    renamed: tuple[tuple[str, FolderFile], ...] = ()
    """The former id, and the file that has the same bytes."""
    deleted: tuple[str, ...] = ()
    unchanged: int = 0
    failed: tuple[str, ...] = ()
    """Files that failed before and have not changed since: they would only fail again."""

    @property
    def uploads(self) -> tuple[FolderFile, ...]:
        """All that has to be uploaded."""
        return (*self.added, *self.changed, *(file for _, file in self.renamed))

    def erasures(self, failed: set[str]) -> tuple[str, ...]:
        """Return the ids to erase once the uploads are done and those in `failed` have failed.

        The former id of a renamed article answers until the new one does.
        """
        former = tuple(before for before, file in self.renamed if file.id not in failed)
        return (*self.deleted, *former)

    def describe(self) -> dict[str, Any]:
        """Return the ids by what happens to them."""
        return {
            "added": [file.id for file in self.added],
            "changed": [file.id for file in self.changed],
            "renamed": [{"from": former, "to": file.id} for former, file in self.renamed],
            "deleted": list(self.deleted),
            "unchanged": self.unchanged,
            "failed": list(self.failed),
        }


NOT_UTF8 = " (its name is not UTF-8)"
"""What follows the name of such a file where it is named."""
UNREADABLE = " (it cannot be read)"
"""What follows the name of such a file or folder."""


@dataclass(slots=True)
class Folder:
    """The articles in a folder by their id, and what is not an article."""

    files: dict[str, FolderFile] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    """Files and folders that could not be read: nobody knows what they hold now."""

    def may_hold(self, document_id: str) -> bool:
        """Return whether the folder has this article, or a part that could not be read may."""
        if document_id in self.files:
            return True
        paths = accumulate(document_id.split("/"), "{}/{}".format) if self.unread else ()
        return any(path in self.unread for path in paths)


def read_folder(root: Path, *, max_bytes: int = 64 * 2**20) -> Folder:
    """Read a folder; hidden files, links and what git ignores stay out.

    Archives and other files of several articles are skipped and named: their documents have ids of
    their own, which no path stands for. So are files over `max_bytes`, and what cannot be read.
    Raises InvalidRequest when it is not a folder or cannot be read itself, or when the names of two
    files are one id.
    """
    require_folder(root)
    folder = Folder()
    unread: list[Path] = []
    for path in _walk(root, [], unread):
        relative = path.relative_to(root).as_posix()
        if not _is_utf8(relative):
            folder.skipped.append(f"{_show(relative)}{NOT_UTF8}")
            continue
        try:
            data = b"" if path.is_symlink() else _read_article(path, max_bytes)
        except OSError:
            unread.append(path)
            continue
        if not data:
            folder.skipped.append(relative)
            continue
        document_id = normalize("NFC", relative)
        if document_id in folder.files:
            raise InvalidRequest(f"two files have the id {document_id}", code="duplicate_id")
        digest = hashlib.sha256(data).hexdigest()
        folder.files[document_id] = FolderFile(document_id, path, len(data), digest)
    for path in unread:
        if path == root:
            raise InvalidRequest(f"{root} cannot be read")
        relative = path.relative_to(root).as_posix()
        folder.unread.add(normalize("NFC", relative))
        folder.skipped.append(f"{_show(relative)}{UNREADABLE}")
    return folder


def _show(relative: str) -> str:
    """Return a path as it is named: by its bytes where it has no name that an id could be."""
    return os.fsencode(relative).decode("utf-8", "backslashreplace")


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def require_folder(root: Path) -> None:
    """Raise InvalidRequest when `root` is not a folder."""
    if not root.is_dir():
        raise InvalidRequest(f"{root} is not a folder")


def make_plan(folder: Folder, stored: Mapping[str, StoredFile], *, force: bool = False) -> Plan:
    """Compare a folder with what a collection holds, by id; what could not be read stays there.

    Raises TooManyDeletions when more than half of a collection of some size would go, unless
    `force` is given.
    """
    added, changed, failed, unchanged = [], [], [], 0
    for file in folder.files.values():
        there = stored.get(file.id)
        if there is None:
            added.append(file)
        elif there.sha256 != file.sha256:
            changed.append(file)
        elif there.failed:
            failed.append(file.id)
        else:
            unchanged += 1
    gone = {i: there.sha256 for i, there in stored.items() if not folder.may_hold(i)}
    by_digest: dict[str, deque[str]] = defaultdict(deque)
    for document_id, digest in gone.items():
        by_digest[digest].append(document_id)
    renamed, new = [], []
    for file in added:
        if former := by_digest[file.sha256]:
            renamed.append((former[0], file))
            del gone[former.popleft()]
        else:
            new.append(file)
    plan = Plan(tuple(new), tuple(changed), tuple(renamed), tuple(gone), unchanged, tuple(failed))
    if not force:
        _check_deletions(plan, len(stored))
    return plan


def _check_deletions(plan: Plan, stored: int) -> None:
    if stored > _FEW and len(plan.deleted) > stored / 2:
        raise TooManyDeletions(
            f"{len(plan.deleted)} of the {stored} articles are not in the folder and would be "
            "erased; look with --dry-run, and give --force if that is meant"
        )


def _walk(
    folder: Path, specs: list[tuple[Path, GitIgnoreSpec]], unread: list[Path]
) -> Iterator[Path]:
    """Yield the files that no .gitignore of their folders ignores, in the order of their names.

    Folders that cannot be read are added to `unread`.
    """
    rules = folder / ".gitignore"
    try:
        if rules.is_file():
            lines = rules.read_text(encoding="utf-8", errors="replace").splitlines()
            specs = [*specs, (folder, GitIgnoreSpec.from_lines(lines))]
        items = sorted(os.scandir(folder), key=lambda item: item.name)
    except OSError:
        unread.append(folder)
        return
    for item in items:
        path = Path(item.path)
        is_folder = item.is_dir(follow_symlinks=False)
        if item.name.startswith(".") or _is_ignored(path, specs, is_folder=is_folder):
            continue
        if is_folder:
            yield from _walk(path, specs, unread)
        # Where a link leads is not looked at.
        elif item.is_symlink() or item.is_file():
            yield path


def _is_ignored(path: Path, specs: list[tuple[Path, GitIgnoreSpec]], *, is_folder: bool) -> bool:
    # The nearest file that says something about it decides.
    for base, spec in reversed(specs):
        relative = path.relative_to(base).as_posix() + ("/" if is_folder else "")
        verdict = spec.check_file(relative).include
        if verdict is not None:
            return verdict
    return False


def _read_article(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of a file that is one article and not too large; none of any other."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        return b""
    # Looked at first, and no more is read: a sparse file has any size that it likes.
    if path.stat().st_size > max_bytes:
        return b""
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        return b""
    return b"" if suffix == ".json" and data.lstrip()[:1] == b"[" else data
