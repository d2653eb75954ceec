"""File names inside ZIP archives, whatever program wrote them.

The format: PKWARE's APPNOTE, 4.4.4 (bit 11) and 4.6.9 (the Unicode path). Most programs write names
in the code page of their machine and do not say which one; macOS writes UTF-8 without saying so.
"""

import struct
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from zipfile import ZipInfo

_IS_UTF8 = 0x800
_UNICODE_PATH = 0x7075
_ENCODINGS = ("cp932", "gb18030", "cp949", "big5", "cp866", "cp1251", "cp1252")
_MAX_FOREIGN = 0.35
# Any two bytes of Chinese may be a syllable of Korean, but hardly the ones that Korean is made of.
_COMMON_HANGUL = frozenset(
    "이다는의에을가고를하은지서한도로기사자어나리대인시아정과일수보해니면부게으스장전제그라상원있구"
    "주성여공들안동실내소연용유조경진세화법국비관신문무개발생명업선물트것분만학적여계산간치모바"
    "설품증객센터드방식체험결과표번호답질환급반납교육차파일집양금"
)
# What file managers and editors leave beside the files.
_SYSTEM_FILES = {"thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r"}
_SYSTEM_FOLDERS = {"__macosx", "$recycle.bin", "system volume information"}


def read_names(members: Sequence[ZipInfo]) -> list[str]:
    """Return the names of members, in order and in NFC, their parts between slashes.

    One encoding is found for all of them.
    """
    raw = [_read_raw(member) for member in members]
    encoding = _find_encoding(b"".join(name for name in raw if name and not _is_utf8(name)))
    return [
        # Some programs of Windows part names as that does.
        unicodedata.normalize("NFC", _decode(member, name, encoding).replace("\\", "/"))
        for member, name in zip(members, raw, strict=True)
    ]


def is_left_out(name: str) -> bool:
    """Return whether a file is none of the author's: hidden, a lock, or a file manager's own."""
    path = PurePosixPath(name)
    last = path.name.casefold()
    return (
        any(part.startswith(".") or part.casefold() in _SYSTEM_FOLDERS for part in path.parts)
        or last.startswith(("~$", ".~lock."))
        or last in _SYSTEM_FILES
    )


def _read_raw(member: ZipInfo) -> bytes:
    """Return a name's bytes where nothing says what they mean; b"" where that is known."""
    if member.flag_bits & _IS_UTF8 or member.orig_filename.isascii():
        return b""
    # zipfile takes them for cp437, which has a character for every byte.
    return member.orig_filename.encode("cp437", "replace")


def _decode(member: ZipInfo, raw: bytes, encoding: str) -> str:
    if not raw:
        return member.filename
    named = _read_unicode_path(member, raw)
    if named:
        return named
    return raw.decode("utf-8" if _is_utf8(raw) else encoding, "replace")


def _read_unicode_path(member: ZipInfo, raw: bytes) -> str:
    """Return the name in the extra field for it, unless the member was renamed since."""
    extra = member.extra
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        content, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == _UNICODE_PATH and content[1:5] == zlib.crc32(raw).to_bytes(4, "little"):
            return content[5:].decode("utf-8", "replace")
    return ""


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _find_encoding(names: bytes) -> str:
    """Return the encoding in which the names are the likeliest; cp437, as ZIP has it, for none."""
    scores = dict(_score(names))
    best = max(scores, key=lambda encoding: scores[encoding], default="cp437")
    return best if scores.get(best, 0) > _score_latin(names.decode("cp437")) else "cp437"


def _score(names: bytes) -> Iterator[tuple[str, float]]:
    for encoding in _ENCODINGS:
        try:
            text = names.decode(encoding)
        except UnicodeDecodeError:
            continue
        foreign = [character for character in text if not character.isascii()]
        if foreign:
            yield encoding, sum(_weigh(c, encoding) for c in foreign) / len(foreign)


def _score_latin(text: str) -> float:
    """Return how likely names are words in Latin letters: few of those are beyond ASCII."""
    foreign = [character for character in text if not character.isascii()]
    letters = sum(character.isalpha() for character in text)
    if not foreign:
        return 0
    share = sum(c.isalpha() and c < "\u0250" for c in foreign) / len(foreign)
    return share if len(foreign) < _MAX_FOREIGN * letters else 0.6 * share


def _weigh(character: str, encoding: str) -> float:
    """Return how likely a character is in a name of an encoding: 0 to 1."""
    name = unicodedata.name(character, "")
    if encoding == "cp932":
        if name.startswith(("HIRAGANA", "KATAKANA")):
            return 1.0
        return 0.85 if _is_common(character, "shift_jis", 0x88, 0x97) else 0.2 * _is_han(name)
    if encoding == "gb18030":
        return 0.9 if _is_common(character, "gb2312", 0xB0, 0xD7) else 0.2 * _is_han(name)
    if encoding == "cp949":
        return 1.0 if character in _COMMON_HANGUL else 0.5 * name.startswith("HANGUL")
    if encoding == "big5":
        return 0.88 if _is_common(character, "big5", 0xA4, 0xC6) else 0.2 * _is_han(name)
    if encoding == "cp1252":
        return 0.5 * (character.isalpha() and character < "\u0250")
    if name.startswith("CYRILLIC SMALL"):
        return 0.8
    return 0.6 if name.startswith("CYRILLIC CAPITAL") and "IO" not in name else 0.0


def _is_han(name: str) -> bool:
    return name.startswith("CJK UNIFIED")


def _is_common(character: str, encoding: str, first: int, last: int) -> bool:
    """Return whether a character is in the rows of an encoding that hold the common ones."""
    try:
        code = character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return len(code) == 2 and first <= code[0] <= last
