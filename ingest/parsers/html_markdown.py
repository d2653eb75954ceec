"""HTML elements written as Markdown: all that a reader sees in them, and where their links lead."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin

from lxml.html import HtmlElement

from ingest.parsers.equations import write_mathml
from ingest.parsers.html_tables import Grid, Place, lay_out
from ingest.parsers.inline import lower_words, raise_words, write_link
from ingest.parsers.ordinals import show_ordinal
from ingest.parsers.tables import render_table

HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LISTS = {"ul", "ol", "menu", "dir"}
BLOCKS = {
    *HEADINGS,
    *_LISTS,
    *("address", "article", "aside", "blockquote", "body", "center", "dd", "details", "dialog"),
    *("div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup"),
    *("hr", "html", "legend", "li", "main", "nav", "p", "pre", "search", "section", "summary"),
    *("table", "tbody", "td", "template", "tfoot", "th", "thead", "tr"),
}
UNSEEN = {
    *("area", "audio", "base", "canvas", "colgroup", "datalist", "embed", "frame", "frameset"),
    *("head", "iframe", "link", "map", "meta", "object", "option", "optgroup", "param", "rp", "rt"),
    *("rtc", "script", "source", "style", "svg", "title", "track", "video"),
}
_CODE_LINES = ("div", "p", "li", "tr")
_SHOWN_INPUTS = {"text", "number", "email", "url", "tel", "date", "time", "range"}
SIGNS = "¶§🔗 "
"""What stands beside a heading, for a link to it."""
_LANGUAGE = re.compile(r"(?:^|\s)(?:lang(?:uage)?-|highlight-(?:source-)?|brush:\s*)([\w+#-]+)")
_GUTTER = re.compile(r"\b(?:gutter|linenos?|linenumbers?|line-numbers?|lineno|lnt?)\b")
_SPACE = re.compile(r"[ \t\n\r\f\v\xa0]+")
_BREAK = "\x1e"
_AROUND_BREAK = re.compile(rf"[ {_BREAK}]*{_BREAK}[ {_BREAK}]*")
# How a list numbers its items, by its attribute and by its style; "" is not at all.
_LIST_STYLE = re.compile(r"list-style(?:-type)?\s*:([^;]*)", re.IGNORECASE)
_NUMBERINGS = {
    **dict.fromkeys(("none", "disc", "circle", "square"), ""),
    **dict.fromkeys(("1", "decimal"), "decimal"),
    **dict.fromkeys(("a", "lower-alpha", "lower-latin"), "lowerLetter"),
    **dict.fromkeys(("A", "upper-alpha", "upper-latin"), "upperLetter"),
    **dict.fromkeys(("i", "lower-roman"), "lowerRoman"),
    **dict.fromkeys(("I", "upper-roman"), "upperRoman"),
}
# What an element looks like, whatever its tag is.
_SHIFTED = re.compile(r"vertical-align\s*:\s*(su(?:per|b))\b", re.IGNORECASE)
_STRUCK = re.compile(r"text-decoration(?:-line)?\s*:[^;]*\bline-through\b", re.IGNORECASE)
_NO_TARGET = re.compile(r"#|javascript:|data:|blob:|about:", re.IGNORECASE)
_FILE_NAME = re.compile(r"\S+\.\w{3,4}|(?:img|dsc|image|photo|screenshot)?[\W\d_]*", re.IGNORECASE)


def write_markdown(element: HtmlElement, base: str = "") -> str:
    """Return an element as Markdown; relative links are resolved against `base`."""
    return "\n\n".join(_Writer(element, base).write_blocks(element))


class _Writer:
    def __init__(self, root: HtmlElement, base: str, *, in_cell: bool = False) -> None:
        self._base = base
        # A cell is one line: entries of lists and rows of tables in it have no marks.
        self._in_cell = in_cell
        self._has_entries = False
        # Inline elements around blocks are walked as blocks.
        self._holders = find_holders(root)

    def write_blocks(self, element: HtmlElement) -> list[str]:
        """Return the blocks in an element; text between them is a paragraph."""
        blocks: list[str] = []
        for piece in self._split(element):
            blocks += [piece] if isinstance(piece, str) else self._write_block(piece)
        return list(filter(None, blocks))

    def _split(self, element: HtmlElement) -> Iterator[str | HtmlElement]:
        """Yield the blocks right in an element, and what stands between them as lines."""
        line = list(filter(None, [_text(element.text)]))
        for child in element:
            if self._is_block(child):
                yield _join_line(line)
                yield child
                line = []
            else:
                line += filter(None, [self._write_inline(child, _last(line))])
            line += filter(None, [_text(child.tail)])
        yield _join_line(line)

    def _is_block(self, element: HtmlElement) -> bool:
        return element.tag in BLOCKS or element in self._holders

    def _write_block(self, element: HtmlElement) -> list[str]:
        match element.tag:
            case "h1" | "h2" | "h3" | "h4" | "h5" | "h6":
                return self._write_heading(element)
            case "pre":
                return _write_code(element)
            case "td" if _is_gutter(element):
                # In the cell beside the lines of the code.
                return []
            case "table":
                return self._write_table(element)
            case "dl" if not _holds_heading(element):
                return self._write_definitions(element)
            case "ul" | "ol" | "menu" | "dir" if not _holds_heading(element):
                return self._write_list(element)
            case "blockquote":
                quoted = "\n\n".join(self.write_blocks(element))
                return ["\n".join(f"> {line}".rstrip() for line in quoted.split("\n"))]
            case _:
                return self.write_blocks(element)

    def _write_heading(self, element: HtmlElement) -> list[str]:
        if any(self._is_block(child) for child in element):
            first, *rest = self.write_blocks(element) or [""]
        else:
            first, rest = self._write_words(element, "", links=False), []
        words = " ".join(first.split()).rstrip(SIGNS)
        mark = "" if self._in_cell else "#" * HEADINGS[element.tag] + " "
        return [mark + words if words else "", *rest]

    def _write_list(self, element: HtmlElement) -> list[str]:
        self._has_entries = True
        items: list[str] = []
        step = -1 if "reversed" in element.attrib else 1
        last = sum(child.tag == "li" for child in element) if step < 0 else 1
        number = _as_number(element.get("start"), last)
        for piece in self._split(element):
            if isinstance(piece, str):
                items.append(piece)
            elif piece.tag in _LISTS:
                # A list right inside a list belongs to the item before it.
                items += [_indent(block, "  ", first="  ") for block in self._write_list(piece)]
            elif piece.tag == "p":
                items += self.write_blocks(piece)
            elif blocks := self.write_blocks(piece):
                number = _as_number(piece.get("value"), number)
                mark = self._mark_item(element, piece, number)
                items.append(mark + _indent(_join_item(blocks), " " * len(mark)))
                number += step
        return ["\n".join(filter(None, items))]

    def _mark_item(self, element: HtmlElement, item: HtmlElement, number: int) -> str:
        if numbering := _find_numbering(item, element):
            return f"{show_ordinal(number, numbering)}. "
        return "" if self._in_cell else "- "

    def _write_definitions(self, element: HtmlElement) -> list[str]:
        entries: list[str] = []
        for piece in self._split_definitions(element):
            if isinstance(piece, str):
                entries += filter(None, [piece])
            elif piece.tag not in ("dt", "dd"):
                entries += self._write_block(piece)
            elif words := "\n\n".join(self.write_blocks(piece)):
                if piece.tag == "dd" and entries:
                    entries[-1] += f"\n: {_indent(words, '  ')}"
                else:
                    entries.append(words)
        return entries

    def _split_definitions(self, element: HtmlElement) -> Iterator[str | HtmlElement]:
        """Yield the terms and definitions of a list, those in groups too, and what is between."""
        for piece in self._split(element):
            if isinstance(piece, str) or piece.tag in ("dt", "dd"):
                yield piece
            elif next(piece.iterdescendants("dt", "dd"), None) is not None:
                yield from self._split_definitions(piece)
            else:
                yield piece

    def _write_table(self, element: HtmlElement) -> list[str]:
        grid = lay_out(element)
        if _is_layout(element, grid):
            return self.write_blocks(element)
        written: dict[HtmlElement, str] = {}
        rows = [
            [self._write_place(place, written, in_head=row < grid.heads) for place in places]
            for row, places in enumerate(grid.rows)
        ]
        cells = {place.cell for row in grid.rows for place in row if place is not None}
        around = {outer for cell in cells for outer in cell.iterancestors()}
        beside = list(filter(None, self._write_beside(element, cells, around)))
        if self._in_cell:
            self._has_entries = True
            return [*beside, *(", ".join(filter(None, row)) for row in rows)]
        return [*beside, render_table(rows, heads=grid.heads)]

    def _write_place(
        self, place: Place | None, written: dict[HtmlElement, str], *, in_head: bool
    ) -> str:
        """Return what stands at a place: over several rows its words stand in each."""
        if place is None or not (place.is_first_column or in_head):
            return ""
        if place.cell not in written:
            written[place.cell] = self._write_cell(place.cell)
        return written[place.cell]

    def _write_cell(self, cell: HtmlElement) -> str:
        writer = _Writer(cell, self._base, in_cell=True)
        lines = [line.strip() for block in writer.write_blocks(cell) for line in block.split("\n")]
        return ("; " if writer._has_entries else " ").join(filter(None, lines))

    def _write_beside(
        self, element: HtmlElement, cells: set[HtmlElement], around: set[HtmlElement]
    ) -> Iterator[str]:
        """Yield what stands in a table outside its cells, as its caption does."""
        for piece in self._split(element):
            if isinstance(piece, str):
                yield piece
            elif piece in around:
                yield from self._write_beside(piece, cells, around)
            elif piece not in cells:
                yield from self._write_block(piece)

    def _write_words(self, element: HtmlElement, before: str, *, links: bool) -> str:
        parts = list(filter(None, [_text(element.text)]))
        for child in element:
            inner = self._write_inline(child, _last(parts) or before, links=links)
            parts += filter(None, [inner, _text(child.tail)])
        return "".join(parts)

    def _write_inline(self, element: HtmlElement, before: str, *, links: bool = True) -> str:
        """Return an inline element; `before` is the character before it in its line."""
        tag = element.tag
        if not isinstance(tag, str) or tag in UNSEEN:
            return ""
        match tag:
            case "br":
                return _BREAK
            case "wbr":
                return ""
            case "img":
                return describe_image(element)
            case "input" | "textarea" | "select":
                return _show_value(element)
            case "math":
                return _write_formula(element)
        if _is_reference(element):
            return _write_reference(element, before)
        words = self._write_words(element, before, links=links)
        if not words.strip():
            return words
        match _find_look(element):
            case "a" if links:
                return self._write_link(element, words)
            case "code" | "samp" | "tt" if "`" not in words:
                return _wrap(words, "`")
            case "del" | "s" | "strike":
                return _wrap(words, "~~")
            case "sup" if _is_over_bar(element):
                # Of a mixed number: 2 1/2.
                return f" {words.strip()}" if before[-1:].isdigit() else words
            case "sup":
                return raise_words(before, words, _find_after(element))
            case "sub":
                return lower_words(before, words, _find_after(element))
            case "q":
                return f"“{words.strip()}”"
        return words

    def _write_link(self, element: HtmlElement, words: str) -> str:
        target = (element.get("href") or "").strip()
        if not target or _NO_TARGET.match(target):
            return words
        try:
            target = urljoin(self._base, target)
        # An address in brackets that is none.
        except ValueError:
            return words
        return write_link(words, target)


def _is_reference(element: HtmlElement) -> bool:
    """Return whether an element is the mark of a note, and would be read as part of a value."""
    if element.tag != "a":
        return False
    if "noteref" in f"{element.get('epub:type')} {element.get('role')}":
        return True
    if "#" not in (element.get("href") or ""):
        return False
    only = next(iter(element), None)
    marks = element.getparent() if only is None or element.text else only
    return marks is not None and _find_look(marks) == "sup"


def _write_reference(element: HtmlElement, before: str) -> str:
    words = " ".join(element.text_content().split())
    if not words or words.startswith(("[", "(")):
        return words
    return f" [{words}]" if before.strip() else f"[{words}]"


def _find_look(element: HtmlElement) -> str:
    """Return the tag that makes an element look as it does."""
    style = element.get("style") or ""
    if shifted := _SHIFTED.search(style):
        return {"super": "sup", "sub": "sub"}[shifted[1].lower()]
    return "s" if element.tag == "span" and _STRUCK.search(style) else str(element.tag)


def _is_over_bar(element: HtmlElement) -> bool:
    """Return whether raised words are the upper part of a fraction."""
    below = element.getnext()
    is_bar = (element.tail or "").strip() in ("/", "⁄")
    return is_bar and below is not None and _find_look(below) == "sub"


def _find_after(element: HtmlElement) -> str:
    """Return what follows an inline element in its line."""
    outer = element.getparent()
    while not element.tail and element.getnext() is None and outer is not None:
        if outer.tag in BLOCKS:
            return ""
        element, outer = outer, outer.getparent()
    following = element.getnext()
    return element.tail or ("" if following is None else str(following.text_content()))


def find_holders(root: HtmlElement) -> set[HtmlElement]:
    """Return the elements that are inline by their tags and hold blocks."""
    found: set[HtmlElement] = set()
    for block in root.iter(*BLOCKS):
        for outer in block.iterancestors():
            if outer in found or outer is root:
                break
            found.add(outer)
    return {element for element in found if element.tag not in BLOCKS}


def _holds_heading(element: HtmlElement) -> bool:
    """Return whether an element holds sections, as an accordion of questions does."""
    return next(element.iter(*HEADINGS), None) is not None


def _is_layout(table: HtmlElement, grid: Grid) -> bool:
    if (table.get("role") or "").lower() in ("presentation", "none") or grid.width < 2:
        return True
    first = {place.cell for row in grid.rows[:1] for place in row if place is not None}
    names_columns = len(first) > 1 and all(map(_holds_heading, first))
    for heading in table.iter(*HEADINGS):
        cell = next(heading.iterancestors("td", "th"), None)
        is_name = cell is not None and (cell.tag == "th" or (names_columns and cell in first))
        if not is_name:
            return True
    has_head = next(table.iter("th", "caption"), None) is not None
    nested = next(table.iterdescendants("table", "pre", "blockquote"), None) is not None
    return not has_head and (nested or len(grid.rows) < 2)


def _write_code(element: HtmlElement) -> list[str]:
    """Return preformatted text as fenced code, without line numbers and buttons."""
    lines = "".join(_read_code(element)).replace("\xa0", " ").strip("\n")
    if not lines.strip():
        return []
    fence = "```"
    while fence in lines:
        fence += "`"
    return [f"{fence}{_find_language(element)}\n{lines}\n{fence}"]


def _read_code(element: HtmlElement) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if child.tag == "br":
            yield "\n"
        elif _is_code(child):
            yield from _read_code(child)
            if child.tag in _CODE_LINES and not child.text_content().endswith("\n"):
                yield "\n"
        yield child.tail or ""


def _is_code(element: HtmlElement) -> bool:
    """Return whether an element in preformatted text is part of it, and not a number or button."""
    is_seen = isinstance(element.tag, str) and element.tag not in ("button", *UNSEEN)
    return is_seen and not _is_gutter(element)


def _is_gutter(element: HtmlElement) -> bool:
    """Return whether an element holds numbers of lines; code may be named for having them."""
    is_named = element.tag != "code" and _GUTTER.search(element.get("class") or "") is not None
    return is_named and not re.search(r"[^\W\d]", element.text_content())


def _find_language(element: HtmlElement) -> str:
    for candidate in (element, *element.iterchildren("code"), element.getparent()):
        if candidate is None:
            continue
        named = candidate.get("data-lang") or candidate.get("data-language")
        match = _LANGUAGE.search(candidate.get("class") or "")
        if named or match:
            language = named or (match[1] if match else "")
            return language if re.fullmatch(r"[\w+#-]{1,20}", language) else ""
    return ""


def describe_image(image: HtmlElement) -> str:
    """Return the alternative text of an image; "" where it says no more than a file's name."""
    words = " ".join((image.get("alt") or "").split())
    return f" [Image: {words}] " if words and not _FILE_NAME.fullmatch(words) else ""


def _show_value(field: HtmlElement) -> str:
    """Return what a form's field shows."""
    if field.tag == "textarea":
        return _text(field.text)
    if field.tag == "select":
        chosen = field.xpath("string(.//option[@selected])")
        return f" {' '.join(str(chosen).split())} "
    kind = (field.get("type") or "text").lower()
    if kind in ("checkbox", "radio"):
        return "[x] " if field.get("checked") is not None else "[ ] "
    return f" {field.get('value', '')} " if kind in _SHOWN_INPUTS else ""


def _write_formula(math: HtmlElement) -> str:
    """Return MathML as the TeX that stands beside it, else as the TeX that it comes to."""
    tex = math.xpath("string(.//annotation[@encoding='application/x-tex'])") or math.get("alttext")
    words = " ".join(str(tex or write_mathml(math)).split())
    return f" ${words}$ " if words else ""


def _wrap(words: str, mark: str) -> str:
    return _around(words, f"{mark}{words.strip()}{mark}")


def _around(words: str, inner: str) -> str:
    """Return `inner` between the spaces that stand around `words`."""
    before = " " if words[:1].isspace() or words.startswith(_BREAK) else ""
    return before + inner + (" " if words[-1:].isspace() or words.endswith(_BREAK) else "")


def _join_line(parts: list[str]) -> str:
    return _AROUND_BREAK.sub("\n", _SPACE.sub(" ", "".join(parts))).strip()


def _last(parts: list[str]) -> str:
    """Return the last character of a line that grows by parts with words; "" at its beginning."""
    return parts[-1][-1] if parts else ""


def _text(text: str | None) -> str:
    # Soft hyphens only say where a word may be cut.
    return _SPACE.sub(" ", (text or "").replace("\xad", "").replace(_BREAK, ""))


def _join_item(blocks: list[str]) -> str:
    """Return the blocks of a list's item: lists in it follow their line at once."""
    item = blocks[0]
    for block in blocks[1:]:
        item += ("\n" if re.match(r"-|\w+\. ", block) else "\n\n") + block
    return item


def _indent(block: str, by: str, *, first: str = "") -> str:
    """Return a block with its lines moved in, the first one as `first` says."""
    head, *lines = block.split("\n")
    return "\n".join([first + head, *(by + line if line else line for line in lines)])


def _as_number(value: str | None, otherwise: int) -> int:
    text = (value or "").strip()
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else otherwise


def _find_numbering(item: HtmlElement, outer: HtmlElement) -> str:
    """Return how an item of a list is numbered, as it says, else the list; "" for not at all."""
    for element in (item, outer):
        styled = _LIST_STYLE.search(element.get("style") or "")
        for name in styled[1].lower().split() if styled else [element.get("type")]:
            if name in _NUMBERINGS:
                return _NUMBERINGS[name]
    return "decimal" if outer.tag == "ol" else ""
