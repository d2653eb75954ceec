"""Pages of questions and of quality: gaps, the query log, generations and evaluations."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request, Response

from app.admin.access import HOME
from app.admin.pages import PageRoute, redirect, render
from app.api.access import Admin, Opened, WritableCollection
from app.domain import Scope
from app.services.articles.collections import list_collections
from app.services.quality import generations
from app.services.quality.evaluations import list_evaluations
from app.services.quality.gaps import find_gaps
from app.services.quality.gate import GateRequest
from app.services.quality.golden_sets import read_golden_set
from app.services.quality.query_log import Said, list_log
from app.services.quality.tuning import TuningRequest, request_tuning

router = APIRouter(prefix=HOME, route_class=PageRoute, include_in_schema=False)

PAGE = 50
_EVALUATIONS = 20
_SECONDS = 0.1
"""For new questions; the background embeds what is left."""
_SHOWS = {
    "": "All",
    "unanswered": "Found nothing good",
    Said.UNHELPFUL: "Called unhelpful",
    Said.HELPFUL: "Called helpful",
    Said.CHOSEN: "Right article named",
    Said.NOTHING: "Nothing said",
}


@router.get("/collections/{collection}/questions")
def show_questions(
    request: Request,
    resources: Opened,
    collection: WritableCollection,
    show: Annotated[Said | Literal["", "unanswered"], Query()] = "",
    before: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Show the articles that are missing, and the query log, a page of it."""
    log = list_log(
        resources,
        collection,
        unanswered=show == "unanswered",
        said=show if isinstance(show, Said) else None,
        limit=PAGE + 1,
        before=before,
    )
    found = None if before else find_gaps(resources, collection, seconds=_SECONDS)
    return render(
        request,
        "questions.html",
        collection=collection,
        log_days=resources.settings.query_log_days,
        gaps=found and found.gaps[:PAGE],
        more_gaps=max(0, len(found.gaps) - PAGE) if found else 0,
        waiting=found.waiting if found else 0,
        log=log[:PAGE],
        following=log[PAGE - 1].id if len(log) > PAGE else None,
        show=show,
        before_page=before is not None,
        shows=_SHOWS,
    )


@router.get("/quality")
def show_generations(
    request: Request,
    resources: Opened,
    caller: Admin,
    before: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Show the generations of vectors with their gates, and what golden sets came to."""
    found = list_evaluations(resources.database, limit=_EVALUATIONS + 1, before=before)
    return render(
        request,
        "quality.html",
        generations=generations.list_generations(resources),
        collections=list_collections(resources.database, caller.principal),
        evaluations=found[:_EVALUATIONS],
        following=found[_EVALUATIONS - 1].id if len(found) > _EVALUATIONS else None,
        before=before,
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
    made = request_tuning(resources, TuningRequest(ref, golden), gate=GateRequest())
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
