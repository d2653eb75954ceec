"""A document as lines that a person reads."""

from collections.abc import Iterator
from typing import Any


def describe_document(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (name, value) of what GET …/documents/{id} answered, without text and empty values."""
    yield "id", document["id"]
    yield "title", document["title"] or "(none)"
    yield "status", _describe_status(document)
    if document["url"]:
        yield "url", document["url"]
    yield "media type", document["media_type"]
    for name, value in document["attributes"].items():
        yield f"@{name}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if document["receipt"] is not None:
        yield from _describe_receipt(document["receipt"])
    yield "uploaded", _minute(document["created_at"])
    yield "updated", _minute(document["updated_at"])
    yield "sha256", document["sha256"]
    for version in document["versions"] or ():
        live = ", answers" if version["live"] else ""
        error = f": {version['error']['code']}" if version["error"] else ""
        yield (
            f"version {version['version']}",
            f"{version['status']}{error}{live}, {_minute(version['created_at'])}",
        )


def _describe_status(document: dict[str, Any]) -> str:
    if (error := document["error"]) is not None:
        return f"failed: {error['code']}: {error['message']}"
    live = document["live_version"]
    if live is None or live == document["version"]:
        return str(document["status"])
    return f"{document['status']}; version {live} answers until it is ready"


def _describe_receipt(receipt: dict[str, Any]) -> Iterator[tuple[str, str]]:
    pages = f" on {receipt['pages']} pages" if receipt["pages"] else ""
    if (share := receipt["pages_with_text"]) is not None and share < 1:
        pages += f", {share:.0%} of them with text"
    yield "read", f"{receipt['bytes']:,} bytes, {receipt['characters']:,} characters{pages}"
    yield (
        "embedded",
        f"{receipt['tokens_embedded']:,} of {receipt['tokens_counted']:,} tokens, "
        f"units {receipt['units']}, passages {receipt['passages']}",
    )
    if receipt["language"]:
        yield "language", receipt["language"]
    if receipt["took_ms"]:
        took = (f"{stage} {ms:,.0f} ms" for stage, ms in receipt["took_ms"].items())
        yield "took", ", ".join(took)
    for warning in receipt["warnings"]:
        yield "warning", warning


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ") + " UTC"
