"""Jupyter notebooks (nbformat 3 and 4): prose as it is, code in fences, text that cells put out."""

import json
import re
from collections.abc import Iterator
from typing import Any

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.parsers.html import read_fragment
from ingest.parsers.markdown import drop_unseen, find_headings
from ingest.parsers.text import decode_text

_TERMINAL_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_MAX_OUTPUT = 4000
# What stands as text for an object that is shown otherwise.
_PLACEHOLDER = re.compile(r"<[^<>\n]*>")
_SHOWN_BY_PROGRAM = re.compile(r"application/vnd\.(?:bokeh|jupyter\.widget|plotly|vega)")


def parse_notebook(data: bytes, charset: str = "") -> Article:
    """Read a notebook; raises UnreadableDocument (`unreadable_notebook`) when it is none."""
    source, warnings = decode_text(data, charset)
    try:
        notebook = json.loads(source)
        sheets = notebook.get("worksheets", [notebook])
        cells = [cell for sheet in sheets for cell in sheet["cells"]]
        language = notebook.get("metadata", {}).get("kernelspec", {}).get("language", "")
        outputs = [output for cell in cells for output in cell.get("outputs", ())]
        unwritten = sum(map(_is_left_out, outputs))
        blocks = [block for cell in cells for block in _render_cell(cell, str(language))]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableDocument(
            f"the notebook is damaged ({type(error).__name__})", code="unreadable_notebook"
        ) from error
    text, written = drop_unseen("\n\n".join(filter(None, blocks)))
    headings = find_headings(text)
    long = sum(len(_read_output(output)) > _MAX_OUTPUT for output in outputs)
    found = [
        (written + sum(map(_has_image, outputs)), "{} images were left out"),
        (long, "{} long outputs were left out"),
        (unwritten, "{} outputs that are not text were left out"),
    ]
    return Article(
        text,
        title=next((heading.text for heading in headings if heading.level == 1), ""),
        headings=headings,
        warnings=warnings + tuple(words.format(count) for count, words in found if count),
    )


def _render_cell(cell: dict[str, Any], language: str) -> Iterator[str]:
    source = _join(cell.get("source", cell.get("input", "")))
    match cell["cell_type"]:
        case "code":
            yield _fence(source.strip("\n"), language)
            for output in cell.get("outputs", ()):
                yield _render_output(output)
        case "heading":
            yield f"{'#' * min(int(cell.get('level', 1)), 6)} {source.strip()}"
        case _:
            yield source.strip("\n")


def _render_output(output: dict[str, Any]) -> str:
    """Return what a cell put out: prose and tables as such, the rest in a fence."""
    if len(_read_output(output)) > _MAX_OUTPUT:
        return ""
    data = output.get("data", {})
    if "text/markdown" in data:
        return _join(data["text/markdown"]).strip("\n")
    if "text/html" in data and (written := read_fragment(_join(data["text/html"]))):
        return written
    text = _read_output(output)
    return _fence(text, "") or _join(data.get("text/latex", "")).strip()


def _is_left_out(output: dict[str, Any]) -> bool:
    """Return whether nothing is written of what a program shows, as a chart or a slider."""
    is_long = len(_read_output(output)) > _MAX_OUTPUT
    is_shown = any(output.get("data", {}).values())
    return is_shown and not (is_long or _has_image(output) or _render_output(output))


def _has_image(output: dict[str, Any]) -> bool:
    return any("image/" in kind for kind in output.get("data", ()))


def _read_output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    text = output.get("text") or data.get("text/plain") or output.get("traceback")
    if not text and "ename" in output:
        text = f"{output['ename']}: {output.get('evalue', '')}"
    lines = _TERMINAL_COLOUR.sub("", _join(text or "")).split("\n")
    # Of a line that a program wrote over, as progress bars are, the last state shows.
    shown = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines).strip("\n")
    is_placeholder = len(data) > 1 and _PLACEHOLDER.fullmatch(shown)
    return "" if is_placeholder or any(map(_SHOWN_BY_PROGRAM.match, data)) else shown


def _fence(source: str, language: str) -> str:
    fence = "```"
    while fence in source:
        fence += "`"
    return f"{fence}{language}\n{source}\n{fence}" if source.strip() else ""


def _join(source: Any) -> str:
    return "".join(source) if isinstance(source, list) else str(source)
