"""Requests whose body is framed or packed in a way that is not read: refused before they are."""

import json
from collections.abc import Sequence
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import MEDIA_TYPE


class Framing:
    """Refuses bodies that are packed, and those of two lengths.

    Where a request has both Content-Length and Transfer-Encoding, a proxy before this service may
    have taken the other one for the end: what follows is not a request of its sender, so the
    connection is closed (RFC 9112, 6.1).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"]) if scope["type"] == "http" else {}
        if b"content-length" in headers and b"transfer-encoding" in headers:
            await _refuse(
                send, 400, "ambiguous_length", "send one of Content-Length and Transfer-Encoding"
            )
        elif headers.get(b"content-encoding", b"identity").lower() != b"identity":
            await _refuse(send, 415, "packed_body", "packed bodies are not read: send it as it is")
        else:
            await self._app(scope, receive, send)


async def _refuse(send: Send, status: int, code: str, detail: str) -> None:
    for message in refusal(status, code, detail):
        await send(message)


def refusal(
    status: int, code: str, detail: str, headers: Sequence[tuple[bytes, bytes]] = ()
) -> tuple[Message, Message]:
    """Return the messages of a problem document after which the connection is closed."""
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    body = json.dumps(problem).encode()
    all_headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *headers,
    ]
    return (
        {"type": "http.response.start", "status": status, "headers": all_headers},
        {"type": "http.response.body", "body": body},
    )
