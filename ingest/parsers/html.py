"""HTML pages: the article without navigation, as Markdown."""

import re
from collections import Counter
from contextlib import suppress
from urllib.parse import urljoin

import lxml.html
from lxml import etree
from lxml.html import HtmlElement

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.formats import find_page_charset
from ingest.parsers.html_article import extract_article
from ingest.parsers.html_clutter import (
    HIDDEN_WORDS,
    clean_page,
    count_unwritten,
    drop_anchors,
    drop_hidden,
)
from ingest.parsers.html_end_tags import add_end_tags
from ingest.parsers.html_markdown import SIGNS, write_markdown
from ingest.parsers.markdown import find_headings
from ingest.parsers.text import decode_text

# libxml2 drops everything below level 256 without a word, so deeper pages are refused.
_MAX_DEPTH = 250
# Without content in HTML5, which libxml2 does not know: it takes what follows for theirs.
_EMPTY = re.compile(r"<(?:wbr|source|track|embed)(?=[\s/>])", re.IGNORECASE)
_SCHEME = re.compile(r"\w+:")
_WORD = re.compile(r"\w+")
_TARGET = re.compile(r"\]\((?:<[^>]*>|[^()\s]*)\)")


def parse_html(data: bytes, charset: str = "") -> Article:
    """Read a page or a fragment; the title is that of its first `h1`, else its `<title>`."""
    source, warnings = decode_text(data, charset or find_page_charset(data))
    page = _parse_tree(source)
    canonical = str(page.xpath("string(//link[@rel='canonical']/@href)")).strip()
    base = _find_base(page, canonical)
    left_out = clean_page(page)
    # After that: icons and buttons in a heading are not the title.
    titles = map(_words_of, [*page.iter("h1"), *page.iter("title")])
    title = next(filter(None, titles), "")
    words_of_page = _count_words(write_markdown(page, base))
    text = extract_article(page, base)
    around = max(0, words_of_page - _count_words(text))
    found = {"{} words around the article were left out as navigation": around, **left_out}
    return Article(
        text,
        title=title,
        url=canonical or None,
        headings=find_headings(text, is_written=True),
        warnings=warnings + tuple(words.format(count) for words, count in found.items() if count),
    )


def read_fragment(html: str) -> str:
    """Return HTML that another parser made of a document as Markdown, all of it."""
    return write_markdown(_parse_tree(html)) if html.strip() else ""


def read_chapter(html: str) -> tuple[str, Counter[str]]:
    """Return a chapter of a book as Markdown, and what is left out by its warning's words."""
    if not html.strip():
        return "", Counter()
    page = _parse_tree(html)
    for link in page.iter("a"):
        # Places inside the book are not addresses.
        if not _SCHEME.match(link.get("href") or ""):
            link.set("href", "#")
    left_out = count_unwritten(page)
    left_out[HIDDEN_WORDS] = drop_hidden(page)
    return write_markdown(page), left_out


def read_page(html: str) -> tuple[str, Counter[str]]:
    """Return what readers see of a page without navigation, and what is left out likewise."""
    if not html.strip():
        return "", Counter()
    page = _parse_tree(html)
    left_out = clean_page(page)
    return write_markdown(page), left_out


def _find_base(page: HtmlElement, canonical: str) -> str:
    """Return the address that relative links of a page start from; "" where it names none."""
    base = str(page.xpath("string(//base/@href)")).strip()
    with suppress(ValueError):
        return urljoin(canonical, base)
    return canonical


def _parse_tree(source: str) -> HtmlElement:
    parser = lxml.html.HTMLParser(huge_tree=True, encoding="utf-8")
    try:
        source = add_end_tags(_EMPTY.sub("<meta", source))
        page = lxml.html.document_fromstring(source.encode(), parser=parser)
    # It holds no elements.
    except etree.ParserError:
        return parser.makeelement("html")
    depth = deepest = 0
    for event, _ in etree.iterwalk(page, events=("start", "end")):
        depth += 1 if event == "start" else -1
        deepest = max(deepest, depth)
    if deepest > _MAX_DEPTH:
        raise UnreadableDocument(
            f"the page nests its elements more than {_MAX_DEPTH} levels deep", code="too_deep"
        )
    drop_anchors(page)
    return page


def _count_words(markdown: str) -> int:
    return len(_WORD.findall(_TARGET.sub("]", markdown)))


def _words_of(element: HtmlElement) -> str:
    for line_end in element.iter("br"):
        line_end.text = "\n"
    return " ".join(element.text_content().split()).rstrip(SIGNS)
