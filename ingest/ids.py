"""What the id of a document can be, whoever gives it."""

import unicodedata

from app.errors import InvalidRequest

MAX_ID_BYTES = 256
_MAX_SHOWN = 64


def normalize_id(document_id: str) -> str:
    """Return the id in NFC; raises InvalidRequest, which names it, when it cannot be one."""
    normalized = unicodedata.normalize("NFC", document_id)
    shown = repr(normalized[:_MAX_SHOWN]) + ("…" if len(normalized) > _MAX_SHOWN else "")
    size = len(normalized.encode("utf-8", "surrogatepass"))
    if not 1 <= size <= MAX_ID_BYTES:
        raise InvalidRequest(
            f"a document id has 1 to {MAX_ID_BYTES} bytes; {shown} has {size}", code="invalid_id"
        )
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in normalized):
        raise InvalidRequest(
            f"a document id holds no control characters; {shown} does", code="invalid_id"
        )
    # Clients and proxies resolve these in a path: `documents/..` is the collection's own route.
    if not {".", ".."}.isdisjoint(normalized.split("/")):
        raise InvalidRequest(
            f'a document id has no part that is "." or ".."; {shown} has, and clients read these '
            "as folders",
            code="invalid_id",
        )
    return normalized
