"""Which formats are read, and how a file's is told. The parsers' libraries are not needed here.

The bytes decide where they can: PDF, office files, RTF and the like begin with marks of their own.
Formats that are all text (Markdown, CSV, reStructuredText …) are told by type and name.
"""

import re

from app.errors import UnreadableDocument, UnsupportedMediaType
from ingest.package import open_package, read_member

_OOXML = "application/vnd.openxmlformats-officedocument."
_DOCX = f"{_OOXML}wordprocessingml.document"
_PPTX = f"{_OOXML}presentationml.presentation"
_XLSX = f"{_OOXML}spreadsheetml.sheet"
_XLS = "application/vnd.ms-excel"
_OPENDOCUMENT = "application/vnd.oasis.opendocument."
ZIP = "application/zip"
JSON_LINES = "application/jsonl"
INVALID_LINE = "application/x-invalid-json-line"
"""Of a line of a JSON Lines file that holds no article: it fails alone."""
INVALID_NAME = "application/x-invalid-name"
"""Of a member of an archive whose name cannot be an id; its content says why."""
UNKNOWN = "application/octet-stream"

_SUFFIXES = {
    ".txt": "text/plain",
    ".text": "text/plain",
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "application/xhtml+xml",
    ".pdf": "application/pdf",
    ".docx": _DOCX,
    ".docm": _DOCX,
    ".dotx": _DOCX,
    ".pptx": _PPTX,
    ".pptm": _PPTX,
    ".ppsx": _PPTX,
    ".xlsx": _XLSX,
    ".xlsm": _XLSX,
    ".xlsb": _XLSX,
    ".xls": _XLS,
    ".odt": f"{_OPENDOCUMENT}text",
    ".ods": f"{_OPENDOCUMENT}spreadsheet",
    ".odp": f"{_OPENDOCUMENT}presentation",
    ".epub": "application/epub+zip",
    ".rtf": "application/rtf",
    ".eml": "message/rfc822",
    ".json": "application/json",
    ".ipynb": "application/x-ipynb+json",
    ".rst": "text/x-rst",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
}
_BUNDLES = {".zip": ZIP, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES}
_ALIASES = {
    "text/x-markdown": "text/markdown",
    "application/x-pdf": "application/pdf",
    "text/rtf": "application/rtf",
    "application/csv": "text/csv",
    "text/prs.fallenstein.rst": "text/x-rst",
    "application/x-ndjson": JSON_LINES,
    "application/json-lines": JSON_LINES,
    "application/x-zip-compressed": ZIP,
    "text/json": "application/json",
}
# What clients send when they do not know; the name says more.
_UNSPECIFIC = {"", UNKNOWN, "binary/octet-stream"}

SUFFIXES = frozenset(_SUFFIXES)
"""Of the files that are one article."""
MEDIA_TYPES = tuple(dict.fromkeys(_SUFFIXES.values()))
BUNDLE_TYPES = tuple(dict.fromkeys(_BUNDLES.values()))
BUNDLE_SUFFIXES = frozenset(_BUNDLES)

# A name that is registered has 40 characters at most (RFC 2978).
_CHARSET = re.compile(
    r';[ \t]*charset[ \t]*=[ \t]*"?([!#-:<-~]{1,40})"?[ \t]*(?:;|$)', re.IGNORECASE
)
_TEXTS = {
    "application/xhtml+xml",
    "application/json",
    "application/x-ipynb+json",
    "message/rfc822",
    JSON_LINES,
}
_META_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"\s*<\?xml[^>]+encoding\s*=\s*[\"']([\w-]+)", re.IGNORECASE)
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_DECLARATION_BYTES = 4096
_MARK_BYTES = 1024
_HTML_MARK = re.compile(
    # A comment ends at its first mark: tried with each later one too, forty of them took hours.
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?>.*?-->)\s*)*+<(?:!doctype\s+html|html[\s>])",
    re.IGNORECASE | re.DOTALL,
)
_FOLDERS = {"word/": _DOCX, "ppt/": _PPTX, "xl/": _XLSX}
# Excel 2, 3 and 4 wrote the sheet itself, without a container.
_OLD_SHEETS = (b"\x09\x00\x04\x00", b"\x09\x02\x06\x00", b"\x09\x04\x06\x00")
# Other kinds of file that a name may hide.
_FOREIGN = {
    b"\x89PNG\r\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"\x1f\x8b": "application/gzip",
    b"\x7fELF": "application/x-executable",
    b"7z\xbc\xaf\x27\x1c": "application/x-7z-compressed",
    b"Rar!\x1a\x07": "application/vnd.rar",
}


def resolve_media_type(content_type: str, filename: str, data: bytes = b"") -> str:
    """Return the media type to parse by, from a declared type, a file name and the bytes.

    A declared charset is kept: `text/html; charset=iso-8859-1`. Raises UnsupportedMediaType, which
    names the types that are read, for any other.
    """
    charset = find_charset(content_type)
    declared = content_type.partition(";")[0].strip().lower() if "/" in content_type else ""
    declared = _ALIASES.get(declared, declared)
    suffix = "." + filename.lower().rpartition(".")[2] if "." in filename else ""
    named = (_SUFFIXES | _BUNDLES).get(suffix, "")
    # Many clients send Markdown as text/plain, and notebooks as JSON.
    if declared in _UNSPECIFIC or (named and declared in ("text/plain", "application/json")):
        declared = named or declared
    media_type = detect_media_type(data, declared) or declared
    if media_type not in MEDIA_TYPES and media_type not in BUNDLE_TYPES:
        raise UnsupportedMediaType(
            f"{media_type or suffix or 'a file without a type'} is not supported; "
            f"supported types: {', '.join(MEDIA_TYPES)}"
        )
    return f"{media_type}; charset={charset}" if charset else media_type


def find_charset(content_type: str) -> str:
    """Return the charset that a Content-Type names, in lower case; "" for none."""
    found = _CHARSET.search(content_type)
    return found[1].lower() if found else ""


def find_page_charset(data: bytes) -> str:
    """Return the charset that a page of HTML or XHTML names itself; "" for none."""
    head = _COMMENT.sub(b"", data[:_DECLARATION_BYTES])
    found = _META_CHARSET.search(head) or _XML_ENCODING.match(head)
    return found[1].decode("ascii", "replace") if found else ""


def detect_media_type(data: bytes, declared: str = "") -> str:
    """Return the media type that the first bytes (or the members of a ZIP) show; "" for none."""
    head = data[:_MARK_BYTES]
    # Some PDFs have other bytes before their mark, and some texts are about it.
    is_text = declared.startswith("text/") or declared in _TEXTS
    if head.lstrip().startswith(b"%PDF-") or (b"%PDF-" in head and not is_text):
        return "application/pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _detect_container(data, declared)
    if head.startswith(b"{\\rtf"):
        return "application/rtf"
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        return _detect_compound(data, declared)
    if head.startswith(_OLD_SHEETS):
        return _XLS
    if declared in ("", "text/plain", UNKNOWN) and _HTML_MARK.match(
        head.removeprefix(b"\xef\xbb\xbf")
    ):
        return "text/html"
    return next((kind for mark, kind in _FOREIGN.items() if head.startswith(mark)), "")


def _detect_container(data: bytes, declared: str) -> str:
    """Tell office files and books by what the ZIP container holds; damaged, by what is declared."""
    try:
        package = open_package(data)
    except UnreadableDocument:
        # Whoever opens it refuses it by its code.
        return declared if declared in MEDIA_TYPES else ZIP
    names = package.namelist()
    if "mimetype" in names and package.getinfo("mimetype").file_size <= _MARK_BYTES:
        # EPUB and OpenDocument name themselves; templates and the like have longer names.
        written = read_member(package, "mimetype").decode("latin-1").strip()
        return written if written in MEDIA_TYPES else declared or ZIP
    if "[Content_Types].xml" in names:
        kinds = (kind for folder, kind in _FOLDERS.items() for n in names if n.startswith(folder))
        return next(kinds, declared or ZIP)
    return ZIP


def _detect_compound(data: bytes, declared: str) -> str:
    """Tell Microsoft's older container: Excel's is read, Word's and PowerPoint's are not."""
    # Excel 5 and 95 call the stream by the shorter name.
    if any(f"{name}\0".encode("utf-16-le") in data for name in ("Workbook", "Book", "WORKBOOK")):
        return _XLS
    if "EncryptedPackage".encode("utf-16-le") in data:
        # A newer file under a password: its parser says so.
        return declared if declared in _FOLDERS.values() else _XLS
    return "application/x-ole-storage"
