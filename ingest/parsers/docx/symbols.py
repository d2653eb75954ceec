"""Characters of symbol fonts, which stand at codes of their own, as Unicode has them."""

import re

# Adobe's Symbol encoding, from 0x22 and from 0x41: what text documents use of it.
_SYMBOL = {
    0x22: "∀", 0x24: "∃", 0x27: "∋", 0x2A: "∗", 0x2D: "−", 0x40: "≅", 0x5C: "∴", 0x5E: "⊥",
    0x7E: "∼", 0xA2: "′", 0xA3: "≤", 0xA5: "∞", 0xAB: "↔", 0xAC: "←", 0xAD: "↑", 0xAE: "→",
    0xAF: "↓", 0xB0: "°", 0xB1: "±", 0xB2: "″", 0xB3: "≥", 0xB4: "×", 0xB5: "∝", 0xB6: "∂",
    0xB7: "•", 0xB8: "÷", 0xB9: "≠", 0xBA: "≡", 0xBB: "≈", 0xBC: "…", 0xC5: "⊕", 0xC6: "∅",
    0xC7: "∩", 0xC8: "∪", 0xCC: "⊂", 0xCD: "⊆", 0xCE: "∈", 0xCF: "∉", 0xD0: "∠", 0xD1: "∇",
    0xD2: "®", 0xD3: "©", 0xD4: "™", 0xD5: "∏", 0xD6: "√", 0xD7: "⋅", 0xD8: "¬", 0xD9: "∧",
    0xDA: "∨", 0xDB: "⇔", 0xDC: "⇐", 0xDD: "⇑", 0xDE: "⇒", 0xDF: "⇓", 0xE5: "∑", 0xF2: "∫",
    **dict(zip(range(0x41, 0x5B), "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ", strict=True)),
    **dict(zip(range(0x61, 0x7B), "αβχδεφγηιϕκλμνοπθρστυϖωξψζ", strict=True)),
}  # fmt: skip
_WINGDINGS = {
    0x22: "✂", 0x28: "☎", 0x2A: "✉", 0x4A: "☺", 0x4C: "☹", 0x6C: "●", 0x6E: "■", 0x6F: "□",
    0x71: "❑", 0x76: "❖", 0x77: "⬥", 0x9F: "•", 0xA1: "○", 0xA7: "▪", 0xA8: "☐", 0xD8: "➢",
    0xDF: "←", 0xE0: "→", 0xE1: "↑", 0xE2: "↓", 0xE8: "→", 0xEF: "⇦", 0xF0: "⇨", 0xFB: "✗",
    0xFC: "✓", 0xFD: "☒", 0xFE: "☑",
}  # fmt: skip
_FONTS = {"symbol": _SYMBOL, "wingdings": _WINGDINGS}
_OF_SIGNS = re.compile(r"(?:wing|web)dings", re.IGNORECASE)
# Fonts of symbols stand in this private area, at their code plus 0xF000.
_PRIVATE = range(0xF020, 0xF100)


def is_symbol_font(font: str) -> bool:
    """Return whether a font shows other characters than its codes say."""
    return font.lower() in _FONTS


def show_symbol(code: int, font: str) -> str:
    """Return the character at a code of a symbol font; "" for one without a known meaning."""
    table = _FONTS.get(font.lower())
    at = code - 0xF000 if code in _PRIVATE else code
    if table is None:
        return "" if code in _PRIVATE or not 32 <= code <= 0x10FFFF else chr(code)
    return table.get(at) or (chr(at) if table is _SYMBOL and 32 <= at < 127 else "")


def show_symbols(text: str, font: str) -> str:
    """Return text that is set in a symbol font, or has characters of one, as what it shows."""
    if not is_symbol_font(font) and text.isascii():
        return text
    if is_symbol_font(font) and all(ord(c) in _PRIVATE or c.isspace() for c in text):
        return "".join(c if c.isspace() else show_symbol(ord(c), font) for c in text)
    # Private characters outside a symbol font mostly come from Symbol itself.
    source = font if _OF_SIGNS.match(font) else "symbol"
    return "".join(show_symbol(ord(c), source) if ord(c) in _PRIVATE else c for c in text)
