"""Files within a PDF, read as what they are."""

from dataclasses import dataclass, field

from pypdf import PdfReader
from pypdf.errors import PyPdfError
from pypdf.generic import EmbeddedFile

from app.errors import FolioError
from ingest.formats import resolve_media_type
from ingest.parsers.pdf.strings import join_string

_MAX_FILES = 20
_PDF = "application/pdf"


@dataclass(slots=True)
class Attachments:
    """The files that could be read, by name and text, and what to say of the others."""

    names: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    warnings: tuple[str, ...] = ()


def read_attachments(reader: PdfReader) -> Attachments:
    """Return the texts of the embedded files; PDFs within a PDF and unknown types are not read."""
    found = Attachments()
    unread = []
    for file in list(reader.attachment_list)[:_MAX_FILES]:
        name = join_string(file.alternative_name or file.name) or "attachment"
        text = _read(name, file)
        if text:
            found.names.append(name)
            found.texts.append(text)
        else:
            unread.append(name)
    if found.names:
        found.warnings += (f"{len(found.names)} embedded files follow the last page",)
    if unread:
        found.warnings += (f"embedded files not read: {', '.join(unread)}",)
    return found


def _read(name: str, file: EmbeddedFile) -> str:
    # The parsers know this one.
    from ingest.parsers import parse_document

    try:
        data = file.content or b""
        media_type = resolve_media_type("", name, data)
        return "" if media_type == _PDF else parse_document(media_type, data).text.strip()
    except (FolioError, PyPdfError):
        return ""
