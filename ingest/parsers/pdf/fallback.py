"""Pages that PDFium reads wrong, read by pypdf: right-to-left text, and fonts it cannot map."""

import re
import unicodedata
from collections import Counter

from pypdf import PageObject
from pypdf.errors import LimitReachedError

from ingest.parsers.pdf.lines import Line
from ingest.parsers.pdf.pages import NO_CHARACTER, Page
from ingest.parsers.pdf.regions import Region
from ingest.parsers.pdf.words import Font, Word

_MIN_LETTERS = 20
_LOST_SHARE = 0.15
_MORE = 1.2
_GLYPH_NAME = re.compile(r"/(?:g|G|C|c|cid|glyph|uni|index)\d+")
_SIZE, _LEADING = 10.0, 1.2


def reread_page(page: Page, sheet: PageObject, *, foreign: bool) -> Page:
    """Return the page as pypdf reads it where that is better, else as it is.

    `foreign` says that the page has fonts that are not in the file, of an East Asian encoding:
    PDFium leaves out their characters where the system lacks the font.
    """
    lost = page.letters >= _MIN_LETTERS and page.lost > _LOST_SHARE * page.letters
    if not (page.right_to_left or lost or foreign):
        return page
    try:
        text = sheet.extract_text()
    # Too many operators for pypdf; PDFium has read them.
    except LimitReachedError:
        return page
    # What pypdf cannot map it writes as the name of the glyph.
    names = _GLYPH_NAME.findall(text)
    letters = len(re.sub(r"\s", "", text)) - sum(map(len, names))
    unmapped = len(NO_CHARACTER.findall(text))
    if len(names) > _LOST_SHARE * letters:
        return page
    if page.right_to_left or letters - unmapped > _MORE * (page.letters - page.lost):
        reread = _make_page(text, page, letters, unmapped)
        # pypdf reads no values of forms.
        reread.notes, reread.values = page.notes + page.values, page.values
        reread.unread, reread.partly_scanned = page.unread, page.partly_scanned
        return reread
    return page


def _make_page(text: str, page: Page, letters: int, lost: int) -> Page:
    styles = _find_styles(page)
    sizes = Counter(size for size, _ in styles.values())
    body = sizes.most_common(1)[0][0] if sizes else _SIZE
    rows = []
    for number, written in enumerate(text.split("\n")):
        words = " ".join(NO_CHARACTER.sub("\ufffd", written).split())
        if words:
            size, font = styles.get(_sort_letters(words), (body, Font()))
            y = _LEADING * body * number
            # The end tells how full a line is, whatever its size.
            end = 0.5 * _SIZE * len(words)
            rows.append([Line([Word(words, 0.0, end, y, size, font, "\n", 0, -1)])])
    return Page([Region(rows)], letters=letters, lost=lost)


def _find_styles(page: Page) -> dict[str, tuple[float, Font]]:
    """Return the type of PDFium's lines by their letters, whose order it may have got wrong."""
    styles = {}
    for row in (row for region in page.regions for row in region.rows):
        whole = Line([word for line in row for word in line.words])
        for line in (*row, whole):
            if line.words:
                longest = max(line.words, key=lambda word: len(word.text))
                font = Font(longest.font.name, line.bold, longest.font.fixed)
                styles[_sort_letters(line.text)] = line.size, font
    return styles


def _sort_letters(text: str) -> str:
    return "".join(sorted(filter(str.isalnum, unicodedata.normalize("NFKC", text))))
