"""Words of shapes and charts in workbooks of Excel 97 to 2003, which xlrd passes over.

The records are those of [MS-XLS]: 2.4.329 TxO with its Continue records, 2.4.254 SeriesText.
"""

import io
import struct
from collections.abc import Sequence
from typing import TypeAlias

from xlrd.compdoc import CompDoc

_BOUND_SHEET, _BOF, _OBJECT, _TEXT, _CONTINUE, _CHART_TEXT = 0x85, 0x809, 0x5D, 0x1B6, 0x3C, 0x100D
_BIFF8 = 0x0600
_COMPOUND_FILE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_COMMENT = 0x19
"""The type of an object that belongs to a comment; xlrd reads those."""
_MAX_PARTS = 16
# Between an object and its text stands at most a drawing.
_NEAR = 4

Record: TypeAlias = tuple[int, int, bytes]
"""Where it stands, its kind and its body."""


def read_drawn_words(data: bytes) -> dict[str, list[str]]:
    """Return by the name of a sheet what its shapes and charts say; without hidden sheets."""
    # Excel 2 to 4 wrote no compound file, and Excel 5 and 95 records of other forms.
    records = _walk(_find_stream(data)) if data.startswith(_COMPOUND_FILE) else []
    if not records or int.from_bytes(records[0][2][:2], "little") != _BIFF8:
        return {}
    names = _name_sheets(records)
    found: dict[str, list[str]] = {}
    name = ""
    for at, (place, kind, body) in enumerate(records):
        # A chart amid a sheet begins with such a record too, and belongs to the sheet.
        if kind == _BOF and place in names:
            name = names[place]
        elif name and (words := " ".join(_read_words(records, at, kind, body).split())):
            found.setdefault(name, []).append(words)
    return found


def _name_sheets(records: Sequence[Record]) -> dict[int, str]:
    """Return the names of the sheets that are shown by the places where they begin."""
    names = {}
    for _, kind, body in records:
        if kind == _BOUND_SHEET and len(body) >= 8:
            begins, is_hidden, length, flags = struct.unpack_from("<IBxBB", body)
            names[begins] = "" if is_hidden & 3 else _decode(body[8:], length, flags)
    return names


def _read_words(records: Sequence[Record], at: int, kind: int, body: bytes) -> str:
    if kind == _CHART_TEXT and len(body) > 3:
        return _decode(body[4:], body[2], body[3])
    if kind != _TEXT or len(body) < 12 or _is_comment(records[max(0, at - _NEAR) : at]):
        return ""
    return _join(records[at + 1 : at + 1 + _MAX_PARTS], int.from_bytes(body[10:12], "little"))


def _is_comment(before: Sequence[Record]) -> bool:
    """Return whether the object that a text stands in is the last one's, and of a comment."""
    objects = [body for _, kind, body in before if kind == _OBJECT and len(body) > 5]
    return bool(objects) and int.from_bytes(objects[-1][4:6], "little") == _COMMENT


def _find_stream(data: bytes) -> bytes:
    stream = CompDoc(data, logfile=io.StringIO()).get_named_stream("Workbook")
    return bytes(stream) if stream else b""


def _walk(stream: bytes) -> list[Record]:
    records, place = [], 0
    while place + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, place)
        records.append((place, kind, stream[place + 4 : place + 4 + size]))
        place += 4 + size
    return records


def _decode(body: bytes, length: int, flags: int) -> str:
    if flags & 1:
        return body[: 2 * length].decode("utf-16-le", "replace")
    return body[:length].decode("latin-1")


def _join(following: Sequence[Record], length: int) -> str:
    """Return a text of so many characters from the records that carry it on."""
    text = ""
    for _, kind, body in following:
        if kind != _CONTINUE or len(text) >= length:
            break
        if body:
            text += _decode(body[1:], length - len(text), body[0])
    return text
