"""The encodings of rich text: by the charset of a font, or by the code page of the document."""

import codecs

# Microsoft's charset identifiers, as `\fcharset` has them.
_CHARSETS = {
    0: "cp1252",
    77: "mac_roman",
    128: "cp932",
    129: "cp949",
    130: "johab",
    134: "gbk",
    136: "big5",
    161: "cp1253",
    162: "cp1254",
    163: "cp1258",
    177: "cp1255",
    178: "cp1256",
    186: "cp1257",
    204: "cp1251",
    222: "cp874",
    238: "cp1250",
    255: "cp437",
}
SYMBOLS = 2
"""The charset of fonts whose characters are symbols."""
DEFAULT = 1
"""The charset that stands for the document's code page."""


def find_charset(number: int) -> str:
    """Return the encoding of a font's charset; "" for one that says nothing."""
    return _CHARSETS.get(number, "")


def find_code_page(number: int) -> str:
    """Return the encoding of a code page, Western for one that is not known."""
    for name in (f"cp{number}", {10000: "mac_roman", 65001: "utf-8", 54936: "gb18030"}.get(number)):
        try:
            return codecs.lookup(name or "").name
        except LookupError:
            continue
    return "cp1252"
