"""Documents of a collection in the order of what is known of them."""

from collections.abc import Sequence
from typing import Any
from unicodedata import normalize

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session, aliased, load_only

from app.db.models import Attribute, Document, Version
from app.db.queries.documents import LIGHT
from app.domain import Status

# Made once: every new alias makes its attributes anew, which takes longer than the query.
_Live = aliased(Version)

# As a list shows them: of the live version, or of the latest one where none is live.
_SHOWN: dict[str, Any] = {
    "$id": Document.external_id,
    "$title": func.coalesce(_Live.title, Version.title),
    "$url": func.coalesce(_Live.url, Version.url),
    "$media_type": func.coalesce(_Live.media_type, Version.media_type),
    "$created_at": Document.created_at,
    "$updated_at": func.coalesce(
        _Live.ready_at, _Live.created_at, Version.ready_at, Version.created_at
    ),
}


def sort_documents(
    session: Session,
    collection_id: int,
    *,
    key: str,
    descends: bool,
    status: Status | None,
    offset: int,
    limit: int,
) -> Sequence[tuple[Document, Version]]:
    """Return documents with their latest version (without its text), sorted; see listing."""
    statement = (
        select(Document, Version)
        .join(
            Version,
            and_(Version.document_id == Document.id, Version.number == Document.latest_number),
        )
        .outerjoin(_Live, and_(_Live.document_id == Document.id, _Live.is_live))
        .options(load_only(*LIGHT))
        .where(Document.collection_id == collection_id)
    )
    if status is not None:
        statement = statement.where(Version.status == status)
    columns = [_SHOWN[key]] if key in _SHOWN else []
    if not columns:
        values = _values_of(key, descends=descends)
        statement = statement.outerjoin(values, values.c.document_id == Document.id)
        columns = [values.c.kind, values.c.number, values.c.text]
    # SQLite and PostgreSQL put what is missing at different ends.
    order = [columns[0].is_(None), *(c.desc() if descends else c for c in columns)]
    rows = session.execute(
        statement.order_by(*order, Document.external_id).offset(offset).limit(limit)
    )
    return [(document, version) for document, version in rows]


def _values_of(key: str, *, descends: bool) -> Any:
    pick = func.max if descends else func.min
    return (
        select(
            Attribute.document_id,
            pick(Attribute.kind).label("kind"),
            pick(Attribute.number).label("number"),
            pick(Attribute.text).label("text"),
        )
        .where(Attribute.key == normalize("NFC", key))
        .group_by(Attribute.document_id)
        .subquery()
    )
