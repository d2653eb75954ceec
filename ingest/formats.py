"""Which formats are read, and how a file's is told. The parsers' libraries are not needed here."""

from email.message import Message

from app.errors import UnsupportedMediaType

_SUFFIXES = {
    ".txt": "text/plain",
    ".text": "text/plain",
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "application/xhtml+xml",
    ".pdf": "application/pdf",
}
_ALIASES = {"text/x-markdown": "text/markdown", "application/x-pdf": "application/pdf"}
# What clients send when they do not know; the name says more.
_UNSPECIFIC = {"", "application/octet-stream", "binary/octet-stream"}

SUFFIXES = frozenset(_SUFFIXES)
MEDIA_TYPES = tuple(dict.fromkeys(_SUFFIXES.values()))


def resolve_media_type(content_type: str, filename: str) -> str:
    """Return the media type to parse by, from a declared type and a file name.

    A declared charset is kept: `text/html; charset=iso-8859-1`. Raises UnsupportedMediaType, which
    names the types that are read, for any other.
    """
    message = Message()
    message["content-type"] = content_type
    charset = message.get_content_charset()
    # Not get_content_type(): it takes what it cannot read for text/plain.
    declared = content_type.partition(";")[0].strip().lower() if "/" in content_type else ""
    declared = _ALIASES.get(declared, declared)
    suffix = "." + filename.lower().rpartition(".")[2] if "." in filename else ""
    # Many clients send Markdown as text/plain.
    if declared in _UNSPECIFIC or (declared == "text/plain" and suffix in _SUFFIXES):
        declared = _SUFFIXES.get(suffix, declared)
    if declared not in MEDIA_TYPES:
        raise UnsupportedMediaType(
            f"{declared or suffix or 'a file without a type'} is not read; "
            f"these are: {', '.join(MEDIA_TYPES)}"
        )
    return f"{declared}; charset={charset}" if charset else declared
