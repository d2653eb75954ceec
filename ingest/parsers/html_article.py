"""The article of a web page, without what stands around it on every page of the site.

What a known system for help pages marks as the article is taken as it stands. On other pages
trafilatura decides: its words are looked up in the page's own tree, so that lists, tables, code
and links keep their form, and what it leaves out amid the article stays in.
"""

import re
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass

from lxml.html import HtmlElement
from trafilatura import extract

from app.index.sentences import ends_sentence
from ingest.parsers.html_markdown import BLOCKS, HEADINGS, find_holders, write_markdown

# The article's element in pages of: Docusaurus, Zendesk, Intercom, Confluence (two ages),
# MediaWiki, GitBook, Read the Docs, MkDocs, GitHub, HelpScout, Freshdesk, Document360, Notion.
_KNOWN = (
    "theme-doc-markdown",
    "article-body",
    "article__body",
    "intercom-interblocks",
    "wiki-content",
    "ak-renderer-document",
    "mw-parser-output",
    "page-body-content",
    "rst-content",
    "md-content__inner",
    "markdown-body",
    "article_content",
    "article-content-body",
    "d360-article-content",
    "notion-page-content",
)
_KNOWN_PATH = " | ".join(
    f"//*[contains(concat(' ', normalize-space(@class), ' '), ' {name} ')]" for name in _KNOWN
)
_AROUND = ("nav", "header", "footer", "aside", "dialog", "form")
_AROUND_ROLES = "navigation banner contentinfo complementary search dialog alertdialog"
_AROUND_PATH = " | ".join(
    (
        # Sphinx puts the notes under an article into such elements.
        *(f".//{tag}[not(descendant-or-self::*[@role='doc-footnote'])]" for tag in _AROUND),
        *(f".//*[@role='{role}']" for role in _AROUND_ROLES.split()),
        ".//*[@id='comments' or @id='disqus_thread' or contains(@class, 'comments-area')]",
        ".//*[contains(concat(' ', @class, ' '), ' mw-editsection ')]",
        ".//*[contains(concat(' ', @class, ' '), ' headerlink ')]",
        ".//*[contains(concat(' ', @class, ' '), ' hash-link ')]",
        ".//*[@id='toc' or contains(concat(' ', @class, ' '), ' toc ')]",
        ".//*[contains(@class, 'article-votes') or contains(@class, 'article-relatives')]",
        ".//*[contains(@class, 'navbox') or contains(@class, 'breadcrumb')]",
    )
)
_BAD_NAME = re.compile(
    r"comment|disqus|respond|share|social|follow|related|recommend|teaser|more-|similar|sidebar"
    r"|widget|foot|copyright|legal|nav|menu|breadcrumb|pagination|pager|skip|cookie|consent|gdpr"
    r"|privacy|newsletter|subscri|signup|login|register|author|byline|meta|tags?\b|promo|advert"
    r"|\bads?\b|sponsor|banner|popup|modal|overlay|dialog|search|form",
    re.IGNORECASE,
)
# What stands beside articles, as classes and ids name it; not what only some sites mean by such a
# name: comment, widget, teaser, ad.
_ASIDES = frozenset(
    (
        *("related", "recommended", "recommendations", "sidebar", "breadcrumb", "breadcrumbs"),
        *("newsletter", "newsletters", "subscribe", "subscription", "signup", "pagination"),
        *("author", "authors", "byline", "bio", "credit", "credits", "copyright", "disclaimer"),
        *("comments", "respond", "kommentar", "kommentare", "share", "sharing", "social"),
        *("promo", "promotion", "sponsor", "sponsored", "affiliate", "advertisement", "advert"),
        *("cookie", "cookies", "footer"),
    )
)
_NAVIGATION = frozenset({"nav", "navbar", "navigation", "menu", "toolbar", "topbar", "masthead"})
# Asides that are part of the text, as those who write manuals name them.
_CALLOUTS = frozenset(
    (
        *("admonition", "attention", "callout", "caution", "danger", "error", "hint", "important"),
        *("note", "notice", "seealso", "tip", "topic", "warning"),
    )
)
_ASIDE_TAGS = frozenset({"div", "section", "aside", "p", "ul", "ol", "header", "footer", "form"})
_NAME = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_MAX_ASIDES = 1 / 3
# How a paragraph begins that only leads to another page. "See also" and "Download" are not among
# them: manuals write those, too.
_LEADS = "|".join(
    (
        *("read more", "read also", "read next", "also read", "more on this", "you may also like"),
        *("lesen sie auch", "lesen sie dazu", "lesen sie hier", "lesen sie mehr", "zum thema"),
        *("mehr zum thema", "mehr dazu", "auch interessant", "à lire aussi", "lire aussi"),
        *("lea", "lea más", "lea también", "lee también", "leer también", "vea también"),
        *("mira", "mire", "mira también", "leia mais", "leia também", "veja também"),
        *("leggi anche", "lees ook", "läs också", "läs mer", "les også", "læs også", "lue myös"),
        *("czytaj też", "czytaj także", "czytaj więcej", "dowiedz się więcej", "zobacz też"),
        *("čtěte také", "читайте также", "ayrıca okuyun"),
    )
)
_LEADS_AWAY = re.compile(rf"\W*(?:{_LEADS})\s*(?:[:»>–-]|$)", re.IGNORECASE)
_REGION_PATH = "//article | //main | //*[@role='main']"
_NO_PARAGRAPHS = {"table", "thead", "tbody", "tfoot", "tr", "html"}
_KEPT_SHORT = {"li", "td", "th", "pre", "dt", "dd", *HEADINGS}
_PARTS = {*_NO_PARAGRAPHS, "ul", "ol", "menu", "dir", "dl", "li", "td", "th", "dt", "dd"}
_ENTRIES = {"li", "td", "th", "pre", "dt", "dd"}
_WORD = re.compile(r"\w+")
_LETTERS_A_WORD = 6
_MIN_WORDS = 30
# Of the words of a marked-up region, and of a page without one, so much must be kept.
_MIN_OF_REGION = 0.15
_MIN_KNOWN = 0.1
_MIN_OF_PAGE = 0.1
# Of trafilatura's characters so many must be in the tree, unless there are few.
_MIN_FOUND = 0.5
_MIN_SCRIPT = 200
_LONG = 25
_PIECE = 30
_STEP = 200
_MAX_LINKED = 0.5
_MAX_LINKED_ALONE = 0.1
_MIN_SHARE_OF_CONTAINER = 0.3
_SOLID_WORDS = 20
_SHORT_WORDS = 8
_MIN_LINE_WORDS = 4
_LEAD_WORDS = 12
_HEAD_LEAVES = 12


@dataclass(slots=True)
class Leaf:
    """A block without blocks in it."""

    element: HtmlElement
    letters: str
    words: int
    linked: float
    """Share of its characters that stand in links."""
    is_sentence: bool
    leads_away: bool = False
    """Whether all that it says is that another page says more."""
    is_marked: bool = False
    """Whether trafilatura has it."""
    is_kept: bool = False


def extract_article(page: HtmlElement, base: str = "") -> str:
    """Return the article of a page as Markdown; the tree is changed.

    What holds too little of the page for an article gives way to the whole page.
    """
    _open_callouts(page)
    known = _find_known(page)
    if sum(map(_count_words, known)) > max(_MIN_WORDS, _MIN_KNOWN * _count_words(page)):
        return "\n\n".join(filter(None, (_write_whole(region, base) for region in known)))
    found = extract(deepcopy(page), include_comments=False, deduplicate=False) or ""
    wrap_loose_text(page)
    leaves = list_leaves(page)
    is_found = mark_leaves(leaves, found)
    if not is_found:
        # The words stand in a script, for a browser to show.
        markdown = extract(page, include_comments=False, output_format="markdown")
        return markdown or found
    if _stands_alone(page, leaves):
        for leaf in leaves:
            leaf.is_kept = not leaf.leads_away
    else:
        keep_leaves(leaves)
    region = _find_region(page, leaves)
    words = sum(leaf.words for leaf in leaves if _is_inside(leaf.element, region))
    kept = sum(leaf.words for leaf in leaves if leaf.is_kept)
    least = _MIN_OF_PAGE if region is page else _MIN_OF_REGION
    if words < _MIN_WORDS or kept < least * words:
        return _write_whole(region, base, known=False)
    _drop_pictures(page, leaves)
    for leaf in leaves:
        if not leaf.is_kept:
            leaf.element.drop_tree()
    _drop_separators(page)
    # Words of the head are not shown.
    _drop_asides(next(page.iter("body"), page))
    return write_markdown(page, base) or found


def _open_callouts(page: HtmlElement) -> None:
    """Make notes and warnings that are marked as asides part of the text around them."""
    for aside in list(page.iter("aside")):
        names = set(_list_names(aside))
        is_callout = aside.get("role") == "note" or bool(names & _CALLOUTS and not names & _ASIDES)
        if is_callout and _share_linked(aside, aside.text_content()) < _MAX_LINKED:
            aside.tag = "div"


def _find_known(page: HtmlElement) -> list[HtmlElement]:
    """Return what a known system marks as the article: its parts, where none holds half of it."""
    found = page.xpath(_KNOWN_PATH)
    outermost = [region for region in found if not set(region.iterancestors()) & set(found)]
    longest = max(found, key=_count_words, default=None)
    if longest is None:
        return []
    is_in_parts = sum(map(_count_words, outermost)) > 2 * _count_words(longest)
    return outermost if is_in_parts else [longest]


def _stands_alone(page: HtmlElement, leaves: list[Leaf]) -> bool:
    """Return whether a page is an article with nothing around it: no navigation and few links."""
    if any(element.tag != "header" for element in page.xpath(_AROUND_PATH)):
        return False
    parts = page.iter(*_ASIDE_TAGS, "table", "td")
    if any((_ASIDES | _NAVIGATION).intersection(_list_names(part)) for part in parts):
        return False
    linked = sum(leaf.words * leaf.linked for leaf in leaves)
    return linked <= _MAX_LINKED_ALONE * sum(leaf.words for leaf in leaves)


def _drop_pictures(page: HtmlElement, leaves: list[Leaf]) -> None:
    """Remove images that are not amid the article, or lead to another page."""
    kept = [leaf.element for leaf in leaves if leaf.is_kept]
    order = list(page.iter())
    *_, last = kept[-1].iter()
    amid = set(order[order.index(kept[0]) : order.index(last) + 1])
    for image in [element for element in order if element.tag == "img"]:
        leads_away = next(image.iterancestors("a"), None) is not None
        if image not in amid or leads_away or _has_bad_name(image):
            image.drop_tree()


def _drop_separators(page: HtmlElement) -> None:
    """Remove what stood between the entries of a menu where those are gone."""
    for menu in list(page.iter("ul", "ol", "menu", "dir")):
        if next(menu.iter("li"), None) is None and not _squeeze(menu.text_content()):
            menu.drop_tree()


def _write_whole(region: HtmlElement, base: str, *, known: bool = True) -> str:
    words = _count_words(region)
    for element in region.xpath(_AROUND_PATH):
        # Some sites have the whole page in an element that is named like a part of it.
        is_part = element.tag == "nav" or 2 * _count_words(element) <= words
        if is_part and element.getparent() is not None:
            element.drop_tree()
    if not known:
        _drop_asides(region)
    return write_markdown(region, base)


def _drop_asides(page: HtmlElement) -> None:
    """Remove what its class says stands beside the article: small parts, and few words in all."""
    most = _MAX_ASIDES * _count_words(page)
    found: dict[HtmlElement, int] = {}
    for element in page.iter(*_ASIDE_TAGS):
        if not _ASIDES.intersection(_list_names(element)):
            continue
        if any(outer in found for outer in element.iterancestors()):
            continue
        words = _count_words(element)
        if words <= most and element is not page:
            found[element] = words
    if sum(found.values()) <= most:
        for element in found:
            element.drop_tree()


def _list_names(element: HtmlElement) -> list[str]:
    """Return the words of an element's class and id: `relatedPosts` and `related-posts` are two.

    An id that a heading in it spells is the anchor of a section, whatever that is about.
    """
    names = element.get("class") or ""
    if anchor := _squeeze(element.get("id") or "").replace("_", ""):
        titles = element.iter(*HEADINGS)
        if not any(anchor in _squeeze(title.text_content()) for title in titles):
            names += f" {element.get('id')}"
    return [name.lower() for name in _NAME.findall(names)]


def _find_region(page: HtmlElement, leaves: list[Leaf]) -> HtmlElement:
    """Return the smallest element marked as the article or main part that holds what is kept."""
    kept = [leaf for leaf in leaves if leaf.is_kept]
    least = sum(leaf.words for leaf in kept) / 2
    regions = sorted(page.xpath(_REGION_PATH), key=_count_words)
    held: Counter[HtmlElement] = Counter()
    for leaf in kept:
        for outer in leaf.element.iterancestors():
            held[outer] += leaf.words
    for region in regions:
        if held[region] > least:
            return region
    return page if kept or not regions else regions[-1]


def _is_inside(element: HtmlElement, region: HtmlElement) -> bool:
    """Return whether an element is part of a region, and not of navigation in it."""
    for outer in (element, *element.iterancestors()):
        if outer is region:
            return True
        if outer.tag in _AROUND:
            return False
    return False


def wrap_loose_text(page: HtmlElement) -> None:
    """Put text and inline elements that stand beside blocks into paragraphs of their own."""
    holders = set(find_holders(page))
    for element in [page, *page.iterdescendants(*BLOCKS), *holders]:
        children = list(element)
        blocks = {child for child in children if child.tag in BLOCKS or child in holders}
        if not blocks or element.tag in _NO_PARAGRAPHS:
            continue
        paragraph = None
        if (element.text or "").strip():
            paragraph = _insert_paragraph(element, 0)
            paragraph.text, element.text = element.text, None
        for child in children:
            if child in blocks:
                paragraph = None
                if (child.tail or "").strip():
                    paragraph = _insert_paragraph(element, element.index(child) + 1)
                    paragraph.text, child.tail = child.tail, None
            else:
                if paragraph is None:
                    paragraph = _insert_paragraph(element, element.index(child))
                paragraph.append(child)


def _insert_paragraph(element: HtmlElement, at: int) -> HtmlElement:
    paragraph = element.makeelement("p")
    element.insert(at, paragraph)
    return paragraph


def list_leaves(page: HtmlElement) -> list[Leaf]:
    """Return the blocks of a page that hold words and no other blocks, in order."""
    holders = set(find_holders(page))
    leaves = []
    for element in page.iter():
        if element.tag not in BLOCKS or any(
            child.tag in BLOCKS or child in holders for child in element
        ):
            continue
        text = element.text_content()
        letters = _squeeze(text)
        # Some scripts write no spaces between words.
        words = max(len(_WORD.findall(text)), len(letters) // _LETTERS_A_WORD)
        if letters:
            is_sentence = ends_sentence(text) or text.rstrip().endswith((")", "”", '"'))
            linked = _share_linked(element, text)
            leads_away = linked > _MAX_LINKED and _LEADS_AWAY.match(text) is not None
            leaves.append(Leaf(element, letters, words, linked, is_sentence, leads_away))
    return leaves


def _share_linked(element: HtmlElement, text: str) -> float:
    if next(element.iterancestors("a"), None) is not None:
        return 1.0
    linked = sum(len(link.text_content().strip()) for link in element.iter("a"))
    return min(1.0, linked / max(1, len(text.strip())))


def mark_leaves(leaves: list[Leaf], found: str) -> bool:
    """Mark the leaves whose words `found` holds; False where much of it is in no leaf.

    Short leaves must follow those before them closely: "Contact" is found in any text.
    """
    whole = _squeeze(found)
    position = marked = 0
    for leaf in leaves:
        at = whole.find(leaf.letters, position)
        is_long = len(leaf.letters) >= _LONG
        if at >= 0 and (is_long or at - position < _STEP):
            leaf.is_marked, position = True, at + len(leaf.letters)
        else:
            leaf.is_marked = is_long and (leaf.letters in whole or _holds_most(whole, leaf.letters))
        marked += len(leaf.letters) if leaf.is_marked else 0
    return len(whole) < _MIN_SCRIPT or marked >= _MIN_FOUND * len(whole)


def _holds_most(whole: str, letters: str) -> bool:
    pieces = [letters[at : at + _PIECE] for at in range(0, len(letters) - _PIECE, _PIECE)]
    return len(pieces) > 1 and 2 * sum(piece in whole for piece in pieces) > len(pieces)


def keep_leaves(leaves: list[Leaf]) -> None:
    """Keep the marked leaves, what stands amid them, and the title and lead over them.

    Short lines after the last paragraph are what sites write under every article.
    """
    marked = [number for number, leaf in enumerate(leaves) if leaf.is_marked]
    if not marked:
        return
    shares = _share_of_containers(leaves)
    for leaf in leaves[marked[0] : marked[-1] + 1]:
        leaf.is_kept = (leaf.is_marked and not leaf.leads_away) or (
            leaf.linked < _MAX_LINKED
            and (leaf.words >= _MIN_LINE_WORDS or leaf.element.tag in _KEPT_SHORT)
            and leaf.element.tag != "figcaption"
            and shares[_find_container(leaf.element)] > _MIN_SHARE_OF_CONTAINER
            and not _has_bad_name(leaf.element)
        )
    solid = [number for number in marked if _is_solid(leaves[number])]
    for leaf in leaves[solid[-1] + 1 :] if solid else ():
        is_short = leaf.words < _SHORT_WORDS and not leaf.is_sentence
        if leaf.element.tag not in _ENTRIES and (is_short or leaf.linked > _MAX_LINKED):
            leaf.is_kept = False
    _keep_head(leaves[max(0, marked[0] - _HEAD_LEAVES) : marked[0]])


def _is_solid(leaf: Leaf) -> bool:
    return leaf.words >= _SOLID_WORDS and leaf.linked < _MAX_LINKED


def _keep_head(before: list[Leaf]) -> None:
    titles = [number for number, leaf in enumerate(before) if leaf.element.tag == "h1"]
    for number, leaf in enumerate(before[titles[-1] :] if titles else ()):
        is_lead = leaf.words >= _LEAD_WORDS and leaf.linked < _MAX_LINKED
        leaf.is_kept = number == 0 or (
            is_lead
            and leaf.element.tag not in ("li", "figcaption")
            and not _has_bad_name(leaf.element)
        )


def _share_of_containers(leaves: list[Leaf]) -> dict[HtmlElement | None, float]:
    """Return for each container of leaves the share of the words in it that are marked."""
    words: Counter[HtmlElement | None] = Counter()
    marked: Counter[HtmlElement | None] = Counter()
    containers = {_find_container(leaf.element) for leaf in leaves}
    for leaf in leaves:
        for outer in leaf.element.iterancestors():
            if outer in containers:
                words[outer] += leaf.words
                marked[outer] += leaf.words * leaf.is_marked
    return {container: marked[container] / max(1, words[container]) for container in containers}


def _find_container(element: HtmlElement) -> HtmlElement | None:
    """Return what an element stands in; a list or a table stands in it as a whole.

    A heading may have a wrapper of its own.
    """
    outer = element.getparent()
    is_heading = element.tag in HEADINGS
    while outer is not None and (outer.tag in _PARTS or (is_heading and len(outer) == 1)):
        outer = outer.getparent()
    return outer


def _has_bad_name(element: HtmlElement) -> bool:
    """Return whether an element near this one is named as what stands around articles."""
    for outer in (element, *element.iterancestors()):
        if outer.tag in ("body", "article", "main"):
            return False
        if any(_BAD_NAME.search(outer.get(name) or "") for name in ("class", "id", "role")):
            return True
    return False


def _count_words(element: HtmlElement) -> int:
    return len(_WORD.findall(element.text_content()))


def _squeeze(text: str) -> str:
    return "".join(_WORD.findall(text.lower()))
