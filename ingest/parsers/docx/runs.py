"""What stands in a line of a Word document: runs, links, fields, notes, equations, drawings."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ingest.parsers.blocks import Block
from ingest.parsers.docx.fields import Fields
from ingest.parsers.docx.lines import Line
from ingest.parsers.docx.numbering import Numbering
from ingest.parsers.docx.styles import RunLook, Styles
from ingest.parsers.docx.symbols import show_symbol, show_symbols
from ingest.parsers.drawings import describe_image, write_graphics
from ingest.parsers.equations import write_omml
from ingest.parsers.ooxml import (
    Element,
    Parts,
    choose_alternative,
    find,
    find_all,
    get,
    name_of,
)

TRANSPARENT = {"w:smartTag", "w:customXml", "w:sdtContent", "w:ins", "w:moveTo", "w:dir", "w:bdo"}
"""Elements that are only around what they hold."""
_SIGNS = {"w:tab": "\t", "w:ptab": "\t", "w:br": "\n", "w:cr": "\n", "w:noBreakHyphen": "-"}
_UNKNOWN_SYMBOLS = "{} characters of symbol fonts were left out"
_NOTES = {"w:commentReference", "w:footnoteReference", "w:endnoteReference"}


@dataclass(slots=True)
class Context:
    """What all stories of a document share."""

    parts: Parts
    styles: Styles
    numbering: Numbering
    counts: Counter[str] = field(default_factory=Counter)
    """What was left out, by the words of its warning."""
    write_note: Callable[[Element], tuple[str, Block | None]] = lambda _: ("", None)
    """Returns the mark of a note's or comment's reference, and the block that it refers to."""
    read_chunk: Callable[[str], Block | None] = lambda _: None
    """Returns what another file inside this one says; its part is given."""


class RunReader:
    """Reads what stands in a line of one part; `read_box` reads what stands in a text box."""

    def __init__(
        self,
        context: Context,
        part: str,
        fields: Fields,
        read_box: Callable[[Iterable[Element]], list[Block]],
    ) -> None:
        self._context = context
        self._part = part
        self._fields = fields
        self._read_box = read_box

    def read(self, elements: Iterable[Element], line: Line, look: RunLook) -> None:
        """Add what elements say, such as the children of a paragraph, to a line."""
        for child in elements:
            name = name_of(child)
            if name == "w:r":
                self._read_run(child, line, look)
            elif name in TRANSPARENT:
                self.read(child, line, look)
            elif name == "w:sdt":
                self._read_control(child, line, look)
            elif name == "w:hyperlink":
                self._read_link(child, line, look)
            elif name == "w:fldSimple":
                self._read_simple_field(child, line, look)
            elif name in {"m:oMath", "m:oMathPara"}:
                self._read_equation(child, line)
            elif name == "mc:AlternateContent":
                self.read(choose_alternative(child), line, look)
            elif name in _NOTES:
                self._read_note(child, line)

    def _read_control(self, control: Element, line: Line, look: RunLook) -> None:
        box = find(control, "w:sdtPr/w14:checkbox")
        if box is not None:
            checked = get(find(box, "w14:checked"), "w14:val", "0") in {"1", "true"}
            line.add("[x]" if checked else "[ ]")
            return
        content = find(control, "w:sdtContent")
        if content is not None:
            self.read(content, line, look)

    def _read_link(self, link: Element, line: Line, look: RunLook) -> None:
        start = len(line.pieces)
        self.read(link, line, look)
        relation = self._context.parts.relations(self._part).get(get(link, "r:id"))
        if relation is not None and relation.is_external:
            line.close_link(start, relation.target)

    def _read_simple_field(self, element: Element, line: Line, look: RunLook) -> None:
        instruction = get(element, "w:instr")
        if self._fields.is_left_out(instruction):
            return
        start = len(line.pieces)
        self.read(element, line, look)
        self._fields.close_simple(instruction, start, line)

    def _read_equation(self, element: Element, line: Line) -> None:
        if self._fields.is_silent:
            return
        latex = write_omml(element)
        if latex and name_of(element) == "m:oMathPara":
            line.add(f"\n$${latex}$$\n")
        elif latex:
            follows_other = line.pieces and line.pieces[-1].words.endswith("$")
            line.add(f" ${latex}$" if follows_other else f"${latex}$")

    # Runs

    def _read_run(self, run: Element, line: Line, around: RunLook) -> None:
        look = self._context.styles.run(find(run, "w:rPr"), around)
        if look.is_hidden:
            if any(name_of(child) == "w:t" and (child.text or "").strip() for child in run):
                self._context.counts["{} hidden passages were left out"] += 1
            # A field begins and ends in hidden runs as well.
            for mark in find_all(run, "w:fldChar"):
                self._fields.meet(mark, line)
            return
        for child in run:
            self._read_piece(child, line, look)

    def _read_piece(self, piece: Element, line: Line, look: RunLook) -> None:
        name = name_of(piece)
        if name == "w:fldChar":
            self._fields.meet(piece, line)
        elif name == "w:instrText":
            self._fields.add_instruction(piece.text or "")
        elif self._fields.is_silent:
            return
        elif name == "w:t":
            self._read_text(piece.text or "", line, look)
        elif name in _SIGNS:
            line.add(_SIGNS[name])
        elif name == "w:sym":
            self._read_symbol(piece, line, look)
        elif name == "w:ruby":
            self._read_ruby(piece, line, look)
        elif name in {"w:drawing", "w:pict", "w:object"}:
            self._read_drawing(piece, line)
        elif name == "mc:AlternateContent":
            for chosen in choose_alternative(piece):
                self._read_piece(chosen, line, look)
        elif name in _NOTES:
            self._read_note(piece, line)
        elif name in {"w:ins", "w:moveTo", "w:r"}:
            self.read([piece], line, look)

    def _read_text(self, text: str, line: Line, look: RunLook) -> None:
        shown = show_symbols(text, look.font)
        if unknown := len(text) - len(shown):
            self._context.counts[_UNKNOWN_SYMBOLS] += unknown
        line.add(shown, look)

    def _read_symbol(self, piece: Element, line: Line, look: RunLook) -> None:
        code = get(piece, "w:char")
        sign = show_symbol(int(code, 16), get(piece, "w:font")) if _is_hexadecimal(code) else ""
        if not sign:
            self._context.counts[_UNKNOWN_SYMBOLS] += 1
        line.add(sign, look)

    def _read_ruby(self, ruby: Element, line: Line, look: RunLook) -> None:
        base, above = find(ruby, "w:rubyBase"), find(ruby, "w:rt")
        if base is not None:
            self.read(base, line, look)
        reading = Line()
        self.read([] if above is None else above, reading, RunLook())
        line.add(f"({words})" if (words := reading.write().strip()) else "")

    def _read_note(self, reference: Element, line: Line) -> None:
        mark, block = self._context.write_note(reference)
        line.add(mark)
        line.notes += [block] if block is not None else []

    def _read_drawing(self, drawing: Element, line: Line) -> None:
        elements = list(_list_outside_boxes(drawing))
        images = 0
        for element in elements:
            name = name_of(element)
            if name == "w:txbxContent":
                line.boxes += self._read_box(element)
            elif name == "v:textpath":
                line.boxes.append(Block(get(element, "string")))
            elif name == "wp:docPr":
                line.boxes.append(Block(describe_image(element)))
            images += name in {"pic:pic", "v:imagedata"}
        if images:
            self._context.counts["{} images were left out"] += images
        texts = write_graphics(elements, self._context.parts, self._part)
        line.boxes += [Block(text) for text in texts]


def _list_outside_boxes(drawing: Element) -> Iterator[Element]:
    """Yield the elements of a drawing; of a text box the box itself alone."""
    for child in drawing:
        yield child
        if name_of(child) != "w:txbxContent":
            yield from _list_outside_boxes(child)


def _is_hexadecimal(code: str) -> bool:
    return 0 < len(code) <= 6 and all(c in "0123456789abcdefABCDEF" for c in code)
