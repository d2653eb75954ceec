"""Word documents (DOCX): read from the XML itself, as a reader sees them.

The format: ISO/IEC 29500-1, chapter 17, strict or transitional.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.domain import Article
from app.errors import UnreadableDocument, UnsupportedMediaType
from ingest.formats import resolve_media_type
from ingest.parsers.blocks import Block, join_blocks
from ingest.parsers.docx.fields import PAGE_FIELDS
from ingest.parsers.docx.numbering import Numbering
from ingest.parsers.docx.runs import Context
from ingest.parsers.docx.story import Story
from ingest.parsers.docx.styles import Styles
from ingest.parsers.ooxml import (
    NAMESPACES,
    Element,
    Parts,
    find,
    find_all,
    get,
    name_of,
    open_parts,
    read_title,
)
from ingest.parsers.ordinals import show_ordinal

_MAIN = "word/document.xml"
# What is left of a header when its page number is taken away.
_ONLY_PAGE = re.compile(
    r"(?:page|seite|pagina|página|p\.|of|von|de|di|sur|[\W\d_])*", re.IGNORECASE
)
_CHUNKS_LEFT_OUT = "{} files inside the document could not be read"


def parse_docx(data: bytes, charset: str = "") -> Article:
    """Read a Word document: insertions that were tracked count as made, deletions as gone.

    Notes and comments follow the paragraph that refers to them; hidden text is left out. Raises
    UnreadableDocument: `unreadable_docx`, `encrypted`, or what `open_parts` refuses.
    """
    del charset  # XML says how it is encoded.
    return _parse(data, depth=0)


def _parse(data: bytes, *, depth: int) -> Article:
    # A document within a document within a document is nobody's text.
    if depth > 1:
        raise UnreadableDocument("the document nests too deep", code="too_deep")
    parts = open_parts(data)
    try:
        blocks, warnings = _Document(parts, depth).read()
    except RecursionError as error:
        raise UnreadableDocument("the document nests too deep", code="too_deep") from error
    text, headings = join_blocks(blocks)
    first = next((h for h in headings if h.level == 1), headings[0] if headings else None)
    title = read_title(parts) or (first.text if first is not None else "")
    return Article(text, title=title, headings=headings, warnings=warnings + parts.warn())


@dataclass(slots=True)
class _Notes:
    """The notes of one kind by their ids, and how many have been referred to."""

    part: str
    kind: str
    elements: dict[str, Element] = field(default_factory=dict)
    count: int = 0


class _Document:
    """A document while it is read: the stories around the body come in where it refers to them."""

    def __init__(self, parts: Parts, depth: int) -> None:
        self._parts = parts
        self._depth = depth
        self._warnings_of_chunks: dict[str, None] = {}
        self._main = parts.find_main() or _MAIN
        root = parts.parse(self._main)
        body = find(root, "w:body")
        if body is None:
            raise UnreadableDocument("the Word document contains no text", code="unreadable_docx")
        self._body = body
        self._notes = {
            "w:footnoteReference": self._open_notes("footnotes", "w:footnote"),
            "w:endnoteReference": self._open_notes("endnotes", "w:endnote"),
            "w:commentReference": self._open_notes("comments", "w:comment"),
        }
        self._context = Context(
            parts,
            Styles(self._parse_related("styles")),
            Numbering(self._parse_related("numbering")),
            write_note=self._write_note,
            read_chunk=self._read_chunk,
        )

    def read(self) -> tuple[list[Block], tuple[str, ...]]:
        """Return the blocks of the whole document, and warnings on what is not among them."""
        blocks = Story(self._context, self._main, self._body).read(self._body)
        blocks += self._read_comments_left()
        words = " ".join(" ".join(block.text.split()) for block in blocks)
        heads = [Block(text) for text in self._list_furniture("header") if text not in words]
        feet = [Block(text) for text in self._list_furniture("footer") if text not in words]
        counts = self._context.counts
        relations = self._parts.relations(self._main).values()
        if embedded := sum(r.kind in {"package", "oleObject"} for r in relations):
            counts["{} embedded files were left out"] = embedded
        warnings = [words.format(count) for words, count in counts.items()]
        return [*heads, *blocks, *feet], (*warnings, *self._warnings_of_chunks)

    def _parse_related(self, kind: str) -> Element | None:
        part = self._parts.find_related(self._main, kind)
        return self._parts.parse(part) if part else None

    def _open_notes(self, kind: str, name: str) -> _Notes:
        part = self._parts.find_related(self._main, kind)
        root = self._parts.parse(part) if part else None
        found = find_all(root, name)
        return _Notes(part, kind, {get(e, "w:id"): e for e in found})

    def _write_note(self, reference: Element) -> tuple[str, Block | None]:
        notes = self._notes[name_of(reference)]
        element = notes.elements.get(get(reference, "w:id"))
        if element is None:
            return "", None
        if notes.kind == "comments":
            notes.elements.pop(get(reference, "w:id"))
            return "", self._write_comment(notes.part, element)
        words = self._read_aside(notes.part, element)
        if get(reference, "w:customMarkFollows") in {"1", "true", "on"}:
            return "", Block(words)
        notes.count += 1
        kind = "lowerRoman" if notes.kind == "endnotes" else "decimal"
        mark = f"[^{show_ordinal(notes.count, kind)}]"
        return mark, Block(f"{mark}: {words}" if words else "")

    def _write_comment(self, part: str, element: Element) -> Block:
        words = self._read_aside(part, element)
        author = " ".join(get(element, "w:author").split())
        return Block(f"Comment{f' ({author})' if author else ''}: {words}" if words else "")

    def _read_aside(self, part: str, element: Element) -> str:
        blocks = Story(self._context, part, element).read(element)
        return " ".join(" ".join(block.text.split()) for block in blocks)

    def _read_comments_left(self) -> Iterator[Block]:
        """Yield the comments that no place in the text refers to."""
        comments = self._notes["w:commentReference"]
        for element in comments.elements.values():
            yield self._write_comment(comments.part, element)

    def _list_furniture(self, kind: str) -> Iterator[str]:
        """Yield the different headers or footers, without those that only number the pages."""
        seen = set()
        relations = self._parts.relations(self._main)
        for reference in self._body.iter(f"{{{NAMESPACES['w']}}}{kind}Reference"):
            relation = relations.get(get(reference, "r:id"))
            root = self._parts.parse(relation.target) if relation is not None else None
            if relation is None or root is None:
                continue
            blocks = Story(self._context, relation.target, root, PAGE_FIELDS).read(root)
            for block in blocks:
                text = " ".join(block.text.split())
                if text not in seen and not _ONLY_PAGE.fullmatch(text):
                    seen.add(text)
                    yield text

    def _read_chunk(self, part: str) -> Block | None:
        """Return what a file that is part of the text says (an alternative format chunk)."""
        # Imported here: it imports this module by the format's name.
        from ingest.parsers import find_parser

        data = self._parts.read(part)
        try:
            # A page with what belongs to it (MHTML) is a message of its parts.
            name = re.sub(r"\.mht(?:ml)?$", ".eml", part.lower())
            kind, _, charset = resolve_media_type("", name, data).partition("; charset=")
            parser = find_parser(kind)
            article = (
                _parse(data, depth=self._depth + 1)
                if parser is parse_docx
                else parser(data, charset)
            )
        except (UnreadableDocument, UnsupportedMediaType):
            self._context.counts[_CHUNKS_LEFT_OUT] += 1
            return None
        self._warnings_of_chunks |= dict.fromkeys(article.warnings)
        return Block(article.text, headings=article.headings)
