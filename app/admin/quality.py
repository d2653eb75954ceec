"""Pages of questions and of quality: gaps and generations."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from app.admin.access import HOME
from app.admin.pages import PageRoute, redirect, render
from app.api.access import Admin, Opened, WritableCollection
from app.services.quality import generations
from app.services.quality.feedback import find_gaps

router = APIRouter(prefix=HOME, route_class=PageRoute, include_in_schema=False)


@router.get("/collections/{collection}/questions")
def show_questions(request: Request, resources: Opened, collection: WritableCollection) -> Response:
    """Show the articles that are missing."""
    return render(
        request,
        "questions.html",
        collection=collection,
        log_days=resources.settings.query_log_days,
        gaps=find_gaps(resources, collection),
    )


@router.get("/quality")
def show_generations(request: Request, resources: Opened, _: Admin) -> Response:
    """Show the generations of vectors and what their gates said."""
    return render(request, "quality.html", generations=generations.list_generations(resources))


@router.post("/quality/rollback")
def roll_back(
    request: Request,
    resources: Opened,
    _: Admin,
    generation: Annotated[int, Form(ge=1, le=2**53)],
) -> Response:
    """Let a complete generation answer at once."""
    generations.roll_back(resources, generation)
    return redirect(request, f"{HOME}/quality", f"Generation {generation} answers now.")


@router.post("/quality/remove")
def remove(
    request: Request,
    resources: Opened,
    _: Admin,
    generation: Annotated[int, Form(ge=1, le=2**53)],
) -> Response:
    """Erase a generation that is not live."""
    generations.remove_generation(resources, generation)
    return redirect(request, f"{HOME}/quality", f"Generation {generation} was erased.")
