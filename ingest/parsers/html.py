"""HTML pages: the article without navigation, as Markdown."""

import re
from copy import deepcopy
from typing import Any

import lxml.html
from lxml import etree
from markdownify import markdownify
from readability import Document
from readability.readability import Unparseable

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.parsers.markdown import find_headings
from ingest.parsers.text import decode_text

# libxml2 drops everything below level 256 without a word, so deeper pages are refused.
_MAX_DEPTH = 250
_NEVER_TEXT = ("script", "style", "noscript", "template", "iframe", "svg", "head")
_AROUND_TEXT = ("nav", "header", "footer", "aside", "form", "dialog")
# Readability leaves out real content at times. Below this share of the words, and on pages of
# fewer words, the whole region is taken: a marked-up <article> is trusted more than a bare <body>.
_LEAST_KEPT_OF_ARTICLE = 0.3
_LEAST_KEPT_OF_BODY = 0.1
_LEAST_WORDS = 100
_MOST_LINKED = 0.3
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)


def parse_html(data: bytes, charset: str = "") -> Article:
    """Read a page or a fragment; the title is that of its first `h1`, else its `<title>`."""
    match = _CHARSET.search(data[:4096])
    source, warnings = decode_text(data, charset or (match[1].decode() if match else ""))
    page = _parse_tree(source)
    title = next(filter(None, map(_words_of, [*page.iter("h1"), *page.iter("title")])), "")
    canonical = page.xpath("string(//link[@rel='canonical']/@href)")
    text, left_out = _extract(page)
    return Article(
        text,
        title=title,
        url=str(canonical) or None,
        headings=find_headings(text),
        warnings=warnings + left_out,
    )


def _parse_tree(source: str) -> lxml.html.HtmlElement:
    parser = lxml.html.HTMLParser(huge_tree=True, encoding="utf-8")
    try:
        page = lxml.html.document_fromstring(source.encode(), parser=parser)
    except etree.ParserError as error:
        raise UnreadableDocument("the page holds no elements", code="empty_document") from error
    depth = deepest = 0
    for event, _ in etree.iterwalk(page, events=("start", "end")):
        depth += 1 if event == "start" else -1
        deepest = max(deepest, depth)
    if deepest > _MAX_DEPTH:
        raise UnreadableDocument(
            f"the page nests its elements more than {_MAX_DEPTH} levels deep", code="too_deep"
        )
    return page


def _extract(page: lxml.html.HtmlElement) -> tuple[str, tuple[str, ...]]:
    """Return the article as Markdown, and what of the page is not in it."""
    page = deepcopy(page)
    etree.strip_elements(page, *_NEVER_TEXT, etree.Comment, with_tail=False)
    images = sum(1 for _ in page.iter("img"))
    hidden = _drop_hidden(page)
    # Not text_content(), which joins the last word of a block to the first of the next.
    words_of_page = _count_words(_to_markdown(page))
    regions = page.xpath("//article | //main | //*[@role='main']")
    region = max(regions, key=lambda r: len(r.text_content()), default=None)
    least_kept = _LEAST_KEPT_OF_BODY if region is None else _LEAST_KEPT_OF_ARTICLE
    text = _find_article(page)
    region = page if region is None else region
    for element in list(region.iter(*_AROUND_TEXT)):
        if element is not region and element.getparent() is not None:
            element.drop_tree()
    whole = _to_markdown(region)
    words = len(whole.split())
    if words < _LEAST_WORDS or len(text.split()) < least_kept * words:
        text = whole
    left_out = max(0, words_of_page - _count_words(text))
    found = [
        (left_out, "{} words around the article were left out as navigation"),
        (hidden, "{} words that are hidden from readers were left out"),
        (images, "{} images were left out"),
    ]
    return text, tuple(words.format(count) for count, words in found if count)


def _find_article(page: lxml.html.HtmlElement) -> str:
    """Return what Mozilla's Readability, in its Python form, takes for the article; "" if none."""
    try:
        source = lxml.html.tostring(page, encoding="unicode")
        return read_fragment(_Readability(source).summary(html_partial=True))
    except Unparseable:
        return ""


class _Readability(Document):  # type: ignore[misc]  # comes without types
    """Readability that keeps lists and tables, and what they stand in, unless they are links."""

    def get_preserved_elements(self, node: lxml.html.HtmlElement) -> set[Any]:
        """Return the elements that are not weighed for being left out."""
        kept = set(super().get_preserved_elements(node))
        for element in self.tags(node, "ul", "ol", "dl", "table"):
            linked = self.get_link_density(element) >= _MOST_LINKED
            if not linked and self.class_weight(element) >= 0:
                kept.update([element, *element.iterancestors(), *element.iterdescendants()])
        return kept


def _drop_hidden(page: lxml.html.HtmlElement) -> int:
    """Remove what no reader sees; returns how many words that were."""
    words = 0
    for element in page.xpath("//*[@hidden or contains(@style, 'display')]"):
        concealed = "hidden" in element.attrib or _HIDDEN.search(element.get("style") or "")
        if concealed and element.getparent() is not None:
            words += _count_words(element.text_content())
            element.drop_tree()
    return words


def _count_words(text: str) -> int:
    return len(_WORD.findall(text))


def read_fragment(html: str) -> str:
    """Return HTML that another parser made of a document as Markdown, all of it."""
    return _to_markdown(_parse_tree(html)) if html.strip() else ""


def _to_markdown(element: lxml.html.HtmlElement) -> str:
    text = markdownify(
        lxml.html.tostring(element, encoding="unicode"),
        heading_style="ATX",
        bullets="-",
        strip=["a", "img"],
        escape_asterisks=False,
        escape_underscores=False,
        escape_misc=False,
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _words_of(element: lxml.html.HtmlElement) -> str:
    return " ".join(element.text_content().split())
