"""Word's styles: which paragraphs are headings or code, what is hidden, raised or struck out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ingest.parsers.ooxml import (
    Element,
    find,
    find_all,
    get,
    get_number,
    is_on,
    name_of,
)

# The built-in names are English in every edition of Word; other programs translate them.
_HEADING = re.compile(
    r"(?:heading|überschrift|titre|título|titolo|kop|rubrik|overskrift|otsikko|nagłówek|nadpis|"
    r"заголовок|başlık|标题|標題|見出し|제목)\s*([1-9])(?:\s+char|,.*)?",
    re.IGNORECASE,
)
_TITLE = re.compile(r"(?:document )?title|titel", re.IGNORECASE)
_CODE = re.compile(
    r"(?:source|html|plain|program)? ?(?:code|preformatted|listing)(?: (?:block|text|char))?|"
    r"verbatim(?: char)?|preformatted text|macro text|html (?:code|sample|keyboard|typewriter)",
    re.IGNORECASE,
)
BODY_LEVEL = 9
_MAX_DEPTH = 20


@dataclass(frozen=True, slots=True)
class RunLook:
    """What of a run's look changes what it says."""

    shift: str = ""
    """`superscript`, `subscript` or nothing."""
    is_hidden: bool = False
    is_struck: bool = False
    is_code: bool = False
    font: str = ""


@dataclass(frozen=True, slots=True)
class ParagraphLook:
    """What a paragraph's style makes of it: `level` is that of a heading, 0 for none."""

    level: int = 0
    is_title: bool = False
    is_code: bool = False
    run: RunLook = RunLook()
    number_id: str = ""
    number_level: int | None = None
    """As the style says it; the numbering may link the style to a level of its own."""
    style_id: str = ""


class Styles:
    """The styles of a document by their ids."""

    def __init__(self, root: Element | None) -> None:
        found = find_all(root, "w:style")
        self._styles = {get(style, "w:styleId"): style for style in found}
        self._default = next(
            (
                identifier
                for identifier, style in self._styles.items()
                if get(style, "w:type") == "paragraph"
                and is_on(style, "w:default")
                and get(style, "w:default")
            ),
            "",
        )
        self._paragraphs: dict[str, ParagraphLook] = {}
        self._runs: dict[str, RunLook] = {}

    def paragraph(self, properties: Element | None) -> ParagraphLook:
        """Return the look of a paragraph with these properties (`w:pPr`)."""
        style_id = get(find(properties, "w:pStyle"), "w:val") or self._default
        if style_id not in self._paragraphs:
            self._paragraphs[style_id] = self._read_paragraph(style_id)
        look = self._paragraphs[style_id]
        outline = get_number(find(properties, "w:outlineLvl"), "w:val", -1)
        if outline >= 0:
            look = replace(look, level=0 if outline >= BODY_LEVEL else outline + 1)
        numbering = find(properties, "w:numPr")
        if numbering is not None:
            look = replace(
                look,
                number_id=get(find(numbering, "w:numId"), "w:val") or look.number_id,
                number_level=get_number(find(numbering, "w:ilvl"), "w:val", look.number_level or 0),
            )
        return look

    def run(self, properties: Element | None, around: RunLook) -> RunLook:
        """Return the look of a run with these properties (`w:rPr`) in a paragraph of a look."""
        if properties is None:
            return around
        style_id = get(find(properties, "w:rStyle"), "w:val")
        if style_id not in self._runs:
            self._runs[style_id] = self._read_run(style_id)
        style = self._runs[style_id]
        both = RunLook(
            style.shift or around.shift,
            style.is_hidden or around.is_hidden,
            style.is_struck or around.is_struck,
            style.is_code or around.is_code,
            style.font or around.font,
        )
        return _apply(properties, both)

    def _read_paragraph(self, style_id: str) -> ParagraphLook:
        look, run = ParagraphLook(style_id=style_id), RunLook()
        level: int | None = None
        for identifier, style in self._chain(style_id):
            name = get(find(style, "w:name"), "w:val")
            level = _find_level(style, name) if level is None else level
            numbering = find(style, "w:pPr/w:numPr")
            number_id = get(find(numbering, "w:numId"), "w:val")
            if number_id and not look.number_id:
                number_level = get_number(find(numbering, "w:ilvl"), "w:val", -1)
                look = replace(
                    look,
                    number_id=number_id,
                    number_level=number_level if number_level >= 0 else None,
                    # The level is linked to the style that brings the numbering.
                    style_id=identifier,
                )
            is_title = look.is_title or bool(_TITLE.fullmatch(name))
            is_code = look.is_code or bool(_CODE.fullmatch(name))
            look = replace(look, is_title=is_title, is_code=is_code)
        for _, style in reversed(list(self._chain(style_id))):
            run = _apply(find(style, "w:rPr"), run)
        if look.is_title and not level:
            level = 1
        return replace(look, level=level or 0, run=run)

    def _read_run(self, style_id: str) -> RunLook:
        look = RunLook()
        for _, style in reversed(list(self._chain(style_id))):
            look = _apply(find(style, "w:rPr"), look)
            if _CODE.fullmatch(get(find(style, "w:name"), "w:val")):
                look = replace(look, is_code=True)
        return look

    def _chain(self, style_id: str) -> Iterator[tuple[str, Element]]:
        """Yield a style and those that it is based on."""
        for _ in range(_MAX_DEPTH):
            style = self._styles.get(style_id)
            if style is None:
                return
            yield style_id, style
            style_id = get(find(style, "w:basedOn"), "w:val")


def find_heading_level(name: str) -> int:
    """Return the level of a heading whose style has this name; 0 for any other style."""
    match = _HEADING.fullmatch(name)
    return int(match[1]) if match else int(bool(_TITLE.fullmatch(name)))


def _find_level(style: Element, name: str) -> int | None:
    """Return the level that a style itself gives; 0 says that it is none, None nothing."""
    outline = get_number(find(style, "w:pPr/w:outlineLvl"), "w:val", -1)
    if outline >= 0:
        return 0 if outline >= BODY_LEVEL else outline + 1
    match = _HEADING.fullmatch(name)
    return int(match[1]) if match else None


def _apply(properties: Element | None, look: RunLook) -> RunLook:
    """Return a look with what run properties say themselves."""
    if properties is None:
        return look
    changes: dict[str, str | bool] = {}
    for element in properties:
        match name_of(element):
            case "w:vertAlign":
                value = get(element, "w:val")
                changes["shift"] = value if value in {"superscript", "subscript"} else ""
            case "w:vanish":
                changes["is_hidden"] = is_on(element)
            case "w:strike" | "w:dstrike":
                changes["is_struck"] = is_on(element) or bool(changes.get("is_struck"))
            case "w:rFonts":
                font = get(element, "w:ascii") or get(element, "w:hAnsi")
                changes["font"] = font or look.font
    return replace(look, **changes) if changes else look  # type: ignore[arg-type]  # by name
