"""Stories of a Word document (its body, notes, headers, comments) read into blocks of Markdown."""

from collections.abc import Iterable, Iterator

from ingest.parsers.blocks import Block
from ingest.parsers.docx.fields import Fields
from ingest.parsers.docx.lines import Line
from ingest.parsers.docx.numbering import Label
from ingest.parsers.docx.runs import TRANSPARENT, Context, RunReader
from ingest.parsers.docx.styles import ParagraphLook
from ingest.parsers.equations import write_omml
from ingest.parsers.grid import Cell, write_grid
from ingest.parsers.ooxml import (
    Element,
    choose_alternative,
    find,
    get,
    get_number,
    is_on,
    name_of,
)

# A paragraph in a heading's style that is longer than this is text.
_MAX_HEADING = 300
_INDENT = "   "
# Word has no more.
_MAX_COLUMNS = 64
_BLOCKS = {"w:p", "w:tbl", "w:altChunk", "m:oMathPara", "m:oMath"}


class Story:
    """Reads one part; `left_out` are fields whose results are not read."""

    def __init__(
        self, context: Context, part: str, root: Element, left_out: frozenset[str] = frozenset()
    ) -> None:
        self._context = context
        self._part = part
        fields = Fields(context.counts, left_out)
        fields.match(root)
        self._runs = RunReader(context, part, fields, self._read_aside)
        # A line whose paragraph mark was deleted goes on in the next paragraph.
        self._carried: Line | None = None

    def read(self, container: Iterable[Element]) -> list[Block]:
        """Return the blocks in an element."""
        blocks: list[Block] = []
        code: list[str] = []
        for element in self._walk_blocks(container):
            name = name_of(element)
            if name == "w:p" and self._context.styles.paragraph(find(element, "w:pPr")).is_code:
                code.append(self._read_code(element, blocks))
                continue
            if code:
                blocks.append(_fence(code))
                code = []
            if name == "w:p":
                self._read_paragraph(element, blocks)
            elif name == "w:tbl":
                self._end_carried(blocks)
                blocks += self._read_table(element)
            elif name == "w:altChunk":
                blocks += self._read_chunk(element)
            else:
                latex = write_omml(element)
                blocks += [Block(f"$${latex}$$")] if latex else []
        self._end_carried(blocks)
        return [*blocks, *([_fence(code)] if code else [])]

    def _walk_blocks(self, elements: Iterable[Element]) -> Iterator[Element]:
        for element in elements:
            name = name_of(element)
            if name in _BLOCKS:
                yield element
            elif name in TRANSPARENT or name == "w:sdt":
                yield from self._walk_blocks(element)
            elif name == "mc:AlternateContent":
                yield from self._walk_blocks(choose_alternative(element))

    # Paragraphs

    def _read_code(self, paragraph: Element, blocks: list[Block]) -> str:
        line = Line()
        self._runs.read(paragraph, line, self._context.styles.paragraph(None).run)
        blocks += [*line.boxes, *line.notes]
        return line.write_plain()

    def _read_paragraph(self, paragraph: Element, blocks: list[Block]) -> None:
        properties = find(paragraph, "w:pPr")
        look = self._context.styles.paragraph(properties)
        line, self._carried = self._carried or Line(), None
        self._runs.read(paragraph, line, look.run)
        if find(properties, "w:rPr/w:del") is not None or _is_drop_cap(properties):
            self._carried = line
            return
        words = line.write().strip(" \t\n")
        # An empty paragraph counts as well.
        label = self._context.numbering.next_label(look)
        blocks += [_make_block(words, look, label)] if words else []
        blocks += [*line.boxes, *line.notes]

    def _end_carried(self, blocks: list[Block]) -> None:
        line, self._carried = self._carried, None
        if line is not None:
            blocks += [Block(line.write().strip()), *line.boxes, *line.notes]

    def _read_aside(self, box: Iterable[Element]) -> list[Block]:
        """Return the blocks of a text box, whose paragraphs are none of the line around it."""
        carried, self._carried = self._carried, None
        blocks = self.read(box)
        self._carried = carried
        return blocks

    def _read_chunk(self, element: Element) -> list[Block]:
        relation = self._context.parts.relations(self._part).get(get(element, "r:id"))
        block = None if relation is None else self._context.read_chunk(relation.target)
        return [block] if block is not None else []

    # Tables

    def _read_table(self, table: Element) -> list[Block]:
        rows: list[list[tuple[Cell, list[Block]]]] = []
        heads = 0
        for row in self._walk(table, "w:tr"):
            properties = find(row, "w:trPr")
            if find(properties, "w:del") is not None:
                continue
            if is_on(find(properties, "w:tblHeader")) and heads == len(rows):
                heads += 1
            rows.append(self._read_row(row, properties))
        cells = [blocks for row in rows for _, blocks in row if blocks]
        if len(rows) == 1 == len(rows[0]) or any(map(_is_section, cells)):
            # It lays out what stands in it.
            return [block for blocks in cells for block in blocks]
        # What hangs on a cell's words stands in the cell.
        laid = [[cell for cell, _ in row] for row in rows]
        heads = heads if 0 < heads < len(rows) else 1
        return [Block(text) for text in write_grid(laid, heads=heads)]

    def _read_row(self, row: Element, properties: Element | None) -> list[tuple[Cell, list[Block]]]:
        before = get_number(find(properties, "w:gridBefore"), "w:val", 0)
        read: list[tuple[Cell, list[Block]]] = []
        if 0 < before < _MAX_COLUMNS:
            read.append((Cell("", before), []))
        for element in self._walk(row, "w:tc"):
            look = find(element, "w:tcPr")
            if find(look, "w:cellDel") is not None:
                continue
            columns = get_number(find(look, "w:gridSpan"), "w:val", 1)
            columns = min(max(1, columns), _MAX_COLUMNS)
            merge = find(look, "w:vMerge")
            goes_on = merge is not None and get(merge, "w:val", "continue") == "continue"
            blocks = self.read(element)
            read.append((Cell(_flatten(blocks), columns, goes_on), blocks))
        return read

    def _walk(self, container: Element, name: str) -> Iterator[Element]:
        """Yield rows or cells, also those inside controls and insertions."""
        for child in container:
            if name_of(child) == name:
                yield child
            elif name_of(child) in TRANSPARENT or name_of(child) == "w:sdt":
                yield from self._walk(child, name)


def _make_block(words: str, look: ParagraphLook, label: Label | None) -> Block:
    number = f"{label.text} " if label is not None and label.text else ""
    if look.level and len(words) <= _MAX_HEADING:
        return Block(number + words, level=look.level)
    if label is None or not (number or label.is_bullet):
        return Block(words)
    mark = "- " if label.is_bullet else number
    indent = _INDENT * label.level
    lines = words.replace("\n", f"\n{indent}{' ' * len(mark)}")
    return Block(f"{indent}{mark}{lines}", is_item=True)


def _is_section(blocks: list[Block]) -> bool:
    """Return whether a cell holds a heading with text under it."""
    return len(blocks) > 1 and any(block.level for block in blocks[:-1])


def _flatten(blocks: list[Block]) -> str:
    return " ".join(
        block.text.replace("| --- ", "").replace("|", " ")
        if block.text.startswith("| ")
        else block.text
        for block in blocks
    )


def _fence(lines: list[str]) -> Block:
    code = "\n".join(lines).strip("\n")
    fence = "```"
    while fence in code:
        fence += "`"
    return Block(f"{fence}\n{code}\n{fence}" if code.strip() else "")


def _is_drop_cap(properties: Element | None) -> bool:
    return get(find(properties, "w:framePr"), "w:dropCap") in {"drop", "margin"}
