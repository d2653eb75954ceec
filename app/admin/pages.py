"""How a page is answered: its session, its access, its errors in words, its headers."""

from collections.abc import Callable, Coroutine
from enum import Enum
from http import HTTPStatus
from pathlib import Path
from secrets import compare_digest
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import HTMLResponse

from app.admin.formats import FILTERS
from app.admin.sessions import COOKIE, Session, Sessions
from app.api.access import Access, Grant, GuardedRoute, resources_of
from app.api.bodies import BodySize, limit_body, limits_of
from app.api.problems import unexpected_problem
from app.domain import Scope
from app.errors import (
    FolioError,
    Forbidden,
    InvalidRequest,
    Unauthorized,
    UnsupportedMediaType,
)
from app.services.access.keys import recall_principal
from app.services.access.principal import EVERYONE
from app.services.access.uses import note_use

FOLDER = Path(__file__).parent
_SAFE_METHODS = {"GET", "HEAD"}
_CSRF_HEADER = "x-csrf-token"
_FORM = "application/x-www-form-urlencoded"
# Of the form with a key, which every stranger may send.
_MAX_KEY_FORM_BYTES = 8 * 2**10
_MAX_FIELDS = 1000

HEADERS = {
    # No script and no style but our two files; nobody may frame a page, and a frame of ours holds
    # only a PDF that was uploaded.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class SignInNeeded(Unauthorized):
    """The page is for people who are signed in."""


class BadToken(Forbidden):
    code = "csrf_token_missing"

    def __init__(self) -> None:
        super().__init__(
            "this form is out of date, or you were signed out; sign in in another tab, then go "
            "back, where what you wrote still is: copy it, reload the page and send it again"
        )


class FormKind(Enum):
    """What the forms of a page hold."""

    KEY = "a key, of whoever reaches the port"
    FIELDS = "a few fields"
    ARTICLES = "articles, text or files: as multipart, which encodes no byte of them"


def make_templates() -> Environment:
    """Return the templates; whatever they show of articles and questions is escaped."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    return environment


def render(request: Request, name: str, *, http_status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page: a template with these values and those that every page has."""
    session = session_of(request)
    templates: Environment = request.app.state.templates
    grant: Grant | None = getattr(request.state, "grant", None)
    principal = None if grant is None else grant.principal
    html = templates.get_template(name).render(
        csrf=session.csrf,
        signed_in=session.key_id is not None,
        can_sign_out=bool(session.key_id is not None and request.app.state.requires_keys),
        notice=session.take_notice(),
        path=request.url.path,
        # What the key may do: a form that would be refused is not shown.
        may_write=principal is not None and principal.scope.includes(Scope.WRITE),
        may_own=principal is not None and principal.scope.includes(Scope.ADMIN),
        may_operate=principal is not None
        and principal.collections is None
        and principal.scope.includes(Scope.ADMIN),
        **values,
    )
    return HTMLResponse(html, http_status)


def redirect(request: Request, path: str, notice: str = "") -> RedirectResponse:
    """Return what sends the browser on after a form was taken, with a notice to show there."""
    session_of(request).notice = notice
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)


def session_of(request: Request) -> Session:
    """Return the browser's session; every page has one."""
    session: Session = request.state.session
    return session


def find_visitor(connection: HTTPConnection) -> str | None:
    """Return the key with which a browser signed in; None for a visitor, and where it is unsaid."""
    sessions: Sessions = connection.app.state.sessions
    session = sessions.find(connection.cookies.get(COOKIE, ""))
    return None if session is None else session.key_id


class PageRoute(GuardedRoute):
    """A page: like a route of the REST interface, with a session in place of a bearer key.

    A form has to send back the session's token, so that no other site can send it.
    """

    form: ClassVar[FormKind] = FormKind.FIELDS

    def authorize(self, request: Request, access: Access) -> Grant:
        """Return what the signed-in key is allowed; raises SignInNeeded."""
        session = session_of(request)
        if session.key_id is None:
            raise SignInNeeded("sign in first")
        with resources_of(request).database.read() as database:
            principal = (
                EVERYONE if not session.key_id else recall_principal(database, session.key_id)
            )
            note_use(resources_of(request), principal)
            return access.grant(database, principal, request.path_params)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            return await serve_page(request, handle, form=self.form)

        return answer


class ArticleRoute(PageRoute):
    """A page that takes articles."""

    form = FormKind.ARTICLES


async def serve_page(
    request: Request,
    handle: Callable[[Request], Coroutine[Any, Any, Response]],
    *,
    form: FormKind,
) -> Response:
    """Answer with a session, its cookie and the headers of every page; errors are pages too."""
    sessions: Sessions = request.app.state.sessions
    former = sessions.find(request.cookies.get(COOKIE, ""))
    opened = None if request.app.state.requires_keys else ""
    request.state.session = former or sessions.start(opened)
    try:
        if request.method not in _SAFE_METHODS:
            request = await _read_form(request, form)
            await _check_token(request)
        response = await handle(request)
    except ClientDisconnect:
        # Nobody reads the answer.
        response = Response(status_code=400)
    except SignInNeeded:
        response = RedirectResponse("/admin/sign-in", HTTPStatus.SEE_OTHER)
    except (FolioError, HTTPException, RequestValidationError) as error:
        if isinstance(error, Unauthorized):
            # The key was revoked or has expired: the next page asks for another one.
            sessions.end(request.state.session)
            request.state.session = sessions.start(None)
        response = await run_in_threadpool(_render_error, request, error)
    except Exception as error:  # noqa: BLE001  # its message may quote an article
        response = unexpected_problem(error)
    session = session_of(request)
    if former is None or session.id != former.id:
        set_cookie(request, response, session)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def set_cookie(request: Request, response: Response, session: Session) -> None:
    """Give the browser its session."""
    response.set_cookie(
        COOKIE,
        session.id,
        max_age=int(resources_of(request).settings.session_hours * 3600),
        path="/admin",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


async def _read_form(request: Request, form: FormKind) -> Request:
    """Return the request with a body that is limited, and its form, where the token is in it.

    FastAPI, which would read it otherwise, has limits of its own, and no words for ours.
    """
    content_type = request.headers.get("content-type", "").lstrip().lower()
    is_multipart = content_type.startswith("multipart/")
    if is_multipart and form is not FormKind.ARTICLES:
        raise UnsupportedMediaType("send this form as application/x-www-form-urlencoded")
    if session_of(request).key_id is None and form is not FormKind.KEY:
        raise BadToken
    max_bytes = limits_of(request, BodySize.UPLOAD if is_multipart else BodySize.SMALL).max_bytes
    if form is FormKind.KEY:
        max_bytes = min(max_bytes, _MAX_KEY_FORM_BYTES)
    limited = limit_body(request, max_bytes)
    if content_type.startswith(_FORM):
        # Starlette parses it on the event loop, where it lets nobody else be answered.
        limited._form = await run_in_threadpool(_parse_form, await limited.body())
    elif _CSRF_HEADER not in request.headers:
        await limited.form(max_files=0, max_part_size=max_bytes)
    return limited


def _parse_form(body: bytes) -> FormData:
    """Return the fields of a form; raises InvalidRequest where they are too many."""
    try:
        fields: list[tuple[str, str | UploadFile]] = []
        fields += parse_qsl(
            body.decode(errors="replace"), keep_blank_values=True, max_num_fields=_MAX_FIELDS
        )
    except ValueError:
        raise InvalidRequest(f"a form has at most {_MAX_FIELDS} fields") from None
    return FormData(fields)


async def _check_token(request: Request) -> None:
    token = request.headers.get(_CSRF_HEADER)
    if token is None:
        value = (await request.form()).get("csrf", "")
        token = value if isinstance(value, str) else ""
    if not compare_digest(token.encode(), session_of(request).csrf.encode()):
        raise BadToken


def _render_error(
    request: Request, error: FolioError | HTTPException | RequestValidationError
) -> Response:
    if isinstance(error, FolioError):
        status, code, message = error.status, error.code, str(error)
    elif isinstance(error, HTTPException):
        status, message = error.status_code, str(error.detail)
        code = HTTPStatus(status).phrase.lower().replace(" ", "_")
    else:
        # Pydantic's `input` quotes the request; place and reason are passed on.
        parts = [f"{'.'.join(map(str, p['loc'][1:]))}: {p['msg']}" for p in error.errors()[:5]]
        status, code, message = 422, "invalid_request", "; ".join(parts)
    return render(
        request, "error.html", http_status=status, status=status, code=code, message=message
    )
