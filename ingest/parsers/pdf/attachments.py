"""Files within a PDF, read as what they are."""

from dataclasses import dataclass, field

from pypdf import PdfReader
from pypdf.errors import PyPdfError
from pypdf.generic import EmbeddedFile

from app.domain import Article
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
    warnings: dict[str, None] = {}
    for number, file in enumerate(reader.attachment_list):
        name = join_string(file.alternative_name or file.name) or "attachment"
        article = _read(name, file) if number < _MAX_FILES else None
        if article is not None:
            found.names.append(name)
            found.texts.append(article.text.strip())
            warnings |= dict.fromkeys(f"{name}: {warning}" for warning in article.warnings)
        else:
            unread.append(name)
    if found.names:
        found.warnings += (f"{len(found.names)} embedded files follow the last page",)
    if unread:
        more = f" and {len(unread) - _MAX_FILES} more" if len(unread) > _MAX_FILES else ""
        found.warnings += (f"embedded files not read: {', '.join(unread[:_MAX_FILES])}{more}",)
    found.warnings += tuple(warnings)
    return found


def _read(name: str, file: EmbeddedFile) -> Article | None:
    # The parsers know this one.
    from ingest.parsers import parse_document

    try:
        data = file.content or b""
        media_type = resolve_media_type("", name, data)
        return None if media_type == _PDF else parse_document(media_type, data)
    except (FolioError, PyPdfError):
        return None
