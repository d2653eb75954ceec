"""Earlier versions of an article: rolling back to one of them."""

from sqlalchemy import select

from app.db.models import Version
from app.domain import Status
from app.errors import Conflict, NotFound
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef
from app.services.articles.documents import AcceptedUploads, Upload, put_documents, require_document
from app.services.articles.originals import read_original


def restore_version(
    resources: Resources, ref: CollectionRef, document_id: str, number: int
) -> AcceptedUploads:
    """Upload what an earlier version was made of once more, as the newest version.

    It is read and embedded again, because vectors of superseded versions are not kept; until it is
    ready the live version answers. Raises NotFound when the version was never there or is pruned,
    and Conflict when it never became ready.
    """
    upload = _read_upload(resources, ref, document_id, number)
    return put_documents(resources, ref, [upload])


def _read_upload(resources: Resources, ref: CollectionRef, document_id: str, number: int) -> Upload:
    with resources.database.read() as session:
        document = require_document(session, ref, document_id)
        version = session.scalar(
            select(Version).where(Version.document_id == document.id, Version.number == number)
        )
        if version is None:
            raise NotFound(
                f"there is no version {number} of it; {resources.settings.keep_versions} are kept",
                code="version_not_found",
            )
        if version.status != Status.READY:
            raise Conflict(f"version {number} is {version.status}", code="version_not_ready")
        return Upload(
            document.external_id,
            read_original(session, version.original_sha256),
            version.media_type,
            filename=version.filename,
            **version.declared,
        )
