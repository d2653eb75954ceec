"""Adds the pages to an application."""

from typing import Literal

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import FileResponse

from app.admin import (
    access,
    articles,
    backups,
    changes,
    checks,
    dropped,
    evaluations,
    golden,
    jobs,
    operations,
    pasted,
    quality,
    search,
)
from app.admin.access import HOME
from app.admin.pages import FOLDER, HEADERS, PageRoute, make_templates, redirect
from app.admin.sessions import Sessions
from app.api.access import OpenRoute, Reader
from app.config import Settings
from app.errors import NotFound

static = APIRouter(prefix="/admin/static", route_class=OpenRoute, include_in_schema=False)
elsewhere = APIRouter(prefix=HOME, route_class=PageRoute, include_in_schema=False)

ROUTERS = (
    static,
    access.visitors,
    access.router,
    articles.router,
    changes.router,
    pasted.router,
    checks.router,
    dropped.router,
    jobs.router,
    evaluations.router,
    golden.router,
    search.router,
    quality.router,
    operations.router,
    backups.router,
    elsewhere,
)


@static.get("/{name}")
def get_file(name: Literal["style.css", "page.js", "icon.svg"]) -> Response:
    """Return one of the files that the pages are made of."""
    headers = {**HEADERS, "Cache-Control": "max-age=3600"}
    return FileResponse(FOLDER / "static" / name, headers=headers)


@elsewhere.get("/{path:path}")
def show_elsewhere(request: Request, path: str, _: Reader) -> Response:
    """Lead `/admin/` home; say of any other address, on a page, that there is none."""
    if not path:
        return redirect(request, HOME)
    raise NotFound("no such page")


def add_pages(app: FastAPI, settings: Settings) -> None:
    """Serve the pages under /admin."""
    app.state.sessions = Sessions(lifetime_s=3600 * settings.session_hours)
    app.state.templates = make_templates()
    for router in ROUTERS:
        app.include_router(router)
