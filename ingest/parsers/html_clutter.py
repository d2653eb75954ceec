"""What of a page's source a reader never sees, and what a reader sees only after a click."""

import re
from collections import Counter
from collections.abc import Iterator

from lxml import etree
from lxml.html import HtmlElement

from ingest.parsers.html_markdown import BLOCKS, HEADINGS, SIGNS, describe_image, write_markdown

_NEVER_SHOWN = (
    *("style", "iframe", "svg", "template", "audio", "video", "object", "canvas", "noframes"),
    "noembed",
)
_CONCEALED = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
# Names of what opens at a click: tabs, accordions, slides.
_PANEL = re.compile(
    r"tab|accordion|collaps|panel|answer|faq|toggle|spoiler|expand|slide|carousel|gallery|step",
    re.IGNORECASE,
)
_NOT_A_PANEL = re.compile(
    r"modal|popup|pop-up|cookie|consent|overlay|menu|nav|search", re.IGNORECASE
)
_OPENERS = ("aria-controls", "href", "data-target", "data-bs-target")
# What makes a table of elements without a look of their own.
_ROLES = {
    "rowgroup": "tbody",
    "row": "tr",
    **dict.fromkeys(("columnheader", "rowheader"), "th"),
    **dict.fromkeys(("cell", "gridcell"), "td"),
}
# Tabs of MkDocs are labels of fields that nobody sees, those of Bootstrap may be links.
_LABELS = "//*[contains(concat(' ', @class, ' '), ' tabbed-labels ')]"
_BLOCKS = "//*[contains(concat(' ', @class, ' '), ' tabbed-block ')]"
_TOGGLES = "//*[@data-toggle='tab' or @data-bs-toggle='tab']"
_SWITCHES = (
    "//*[contains(concat(' ', @class, ' '), ' tabbed-set ')"
    " or contains(concat(' ', @class, ' '), ' sd-tab-set ')]/input"
)
_NO_SCRIPT = re.compile(r"java\s*script", re.IGNORECASE)
_DATA = "application/ld+json"
# Names and descriptions of drawings show only under a pointer.
_DRAWN = "//text()[ancestor::svg][ancestor::text or ancestor::foreignobject]"
_ANCHORS = " | ".join(f"//h{level}//a[contains(@href, '#')]" for level in range(1, 7))
_TAG = re.compile(r"<[^>]*>")
HIDDEN_WORDS = "{} words that are hidden from readers were left out"
_FORM_SHARE = 0.5
_MIN_WORDS = 8
_WORD = re.compile(r"\w+")


def clean_page(page: HtmlElement) -> Counter[str]:
    """Leave in the tree what readers see, tabs and accordions opened.

    Returns what of it is left out, by the words of its warning. Scripts that hold the article as
    data go to the head.
    """
    left_out = count_unwritten(page)
    for template in page.xpath("//template[@shadowrootmode or @shadowroot]"):
        template.tag = "div"
    etree.strip_elements(page, etree.Comment, etree.ProcessingInstruction, with_tail=False)
    etree.strip_elements(page, *_NEVER_SHOWN, with_tail=False)
    _settle_scripts(page)
    _settle_formulas(page)
    for fallback in list(page.iter("noscript")):
        _settle_no_script(fallback)
    left_out[HIDDEN_WORDS] = drop_hidden(page)
    _settle_tables(page)
    _settle_tabs(page)
    for button in list(page.iter("button")):
        if not _is_opener(button):
            left_out["{} words on buttons were left out"] += _count(button.text_content())
            _drop(button)
    _unwrap_forms(page)
    left_out["{} images were left out"] = sum(
        not describe_image(image) for image in page.iter("img")
    )
    return left_out


def count_unwritten(page: HtmlElement) -> Counter[str]:
    """Return how much a reader sees that is not written, by the words of its warning."""
    return Counter(
        {
            "{} words in drawings were left out": sum(map(_count, page.xpath(_DRAWN))),
            "{} readings above words were left out": len(page.xpath("//rt[normalize-space()]")),
        }
    )


def drop_anchors(page: HtmlElement) -> None:
    """Remove the signs that are links to the heading they stand in: `C#` ends with none."""
    for link in page.xpath(_ANCHORS):
        words = link.text_content().strip()
        if words and not words.strip(f"#{SIGNS}"):
            _drop(link)


def _settle_scripts(page: HtmlElement) -> None:
    head = next(page.iter("head"), None)
    for script in list(page.iter("script")):
        kind = (script.get("type") or "").lower()
        if kind.startswith("math/tex") and script.text:
            script.tag, script.text = "span", f" ${script.text.strip()}$ "
        elif kind == _DATA and head is not None and script.getparent() is not head:
            data = script.text
            _drop(script)
            etree.SubElement(head, "script", type=_DATA).text = data
        elif kind != _DATA:
            _drop(script)


def _settle_formulas(page: HtmlElement) -> None:
    """Keep one form of each formula: MathML where it is there, and not its picture as well."""
    for drawn in page.xpath("//*[contains(@class, 'katex-html')]"):
        _drop(drawn)
    for math in page.iter("math"):
        for outer in math.iterancestors():
            if outer.tag in BLOCKS:
                break
            outer.attrib.pop("style", None)
            for image in list(outer.iter("img")):
                _drop(image)


def _settle_no_script(fallback: HtmlElement) -> None:
    """Keep what is shown without scripts, unless it asks for them or repeats an image."""
    # In some places the parser takes what stands there for plain text.
    words = _TAG.sub(" ", fallback.text_content())
    if _count(words) < _MIN_WORDS or _NO_SCRIPT.search(words):
        _drop(fallback)
    else:
        fallback.tag = "div"
        fallback.text = _TAG.sub(" ", fallback.text or "")


def drop_hidden(page: HtmlElement) -> int:
    """Remove what no click shows; returns how many words that were."""
    opened = {
        value.rpartition("#")[2]
        for name in _OPENERS
        for value in map(str, page.xpath(f"//@{name}"))
        if "#" in value or name == "aria-controls"
    } - {""}
    words = 0
    for element in page.xpath("//body//*[@hidden or @style or contains(@class, 'hidden')]"):
        concealed = "hidden" in element.attrib or _CONCEALED.search(element.get("style") or "")
        # In one that was dropped it is gone already.
        if not concealed or page not in element.iterancestors():
            continue
        if _is_panel(element, opened):
            for name in ("hidden", "style", "aria-hidden"):
                element.attrib.pop(name, None)
        else:
            words += _count(write_markdown(element))
            _drop(element)
    return words


def _is_panel(element: HtmlElement, opened: set[str]) -> bool:
    name = f"{element.get('class', '')} {element.get('id', '')} {element.get('role', '')}"
    if _NOT_A_PANEL.search(name):
        return False
    return (
        element.get("id") in opened
        or element.get("hidden") == "until-found"
        or _PANEL.search(name) is not None
        or _PANEL.search(_name_of(element.getparent())) is not None
    )


def _name_of(element: HtmlElement | None) -> str:
    return "" if element is None else f"{element.get('class', '')} {element.get('id', '')}"


def _settle_tables(page: HtmlElement) -> None:
    for table in page.xpath("//div[@role='table' or @role='grid'][.//*[@role='row']]"):
        table.tag = "table"
        for part in table.iter("div", "span"):
            part.tag = _ROLES.get(part.get("role", ""), part.tag)


def _settle_tabs(page: HtmlElement) -> None:
    """Put the words of each tab at the top of its panel; where it has none, they stay."""
    _mark_tabs(page)
    named: dict[str, HtmlElement] = {}
    for element in page.xpath("//*[@id]"):
        named.setdefault(element.get("id", ""), element)
    panels: dict[HtmlElement, HtmlElement] = {}
    # Headings stand over their panels already.
    tabs = [
        tab
        for tab in page.xpath("//*[@role='tab']")
        if tab.tag not in HEADINGS and next(tab.iter(*HEADINGS), None) is None
    ]
    for tab in tabs:
        targets = (named.get(tab.get(name, "").rpartition("#")[2]) for name in _OPENERS)
        if (panel := next((p for p in targets if p is not None), None)) is not None:
            panels[tab] = panel
    panels = dict(_pair_tabs(page, set(panels.values()))) | panels
    for tab in tabs:
        if (panel := panels.get(tab)) is not None:
            name = panel.makeelement("p")
            name.text, name.tail, panel.text = tab.text_content(), panel.text, None
            panel.insert(0, name)
            _drop(tab)
        elif tab.tag == "button":
            tab.tag = "p"


def _mark_tabs(page: HtmlElement) -> None:
    """Give roles to tabs that have none."""
    paths = {"tablist": _LABELS, "tab": f"{_LABELS}/label | {_TOGGLES}", "tabpanel": _BLOCKS}
    for role, path in paths.items():
        for element in page.xpath(path):
            element.set("role", role)
    for switch in page.xpath(_SWITCHES):
        _drop(switch)


def _pair_tabs(
    page: HtmlElement, taken: set[HtmlElement]
) -> Iterator[tuple[HtmlElement, HtmlElement]]:
    """Yield tabs with their panels by their places, where there are as many of both."""
    for bar in page.xpath("//*[@role='tablist'][..]"):
        tabs = bar.xpath(".//*[@role='tab']")
        panels: list[HtmlElement] = []
        for panel in bar.getparent().xpath(".//*[@role='tabpanel']"):
            # Panels may hold others.
            if not panels or panels[-1] not in panel.iterancestors():
                panels.append(panel)
        if len(tabs) == len(panels) and taken.isdisjoint(panels):
            yield from zip(tabs, panels, strict=True)


def _is_opener(button: HtmlElement) -> bool:
    """Return whether a button's words are the title of what it opens."""
    if "aria-expanded" in button.attrib or "aria-controls" in button.attrib:
        return _count(button.text_content()) > 1
    titles = (*HEADINGS, "summary", "dt")
    return (
        any(outer.tag in titles for outer in button.iterancestors())
        or button.text_content().strip().endswith("?")
        or _PANEL.search(button.get("class") or "") is not None
    )


def _unwrap_forms(page: HtmlElement) -> None:
    """Make forms mere containers that have no fields, or that stand around a whole page."""
    words = len(page.text_content())
    for form in page.iter("form"):
        has_fields = form.xpath("boolean(.//input[not(@type='hidden')] | .//select | .//textarea)")
        if not has_fields or len(form.text_content()) > _FORM_SHARE * words:
            form.tag = "div"


def _count(words: str) -> int:
    return len(_WORD.findall(words))


def _drop(element: HtmlElement) -> None:
    if element.getparent() is not None:
        element.drop_tree()
