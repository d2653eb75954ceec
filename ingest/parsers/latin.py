"""Which code page of the Latin alphabet a text is in: the one that gives letters of one language.

What detects encodings takes short texts of one for another: `jusqu'ą` is French, `adý` Turkish.
"""

import re
from collections import Counter

# Page and letters of a language, in the order in which they count where several fit.
_LANGUAGES = (
    *(("cp1252", letters) for letters in ("àâæçéèêëîïôœùûüÿ", "äöüßé", "áéíñóúü¿¡ºª")),
    *(("cp1252", letters) for letters in ("àèéìòù", "áàâãçéêíóôõúüºª", "åäöéü")),
    *(("cp1252", letters) for letters in ("æøåéòóô", "ëïéèêöüóáçí", "àçèéíïòóúü·")),
    ("cp1254", "çğıöşüâîûİ"),
    ("cp1252", "áðéíóúýþæö"),
    *(("cp1250", letters) for letters in ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž")),
    *(("cp1250", letters) for letters in ("áéíóöőúüű", "ăâîşţ", "čćđšž")),
    *(("iso8859_2", letters) for letters in ("ąćęłńóśźż", "áčďéěíňóřšťúůýž")),
    *(("iso8859_2", letters) for letters in ("áäčďéíĺľňóôŕšťúýž", "čćđšž")),
    *(("cp1257", letters) for letters in ("ąčęėįšųūž", "āčēģīķļņšūž", "äõöüšž")),
    *(("cp850", letters) for letters in ("àâæçéèêëîïôùûü", "äöüßé", "áéíñóúü¿¡")),
    *(("mac_roman", letters) for letters in ("àâæçéèêëîïôœùûüÿ", "äöüßé", "áéíñóúü¿¡")),
)
PAGES = frozenset(
    {page for page, _ in _LANGUAGES}
    | {"cp437", "cp775", "cp852", "cp858", "cp1258", "hp_roman8", "mac_iceland", "mac_latin2"}
    | {f"iso8859_{part}" for part in (1, 2, 3, 4, 9, 10, 13, 14, 15, 16)}
)
_SIGN = re.compile(r"[^\x00-\x7f]")
# Signs that may stand between letters.
_BETWEEN = "’–—·…\xa0\xad"
_MIN_SHARE = 0.9


def find_code_page(sample: bytes) -> str:
    """Return the page where nearly all that is not ASCII is of one language; "" for none."""
    counts = {page: _count_signs(sample.decode(page, "replace")) for page, _ in _LANGUAGES}
    best, most = "", _MIN_SHARE
    for page, letters in _LANGUAGES:
        total = counts[page].total()
        # Signs alone are of any language.
        share = sum(counts[page][letter] for letter in letters) / total if total else 1
        if share > most:
            best, most = page, share
    return best


def _count_signs(text: str) -> Counter[str]:
    """Return how often a letter outside of ASCII stands in a text; what is amiss counts as ""."""
    counts: Counter[str] = Counter()
    for match in _SIGN.finditer(text):
        sign, at = match[0], match.start()
        before, after = text[at - 1 : at], text[at + 1 : at + 2]
        if sign == "\ufffd" or "\x80" <= sign < "\xa0" or (sign.isupper() and before.islower()):
            counts[""] += 1
        elif sign.isalpha():
            counts[sign if sign == "İ" else sign.lower()] += 1
        elif before.isalnum() and (sign in "¿¡" or (after.isalnum() and sign not in _BETWEEN)):
            counts[""] += 1
    return counts
