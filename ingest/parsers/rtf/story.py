"""Stories of rich text (the body, notes, boxes, headers) as they grow, paragraph by paragraph."""

import re
from dataclasses import dataclass, field

from ingest.parsers.blocks import Block
from ingest.parsers.docx.lines import Line
from ingest.parsers.rtf.tables import RowLook, write_rows

_BULLET = re.compile(r"[^\w]|[o§]|")
_MAX_HEADING = 300
_INDENT = "   "


@dataclass(slots=True)
class ParagraphState:
    """What control words say of a paragraph until `\\pard`."""

    style: int = 0
    outline: int | None = None
    level: int = 0
    """Of the list."""
    is_listed: bool = False
    depth: int = 0
    """Of the table that it stands in; 0 outside of one."""


@dataclass(slots=True)
class _Table:
    cells: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    rows: list[tuple[list[str], RowLook]] = field(default_factory=list)


@dataclass(slots=True)
class Story:
    """One stream of paragraphs; `kind` says what becomes of it."""

    kind: str
    blocks: list[Block] = field(default_factory=list)
    line: Line = field(default_factory=Line)
    label: str | None = None
    """What stands before the paragraph, as the writer of the file showed it."""
    tables: dict[int, _Table] = field(default_factory=dict)

    def end_paragraph(self, state: ParagraphState, heading: int) -> None:
        """End a paragraph; `heading` is its level, 0 for text."""
        words = self.line.write().strip(" \t\n")
        block = self._make_block(words, state, heading)
        after = [*self.line.boxes, *self.line.notes]
        self.line, self.label = Line(), None
        if state.depth:
            table = self.tables.setdefault(state.depth, _Table())
            table.words += [b.text for b in (block, *after) if b.text.strip()]
        else:
            self.end_table()
            self.blocks += [block, *after]

    def _make_block(self, words: str, state: ParagraphState, heading: int) -> Block:
        label = (self.label or "").strip()
        is_item = bool(words) and (bool(label) or state.is_listed)
        is_bullet = not label or bool(_BULLET.fullmatch(label))
        if heading and words and len(words) <= _MAX_HEADING and not state.depth:
            return Block(words if is_bullet else f"{label} {words}", level=heading)
        if not is_item:
            return Block(words)
        mark = "- " if is_bullet else f"{label} "
        if state.depth:
            return Block(mark + words)
        return Block(f"{_INDENT * state.level}{mark}{words}", is_item=True)

    def end_cell(self, state: ParagraphState, depth: int) -> None:
        """End a cell of the table at a depth."""
        self.end_paragraph(ParagraphState(state.style, depth=depth, is_listed=state.is_listed), 0)
        table = self.tables[depth]
        table.cells.append(" ".join(table.words))
        table.words = []

    def end_row(self, depth: int, look: RowLook) -> None:
        """End a row of the table at a depth; one inside another is words of the outer cell."""
        table = self.tables.get(depth)
        if table is None:
            return
        cells, table.cells = table.cells, []
        if depth > 1:
            outer = self.tables.setdefault(depth - 1, _Table())
            outer.words += filter(None, cells)
        else:
            table.rows.append((cells, look))

    def end_table(self) -> None:
        """Write the table that no row follows any more."""
        table = self.tables.pop(1, None)
        if table is None:
            return
        if table.cells or table.words:
            table.rows.append(([*table.cells, " ".join(table.words)], RowLook()))
        self.blocks += [Block(text) for text in write_rows(table.rows)]

    def end(self, state: ParagraphState, heading: int = 0) -> list[Block]:
        """Return all blocks; the last paragraph need not be ended."""
        if self.line.pieces or self.line.boxes or self.line.notes:
            self.end_paragraph(state, heading)
        self.end_table()
        return [block for block in self.blocks if block.text.strip()]
