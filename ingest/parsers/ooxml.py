"""Parts of an Office Open XML file and the relations between them, whichever edition wrote it.

The format: ISO/IEC 29500, parts 1 (strict) and 4 (transitional), and part 2 for the package.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote
from zipfile import ZipFile

from lxml import etree

from app.errors import UnreadableDocument
from ingest.package import check_xml, open_package, read_member

Element = etree._Element

_SCHEMAS = "http://schemas.openxmlformats.org/"
_MICROSOFT = "http://schemas.microsoft.com/office/"
NAMESPACES = {
    "w": f"{_SCHEMAS}wordprocessingml/2006/main",
    "p": f"{_SCHEMAS}presentationml/2006/main",
    "x": f"{_SCHEMAS}spreadsheetml/2006/main",
    "a": f"{_SCHEMAS}drawingml/2006/main",
    "c": f"{_SCHEMAS}drawingml/2006/chart",
    "dgm": f"{_SCHEMAS}drawingml/2006/diagram",
    "pic": f"{_SCHEMAS}drawingml/2006/picture",
    "wp": f"{_SCHEMAS}drawingml/2006/wordprocessingDrawing",
    "xdr": f"{_SCHEMAS}drawingml/2006/spreadsheetDrawing",
    "m": f"{_SCHEMAS}officeDocument/2006/math",
    "r": f"{_SCHEMAS}officeDocument/2006/relationships",
    "mc": f"{_SCHEMAS}markup-compatibility/2006",
    "rels": f"{_SCHEMAS}package/2006/relationships",
    "cx": f"{_MICROSOFT}drawing/2014/chartex",
    "w14": f"{_MICROSOFT}word/2010/wordml",
    "wps": f"{_MICROSOFT}word/2010/wordprocessingShape",
    "tc": f"{_MICROSOFT}spreadsheetml/2018/threadedcomments",
    "v": "urn:schemas-microsoft-com:vml",
    "o": "urn:schemas-microsoft-com:office:office",
    "dc": "http://purl.org/dc/elements/1.1/",
}
_PREFIXES = {uri: prefix for prefix, uri in NAMESPACES.items()}
# The strict edition has namespaces of its own for what is otherwise the same.
_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")
_COMPOUND_MARK = b"\xd0\xcf\x11\xe0"
# What programs write as the title of a file that has none.
_NO_TITLE = re.compile(
    r"power ?point.pr\S+|microsoft (?:word|powerpoint|excel) - .*|slide \d+|untitled.*|"
    r"(?:document|dokument|presentation|book)\d*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Relation:
    """What a part refers to: `kind` is the last word of its type."""

    kind: str
    target: str
    is_external: bool


class Parts:
    """The parts of an opened file; one that is damaged is counted and left out.

    `counts` is for what else is left out of a part, by the words of its warning.
    """

    def __init__(self, package: ZipFile) -> None:
        self._package = package
        self._names = {name.lower(): name for name in package.namelist()}
        self._relations: dict[str, dict[str, Relation]] = {}
        self.damaged: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def find_main(self) -> str:
        """Return the name of the part that the file is about; "" when nothing says so."""
        return self.find_related("", "officeDocument")

    def find_related(self, part: str, kind: str) -> str:
        """Return the first part to which `part` has a relation of a kind; "" for none."""
        return next(self.list_related(part, kind), "")

    def list_related(self, part: str, kind: str) -> Iterator[str]:
        """Yield the parts to which `part` has relations of a kind."""
        for relation in self.relations(part).values():
            if relation.kind == kind and not relation.is_external:
                yield relation.target

    def relations(self, part: str) -> dict[str, Relation]:
        """Return the relations of a part by their ids; those of the package for ""."""
        if part not in self._relations:
            folder, name = posixpath.split(part)
            root = self.parse(posixpath.join(folder, "_rels", f"{name}.rels"))
            self._relations[part] = {} if root is None else dict(_read_relations(root, folder))
        return self._relations[part]

    def read(self, part: str) -> bytes:
        """Return the bytes of a part; b"" when there is none or it cannot be read."""
        try:
            return read_member(self._package, self._names.get(part.lower(), part))
        except UnreadableDocument:
            self.damaged[part] += 1
            return b""

    def parse(self, part: str) -> Element | None:
        """Return the root of a part in the transitional edition's namespaces, or None."""
        source = self.read(part)
        return self.parse_source(source, part) if source else None

    def parse_source(self, source: bytes, part: str) -> Element | None:
        """Return the root of XML that belongs to a part; what is damaged is read as far as it goes.

        `part` names it in the count of damaged ones.
        """
        parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            recover=True,
            remove_comments=True,
            remove_pis=True,
        )
        try:
            root: Element | None = etree.fromstring(
                _STRICT.sub(rb"http://schemas.openxmlformats.org/\1/2006/", source), parser
            )
        except (etree.XMLSyntaxError, ValueError):
            root = None
        if root is None or parser.error_log:
            self.damaged[part] += 1
        return root

    def warn(self) -> tuple[str, ...]:
        """Return warnings on what was left out, and one that names the damaged parts."""
        left_out = tuple(words.format(count) for words, count in self.counts.items() if count)
        named = ", ".join(sorted(self.damaged)[:5])
        count = len(self.damaged)
        if count:
            return (*left_out, f"{count} damaged parts were read as far as possible: {named}")
        return left_out


def open_parts(data: bytes) -> Parts:
    """Return the parts of an office file.

    Raises UnreadableDocument: `encrypted`, or what `open_package` and `check_xml` refuse.
    """
    if data.startswith(_COMPOUND_MARK) and "EncryptedPackage".encode("utf-16-le") in data:
        raise UnreadableDocument(
            "the document is encrypted: it opens only with a password", code="encrypted"
        )
    package = open_package(data)
    check_xml(package)
    return Parts(package)


def read_title(parts: Parts) -> str:
    """Return the title among the core properties; "" for none, or one that a program made up."""
    core = parts.find_related("", "core-properties") or "docProps/core.xml"
    root = parts.parse(core)
    title = "" if root is None else root.findtext("dc:title", "", NAMESPACES)
    title = " ".join(title.split())
    return "" if _NO_TITLE.fullmatch(title) else title


def name_of(element: Element) -> str:
    """Return an element's name with this module's prefix; unknown namespaces have the prefix ?."""
    if not isinstance(element.tag, str):
        return ""
    namespace, _, local = element.tag.rpartition("}")
    return f"{_PREFIXES.get(namespace[1:], '?')}:{local}"


def get(element: Element | None, name: str, default: str = "") -> str:
    """Return an attribute by its prefixed name, also where the file leaves the prefix out."""
    if element is None:
        return default
    prefix, _, local = name.rpartition(":")
    value = element.get(f"{{{NAMESPACES[prefix]}}}{local}") if prefix else None
    return value if value is not None else element.get(local, default)


def find(element: Element | None, path: str) -> Element | None:
    """Return the first element at a path of prefixed names."""
    return None if element is None else element.find(path, NAMESPACES)


def get_text(element: Element | None, path: str) -> str:
    """Return the text of the first element at a path of prefixed names, with its spaces."""
    return "" if element is None else element.findtext(path, "", NAMESPACES)


def collect(element: Element | None, name: str) -> str:
    """Return the texts of all elements of a prefixed name in an element, as one line."""
    prefix, _, local = name.partition(":")
    found = () if element is None else element.iter(f"{{{NAMESPACES[prefix]}}}{local}")
    return " ".join(" ".join(inner.text or "" for inner in found).split())


def find_all(element: Element | None, path: str) -> list[Element]:
    """Return the elements at a path of prefixed names."""
    return [] if element is None else element.findall(path, NAMESPACES)


def get_number(element: Element | None, name: str, default: int) -> int:
    """Return an attribute as a number; `default` where it is missing or is not one."""
    value = get(element, name)
    return int(value) if re.fullmatch(r"-?\d{1,9}", value) else default


def is_on(element: Element | None, attribute: str = "w:val") -> bool:
    """Return whether an on/off property is there and not switched off."""
    return element is not None and get(element, attribute, "1") not in {"0", "false", "off", "none"}


def choose_alternative(element: Element) -> list[Element]:
    """Return the content of `mc:AlternateContent`: the first choice that has any."""
    branches = [child for child in element if name_of(child) in {"mc:Choice", "mc:Fallback"}]
    return next((list(branch) for branch in branches if len(branch)), [])


def iterate_chosen(element: Element) -> Iterator[Element]:
    """Yield the elements in an element at any depth, of alternatives those that are chosen."""
    is_choice = name_of(element) == "mc:AlternateContent"
    for child in choose_alternative(element) if is_choice else element:
        yield child
        yield from iterate_chosen(child)


def _read_relations(root: Element, folder: str) -> Iterator[tuple[str, Relation]]:
    for element in find_all(root, "rels:Relationship"):
        target, kind = element.get("Target", ""), element.get("Type", "").rpartition("/")[2]
        is_external = element.get("TargetMode") == "External"
        if not is_external:
            path = posixpath.join("/", folder, unquote(target.partition("#")[0]))
            target = posixpath.normpath(path).lstrip("/")
        yield element.get("Id", ""), Relation(kind, target, is_external)
