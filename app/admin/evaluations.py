"""Golden questions: marking the right article, taking them out, and measuring with them."""

import json
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from markupsafe import Markup

from app.admin.access import HOME
from app.admin.formats import as_segment
from app.admin.pages import PageRoute, redirect, render
from app.api.access import (
    Admin,
    Opened,
    OwnedCollection,
    ReadableCollection,
    caller_of,
)
from app.domain import Mode
from app.errors import Conflict
from app.evaluation.golden import GoldenQuery
from app.evaluation.report import render_sections
from app.evaluation.runner import Configuration
from app.services.quality.evaluations import get_evaluation, start_evaluation
from app.services.quality.feedback import give_feedback, learn_golden, store_queries

router = APIRouter(prefix=HOME, route_class=PageRoute, include_in_schema=False)


@router.post("/collections/{collection}/feedback")
def mark(
    request: Request,
    resources: Opened,
    collection: ReadableCollection,
    query: Annotated[str, Form(max_length=64)],
    q: Annotated[str, Form(max_length=32_768)] = "",
    document: Annotated[str, Form(max_length=256)] = "",
) -> Response:
    """Note which article is right for a question, or that none is."""
    # It was asked a moment ago, and may still wait to be stored.
    store_queries(resources)
    give_feedback(
        resources.database,
        collection,
        query,
        key_id=caller_of(request).principal.key_id,
        helpful=None if document else False,
        document_id=document or None,
    )
    notice = f"{document} is the right article." if document else "Noted: nothing here answers."
    path = f"{HOME}/collections/{collection.name}/search?q={as_segment(q)}"
    return redirect(request, path, notice)


@router.get("/collections/{collection}/golden.jsonl")
def export_golden(resources: Opened, collection: OwnedCollection) -> Response:
    """Return the questions whose article is known, as `folio eval` reads them."""
    lines = (
        json.dumps({"query": one.query, "relevant": one.relevant}, ensure_ascii=False) + "\n"
        for one in learn_golden(resources, collection)
    )
    name = f'attachment; filename="golden-{collection.name}.jsonl"'
    return Response(
        "".join(lines), media_type="application/jsonl", headers={"Content-Disposition": name}
    )


@router.post("/collections/{collection}/measure")
def measure(request: Request, resources: Opened, collection: OwnedCollection) -> Response:
    """Ask the questions whose article is known, in every mode."""
    golden = [
        GoldenQuery(str(number), one.query, one.relevant)
        for number, one in enumerate(learn_golden(resources, collection), start=1)
    ]
    if not golden:
        raise Conflict("no question has a right article yet", code="no_golden_set")
    modes = [Configuration(mode) for mode in (Mode.HYBRID, Mode.DENSE, Mode.LEXICAL)]
    started = start_evaluation(resources, collection, golden, modes)
    return redirect(request, f"{HOME}/evaluations/{started.id}")


@router.get("/evaluations/{evaluation_id}")
def show_evaluation(request: Request, resources: Opened, _: Admin, evaluation_id: str) -> Response:
    """Show what a golden set came to: measures, times, questions won and lost."""
    evaluation = get_evaluation(resources.database, evaluation_id)
    report = Markup(render_sections(evaluation.result)) if evaluation.result else None  # noqa: S704  # it escapes what it quotes
    return render(request, "evaluation.html", evaluation=evaluation, report=report)
