"""ZIP containers: office files, EPUB and archives of articles, checked before anything is read.

What is refused, with its code: `unreadable_archive` (damaged, ZIP64 of millions of members),
`encrypted`, `archive_too_large` (members, bytes or ratio over the limits), `unsafe_path` (absolute,
`..`, a link), `xml_doctype` and `too_deep` (see `check_xml`).
"""

import io
import lzma
import stat
import struct
import zlib
from pathlib import PurePosixPath
from typing import Any
from xml.parsers import expat
from zipfile import BadZipFile, ZipFile, ZipInfo

from app.errors import UnreadableDocument

MAX_MEMBERS = 10_000
_MAX_BYTES = 512 * 2**20
# Deflate reaches 1,032; XML of spreadsheets 20 to 100.
_MAX_RATIO = 200
_RATIO_COUNTS_FROM_BYTES = 2**20
_PROGRAMS = ("basic/", "dialogs/", "scripts/")
_MAX_XML_DEPTH = 250
_END = struct.Struct("<4s4H2LH")
# ZIP64's own end, whose numbers count where it is there, and what names its place behind it.
_END_64, _LOCATOR_64 = struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
_MAX_COMMENT = 2**16
_ENCRYPTED_FLAG = 1
# Places outside the file are a ValueError or an OverflowError, as names that are not UTF-8 are.
_DAMAGED = (
    *(BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError),
    OverflowError,
)


def open_package(
    data: bytes, *, max_members: int = MAX_MEMBERS, max_bytes: int = _MAX_BYTES
) -> ZipFile:
    """Return the opened container; its members may have at most `max_bytes` together."""
    _check_directory(data, max_members)
    try:
        package = ZipFile(io.BytesIO(data))
    except _DAMAGED as error:
        raise UnreadableDocument("the ZIP container is damaged", code="unreadable_archive") from (
            error
        )
    for member in package.infolist():
        _check_member(member)
    total = sum(member.file_size for member in package.infolist())
    if total > max_bytes:
        raise UnreadableDocument(
            f"unpacked it has {total} bytes; at most {max_bytes} are read",
            code="archive_too_large",
        )
    return package


def read_member(package: ZipFile, name: str | ZipInfo) -> bytes:
    """Return a member; never more bytes than it declares. b"" when there is none of that name."""
    try:
        return package.read(name)
    except KeyError:
        return b""
    except _DAMAGED as error:
        raise UnreadableDocument(
            "a member of the ZIP container is damaged, or larger than it declares",
            code="unreadable_archive",
        ) from error


def check_xml(package: ZipFile) -> None:
    """Refuse a document type (entities are declared there) and deep nesting in any XML member.

    Whatever library reads the members afterwards meets neither.
    """
    for member in package.infolist():
        name = member.filename.lower()
        # Programs in OpenDocument files are declared with a document type, and never read.
        if name.endswith((".xml", ".rels")) and not name.startswith(_PROGRAMS):
            _check_xml(read_member(package, member.filename))


def _check_directory(data: bytes, max_members: int) -> None:
    """Bound the directory before zipfile reads all of it."""
    at = data.rfind(b"PK\x05\x06", max(0, len(data) - _END.size - _MAX_COMMENT))
    if at < 0 or len(data) - at < _END.size:
        raise UnreadableDocument(
            "the ZIP container is cut off or damaged", code="unreadable_archive"
        )
    *_, members, directory_bytes, _, _ = _END.unpack_from(data, at)
    locator = at - _LOCATOR_64.size
    if locator >= _END_64.size and data.startswith(b"PK\x06\x07", locator):
        _, _, place, _ = _LOCATOR_64.unpack_from(data, locator)
        if place != locator - _END_64.size:
            raise UnreadableDocument("the ZIP container is damaged", code="unreadable_archive")
        *_, members, directory_bytes, _ = _END_64.unpack_from(data, place)
    # 0xFFFF stands for a count in a ZIP64 record, so for too many as well.
    if members > max_members or directory_bytes > max_members * 1024:
        raise UnreadableDocument(
            f"it has more than {max_members} members", code="archive_too_large"
        )


def _check_member(member: ZipInfo) -> None:
    if not member.filename:
        raise UnreadableDocument("a member has no name", code="unreadable_archive")
    if member.flag_bits & _ENCRYPTED_FLAG:
        raise UnreadableDocument("a member is encrypted", code="encrypted")
    path = PurePosixPath(member.filename.replace("\\", "/"))
    drive = len(path.parts) > 0 and path.parts[0].endswith(":")
    linked = stat.S_ISLNK(member.external_attr >> 16)
    if path.is_absolute() or drive or ".." in path.parts or linked:
        raise UnreadableDocument(
            "a member has an absolute path, a path with .. or is a link", code="unsafe_path"
        )
    if member.file_size > max(_RATIO_COUNTS_FROM_BYTES, member.compress_size * _MAX_RATIO):
        raise UnreadableDocument(
            f"a member unpacks to more than {_MAX_RATIO} times its size",
            code="archive_too_large",
        )


def _check_xml(source: bytes) -> None:
    parser = expat.ParserCreate()
    depth = 0

    def refuse_doctype(*_: Any) -> None:
        raise UnreadableDocument("its XML has a document type", code="xml_doctype")

    def enter(*_: Any) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_XML_DEPTH:
            raise UnreadableDocument(
                f"its XML nests elements more than {_MAX_XML_DEPTH} levels deep", code="too_deep"
            )

    def leave(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser.StartDoctypeDeclHandler = refuse_doctype
    parser.StartElementHandler = enter
    parser.EndElementHandler = leave
    try:
        parser.Parse(source, True)
    # Whether the rest can be read is for the format's parser to say: it is past this point safe.
    except expat.ExpatError:
        return
