"""reStructuredText, read by docutils into HTML, and that into Markdown."""

import io
from typing import Any

from docutils.core import publish_parts
from docutils.utils import SystemMessage
from docutils.writers.html5_polyglot import Writer

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.parsers.html import read_fragment
from ingest.parsers.markdown import find_headings
from ingest.parsers.text import decode_text

_NEVER_HALT = 5
_SETTINGS: dict[str, Any] = {
    # Nothing but the text itself is read: no files, no raw HTML, no configuration of the machine.
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "_disable_config": True,
    "halt_level": _NEVER_HALT,
    # Directives and roles of Sphinx are errors to docutils; their source is kept in the text.
    "report_level": 3,
    "doctitle_xform": False,
    "initial_header_level": 1,
    "syntax_highlight": "none",
    "math_output": "LaTeX",
    "stylesheet_path": [],
    "smart_quotes": False,
    "line_length_limit": 10_000_000,
}


class _BodyWriter(Writer):
    """Writes a body and no page around it, for which a template would be read from a file."""

    def apply_template(self) -> str:
        return ""


def parse_rst(data: bytes, charset: str = "") -> Article:
    """Read reStructuredText; raises UnreadableDocument (`unreadable_rst`)."""
    source, warnings = decode_text(data, charset)
    complaints = io.StringIO()
    try:
        parts = publish_parts(
            source,
            writer=_BodyWriter(),
            settings_overrides={**_SETTINGS, "warning_stream": complaints},
        )
    except (SystemMessage, RecursionError, ValueError, LookupError) as error:
        raise UnreadableDocument(
            f"the reStructuredText cannot be read ({type(error).__name__})", code="unreadable_rst"
        ) from error
    text = read_fragment(parts["html_body"])
    headings = find_headings(text)
    problems = complaints.getvalue().count("(ERROR/")
    if problems:
        warnings += (f"{problems} directives or roles are unknown: kept as they are written",)
    return Article(
        text,
        title=next((heading.text for heading in headings if heading.level == 1), ""),
        headings=headings,
        warnings=warnings,
    )
