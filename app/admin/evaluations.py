"""Marking the right article, and what a golden set came to."""

from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Form, Request, Response
from markupsafe import Markup

from app.admin.access import HOME
from app.admin.pages import PageRoute, redirect, render
from app.api.access import Admin, CurrentCaller, Opened, ReadableCollection
from app.domain import Scope
from app.evaluation.report import render_sections
from app.services.quality.evaluations import get_evaluation, remove_evaluation
from app.services.quality.feedback import give_feedback, store_queries
from app.services.quality.golden_sets import mark_answer

router = APIRouter(prefix=HOME, route_class=PageRoute, include_in_schema=False)


@router.post("/collections/{collection}/feedback")
def mark(
    request: Request,
    resources: Opened,
    collection: ReadableCollection,
    caller: CurrentCaller,
    query: Annotated[str, Form(max_length=64)] = "",
    q: Annotated[str, Form(max_length=32_768)] = "",
    document: Annotated[str, Form(max_length=256)] = "",
    asked: Annotated[str, Form(max_length=200_000)] = "",
) -> Response:
    """Note which article is right for a question, or that none is.

    It goes to the feedback where the question was logged; of a key that may write, to the golden
    set as well. `asked` is the search as its address has it, which is shown again.
    """
    principal = caller.principal
    is_keeper = principal.scope.includes(Scope.WRITE)
    if is_keeper:
        mark_answer(resources, collection, q, document or None)
    # Without the log there is no question to say something of; a reader can only speak there.
    if query or not is_keeper:
        # It was asked a moment ago, and may still wait to be stored.
        store_queries(resources)
        give_feedback(
            resources.database,
            collection,
            query,
            key_id=principal.key_id,
            helpful=None if document else False,
            document_id=document or None,
        )
    notice = f"{document} is the right article." if document else "Noted: nothing here answers."
    search = urlencode(parse_qsl(asked, keep_blank_values=True) or {"q": q})
    return redirect(request, f"{HOME}/collections/{collection.name}/search?{search}", notice)


@router.get("/evaluations/{evaluation_id}")
def show_evaluation(request: Request, resources: Opened, _: Admin, evaluation_id: str) -> Response:
    """Show what a golden set came to: measures, times, questions won and lost."""
    evaluation = get_evaluation(resources.database, evaluation_id)
    report = Markup(render_sections(evaluation.result)) if evaluation.result else None  # noqa: S704  # it escapes what it quotes
    return render(request, "evaluation.html", evaluation=evaluation, report=report)


@router.post("/evaluations/{evaluation_id}/remove")
def remove(request: Request, resources: Opened, _: Admin, evaluation_id: str) -> Response:
    """Erase an evaluation."""
    remove_evaluation(resources, evaluation_id)
    return redirect(request, f"{HOME}/quality", "The evaluation was erased.")
