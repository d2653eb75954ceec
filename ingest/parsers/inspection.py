"""What a reader of a text does not see: reported, never changed."""

import regex

# Beside them stand bidirectional controls, which reorder what is shown. Joiners are part of the
# spelling of Persian and Indic words and of emoji, so they count between Latin letters only.
_ZERO_WIDTH = regex.compile(r"[\u200b\u2060\ufeff\u00ad\u180e]|(?<=\p{Latin})[\u200c\u200d]")
_BIDI_CONTROL = regex.compile(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_TAG_CHARACTER = regex.compile(r"[\U000e0000-\U000e007f]")
_RIGHT_TO_LEFT = regex.compile(r"[\p{Hebrew}\p{Arabic}\p{Syriac}\p{Thaana}\p{Nko}]")
# Letters of one of these pass for letters of another.
_MIXED_WORD = regex.compile(
    r"\b(?=\w*\p{Latin})(?=\w*[\p{Cyrillic}\p{Greek}])[\p{Latin}\p{Cyrillic}\p{Greek}]{3,}\b"
)


def inspect_text(text: str) -> tuple[str, ...]:
    """Return warnings on characters without width, direction controls and words of mixed scripts.

    All of them stay in the text.
    """
    # ASCII has none of it.
    if text.isascii():
        return ()
    counted = [
        (_ZERO_WIDTH, "{} characters without width kept"),
        (_BIDI_CONTROL, "{} controls of writing direction kept"),
        (_TAG_CHARACTER, "{} invisible tag characters kept"),
        (_MIXED_WORD, "{} words mix Latin with Cyrillic or Greek letters"),
    ]
    warnings = [
        words.format(count)
        for pattern, words in counted
        if (count := sum(1 for _ in pattern.finditer(text)))
    ]
    if _RIGHT_TO_LEFT.search(text):
        warnings.append("holds right-to-left text")
    return tuple(warnings)
