"""What the retrievers of all frameworks say of a hit."""

from typing import Any
from urllib.parse import quote

from folio_client.models import Hit


def join_passages(hit: Hit) -> str:
    """Return the passages of an article as they were quoted, rows under their table's head."""
    return "\n\n".join(passage.table_head + passage.text for passage in hit.passages)


def describe(hit: Hit) -> dict[str, Any]:
    """Return where the text comes from and how sure it is; `untrusted`: it is data, no orders.

    An attribute of the article that has one of these names is `attributes.NAME`.
    """
    said = {
        "score": hit.score,
        "title": hit.title,
        # As MCP clients read it: an id is one part, whatever slashes it holds.
        "source": hit.url or f"folio://{hit.collection}/{quote(hit.document_id, safe='')}",
        "collection": hit.collection,
        "document_id": hit.document_id,
        "version": hit.version,
        "sha256": hit.sha256,
        "passages": [
            {"start": p.start, "end": p.end, "score": p.score, "heading": p.heading, "page": p.page}
            for p in hit.passages
        ],
        "untrusted": True,
    }
    own = {
        f"attributes.{key}" if key in said else key: hit.attributes[key] for key in hit.attributes
    }
    return {**own, **said}
