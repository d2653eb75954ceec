"""Answers that take long to render: in the thread that made them, and part by part.

FastAPI renders on the event loop, and whatever is rendered at once lets no other thread run: the
vectors of 2,048 texts took half a second of everybody.
"""

from collections.abc import Iterable

from fastapi import Response
from pydantic import BaseModel
from pydantic_core import to_json

from app.api.access import JSON


def render_list(parts: Iterable[bytes]) -> bytes:
    """Return a JSON list of parts that are rendered already."""
    return b"[" + b",".join(parts) + b"]"


def render_object(**parts: bytes) -> bytes:
    """Return a JSON object of parts that are rendered already."""
    return b"{" + b",".join(to_json(name) + b":" + part for name, part in parts.items()) + b"}"


def respond(answer: BaseModel, **large: bytes) -> Response:
    """Return an answer, with fields of it that are rendered already."""
    rest = {name: to_json(part) for name, part in answer if name not in large}
    return Response(render_object(**rest, **large), media_type=JSON)
