"""Why a document cannot be ranked for a question: not there, not read, not allowed, filtered."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.db import queries
from app.domain import Condition, Filter, Status
from app.services.access.collections import CollectionRef
from app.services.access.keys import find_refusal
from app.services.articles.documents import VersionInfo, describe_version
from app.services.search.explanations import State
from app.services.search.pipeline import SearchRequest
from ingest.ids import normalize_id


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is asked: a search of one collection, and a document of it."""

    search: SearchRequest
    document_id: str
    version: int | None = None
    """Ask for this one; None for the document, whichever version answers."""
    passages: int = 3
    key_id: str | None = None
    """Whether this key would see it; None asks for the caller."""

    @property
    def collection(self) -> CollectionRef:
        """The collection of the document."""
        return self.search.collections[0]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a document cannot be ranked; `state` None when it can, and `reason` then a remark."""

    state: State | None
    reason: str
    versions: tuple[VersionInfo, ...] = ()
    row_id: int = 0


def find_obstacle(session: Session, inquiry: Inquiry) -> Obstacle:
    """Return what keeps a document out of the answers, before anything is ranked."""
    collection = inquiry.collection
    if inquiry.key_id is not None:
        refusal = find_refusal(session, inquiry.key_id, collection.name)
        if refusal is not None:
            return Obstacle(State.NOT_ALLOWED, refusal)
    document = queries.find_document(session, collection.id, normalize_id(inquiry.document_id))
    if document is None:
        return Obstacle(State.NOT_THERE, f"no such document in {collection.name}")
    versions = tuple(describe_version(v) for v in queries.list_versions(session, document.id))
    state, reason = _judge_versions(versions, inquiry.version)
    filters = inquiry.search.filters
    if state is None and filters is not None:
        unmet = _unmet_conditions(session, collection.id, document.id, filters)
        if unmet:
            state, reason = State.FILTERED, f"it does not meet the filter on {', '.join(unmet)}"
    return Obstacle(state, reason, versions, document.id)


def _judge_versions(
    versions: Sequence[VersionInfo], wanted: int | None
) -> tuple[State | None, str]:
    """Return why the wanted version does not answer, or a remark on one that waits or failed."""
    live = next((version for version in versions if version.live), None)
    latest = versions[0]
    asked = latest if wanted is None else _find_version(versions, wanted)
    if asked is None:
        return State.NOT_THERE, f"it has no version {wanted}, or not any more"
    if asked.live:
        return None, ""
    if asked.status is Status.READY:
        now = f"version {live.version} answers" if live else "no version answers"
        return State.SUPERSEDED, f"version {asked.version} was superseded: {now}"
    described = _describe_waiting(asked)
    if live is not None and wanted is None:
        return None, f"version {live.version} answers, since {described}"
    return State(asked.status.value), described


def _find_version(versions: Sequence[VersionInfo], number: int) -> VersionInfo | None:
    return next((version for version in versions if version.version == number), None)


def _describe_waiting(version: VersionInfo) -> str:
    if version.error is not None:
        return f"version {version.version} failed: {version.error.code}: {version.error.message}"
    return f"version {version.version} is {version.status}"


def _unmet_conditions(
    session: Session, collection_id: int, row_id: int, condition: Filter
) -> list[str]:
    """Return the keys of the conditions that keep a document out; empty when it meets them."""
    if row_id in queries.filter_documents(session, collection_id, condition):
        return []
    if isinstance(condition, Condition):
        return [condition.key]
    if condition.type == "not":
        # Of what must not hold something does.
        return _list_keys(condition)
    parts = (_unmet_conditions(session, collection_id, row_id, part) for part in condition.filters)
    return list(dict.fromkeys(key for part in parts for key in part))


def _list_keys(condition: Filter) -> list[str]:
    if isinstance(condition, Condition):
        return [condition.key]
    return list(dict.fromkeys(key for part in condition.filters for key in _list_keys(part)))
