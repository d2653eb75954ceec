"""reStructuredText, read by docutils into HTML, and that into Markdown."""

import io
from collections.abc import Iterator, Set
from typing import Any

from docutils import nodes
from docutils.core import publish_parts
from docutils.readers.standalone import Reader
from docutils.utils import SystemMessage
from docutils.writers.html5_polyglot import Writer

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.parsers.html import read_fragment
from ingest.parsers.markdown import find_headings
from ingest.parsers.sphinx import reading_unknown
from ingest.parsers.text import decode_text

_NEVER_HALT = 5
# Of the names in a warning.
_NAMED = 5
_SETTINGS: dict[str, Any] = {
    # Nothing but the text itself is read: no files and no configuration of the machine.
    "file_insertion_enabled": False,
    "_disable_config": True,
    "halt_level": _NEVER_HALT,
    "report_level": 3,
    "doctitle_xform": False,
    "initial_header_level": 1,
    "syntax_highlight": "none",
    "math_output": "LaTeX",
    "stylesheet_path": [],
    "smart_quotes": False,
    "line_length_limit": 10_000_000,
}


# What docutils says of a directive that would read a file.
_OF_FILES = ("directive disabled", "File and URL access deactivated")


class _Reader(Reader):  # type: ignore[type-arg]  # generic in its types alone
    """Counts the directives that would read a file, of which docutils leaves no trace."""

    left_out = 0

    def new_document(self) -> nodes.document:
        document = super().new_document()
        document.reporter.attach_observer(self._note)
        return document

    def _note(self, message: nodes.system_message) -> None:
        self.left_out += any(said in message.astext() for said in _OF_FILES)


class _BodyWriter(Writer):
    """Writes a body and no page around it, for which a template would be read from a file."""

    left_out = 0
    """Blocks for other formats, such as LaTeX."""

    def apply_template(self) -> str:
        return ""

    def translate(self) -> None:
        assert self.document is not None
        _take_out_messages(self.document)
        blocks = self.document.findall(nodes.raw)
        self.left_out = sum("html" not in block["format"].split() for block in blocks)
        super().translate()


def _take_out_messages(document: nodes.document) -> None:
    """Leave of docutils' messages the source that they quote."""
    for message in list(document.findall(nodes.system_message)):
        quoted = [node for node in message.children if isinstance(node, nodes.literal_block)]
        message.parent.replace(message, quoted)
    for section in list(document.findall(nodes.section)):
        if "system-messages" in section["classes"]:
            section.parent.remove(section)


def parse_rst(data: bytes, charset: str = "") -> Article:
    """Read reStructuredText; raises UnreadableDocument (`unreadable_rst`)."""
    source, warnings = decode_text(data, charset)
    complaints, reader, writer = io.StringIO(), _Reader(), _BodyWriter()
    unknown: set[str] = set()
    try:
        with reading_unknown(unknown):
            parts = publish_parts(
                source,
                reader=reader,
                writer=writer,
                settings_overrides={**_SETTINGS, "warning_stream": complaints},
            )
    except (SystemMessage, RecursionError, ValueError, LookupError) as error:
        raise UnreadableDocument(
            f"the reStructuredText cannot be read ({type(error).__name__})", code="unreadable_rst"
        ) from error
    text = read_fragment(parts["html_body"])
    headings = find_headings(text, is_written=True)
    faults = complaints.getvalue().count("(ERROR/")
    return Article(
        text,
        title=next((heading.text for heading in headings if heading.level == 1), ""),
        headings=headings,
        warnings=(*warnings, *_warn(unknown, faults, reader.left_out, writer.left_out)),
    )


def _warn(unknown: Set[str], faults: int, of_files: int, for_others: int) -> Iterator[str]:
    if unknown:
        names = ", ".join(sorted(unknown)[:_NAMED])
        yield f"{len(unknown)} directives and roles are unknown, and read as text: {names}"
    if faults:
        yield f"{faults} faults of the notation: kept as they are written"
    if of_files:
        yield f"{of_files} directives would read other files: left out"
    if for_others:
        yield f"{for_others} raw blocks are not HTML: left out"
