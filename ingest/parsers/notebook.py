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


def parse_notebook(data: bytes, charset: str = "") -> Article:
    """Read a notebook; raises UnreadableDocument (`unreadable_notebook`) when it is none."""
    source, warnings = decode_text(data, charset)
    try:
        notebook = json.loads(source)
        sheets = notebook.get("worksheets", [notebook])
        cells = [cell for sheet in sheets for cell in sheet["cells"]]
        language = notebook.get("metadata", {}).get("kernelspec", {}).get("language", "")
        outputs = [output for cell in cells for output in cell.get("outputs", ())]
        blocks = [block for cell in cells for block in _render_cell(cell, str(language))]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableDocument(
            f"the notebook is damaged ({type(error).__name__})", code="unreadable_notebook"
        ) from error
    text, written = drop_unseen("\n\n".join(filter(None, blocks)))
    headings = find_headings(text)
    images = written + sum(
        any("image/" in kind for kind in output.get("data", ())) for output in outputs
    )
    long = sum(len(_read_output(output)) > _MAX_OUTPUT for output in outputs)
    found = [(images, "{} images were left out"), (long, "{} long outputs were left out")]
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
    return _fence(_read_output(output), "")


def _read_output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    text = output.get("text") or data.get("text/plain") or output.get("traceback") or ""
    return _TERMINAL_COLOUR.sub("", _join(text)).strip("\n")


def _fence(source: str, language: str) -> str:
    fence = "```"
    while fence in source:
        fence += "`"
    return f"{fence}{language}\n{source}\n{fence}" if source.strip() else ""


def _join(source: Any) -> str:
    return "".join(source) if isinstance(source, list) else str(source)
