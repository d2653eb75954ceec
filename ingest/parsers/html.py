"""HTML pages: the article without navigation, as Markdown."""

import re
from copy import deepcopy

import lxml.html
import trafilatura
from lxml import etree
from markdownify import markdownify

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.parsers.markdown import find_headings
from ingest.parsers.text import decode_text

# libxml2 drops everything below level 256 without a word, so deeper pages are refused.
_MAX_DEPTH = 250
_NEVER_TEXT = ("script", "style", "noscript", "template", "iframe", "svg", "head")
# trafilatura takes these in when a page is short.
_NEVER_ARTICLE = ("nav", "footer", "aside", "dialog")
_AROUND_TEXT = ("nav", "header", "footer", "aside", "form", "dialog")
# trafilatura leaves out real content at times. When it keeps less than this share of the words,
# the whole region is taken: a marked-up <article> is trusted more than a bare <body>.
_LEAST_KEPT_OF_ARTICLE = 0.6
_LEAST_KEPT_OF_BODY = 0.2
_WORD = re.compile(r"\w+")
_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)


def parse_html(data: bytes, charset: str = "") -> Article:
    """Read a page or a fragment; the title is that of its first `h1`, else its `<title>`."""
    match = _CHARSET.search(data[:4096])
    source, warnings = decode_text(data, charset or (match[1].decode() if match else ""))
    page = _parse_tree(source)
    title = next(filter(None, map(_words_of, [*page.iter("h1"), *page.iter("title")])), "")
    canonical = page.xpath("string(//link[@rel='canonical']/@href)")
    text, words_left_out = _extract(page)
    if words_left_out:
        warnings += (f"{words_left_out} words around the article were left out as navigation",)
    return Article(
        text,
        title=title,
        url=str(canonical) or None,
        headings=find_headings(text),
        warnings=warnings,
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


def _extract(page: lxml.html.HtmlElement) -> tuple[str, int]:
    """Return the article as Markdown and how many words of the page are not in it."""
    page = deepcopy(page)
    etree.strip_elements(page, *_NEVER_TEXT, etree.Comment, with_tail=False)
    # Not text_content(), which joins the last word of a block to the first of the next.
    words_of_page = len(_WORD.findall(_to_markdown(page)))
    regions = page.xpath("//article | //main | //*[@role='main']")
    region = max(regions, key=lambda r: len(r.text_content()), default=None)
    least_kept = _LEAST_KEPT_OF_BODY if region is None else _LEAST_KEPT_OF_ARTICLE
    text = ""
    if next(page.iter(*_AROUND_TEXT), None) is not None:
        pruned = deepcopy(page)
        for element in list(pruned.iter(*_NEVER_ARTICLE)):
            element.drop_tree()
        extracted = trafilatura.extract(
            pruned,
            output_format="markdown",
            include_comments=False,
            include_formatting=True,
            include_tables=True,
        )
        text = extracted or ""
    region = page if region is None else region
    for element in list(region.iter(*_AROUND_TEXT)):
        if element is not region and element.getparent() is not None:
            element.drop_tree()
    whole = _to_markdown(region)
    kept_enough = len(text.split()) >= least_kept * len(whole.split())
    if not kept_enough or len(find_headings(text)) < len(find_headings(whole)):
        text = whole
    return text, max(0, words_of_page - len(_WORD.findall(text)))


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
