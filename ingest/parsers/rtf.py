"""Rich text (RTF): read by striprtf, which drops structure; marks carry headings and cells over.

The format: Microsoft's Rich Text Format Specification 1.9.1.
"""

import re
from collections.abc import Iterator
from itertools import groupby

from striprtf.striprtf import rtf_to_text

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.parsers.markdown import find_headings
from ingest.parsers.tables import render_table

# Private characters, which no text holds by itself; group 0 stands for the control word.
_HEADING_MARK, _CELL_MARK, _ROW_MARK = "\ue000", "\ue001", "\ue002"
_CONTROL = re.compile(
    r"(?<!\\)((?:\\\\)*)\\(?:outlinelevel(?P<level>[0-8])|(?P<cell>nestcell|cell)"
    r"|(?P<row>nestrow|row))(?![A-Za-z0-9])"
)
# striprtf leaves footnotes out, and stumbles over a picture that does not say how long it is.
_NOTE = re.compile(r"(?<!\\)((?:\\\\)*)\\(?:footnote|bin)(?![A-Za-z0-9-])")
_PICTURE = re.compile(r"(?<!\\)(?:\\\\)*\\pict(?![a-z])")
_ITEM = re.compile(r"^\t*[•⁃◦▪·]\t")
_NUMBERED_ITEM = re.compile(r"^\t*(\d{1,3}[.)])\t")
_TITLE = re.compile(r"\{\\title ([^{}\\]*)\}")


def parse_rtf(data: bytes, charset: str = "") -> Article:
    """Read rich text; raises UnreadableDocument (`unreadable_rtf`) when it is none."""
    del charset  # RTF is ASCII and says what its escapes stand for.
    source = data.decode("latin-1")
    if not source.lstrip().startswith("{\\rtf"):
        raise UnreadableDocument("the file does not begin as RTF", code="unreadable_rtf")
    try:
        plain = rtf_to_text(  # type: ignore[no-untyped-call]  # comes without types
            _CONTROL.sub(_mark, _NOTE.sub(r"\1 ", source)), encoding="cp1252", errors="replace"
        )
    # striprtf looks code pages and numbers up without a check.
    except (ValueError, LookupError, OverflowError, RecursionError) as error:
        raise UnreadableDocument(
            f"the RTF is damaged ({type(error).__name__})", code="unreadable_rtf"
        ) from error
    text = "\n\n".join(_render_blocks(plain)).strip()
    headings = find_headings(text)
    named = _TITLE.search(source)
    images = len(_PICTURE.findall(source))
    return Article(
        text,
        title=(named[1].strip() if named else "")
        or next((heading.text for heading in headings if heading.level == 1), ""),
        headings=headings,
        warnings=(f"{images} images were left out",) if images else (),
    )


def _mark(control: re.Match[str]) -> str:
    if control["level"]:
        mark = _HEADING_MARK * (int(control["level"]) + 1)
    else:
        mark = _CELL_MARK if control["cell"] else _ROW_MARK
    kept = control[0] if control["level"] else control[1]
    escapes = "".join(f"\\u{ord(character) - 65536}?" for character in mark)
    return f"{kept}{{\\uc1{escapes}}}"


def _render_blocks(plain: str) -> Iterator[str]:
    lines = (line for line in re.split(r"\n|(?<=\ue002)", plain) if line.strip())
    for kind, group in groupby(lines, key=_kind_of):
        if kind == "table":
            rows = "".join(group).replace("\n", " ").split(_ROW_MARK)
            yield render_table([row.split(_CELL_MARK)[:-1] or [row] for row in rows])
        elif kind == "list":
            yield "\n".join(_NUMBERED_ITEM.sub(r"\1 ", _ITEM.sub("- ", line)) for line in group)
        else:
            yield from map(_render_line, group)


def _kind_of(line: str) -> str:
    if _CELL_MARK in line or _ROW_MARK in line:
        return "table"
    return "list" if _ITEM.match(line) or _NUMBERED_ITEM.match(line) else "text"


def _render_line(line: str) -> str:
    level = min(line.count(_HEADING_MARK), 6)
    words = line.replace(_HEADING_MARK, "").strip()
    return f"{'#' * level} {' '.join(words.split())}" if level and words else words
