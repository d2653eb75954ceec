"""Pages of questions and of quality: gaps and generations."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from app.admin.access import HOME
from app.admin.pages import PageRoute, redirect, render
from app.api.access import Admin, Opened, WritableCollection
from app.domain import Scope
from app.services.articles.collections import list_collections
from app.services.quality import generations
from app.services.quality.gaps import find_gaps
from app.services.quality.golden_sets import read_golden_set
from app.services.quality.tuning import TuningRequest, request_tuning

router = APIRouter(prefix=HOME, route_class=PageRoute, include_in_schema=False)

PAGE = 50
_SECONDS = 0.1
"""For new questions; the background embeds what is left."""


@router.get("/collections/{collection}/questions")
def show_questions(request: Request, resources: Opened, collection: WritableCollection) -> Response:
    """Show the articles that are missing."""
    found = find_gaps(resources, collection, seconds=_SECONDS)
    return render(
        request,
        "questions.html",
        collection=collection,
        log_days=resources.settings.query_log_days,
        gaps=found.gaps[:PAGE],
        more_gaps=max(0, len(found.gaps) - PAGE),
        waiting=found.waiting,
    )


@router.get("/quality")
def show_generations(request: Request, resources: Opened, caller: Admin) -> Response:
    """Show the generations of vectors, what their gates said, and how far a tuning is."""
    return render(
        request,
        "quality.html",
        generations=generations.list_generations(resources),
        collections=list_collections(resources.database, caller.principal),
    )


@router.post("/quality/tune")
def tune(
    request: Request,
    resources: Opened,
    caller: Admin,
    collection: Annotated[str, Form(max_length=64)],
) -> Response:
    """Train the query adapter with a golden set and feedback; it answers if it is no worse."""
    ref = caller.collection(collection, Scope.ADMIN)
    golden = [query for query in read_golden_set(resources.database, ref) if query.relevant]
    made = request_tuning(resources, TuningRequest(ref, golden), gate=generations.GateRequest())
    notice = f"Generation {made.id} is trained in the background. Reload to see how far it is."
    return redirect(request, f"{HOME}/quality", notice)


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
