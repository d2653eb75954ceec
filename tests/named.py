"""Use cases with collections by their names: what tests and benchmarks may do everywhere."""

from collections.abc import Sequence
from typing import Any

from app.domain import Scope, Status
from app.evaluation.golden import GoldenQuery
from app.runtime.resources import Resources
from app.services.access.collections import BY_JOB, CollectionRef, find_collection
from app.services.access.principal import EVERYONE
from app.services.articles import collections, documents
from app.services.articles.collections import CollectionInfo
from app.services.articles.documents import AcceptedUploads, DocumentInfo, Erased, JobInfo, Upload
from app.services.quality import feedback
from app.services.quality.preflight import Preflight
from app.services.quality.preflight import preflight as preflight_article
from app.services.search import context
from app.services.search import search as searching
from app.services.search.context import Context
from app.services.search.pipeline import SearchRequest
from app.services.search.search import SearchResult
from ingest.sandbox import Sandbox


def ref_of(resources: Resources, name: str) -> CollectionRef:
    """Return a collection that everyone may use; raises NotFound."""
    return find_collection(resources.database, EVERYONE, name, Scope.ADMIN)


def list_collections(resources: Resources) -> list[CollectionInfo]:
    return collections.list_collections(resources.database, EVERYONE)


def get_collection(resources: Resources, name: str) -> CollectionInfo:
    return collections.get_collection(resources.database, ref_of(resources, name))


def delete_collection(resources: Resources, name: str) -> int:
    return collections.delete_collection(resources, ref_of(resources, name), confirmed=name)


def put_documents(resources: Resources, name: str, uploads: Sequence[Upload]) -> AcceptedUploads:
    return documents.put_documents(resources, ref_of(resources, name), uploads)


def get_document(
    resources: Resources,
    name: str,
    document_id: str,
    *,
    with_text: bool = False,
    with_versions: bool = False,
) -> DocumentInfo:
    return documents.get_document(
        resources.database,
        ref_of(resources, name),
        document_id,
        with_text=with_text,
        with_versions=with_versions,
    )


def list_documents(
    resources: Resources,
    name: str,
    *,
    status: Status | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> tuple[list[DocumentInfo], str | None]:
    return documents.list_documents(
        resources.database, ref_of(resources, name), status=status, limit=limit, cursor=cursor
    )


def delete_document(resources: Resources, name: str, document_id: str) -> Erased:
    return documents.delete_document(resources, ref_of(resources, name), document_id)


def get_job(resources: Resources, job_id: str) -> JobInfo:
    collection = find_collection(resources.database, EVERYONE, job_id, Scope.READ, BY_JOB)
    return documents.get_job(resources.database, collection, job_id)


def preflight(
    resources: Resources,
    sandbox: Sandbox,
    name: str,
    upload: Upload,
    golden: Sequence[GoldenQuery] = (),
) -> Preflight:
    return preflight_article(resources, sandbox, ref_of(resources, name), upload, golden)


def record_query(resources: Resources, name: str, result: SearchResult) -> str | None:
    return feedback.record_query(resources, ref_of(resources, name), result)


def search_documents(
    resources: Resources,
    name: str,
    query: str,
    *,
    passages: int = 1,
    rerank: bool = False,
    **options: Any,
) -> SearchResult:
    """Search one collection; `options` are those of a SearchRequest."""
    request = SearchRequest(query, [ref_of(resources, name)], **options)
    return searching.search_documents(resources, request, passages=passages, rerank=rerank)


def build_context(resources: Resources, name: str, query: str, *, max_tokens: int) -> Context:
    request = SearchRequest(query, [ref_of(resources, name)])
    return context.build_context(resources, request, max_tokens=max_tokens)
