"""Signing in and out."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from starlette.concurrency import run_in_threadpool

from app.admin.pages import FormKind, PageRoute, redirect, render, serve_page, session_of
from app.admin.sessions import Sessions
from app.api.access import OpenRoute, Reader, resources_of
from app.errors import Unauthorized
from app.services.access.keys import authenticate

HOME = "/admin"


class VisitorRoute(OpenRoute):
    """A page for everyone who reaches the port: it shows no content and no names."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            return await serve_page(request, handle, form=FormKind.KEY)

        return answer


visitors = APIRouter(prefix=HOME, route_class=VisitorRoute, include_in_schema=False)
router = APIRouter(prefix=HOME, route_class=PageRoute, include_in_schema=False)


@visitors.get("/sign-in")
def show_sign_in(request: Request, link: str = "") -> Response:
    """Ask for a key; a one-time link signs in by itself."""
    sessions: Sessions = request.app.state.sessions
    if link and sessions.accept(link):
        return _sign_in(request, "")
    if session_of(request).key_id is not None:
        return redirect(request, HOME)
    message = "This link was used already, or it is too old." if link else ""
    return render(request, "sign_in.html", message=message)


@visitors.post("/sign-in")
async def sign_in(request: Request, key: Annotated[str, Form(max_length=512)]) -> Response:
    """Take a key."""
    try:
        key_id = await run_in_threadpool(_find_key, request, key.strip())
    except Unauthorized:
        return render(request, "sign_in.html", http_status=401, message="This key is not valid.")
    return _sign_in(request, key_id)


@router.post("/sign-out")
def sign_out(request: Request, _: Reader) -> Response:
    """End the session of this browser."""
    sessions: Sessions = request.app.state.sessions
    sessions.end(session_of(request))
    request.state.session = sessions.start(None)
    return redirect(request, "/admin/sign-in", "You are signed out.")


def _find_key(request: Request, token: str) -> str:
    with resources_of(request).database.read() as session:
        return authenticate(session, token).key_id


def _sign_in(request: Request, key_id: str) -> Response:
    """Start a session of its own: one that was known before the key must not be worth anything."""
    sessions: Sessions = request.app.state.sessions
    sessions.end(session_of(request))
    request.state.session = sessions.start(key_id)
    return redirect(request, HOME)
