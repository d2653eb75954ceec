"""The functions of PDFium that a page's words are made of, by address.

pypdfium2's own prototypes make an object of each pointer that they return; these return integers,
which halves the cost of a call, and a page takes thousands of them.
"""

import ctypes
from collections.abc import Callable
from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_uint, c_ulong, c_void_p
from typing import Any

import pypdfium2.raw as raw


class Matrix(ctypes.Structure):
    """PDFium's FS_MATRIX."""

    _fields_ = [(name, c_float) for name in "abcdef"]  # what ctypes asks for


class Rectangle(ctypes.Structure):
    """PDFium's FS_RECTF."""

    _fields_ = [(name, c_float) for name in ("left", "top", "right", "bottom")]


def _function(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    address = ctypes.cast(getattr(raw, name), c_void_p).value
    return ctypes.CFUNCTYPE(result, *arguments)(address or 0)


char_code = _function("FPDFText_GetUnicode", c_uint, c_void_p, c_int)
is_hyphen = _function("FPDFText_IsHyphen", c_int, c_void_p, c_int)
char_object = _function("FPDFText_GetTextObject", c_void_p, c_void_p, c_int)
char_matrix = _function("FPDFText_GetMatrix", c_int, c_void_p, c_int, POINTER(Matrix))
char_box = _function("FPDFText_GetLooseCharBox", c_int, c_void_p, c_int, POINTER(Rectangle))
char_origin = _function(
    "FPDFText_GetCharOrigin", c_int, c_void_p, c_int, POINTER(c_double), POINTER(c_double)
)
font_size = _function("FPDFText_GetFontSize", c_double, c_void_p, c_int)
page_text = _function("FPDFText_GetText", c_int, c_void_p, c_int, c_int, c_char_p)
object_font = _function("FPDFTextObj_GetFont", c_void_p, c_void_p)
render_mode = _function("FPDFTextObj_GetTextRenderMode", c_int, c_void_p)
fill_color = _function(
    "FPDFPageObj_GetFillColor",
    c_int,
    c_void_p,
    POINTER(c_uint),
    POINTER(c_uint),
    POINTER(c_uint),
    POINTER(c_uint),
)
count_marks = _function("FPDFPageObj_CountMarks", c_int, c_void_p)
object_mark = _function("FPDFPageObj_GetMark", c_void_p, c_void_p, c_ulong)
mark_string = _function(
    "FPDFPageObjMark_GetParamStringValue",
    c_int,
    c_void_p,
    c_char_p,
    c_char_p,
    c_ulong,
    POINTER(c_ulong),
)
marked_content = _function("FPDFPageObj_GetMarkedContentID", c_int, c_void_p)
font_name = _function(
    "FPDFFont_GetBaseFontName", ctypes.c_size_t, c_void_p, c_char_p, ctypes.c_size_t
)
font_weight = _function("FPDFFont_GetWeight", c_int, c_void_p)
font_flags = _function("FPDFFont_GetFlags", c_int, c_void_p)

page_box = _function("FPDF_GetPageBoundingBox", c_int, c_void_p, POINTER(Rectangle))
page_rotation = _function("FPDFPage_GetRotation", c_int, c_void_p)
count_objects = _function("FPDFPage_CountObjects", c_int, c_void_p)
page_object = _function("FPDFPage_GetObject", c_void_p, c_void_p, c_int)
count_form_objects = _function("FPDFFormObj_CountObjects", c_int, c_void_p)
form_object = _function("FPDFFormObj_GetObject", c_void_p, c_void_p, c_ulong)
object_type = _function("FPDFPageObj_GetType", c_int, c_void_p)
object_matrix = _function("FPDFPageObj_GetMatrix", c_int, c_void_p, POINTER(Matrix))
object_bounds = _function(
    "FPDFPageObj_GetBounds",
    c_int,
    c_void_p,
    POINTER(c_float),
    POINTER(c_float),
    POINTER(c_float),
    POINTER(c_float),
)
clip_path = _function("FPDFPageObj_GetClipPath", c_void_p, c_void_p)
count_clips = _function("FPDFClipPath_CountPaths", c_int, c_void_p)
count_clip_segments = _function("FPDFClipPath_CountPathSegments", c_int, c_void_p, c_int)
clip_segment = _function("FPDFClipPath_GetPathSegment", c_void_p, c_void_p, c_int, c_int)
count_segments = _function("FPDFPath_CountSegments", c_int, c_void_p)
path_segment = _function("FPDFPath_GetPathSegment", c_void_p, c_void_p, c_int)
segment_point = _function(
    "FPDFPathSegment_GetPoint", c_int, c_void_p, POINTER(c_float), POINTER(c_float)
)
segment_type = _function("FPDFPathSegment_GetType", c_int, c_void_p)

page_tags = _function("FPDF_StructTree_GetForPage", c_void_p, c_void_p)
close_tags = _function("FPDF_StructTree_Close", None, c_void_p)
count_roots = _function("FPDF_StructTree_CountChildren", c_int, c_void_p)
root_element = _function("FPDF_StructTree_GetChildAtIndex", c_void_p, c_void_p, c_int)
count_children = _function("FPDF_StructElement_CountChildren", c_int, c_void_p)
child_element = _function("FPDF_StructElement_GetChildAtIndex", c_void_p, c_void_p, c_int)
child_content = _function("FPDF_StructElement_GetChildMarkedContentID", c_int, c_void_p, c_int)
element_type = _function("FPDF_StructElement_GetType", c_ulong, c_void_p, c_char_p, c_ulong)
element_alt = _function("FPDF_StructElement_GetAltText", c_ulong, c_void_p, c_char_p, c_ulong)

PATH, IMAGE, FORM = raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_FORM
LINE = raw.FPDF_SEGMENT_LINETO
# Text rendering modes of PDF 32000-1, table 106.
FILLED, INVISIBLE = 0, 3


def address_of(handle: Any) -> int:
    """Return the address behind one of pypdfium2's handles."""
    return ctypes.cast(handle, c_void_p).value or 0
