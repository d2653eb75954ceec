"""Plain text, and the decoding that all text formats share."""

import codecs

from charset_normalizer import from_bytes

from app.domain import Article
from app.errors import UnreadableDocument

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
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
_DETECTION_BYTES = 256 * 1024
_LEAST_EVIDENCE_BYTES = 16
_LONGEST_TITLE = 100


def decode_text(data: bytes, declared: str = "") -> tuple[str, tuple[str, ...]]:
    """Return the text with line ends as `\\n`, and warnings when it is not UTF-8.

    A byte order mark counts first, then UTF-8 where it is valid, then the `declared` encoding,
    then detection.
    """
    warnings: tuple[str, ...] = ()
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            text = _decode(data[len(mark) :], encoding)
            break
    else:
        text, encoding = _decode_unmarked(data, declared)
        if encoding != "utf-8":
            warnings = (f"not UTF-8: decoded as {encoding}",)
    return text.replace("\r\n", "\n").replace("\r", "\n"), warnings


def parse_text(data: bytes, charset: str = "") -> Article:
    """Read plain text; a short first line that stands alone is the title."""
    text, warnings = decode_text(data, charset)
    first, _, rest = text.strip().partition("\n")
    stands_alone = rest.startswith("\n") and len(first) <= _LONGEST_TITLE
    return Article(text, title=first.strip() if stands_alone else "", warnings=warnings)


def _decode_unmarked(data: bytes, declared: str) -> tuple[str, str]:
    """Return the text of bytes without a byte order mark, and the encoding it was."""
    encoding = _find_wide(data) or _find_escaped(data)
    if encoding is None:
        try:
            return data.decode("utf-8"), "utf-8"
        except UnicodeDecodeError:
            encoding = declared if _is_known(declared) else _detect(data)
    return _decode(data, encoding), encoding


def _find_wide(data: bytes) -> str | None:
    """Return UTF-16 or UTF-32 when the zero bytes of ASCII letters stand where those put them."""
    sample = data[: _DETECTION_BYTES - _DETECTION_BYTES % 4]
    if len(data) % 2 or len(sample) < _LEAST_EVIDENCE_BYTES or sample.count(0) < len(sample) // 8:
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


def _is_known(encoding: str) -> bool:
    try:
        # `base64` and the like are codecs too.
        return bool(codecs.lookup(encoding)._is_text_encoding)
    except (LookupError, ValueError):
        return False


def _detect(data: bytes) -> str:
    # A handful of bytes is no statistic; Windows-1252 is what they mostly are.
    if sum(byte > 127 for byte in data[:_DETECTION_BYTES]) < _LEAST_EVIDENCE_BYTES:
        return "cp1252"
    match = from_bytes(data[:_DETECTION_BYTES]).best()
    if match is None:
        raise UnreadableDocument(
            "the bytes are not text in any known encoding", code="unknown_encoding"
        )
    return match.encoding


def _decode(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnreadableDocument(
            f"the bytes are not valid {encoding} at byte {error.start}", code="unknown_encoding"
        ) from None
