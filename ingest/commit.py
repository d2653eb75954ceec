"""What is stored of an article: writing it in one transaction, reading it back, checking it."""

from dataclasses import asdict
from zlib import crc32

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from app.db import queries, queue
from app.db.checksums import is_known, metadata_crc32, passages_crc32
from app.db.models import Original, PassageRow, TermsRow, UnitRow, Version, utc_now
from app.db.queue import Claim
from app.domain import Article, Heading, PageStart, Stage, Status
from app.index.analysis import ANALYSIS, count_article_terms
from app.index.segments import StoredTerms, pack_terms
from app.runtime.generations import ActiveGeneration
from app.runtime.resources import Resources
from ingest.parse_and_cut import EmbeddedArticle, warn_of_language, warn_of_unknown


def commit_article(
    resources: Resources,
    generation: ActiveGeneration,
    claim: Claim,
    parsed: Article,
    article: Article,
    embedded: EmbeddedArticle,
) -> bool:
    """Make a claimed version live with its vectors; False when the claim is not held any more."""
    language = embedded.receipt.language
    terms = pack_terms(count_article_terms(article.title, article.text, language))
    resources.signals.priority.yield_to_requests()
    with resources.database.write() as session:
        version = queue.hold_claimed(session, claim)
        # Deleted, or taken over by another worker: nothing of it may come back.
        if version is None:
            return False
        store_article(generation, session, version, parsed, article, embedded, terms)
        _prune(session, version, keep=resources.settings.keep_versions)
    return True


def store_article(
    generation: ActiveGeneration,
    session: Session,
    version: Version,
    parsed: Article,
    article: Article,
    embedded: EmbeddedArticle,
    terms: StoredTerms,
) -> None:
    """Make a version live in place of the former one, in the caller's transaction."""
    row = generation.ensure_row(session)
    former = queries.find_live_version(session, version.document_id)
    if former is not None:
        queries.remove_units(session, UnitRow.version_id == former.id)
        session.execute(delete(TermsRow).where(TermsRow.version_id == former.id))
    version.receipt = asdict(embedded.receipt)
    _make_live(session, version, former, parsed, article)
    unit_ids = store_units(session, embedded, version_id=version.id, generation_id=row.vector_set)
    queries.store_terms(
        session, version.id, analysis=ANALYSIS, data=terms.data, data_crc32=terms.crc32
    )
    queries.log_units(session, unit_ids, version.document_id)


def commit_metadata(resources: Resources, claim: Claim, parsed: Article, article: Article) -> bool:
    """Make a claimed version live that reads like the live one: its vectors stay."""
    known = resources.generations.live().checkpoint().languages
    with resources.database.write() as session:
        version = queue.hold_claimed(session, claim)
        if version is None:
            return False
        former = queries.find_live_version(session, version.document_id)
        if former is None:
            # Quarantined or replaced since it was compared: the next attempt embeds it.
            queue.give_back(session, [claim])
            return False
        original = session.get_one(Original, version.original_sha256)
        receipt = former.receipt or {}
        language = receipt.get("language")
        of_model = [
            *warn_of_unknown(receipt.get("tokens_unknown", 0), receipt.get("tokens_counted", 0)),
            *warn_of_language(language, known),
        ]
        version.receipt = {
            **receipt,
            "bytes": len(original.data),
            "warnings": [*article.warnings, *of_model],
        }
        session.execute(
            update(UnitRow).where(UnitRow.version_id == former.id).values(version_id=version.id)
        )
        queries.move_terms(session, former.id, version.id)
        _make_live(session, version, former, parsed, article)
        _prune(session, version, keep=resources.settings.keep_versions)
    return True


def fail_article(
    resources: Resources, claim: Claim, *, stage: Stage, code: str, message: str
) -> None:
    """End a claimed version as failed, if the claim is still held.

    Of those that failed as well only some are kept; what can be rolled back to stays.
    """
    with resources.database.write() as session:
        version = queue.hold_claimed(session, claim)
        if version is not None:
            queue.fail(session, claim, stage=stage, code=code, message=message)
            _prune(session, version, keep=resources.settings.keep_versions, only_failed=True)


def store_units(
    session: Session, embedded: EmbeddedArticle, *, version_id: int, generation_id: int
) -> list[int]:
    """Insert the units and passages of a version; returns the unit ids."""
    rows = []
    for ordinal, (unit, embedding) in enumerate(
        zip(embedded.units, embedded.embeddings, strict=True)
    ):
        vector = embedding.vector.astype("<f4").tobytes()
        passage_vectors = embedding.passages.astype("<f2").tobytes()
        rows.append(
            UnitRow(
                generation_id=generation_id,
                version_id=version_id,
                ordinal=ordinal,
                start=unit.span.start,
                end=unit.span.end,
                tokens=embedding.tokens,
                vector=vector,
                vector_crc32=crc32(vector),
                passage_vectors=passage_vectors,
                passage_vectors_crc32=crc32(passage_vectors),
                passages_crc32=passages_crc32(unit.passages),
            )
        )
    session.add_all(rows)
    session.flush()
    session.add_all(
        PassageRow(
            unit_id=row.id,
            ordinal=ordinal,
            start=passage.span.start,
            end=passage.span.end,
            heading=passage.heading,
            page=passage.page,
        )
        for row, unit in zip(rows, embedded.units, strict=True)
        for ordinal, passage in enumerate(unit.passages)
    )
    return [row.id for row in rows]


def read_article(version: Version) -> Article:
    """Return the article of a ready version as it was embedded, from the database."""
    assert version.text is not None
    return Article(
        text=version.text,
        title=version.title,
        url=version.url,
        attributes=version.attributes,
        headings=tuple(Heading(*heading) for heading in version.headings or ()),
        pages=tuple(PageStart(*page) for page in version.pages or ()),
        warnings=tuple((version.receipt or {}).get("warnings", ())),
    )


def is_intact(session: Session, version: Version) -> bool:
    """Return whether what is stored of a version, if it has anything yet, is undamaged."""
    if version.text is not None and crc32(version.text.encode()) != version.text_crc32:
        return False
    if not is_known(session, version):
        return False
    terms = session.get(TermsRow, version.id)
    if terms is not None and crc32(terms.data) != terms.data_crc32:
        return False
    units = session.execute(
        select(
            UnitRow.vector,
            UnitRow.vector_crc32,
            UnitRow.passage_vectors,
            UnitRow.passage_vectors_crc32,
        ).where(UnitRow.version_id == version.id)
    )
    return all(
        (crc32(vector), crc32(passages)) == (checksum, passages_checksum)
        for vector, checksum, passages, passages_checksum in units
    )


def _make_live(
    session: Session, version: Version, former: Version | None, parsed: Article, article: Article
) -> None:
    if former is not None:
        former.is_live = False
        # The index that allows one live version a document sees the rows one by one.
        session.flush()
    version.status = Status.READY
    version.stage = version.claim_token = version.leased_until = version.next_attempt_at = None
    version.is_live = True
    version.ready_at = utc_now()
    version.title = article.title
    version.url = article.url
    version.attributes = dict(article.attributes or {})
    # Stored even where Python finds it equal to what the upload said: 1 and 1.0, 1 and true.
    flag_modified(version, "attributes")
    version.parsed = {
        "title": parsed.title,
        "url": parsed.url,
        "attributes": dict(parsed.attributes or {}),
    }
    version.text = article.text
    version.text_crc32 = crc32(article.text.encode())
    version.headings = [[h.start, h.level, h.text] for h in article.headings]
    version.pages = [[page.start, page.number] for page in article.pages]
    version.metadata_crc32 = metadata_crc32(session, version)
    queries.replace_attributes(session, version.document_id, queries.looked_up(version))


def _prune(session: Session, version: Version, *, keep: int, only_failed: bool = False) -> None:
    """Erase the versions of an article that are superseded and past the number to keep."""
    session.flush()
    uploads = queries.delete_old_versions(
        session, version.document_id, keep=keep, only_failed=only_failed
    )
    if uploads:
        queries.delete_unused_originals(session, uploads)
