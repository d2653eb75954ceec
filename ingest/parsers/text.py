"""Plain text, and the decoding that all text formats share."""

import codecs
import re

from charset_normalizer import from_bytes

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.parsers.latin import PAGES, find_code_page

_WIDE_MARKS = {
    # UTF-32 first: its little-endian mark begins with that of UTF-16.
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_ESCAPES = {
    b"\x1b$B": "iso2022_jp",
    b"\x1b$@": "iso2022_jp",
    b"\x1b(J": "iso2022_jp",
    b"\x1b$)C": "iso2022_kr",
}
# What is declared by one of these names is mostly written in its superset, as the WHATWG's Encoding
# Standard has it for browsers.
_SUPERSETS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "hz": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "euc_jp": "euc_jis_2004",
}
_LABELS = {
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "ms_kanji": "cp932",
    "x-gbk": "gb18030",
    "x-euc-jp": "euc_jp",
    "ks_c_5601-1987": "cp949",
    "ksc5601": "cp949",
    "windows-949": "cp949",
    "windows-874": "cp874",
    "dos-874": "cp874",
    "x-cp1250": "cp1250",
    "x-cp1251": "cp1251",
    "x-cp1252": "cp1252",
    "x-mac-roman": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic",
    "iso-8859-8-i": "iso8859-8",
    "unicode-1-1-utf-8": "utf-8",
    "x-user-defined": "cp1252",
}
# Codecs of Python that are no encodings of files, or that can give halves of a character.
_NO_CHARSETS = {
    *("idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"),
}
_WINDOWS = {f"cp125{digit}" for digit in range(9)}
# What texts of Central Europe are told for, that are nearly always written in one of the first two.
_CENTRAL = (
    "cp1250",
    "iso8859_2",
    "iso8859_3",
    "iso8859_4",
    "iso8859_10",
    "iso8859_14",
    "iso8859_16",
)
# Signs that are parts of words, and controls.
_MISREAD = re.compile(
    r"(?<=[^\W\d_])[^\w\s\x00-\x7f’](?=[^\W\d_])|[©®±¶¬¦](?=[^\W\d_])|[\x80-\x9f\ufffd]"
)
# Katakana of half width. Cyrillic or Thai in 8 bits looks like a text of nothing else.
_NARROW = re.compile(r"[\uff61-\uff9f]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_ALPHABETS = {"koi8_u": re.compile(r"[Ѐ-ӿ]"), "cp874": re.compile(r"[\u0e00-\u0e7f]")}
_DETECTION_BYTES = 256 * 1024
_MIN_EVIDENCE_BYTES = 16
_MIN_WINDOWS_BYTES = 8
# At most this share may be undecodable.
_MAX_BROKEN = 0.2
_MAX_TITLE = 100
_REPLACEMENT = "\ufffd"
_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


def decode_text(data: bytes, declared: str = "") -> tuple[str, tuple[str, ...]]:
    """Return the text with line ends as `\\n`, and warnings when it is not all UTF-8.

    A byte order mark counts first, then UTF-8 where it is valid, then the `declared` encoding or
    its superset, then detection. A few bytes that are not of the encoding are replaced, with a
    warning.
    Soft hyphens, which only say where a word may be cut, are left out.
    Raises UnreadableDocument (`unknown_encoding`).
    """
    # Behind UTF-8's mark, which editors put anywhere, may stand another encoding.
    marked = _decode_marked(data)
    text, encoding = marked or _decode_unmarked(data.removeprefix(codecs.BOM_UTF8), declared)
    is_unicode = encoding == "utf-8" or marked is not None
    warnings: tuple[str, ...] = () if is_unicode else (f"not UTF-8: decoded as {encoding}",)
    broken = text.count(_REPLACEMENT) - data.count(_REPLACEMENT.encode())
    if broken > 0:
        warnings += (f"{broken} undecodable characters replaced",)
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\xad", "")
    return text, warnings


def parse_text(data: bytes, charset: str = "") -> Article:
    """Read plain text without a terminal's colours; a short line alone at its top is the title."""
    text, warnings = decode_text(data, charset)
    text = _TERMINAL.sub("", text)
    first, _, rest = text.strip().partition("\n")
    stands_alone = rest.startswith("\n") and len(first) <= _MAX_TITLE
    return Article(text, title=first.strip() if stands_alone else "", warnings=warnings)


def _decode_marked(data: bytes) -> tuple[str, str] | None:
    """Return the text behind a mark of UTF-16 or UTF-32, and which it was; None without one."""
    for mark, encoding in _WIDE_MARKS.items():
        if data.startswith(mark):
            return _decode(data[len(mark) :], encoding), encoding
    return None


def _decode_unmarked(data: bytes, declared: str) -> tuple[str, str]:
    """Return the text of bytes without a byte order mark, and the encoding it was."""
    encoding = _find_wide(data) or _find_escaped(data)
    if encoding is not None:
        return _decode(data, encoding), encoding
    for candidate in ("utf-8", _resolve_label(declared)):
        text = data.decode(candidate, "replace") if candidate else ""
        if candidate and _is_mostly(text, data, candidate):
            return text, candidate
    encoding = _detect(data)
    return _decode(data, encoding), encoding


def _is_mostly(text: str, data: bytes, encoding: str) -> bool:
    """Return whether few characters of a decoded text are undecodable.

    ASCII aside, which is the same in most encodings, and says nothing of them.
    """
    broken = text.count(_REPLACEMENT) - data.count(_REPLACEMENT.encode())
    if broken <= 0:
        return True
    same = 0 if encoding in _WIDE_MARKS.values() else len(text.encode("ascii", "ignore"))
    return broken <= _MAX_BROKEN * (len(text) - same)


def _find_wide(data: bytes) -> str | None:
    """Return UTF-16 or UTF-32 when the zero bytes of ASCII letters stand where those put them."""
    sample = data[: _DETECTION_BYTES - _DETECTION_BYTES % 4]
    if len(data) % 2 or len(sample) < _MIN_EVIDENCE_BYTES or sample.count(0) < len(sample) // 8:
        return None
    # zeros[i]: share of zero bytes at positions i, i + 4, i + 8 …
    zeros = [part.count(0) / len(part) for part in (sample[i::4] for i in range(4))]
    wide = {
        "utf-32-le": len(data) % 4 == 0 and zeros[3] == 1 and zeros[2] > 0.9 and zeros[0] < 0.1,
        "utf-32-be": len(data) % 4 == 0 and zeros[0] == 1 and zeros[1] > 0.9 and zeros[3] < 0.1,
        "utf-16-le": min(zeros[1], zeros[3]) > 0.2 and max(zeros[0], zeros[2]) < 0.05,
        "utf-16-be": min(zeros[0], zeros[2]) > 0.2 and max(zeros[1], zeros[3]) < 0.05,
    }
    return next((encoding for encoding, fits in wide.items() if fits), None)


def _find_escaped(data: bytes) -> str | None:
    """Return the encoding of the ISO-2022 family that switches by the escapes met; all is ASCII."""
    if b"\x1b" not in data:
        return None
    return next((encoding for escape, encoding in _ESCAPES.items() if escape in data), None)


def _resolve_label(label: str) -> str:
    """Return the codec of an encoding's name, its superset where there is one; "" for none."""
    name = label.strip().strip("\"'").lower()
    try:
        codec = codecs.lookup(_LABELS.get(name, name))
    except (LookupError, ValueError):
        return ""
    # `base64` and the like are codecs too.
    if not codec._is_text_encoding or codec.name in _NO_CHARSETS:
        return ""
    return _SUPERSETS.get(codec.name, codec.name)


def _detect(data: bytes) -> str:
    sample = data[:_DETECTION_BYTES]
    if len(sample) < len(data):
        # With half a character at its end it would be of no encoding of two bytes.
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    high = sum(byte > 127 for byte in sample)
    # A handful of bytes is not a sample; Windows-1252 is what they mostly are.
    if high < _MIN_WINDOWS_BYTES:
        return find_code_page(sample) or "cp1252"
    match = from_bytes(sample).best()
    if high < _MIN_EVIDENCE_BYTES:
        if match is not None and match.encoding in _WINDOWS:
            return _correct(match.encoding, sample)
        return find_code_page(sample) or _find_least_misread(sample, "cp1252", "iso8859_2")
    if match is None:
        raise UnreadableDocument(
            "the bytes are not text in any known encoding", code="unknown_encoding"
        )
    return _correct(match.encoding, sample)


def _correct(encoding: str, sample: bytes) -> str:
    """Return the encoding of a sample of text that is often taken for another one."""
    if encoding in PAGES:
        encoding = find_code_page(sample) or encoding
    if encoding in _CENTRAL:
        # The one that was found comes first: it stays where both fit.
        usual = sorted(_CENTRAL[:2], key=encoding.__ne__)
        return _find_least_misread(sample, *usual)
    if encoding != "cp932" or not _is_mainly(_NARROW, _try(sample, encoding), 0.5):
        return encoding
    alphabets = _ALPHABETS.items()
    found = (name for name, letters in alphabets if _is_mainly(letters, _try(sample, name), 0.9))
    return next(found, encoding)


def _find_least_misread(sample: bytes, *encodings: str) -> str:
    return min(encodings, key=lambda name: len(_MISREAD.findall(_try(sample, name))))


def _is_mainly(letters: re.Pattern[str], text: str, share: float) -> bool:
    """Return whether so much of what is not ASCII in a text are such letters."""
    return len(letters.findall(text)) > share * len(_NOT_ASCII.findall(text))


def _try(sample: bytes, encoding: str) -> str:
    return sample.decode(encoding, "replace")


def _decode(data: bytes, encoding: str) -> str:
    text = data.decode(encoding, "replace")
    if not _is_mostly(text, data, encoding):
        at = text.index(_REPLACEMENT)
        raise UnreadableDocument(
            f"the bytes are not valid {encoding} at character {at}", code="unknown_encoding"
        )
    return text
