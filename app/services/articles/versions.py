"""Earlier versions of an article: rolling back to one of them."""

from dataclasses import replace

from sqlalchemy import select

from app.db.models import Version
from app.domain import Status
from app.errors import Conflict, NotFound
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef, require_row
from app.services.articles.documents import (
    AcceptedUploads,
    check_queue,
    queue_uploads,
    require_document,
    upload_again,
)
from app.services.articles.originals import read_original


def restore_version(
    resources: Resources, ref: CollectionRef, document_id: str, number: int
) -> AcceptedUploads:
    """Upload what an earlier version was made of once more, as the newest version.

    It is read and embedded again, because vectors of superseded versions are not kept; until it is
    ready the live version answers. Raises NotFound when the version was never there or is pruned,
    and Conflict when it never became ready.
    """
    with resources.database.write() as session:
        check_queue(session, resources.settings.max_queue)
        document = require_document(session, ref, document_id)
        version = session.scalar(
            select(Version).where(Version.document_id == document.id, Version.number == number)
        )
        if version is None:
            raise NotFound(
                f"no such version: {number}; the last {resources.settings.keep_versions} are kept",
                code="version_not_found",
            )
        if version.status != Status.READY:
            raise Conflict(f"version {number} is {version.status}", code="version_not_ready")
        data = read_original(session, version.original_sha256)
        # The file that the latest version is of may be another one.
        upload = replace(upload_again(document, version, data), file_id=None)
        accepted = queue_uploads(session, require_row(session, ref), [(upload.id, upload)])
    resources.signals.work_arrived.set()
    return accepted
