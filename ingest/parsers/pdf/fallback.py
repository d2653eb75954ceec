"""Pages that PDFium reads wrong, read by pypdf: right-to-left text, and fonts it cannot map."""

import re

from pypdf import PageObject
from pypdf.errors import LimitReachedError

from ingest.parsers.pdf.lines import Line
from ingest.parsers.pdf.pages import NO_CHARACTER, Page
from ingest.parsers.pdf.regions import Region

_MIN_LETTERS = 20
_LOST_SHARE = 0.15
_MORE = 1.2
_GLYPH_NAME = re.compile(r"/(?:g|G|C|c|cid|glyph|uni|index)\d+")
_SIZE, _LEADING = 10.0, 12.0


def reread_page(page: Page, sheet: PageObject, *, foreign: bool) -> Page:
    """Return the page as pypdf reads it where that is better, else as it is.

    `foreign` says that the file has fonts that are not in it, of an East Asian encoding: PDFium
    leaves out their characters where the system lacks the font.
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
        reread = _make_page(text, letters, unmapped)
        reread.notes = page.notes
        return reread
    return page


def _make_page(text: str, letters: int, lost: int) -> Page:
    rows = []
    for number, written in enumerate(text.split("\n")):
        words = " ".join(NO_CHARACTER.sub("\ufffd", written).split())
        if words:
            rows.append([Line.of_text(words, _SIZE, _LEADING * number)])
    return Page([Region(rows)], letters=letters, lost=lost)
