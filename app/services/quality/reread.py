"""One stored document read anew from its upload, beside what is stored of it."""

from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import queries
from app.db.models import Document, Original
from app.domain import Article, Status
from app.errors import CorruptData, FolioError, ParserUnavailable
from app.index.analysis import count_article_terms
from app.index.language import detect_language
from app.services.articles.documents import Upload, upload_again
from app.services.quality.rehearsal import term_similarity
from ingest.commit import is_intact, read_article
from ingest.parse_and_cut import apply_declared
from ingest.pipeline import reads_alike
from ingest.sandbox import Sandbox


@dataclass(frozen=True, slots=True)
class Source:
    """The latest upload of a document, and what answers for it."""

    document_id: int
    version: int
    upload: Upload
    sha256: str
    live: Article | None
    """None where nothing answers, or what does is damaged."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What would be another text: words, and how much of the wording stays, 0 to 1.

    Without a `before` no version of the document could be read.
    """

    id: str
    title: str
    words_before: int | None
    words_after: int
    similarity: float
    headings_before: int
    headings_after: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unread:
    """An upload that cannot be read; what answered for it goes on to."""

    id: str
    code: str
    message: str
    answers: bool


def find_source(session: Session, document: Document | None) -> Source | None:
    """Return what a document is read from; None while its latest version waits or is read."""
    if document is None:
        return None
    latest = queries.find_latest_version(session, document)
    if latest is None or latest.status not in {Status.READY, Status.FAILED}:
        return None
    live = queries.find_live_version(session, document.id)
    original = session.get_one(Original, latest.original_sha256)
    return Source(
        document.id,
        latest.number,
        upload_again(document, latest, original.data),
        original.sha256,
        read_article(live) if live is not None and is_intact(session, live) else None,
    )


def list_next(session: Session, collection_id: int, *, after: int, limit: int) -> list[Document]:
    """Return the documents of a collection that come after one, in the order of their rows."""
    return list(
        session.scalars(
            select(Document)
            .where(Document.collection_id == collection_id, Document.id > after)
            .order_by(Document.id)
            .limit(limit)
        )
    )


def read_anew(sandbox: Sandbox, source: Source) -> Difference | Unread | None:
    """Return what is different or wrong; None where the document reads as it is stored.

    Raises ParserUnavailable: that is no fault of the document.
    """
    try:
        if sha256(source.upload.data).hexdigest() != source.sha256:
            raise CorruptData("the stored upload fails its checksum; upload the document again")
        parsed = sandbox.parse(source.upload.media_type, source.upload.data)
    except ParserUnavailable:
        raise
    except FolioError as error:
        return Unread(source.upload.id, error.code, str(error), source.live is not None)
    article = apply_declared(parsed, source.upload.declared(), source.upload.filename)
    if source.live is not None and reads_alike(article, source.live):
        return None
    return _compare(source.upload.id, article, source.live)


def _compare(document_id: str, article: Article, live: Article | None) -> Difference:
    language = detect_language(article.text)
    terms = count_article_terms(article.title, article.text, language)
    stored = live and count_article_terms(live.title, live.text, language)
    known = live.warnings if live is not None else ()
    return Difference(
        document_id,
        article.title,
        None if live is None else len(live.text.split()),
        len(article.text.split()),
        round(term_similarity(terms, stored), 3) if stored else 0.0,
        0 if live is None else len(live.headings),
        len(article.headings),
        tuple(warning for warning in article.warnings if warning not in known),
    )
