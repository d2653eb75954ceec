"""Changing what a caller said of an article, without its file."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from app.db import queries
from app.db.models import Document, Version
from app.domain import MAX_ATTRIBUTES
from app.errors import InvalidRequest
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, require_row
from app.services.articles.documents import (
    AcceptedUploads,
    Upload,
    queue_change,
    require_document,
    upload_again,
)
from app.services.articles.originals import read_original


def change_document(
    resources: Resources, ref: CollectionRef, document_id: str, changes: Mapping[str, Any]
) -> AcceptedUploads:
    """Change title, url or attributes of the latest upload: those that `changes` names.

    None takes a value back, so that the file's own counts again; attributes are merged one by one.
    A new title makes a new version, since vectors are made of it; the rest changes at once. Raises
    NotFound, and what an upload raises.
    """
    with resources.database.write() as session:
        document = require_document(session, ref, document_id)
        upload = _changed_upload(session, document, changes)
        accepted = queue_change(
            session, require_row(session, ref), upload, max_queue=resources.settings.max_queue
        )
    resources.signals.work_arrived.set()
    return accepted


def _changed_upload(session: Session, document: Document, changes: Mapping[str, Any]) -> Upload:
    version = queries.find_latest_version(session, document)
    # A document is stored with its first version.
    assert version is not None
    declared = dict(changes)
    if "attributes" in changes:
        declared["attributes"] = _merge(version, changes["attributes"])
    data = read_original(session, version.original_sha256)
    return upload_again(document, version, data, **declared)


def _merge(version: Version, changes: Mapping[str, Any] | None) -> dict[str, Any]:
    if changes is None:
        return {}
    merged = {**version.declared.get("attributes", {}), **changes}
    attributes = {key: value for key, value in merged.items() if value is not None}
    if len(attributes) > MAX_ATTRIBUTES:
        raise InvalidRequest(
            f"with these the document would have {len(attributes)} attributes; at most "
            f"{MAX_ATTRIBUTES} are allowed",
            code="too_many_attributes",
        )
    return attributes
