"""The words of articles that an earlier version of Folio analysed by other rules, made anew."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import queries
from app.db.database import Database
from app.db.models import Version
from app.index.analysis import ANALYSIS, count_article_terms
from app.index.language import detect_language
from app.index.segments import StoredTerms, pack_terms

AT_ONCE = 50


def reanalyse_some(database: Database, *, limit: int = AT_ONCE) -> int:
    """Make the terms of up to `limit` live versions that have none of the present rules.

    Returns how many there were. Searches go on: the index follows each call, and until then finds
    these articles by their vectors alone.
    """
    with database.read() as session:
        rows = queries.versions_without_terms(session, ANALYSIS, limit)
    made: list[tuple[int, str | None, StoredTerms]] = []
    for version_id, title, text, receipt in rows:
        language = _find_language(receipt, text or "")
        made.append(
            (version_id, language, pack_terms(count_article_terms(title, text or "", language)))
        )
    if made:
        with database.write() as session:
            for version_id, language, terms in made:
                _store(session, version_id, language, terms)
    return len(rows)


def _find_language(receipt: Mapping[str, Any] | None, text: str) -> str | None:
    if receipt is not None and "language" in receipt:
        known: str | None = receipt["language"]
        return known
    return detect_language(text)


def _store(session: Session, version_id: int, language: str | None, terms: StoredTerms) -> None:
    version = session.scalar(select(Version).where(Version.id == version_id, Version.is_live))
    # Deleted or replaced since it was read.
    if version is None:
        return
    if version.receipt is not None and "language" not in version.receipt:
        version.receipt = {**version.receipt, "language": language}
        queries.replace_attributes(session, version.document_id, queries.looked_up(version))
    queries.store_terms(
        session, version_id, analysis=ANALYSIS, data=terms.data, data_crc32=terms.crc32
    )
    queries.log_words(session, version.document_id)
