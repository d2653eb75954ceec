"""Layers (optional content groups) that are off when a PDF is opened."""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, StreamObject

from ingest.parsers.pdf import engine
from ingest.parsers.pdf.structure import list_values, resolve


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers that are off, by reference, and their names without those of any that is on."""

    off: frozenset[IndirectObject] = frozenset()
    names: frozenset[str] = frozenset()

    def hide(self, membership: Any) -> bool:
        """Say whether what belongs to a layer, or to several by a rule, is not shown."""
        if self._is_off(membership):
            return True
        rule = resolve(membership)
        if not isinstance(rule, DictionaryObject) or rule.get("/Type") != "/OCMD":
            return False
        groups = dict.get(rule, "/OCGs")
        listed = list_values(groups) if isinstance(resolve(groups), ArrayObject) else [groups]
        off = [self._is_off(group) for group in listed]
        policy = rule.get("/P", "/AnyOn")
        return all(off) if policy == "/AnyOn" else policy == "/AllOn" and any(off)

    def _is_off(self, layer: Any) -> bool:
        return isinstance(layer, IndirectObject) and layer in self.off


def read_hidden_layers(reader: PdfReader) -> Layers:
    """Return the layers that are off at first."""
    properties = resolve(reader.root_object.get("/OCProperties"))
    state = resolve(properties.get("/D")) if isinstance(properties, DictionaryObject) else None
    if not isinstance(state, DictionaryObject):
        return Layers()
    layers, off = _references(properties.get("/OCGs")), _references(state.get("/OFF"))
    if state.get("/BaseState") == "/OFF":
        off |= layers - _references(state.get("/ON"))
    names = set(map(_name_layer, off)) - set(map(_name_layer, layers - off))
    return Layers(frozenset(off), frozenset(names))


def blank_hidden_drawings(reader: PdfReader, data: bytes, layers: Layers) -> tuple[bytes, int]:
    """Return the file without the words of drawings (form XObjects) on hidden layers; their number.

    PDFium does not say of which layer a drawing is.
    """
    blanked, count = bytearray(data), 0
    for drawing in _list_hidden_drawings(reader, layers) if layers.off else ():
        place = reader.xref.get(drawing.generation, {}).get(drawing.idnum, len(data))
        start = data.find(b"stream", place) + len(b"stream")
        end = data.find(b"endstream", start)
        if start < end:
            blanked[start:end] = b"\n" * (end - start)
            count += 1
    return (bytes(blanked), count) if count else (data, 0)


def _list_hidden_drawings(reader: PdfReader, layers: Layers) -> Iterator[IndirectObject]:
    seen: set[IndirectObject] = set()
    waiting = [page.get("/Resources") for page in reader.pages]
    while waiting:
        resources = resolve(waiting.pop())
        drawings = resources.get("/XObject") if isinstance(resources, DictionaryObject) else None
        for drawing in list_values(drawings):
            found = resolve(drawing)
            if not isinstance(found, StreamObject) or drawing in seen:
                continue
            seen.add(drawing)
            if found.get("/Subtype") == "/Form" and layers.hide(dict.get(found, "/OC")):
                yield drawing
            else:
                waiting.append(found.get("/Resources"))


def find_hidden_objects(page: Any, names: frozenset[str]) -> frozenset[int]:
    """Return the addresses of the objects of a page of pypdfium2 that are on layers of these names.

    Those in a drawing are where the drawing is.
    """
    if not names:
        return frozenset()
    handle = engine.address_of(page.raw)
    waiting = [
        (engine.page_object(handle, index), False) for index in range(engine.count_objects(handle))
    ]
    hidden = set()
    while waiting:
        drawn, is_inside = waiting.pop()
        is_hidden = is_inside or not names.isdisjoint(_list_layers(drawn))
        if is_hidden:
            hidden.add(drawn)
        if engine.object_type(drawn) == engine.FORM:
            inner = range(engine.count_form_objects(drawn))
            waiting += [(engine.form_object(drawn, index), is_hidden) for index in inner]
    return frozenset(hidden)


def _list_layers(drawn: int) -> Iterator[str]:
    """Yield the names of the layers (optional content groups) that an object belongs to."""
    buffer, size = ctypes.create_string_buffer(256), ctypes.c_ulong()
    for index in range(engine.count_marks(drawn)):
        mark = engine.object_mark(drawn, index)
        if engine.mark_string(mark, b"Name", buffer, len(buffer), ctypes.byref(size)):
            yield buffer.raw[: max(0, size.value - 2)].decode("utf-16-le", "replace")


def _references(entry: Any) -> set[IndirectObject]:
    return {value for value in list_values(entry) if isinstance(value, IndirectObject)}


def _name_layer(layer: IndirectObject) -> str:
    found = layer.get_object()
    return str(found.get("/Name", "")) if isinstance(found, DictionaryObject) else ""
