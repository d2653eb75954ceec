"""The page of a collection's golden set: add, change, remove, import, export, measure."""

import json
import re
from collections.abc import Container, Iterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, StrictInt, StrictStr, ValidationError

from app.admin.access import HOME
from app.admin.pages import PageRoute, redirect, render
from app.api.access import Opened, OwnedCollection, WritableCollection
from app.domain import Mode
from app.errors import InvalidRequest
from app.evaluation.golden import GoldenQuery, UnreadableSet, parse_relevant
from app.evaluation.runner import Configuration
from app.runtime.resources import Resources
from app.services.access.collections import CollectionRef
from app.services.quality import golden_sets
from app.services.quality.calibration import request_calibration
from app.services.quality.evaluations import start_evaluation

router = APIRouter(prefix=HOME, route_class=PageRoute, include_in_schema=False)

PAGE = 50


def clean_question(text: str) -> str:
    """Return a question with its lines as they were: a form sends them with ends of its own."""
    return text.replace("\r\n", "\n").strip()


QueryId = Annotated[int, Form(ge=1, le=2**53)]
Question = Annotated[str, Form(max_length=32_768), AfterValidator(clean_question)]
Ids = Annotated[str, Form(max_length=50_000)]


class GoldenLine(BaseModel):
    """A line of a file that `folio eval` reads; what else it says is left out."""

    model_config = ConfigDict(extra="ignore")

    query: StrictStr
    relevant: dict[StrictStr, StrictInt] | list[StrictStr]


@router.get("/collections/{collection}/golden")
def show_golden(
    request: Request,
    resources: Opened,
    collection: WritableCollection,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
) -> Response:
    """Show the golden set, a page of it, and what feedback suggests for it."""
    found = golden_sets.list_golden(resources.database, collection, limit=PAGE, after=after)
    suggestions = [] if after else golden_sets.suggest_golden(resources, collection)
    return render(
        request,
        "golden.html",
        collection=collection,
        golden=found,
        after=after,
        suggestions=suggestions[:PAGE],
        more_suggestions=max(0, len(suggestions) - PAGE),
    )


@router.post("/collections/{collection}/golden/add")
def add_question(
    request: Request,
    resources: Opened,
    collection: WritableCollection,
    query: Question,
    relevant: Ids = "",
) -> Response:
    """Add a question with the ids of its articles; none: nothing answers it."""
    given = GoldenQuery("", query, dict.fromkeys(_read_ids(relevant), 1))
    added = golden_sets.add_golden(resources, collection, [given])
    return redirect(request, _path_of(collection), _describe(added))


@router.post("/collections/{collection}/golden/change")
def change_question(
    request: Request,
    resources: Opened,
    collection: WritableCollection,
    id: QueryId,
    query: Question,
    relevant: Ids = "",
) -> Response:
    """Change a question or its articles; those that stay keep their grades."""
    former = golden_sets.get_golden(resources.database, collection, id)
    grades = {
        one: former.relevant.get(one, 1) for one in _read_ids(relevant, known=former.relevant)
    }
    text = former.query if clean_question(former.query) == query else query
    golden_sets.change_golden(resources, collection, id, GoldenQuery("", text, grades))
    return redirect(request, f"{_path_of(collection)}?after={id - 1}", "Changed.")


@router.post("/collections/{collection}/golden/remove")
def remove_question(
    request: Request, resources: Opened, collection: WritableCollection, id: QueryId
) -> Response:
    """Take a question out of the set."""
    golden_sets.remove_golden(resources, collection, id)
    return redirect(request, _path_of(collection), "The question was removed.")


@router.post("/collections/{collection}/golden/import")
def import_questions(
    request: Request,
    resources: Opened,
    collection: WritableCollection,
    lines: Annotated[str, Form()],
) -> Response:
    """Add the questions of a file, all or none."""
    queries = [*_read_lines(lines)]
    if not queries:
        raise UnreadableSet("it contains no questions")
    added = golden_sets.add_golden(resources, collection, queries)
    return redirect(request, _path_of(collection), _describe(added))


@router.get("/collections/{collection}/golden.jsonl")
def export_golden(resources: Opened, collection: WritableCollection) -> Response:
    """Return the golden set as `folio eval` reads it."""
    lines = (
        json.dumps({"query": one.query, "relevant": one.relevant}, ensure_ascii=False) + "\n"
        for one in _list_all(resources, collection)
    )
    name = f'attachment; filename="golden-{collection.name}.jsonl"'
    return Response(
        "".join(lines), media_type="application/jsonl", headers={"Content-Disposition": name}
    )


@router.post("/collections/{collection}/measure")
def measure(request: Request, resources: Opened, collection: OwnedCollection) -> Response:
    """Ask the golden set in every mode."""
    golden = golden_sets.read_golden_set(resources.database, collection)
    if not any(query.relevant for query in golden):
        raise InvalidRequest("no question has a right article yet", code="no_relevant_document")
    modes = [Configuration(mode) for mode in (Mode.HYBRID, Mode.DENSE, Mode.LEXICAL)]
    started = start_evaluation(resources, collection, golden, modes)
    return redirect(request, f"{HOME}/evaluations/{started.id}")


@router.post("/collections/{collection}/calibrate")
def calibrate(request: Request, resources: Opened, collection: OwnedCollection) -> Response:
    """Correct what scores mean by the golden set, in the background."""
    golden = golden_sets.read_golden_set(resources.database, collection)
    request_calibration(resources, collection, golden)
    return redirect(
        request, _path_of(collection), "Scores are measured with the golden set in the background."
    )


def _list_all(resources: Resources, ref: CollectionRef) -> Iterator[golden_sets.KeptQuery]:
    after: int | None = 0
    while after is not None:
        page = golden_sets.list_golden(resources.database, ref, after=after)
        yield from page.queries
        after = page.following


def _read_ids(text: str, known: Container[str] = ()) -> Sequence[str]:
    """Return the ids of lines: those that are known as they are, others without blanks around."""
    # Not splitlines: ids may hold the separators of Unicode.
    lines = re.split("\r\n|\n|\r", text)
    return [line if line in known else line.strip() for line in lines if line.strip()]


def _read_lines(text: str) -> Iterator[GoldenQuery]:
    # Not splitlines: JSON may hold the separators of Unicode as they are.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            read = GoldenLine.model_validate_json(line)
            relevant = parse_relevant(read.relevant)
        except ValidationError as error:
            parts = (f"{'.'.join(map(str, p['loc']))} {p['msg']}" for p in error.errors()[:2])
            raise UnreadableSet(f"line {number}: {'; '.join(parts).strip()}") from None
        except ValueError as error:
            raise UnreadableSet(f"line {number}: {error}") from None
        yield GoldenQuery(str(number), read.query, relevant)


def _describe(added: golden_sets.AddedQueries) -> str:
    return f"{added.added} added, {added.changed} changed; the set has {added.total} now."


def _path_of(collection: CollectionRef) -> str:
    return f"{HOME}/collections/{collection.name}/golden"
