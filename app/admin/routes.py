"""Adds the pages to an application."""

from typing import Literal

from fastapi import APIRouter, FastAPI, Response
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
from app.admin.pages import FOLDER, HEADERS, make_templates
from app.admin.sessions import Sessions
from app.api.access import OpenRoute
from app.config import Settings

static = APIRouter(prefix="/admin/static", route_class=OpenRoute, include_in_schema=False)

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
)


@static.get("/{name}")
def get_file(name: Literal["style.css", "page.js", "icon.svg"]) -> Response:
    """Return one of the files that the pages are made of."""
    headers = {**HEADERS, "Cache-Control": "max-age=3600"}
    return FileResponse(FOLDER / "static" / name, headers=headers)


def add_pages(app: FastAPI, settings: Settings) -> None:
    """Serve the pages under /admin."""
    app.state.sessions = Sessions(lifetime_s=3600 * settings.session_hours)
    app.state.templates = make_templates()
    for router in ROUTERS:
        app.include_router(router)
