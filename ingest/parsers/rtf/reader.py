"""Reads rich text: what each control word does to what stands after it.

The format: Microsoft's Rich Text Format Specification 1.9.1.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ingest.parsers.blocks import Block
from ingest.parsers.docx.fields import PAGE_FIELDS, find_target
from ingest.parsers.docx.styles import RunLook, find_heading_level
from ingest.parsers.docx.symbols import is_symbol_font, show_symbol
from ingest.parsers.rtf.encodings import DEFAULT, SYMBOLS, find_charset, find_code_page
from ingest.parsers.rtf.story import ParagraphState, Story
from ingest.parsers.rtf.tables import RowLook
from ingest.parsers.rtf.tokens import Token, tokenize

_CHARACTERS = {
    "tab": "\t",
    "line": "\n",
    "emdash": "—",
    "endash": "–",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
    "bullet": "•",
    "emspace": " ",
    "enspace": " ",
    "qmspace": " ",
    "zwj": "\u200d",
    "zwnj": "\u200c",
}
_SIGNS = {"~": " ", "_": "-", "-": "", "\n": "", "\r": "", "\r\n": ""}
_ENDS = {"par", "sect", "page", "column", "\n", "\r", "\r\n"}
# What a group holds, by the word that it begins with; any other one behind `\*` is left out.
_STORIES = {
    **dict.fromkeys(("header", "headerl", "headerr", "headerf"), "header"),
    **dict.fromkeys(("footer", "footerl", "footerr", "footerf"), "footer"),
    **dict.fromkeys(("listtext", "pntext"), "label"),
    "footnote": "note",
    "annotation": "comment",
    "atnauthor": "author",
    "title": "title",
    "shptxt": "box",
    "fldinst": "instruction",
    "dptxbxtext": "box",
}
_LEFT_OUT = {
    *("colortbl", "info", "pict", "objdata", "shprslt", "nonshppict", "nonesttables", "sp", "pn"),
    *("list", "listoverride", "listlevel", "leveltext", "levelnumbers", "listname"),
    *("listtable", "listoverridetable", "revtbl", "generator", "themedata", "latentstyles"),
    *("datastore", "xe", "tc", "rxe", "template", "filetbl", "rsidtbl", "mmathPr", "userprops"),
    *("bkmkstart", "bkmkend", "atnid", "atnref", "atndate", "atntime", "atnicn", "atnparent"),
    *("atrfstart", "atrfend", "ftnsep", "ftnsepc", "aftnsep", "aftnsepc", "wgrffmtfilter"),
    *("ffname", "ffdeftext", "ffhelptext", "ffstattext", "formfield", "datafield", "background"),
    *("objclass", "objname", "fchars", "lchars", "xmlnstbl", "pgdsctbl", "falt", "panose"),
}
_KEPT_BEHIND_STAR = {
    *("shppict", "shpinst", "fldinst", "nesttableprops", "shptxt", "ud", "shp", "do", "pict"),
    *("objdata", "listtext", "pntext", "annotation", "atnauthor", "footnote", "moMath"),
    *("moMathPara", "mr"),
}
_MAX_DEPTH = 20_000


@dataclass(slots=True)
class _Group:
    """What holds inside a pair of braces."""

    look: RunLook = field(default_factory=RunLook)
    font: int = 0
    skipped: int = 1
    """How many characters stand behind a Unicode one for programs that cannot read it."""
    is_left_out: bool = False
    story: Story | None = None
    """The story that ends with the group."""
    around: ParagraphState = field(default_factory=ParagraphState)
    """Of the paragraph that goes on after that story."""
    link_start: int | None = None
    table: str = ""
    """`fonts` or `styles`, inside of those."""
    field_instruction: list[str] = field(default_factory=list)


@dataclass(slots=True)
class RichText:
    """What a document holds: its blocks, title and what was left out, by its warning's words."""

    blocks: list[Block] = field(default_factory=list)
    title: str = ""
    counts: Counter[str] = field(default_factory=Counter)


def read_rich_text(source: str) -> RichText:
    """Return what rich text, read as Latin-1, holds; raises ValueError when it nests too deep."""
    reader = _Reader()
    for token in tokenize(source):
        reader.read(token)
    return reader.end()


class _Reader:
    def __init__(self) -> None:
        self.result = RichText()
        self._groups = [_Group()]
        self._stories = [Story("body")]
        self._paragraph = ParagraphState()
        self._row = RowLook()
        self._encoding = "cp1252"
        self._default_font = 0
        self._fonts: dict[int, tuple[str, str]] = {}
        """Encoding and name of each font; the encoding of a symbol font is `symbols`."""
        self._styles: dict[int, int] = {}
        """Levels of headings by the numbers of their styles."""
        self._bytes = bytearray()
        self._to_skip = 0
        self._high = 0
        self._is_starred = False
        self._begins_group = False
        self._notes = 0
        self._author = ""
        self._furniture: dict[str, dict[str, Block]] = {"header": {}, "footer": {}}
        self._entry: tuple[str, int] | None = None
        self._entry_words = ""
        self._entry_level: int | None = None

    def read(self, token: Token) -> None:
        if token.kind == "hex":
            self._add_bytes(bytes.fromhex(token.text))
        elif token.kind == "text":
            self._add_bytes(token.text.encode("latin-1"))
        else:
            self._flush()
            if token.kind == "brace":
                self._open() if token.text == "{" else self._close()
            elif token.kind == "sign":
                self._read_sign(token.text)
            else:
                self._read_word(token.text, token.number)
        if token.kind != "brace" and token.text != "*":
            self._begins_group = False

    def end(self) -> RichText:
        """Return what was read; a file that is cut off ends where it ends."""
        self._flush()
        while len(self._groups) > 1:
            self._close()
        body = self._stories[0].end(self._paragraph, self._find_heading())
        words = " ".join(block.text for block in body)
        around = {
            kind: [block for text, block in blocks.items() if text not in words]
            for kind, blocks in self._furniture.items()
        }
        self.result.blocks = [*around["header"], *body, *around["footer"]]
        return self.result

    # Groups

    @property
    def _group(self) -> _Group:
        return self._groups[-1]

    @property
    def _story(self) -> Story:
        return self._stories[-1]

    def _open(self) -> None:
        if len(self._groups) > _MAX_DEPTH:
            raise ValueError("groups nest too deep")
        outer = self._group
        group = _Group(outer.look, outer.font, outer.skipped, outer.is_left_out, table=outer.table)
        group.field_instruction = outer.field_instruction
        self._groups.append(group)
        self._begins_group, self._is_starred = True, False

    def _close(self) -> None:
        if len(self._groups) < 2:
            return
        group = self._groups.pop()
        if group.table and not self._group.table:
            self._end_entry()
        if group.link_start is not None:
            self._end_field(group)
        if group.story is not None and self._stories[-1] is group.story:
            self._stories.pop()
            self._end_story(group.story)
            self._paragraph = group.around

    def _end_field(self, group: _Group) -> None:
        instruction = "".join(group.field_instruction)
        group.field_instruction.clear()
        line, start = self._story.line, group.link_start or 0
        name = instruction.split()[:1]
        if self._story.kind in self._furniture and name and name[0].upper() in PAGE_FIELDS:
            del line.pieces[start:]
        elif target := find_target(instruction):
            line.close_link(start, target)

    def _end_story(self, story: Story) -> None:
        if story.kind in {"label", "instruction", "title", "author"}:
            words = story.line.write_plain()
            if story.kind == "label":
                self._story.label = words
            elif story.kind == "instruction":
                self._group.field_instruction.append(words)
            elif story.kind == "author":
                self._author = words.strip()
            else:
                self.result.title = " ".join(words.split())
            return
        blocks = story.end(ParagraphState())
        if story.kind in self._furniture:
            for block in blocks:
                self._furniture[story.kind].setdefault(block.text, block)
        elif story.kind == "box":
            self._story.line.boxes += blocks
        elif blocks:
            words = " ".join(" ".join(block.text.split()) for block in blocks)
            by = f" ({self._author})" if self._author else ""
            before = f"[^{self._notes}]" if story.kind == "note" else f"Comment{by}"
            self._story.line.notes.append(Block(f"{before}: {words}"))

    def _begin_story(self, kind: str) -> None:
        if kind == "note":
            self._notes += 1
            self._story.line.add(f"[^{self._notes}]")
        self._group.story = Story(kind)
        self._group.look = RunLook()
        self._group.around, self._paragraph = self._paragraph, ParagraphState()
        self._stories.append(self._group.story)

    # Words

    def _read_word(self, word: str, number: int | None) -> None:
        self._to_skip = 0
        if self._begins_group and self._begin_destination(word):
            return
        if self._group.table:
            self._read_entry(word, number)
        elif self._group.is_left_out:
            return
        elif word == "u" and number is not None:
            self._add_unicode(number % 65536)
            self._to_skip = self._group.skipped
        elif word in _CHARACTERS:
            self._add(_CHARACTERS[word])
        elif word in _ENDS:
            self._end_paragraph()
        elif word in _LOOKS:
            self._group.look = _LOOKS[word](self._group.look, number)
        elif word in _TABLE_WORDS:
            self._read_table_word(word, number)
        else:
            self._read_state(word, number)

    def _begin_destination(self, word: str) -> bool:
        """Return whether a group's first word says what the group holds."""
        group = self._group
        if word == "pict" and not group.is_left_out:
            self.result.counts["{} images were left out"] += 1
        if word == "objdata" and not group.is_left_out:
            self.result.counts["{} embedded files were left out"] += 1
        if word in {"fonttbl", "stylesheet"}:
            group.table = "fonts" if word == "fonttbl" else "styles"
        elif word == "title":
            group.is_left_out = False
            self._begin_story("title")
        elif group.is_left_out and word != "ud":
            return True
        elif word == "ud":
            group.is_left_out = False
        elif word in _LEFT_OUT:
            group.is_left_out = True
        elif word in _STORIES:
            self._begin_story(_STORIES[word])
        elif word == "upr":
            # Its first half is for programs that cannot read the second one, `\\ud`.
            group.is_left_out = True
        elif word == "fldrslt":
            group.link_start = len(self._story.line.pieces)
        elif word == "field":
            group.field_instruction = []
        elif self._is_starred and word not in _KEPT_BEHIND_STAR:
            group.is_left_out = not group.table
        else:
            return False
        return True

    def _read_state(self, word: str, number: int | None) -> None:
        paragraph, group = self._paragraph, self._group
        match word:
            case "pard":
                self._paragraph = ParagraphState()
            case "plain":
                group.look, group.font = RunLook(), self._default_font
            case "deff":
                group.font = self._default_font = number or 0
            case "s":
                paragraph.style = number or 0
            case "outlinelevel":
                paragraph.outline = number
            case "ilvl":
                paragraph.level = min(max(number or 0, 0), 8)
            case "ls":
                paragraph.is_listed = bool(number)
            case "intbl":
                paragraph.depth = max(1, paragraph.depth)
            case "itap":
                paragraph.depth = min(max(number or 0, 0), 20)
            case "f":
                group.font = number or 0
            case "uc":
                group.skipped = min(max(1 if number is None else number, 0), 10)
            case "ansicpg":
                self._encoding = find_code_page(number or 1252)
            case "mac" | "pc" | "pca":
                self._encoding = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}[word]

    def _read_table_word(self, word: str, number: int | None) -> None:
        depth = max(1, self._paragraph.depth)
        match word:
            case "trowd":
                self._row = RowLook()
            case "trhdr":
                self._row.is_head = True
            case "cellx":
                self._row.end_cell(number or 0)
            case "clvmrg":
                self._row.next_goes_on = True
            case "clmrg":
                self._row.next_is_covered = True
            case "cell":
                self._story.end_cell(self._paragraph, 1)
            case "nestcell":
                self._story.end_cell(self._paragraph, max(2, depth))
            case "row":
                self._story.end_row(1, self._row)
            case "nestrow":
                self._story.end_row(max(2, depth), self._row)

    def _read_sign(self, sign: str) -> None:
        if sign == "*":
            self._is_starred = self._begins_group
        elif sign in _ENDS and not self._group.is_left_out:
            self._end_paragraph()
        elif self._group.table:
            self._entry_words += sign
        else:
            self._add(_SIGNS.get(sign, sign if sign in "\\{}" else ""))

    def _end_paragraph(self) -> None:
        self._story.end_paragraph(self._paragraph, self._find_heading())

    def _find_heading(self) -> int:
        outline = self._paragraph.outline
        if outline is not None:
            return outline + 1 if 0 <= outline < 9 else 0
        return self._styles.get(self._paragraph.style, 0)

    # Fonts and styles

    def _read_entry(self, word: str, number: int | None) -> None:
        table = self._group.table
        if (table == "fonts" and word == "f") or (table == "styles" and word in {"s", "cs", "ds"}):
            self._end_entry()
            self._entry = (word if table == "styles" else "f", number or 0)
        elif word == "fcharset" and self._entry is not None and number != DEFAULT:
            encoding = "symbols" if number == SYMBOLS else find_charset(number or 0)
            self._fonts[self._entry[1]] = (encoding, "")
        elif word == "outlinelevel":
            self._entry_level = number

    def _end_entry(self) -> None:
        """Take over a font or a style, whose name stands last."""
        words = self._entry_words.partition(";")[0].strip()
        if self._entry is not None and self._entry[0] == "f":
            encoding, _ = self._fonts.get(self._entry[1], ("", ""))
            self._fonts[self._entry[1]] = (encoding, words)
        elif self._entry is not None and self._entry[0] == "s":
            level = self._entry_level
            by_level = level + 1 if level is not None and 0 <= level < 9 else 0
            self._styles[self._entry[1]] = by_level or find_heading_level(words)
        self._entry, self._entry_words, self._entry_level = None, "", None

    # Text

    def _add_bytes(self, data: bytes) -> None:
        if self._to_skip:
            skipped = min(self._to_skip, len(data))
            self._to_skip -= skipped
            data = data[skipped:]
        self._bytes += data

    def _add_unicode(self, code: int) -> None:
        """Add a character by its UTF-16 unit; one beyond the first plane is written as two."""
        if 0xD800 <= code < 0xDC00:
            self._high = code
            return
        if 0xDC00 <= code < 0xE000 and self._high:
            code = 0x10000 + ((self._high - 0xD800) << 10) + code - 0xDC00
        self._high = 0
        _, name = self._fonts.get(self._group.font, ("", ""))
        self._add(show_symbol(code, name or "Symbol") if 0xF020 <= code < 0xF100 else chr(code))

    def _flush(self) -> None:
        if not self._bytes:
            return
        data, self._bytes = bytes(self._bytes), bytearray()
        if self._group.table:
            self._entry_words += data.decode("cp1252", "replace")
            if b";" in data:
                self._end_entry()
            return
        encoding, name = self._fonts.get(self._group.font, ("", ""))
        if encoding == "symbols":
            # Of other fonts of symbols it is not known what they show instead of letters.
            letters = 32 if is_symbol_font(name) else 127
            shown = [show_symbol(0xF000 + b, name) if b > letters else chr(b) for b in data]
            if "" in shown and not self._group.is_left_out:
                self.result.counts["{} characters of symbol fonts were left out"] += shown.count("")
            self._add("".join(shown))
        else:
            self._add(data.decode(encoding or self._encoding, "replace"))

    def _add(self, words: str) -> None:
        # Control characters are nothing that a reader sees.
        words = "".join(c for c in words if c >= " " or c in "\t\n")
        if self._group.is_left_out or not words:
            return
        look = self._group.look
        if look.is_hidden:
            if words.strip():
                self.result.counts["{} hidden passages were left out"] += 1
            return
        self._story.line.add(words, look)


def _switch(name: str) -> Callable[[RunLook, int | None], RunLook]:
    return lambda look, number: replace(look, **{name: number != 0})  # type: ignore[arg-type]  # by name


def _shift(shift: str) -> Callable[[RunLook, int | None], RunLook]:
    return lambda look, number: replace(look, shift="" if number == 0 else shift)


_LOOKS: dict[str, Callable[[RunLook, int | None], RunLook]] = {
    **dict.fromkeys(("v", "deleted"), _switch("is_hidden")),
    **dict.fromkeys(("strike", "striked"), _switch("is_struck")),
    **dict.fromkeys(("super", "up"), _shift("superscript")),
    **dict.fromkeys(("sub", "dn"), _shift("subscript")),
    "nosupersub": _shift(""),
}
_TABLE_WORDS = {
    *("trowd", "trhdr", "cellx", "clvmrg", "clmrg", "cell", "nestcell", "row", "nestrow"),
}
