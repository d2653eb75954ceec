"""What `folio sync` does: make a collection hold what a folder holds, and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.commands.client import Client, RequestFailed, document_path
from app.commands.upload import Entry, Outcome, upload
from ingest.folders import Plan, StoredFile, make_plan, read_folder


def plan_sync(
    client: Client, root: Path, collection: str, outcome: Outcome, *, force: bool = False
) -> Plan:
    """Return what it takes to make a collection hold what a folder holds.

    What the folder holds beside articles is noted in `outcome.skipped`. Raises InvalidRequest when
    it is not a folder, and TooManyDeletions unless `force` is given.
    """
    folder = read_folder(root)
    outcome.skipped = folder.skipped
    stored = {
        document["id"]: StoredFile(document["sha256"], document["status"] == "failed")
        for document in list_documents(client, collection)
    }
    return make_plan(folder, stored, force=force)


def list_documents(client: Client, collection: str) -> list[dict[str, Any]]:
    """Return all documents of a collection; none when there is no such collection."""
    try:
        return client.list_documents(collection)
    except RequestFailed as error:
        if error.code != "collection_not_found":
            raise
        return []


def apply_plan(
    client: Client,
    collection: str,
    plan: Plan,
    outcome: Outcome,
    on_progress: Callable[[Outcome], None],
) -> None:
    """Upload what is new and different, wait for it, and then erase what is gone.

    The collection is made if need be.
    """
    client.ensure_collection(collection)
    entries = [
        Entry(file.id, str(file.path), path=file.path, size=file.size) for file in plan.uploads
    ]
    upload(client, collection, entries, outcome, on_progress)
    failed = {failure["id"] for failure in outcome.failures}
    for document_id in plan.erasures(failed):
        try:
            client.call("DELETE", document_path(collection, document_id))
        except RequestFailed as error:
            if error.code != "document_not_found":
                raise
