"""`folio search` and `why`: questions, and why an article does not answer one."""

import json
from typing import Annotated, Any

import typer
from rich.text import Text

from app.commands.client import (
    collection_path,
)
from app.commands.explanation_text import describe_explanation
from app.commands.terminal import (
    ApiKey,
    AsJson,
    Collection,
    Data,
    Server,
    open_client,
    out,
    print_json,
    reports_errors,
    safe_text,
)
from app.domain import Mode
from app.errors import FolioError

SearchMode = Annotated[Mode, typer.Option(help="By meaning, by words, or by both.")]
Filters = Annotated[
    str | None, typer.Option("--filter", help='JSON: {"type": "eq", "key": …, "value": …}')
]


@reports_errors
def search(
    queries: Annotated[list[str], typer.Argument(help="One or more questions.", metavar="QUERY…")],
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    limit: Annotated[int, typer.Option(help="Number of articles to return.", min=1, max=1000)] = 5,
    passages: Annotated[
        int, typer.Option(help="Passages to return for each article.", min=0, max=100)
    ] = 1,
    mode: SearchMode = Mode.HYBRID,
    filters: Filters = None,
    also_in: Annotated[
        list[str] | None,
        typer.Option(help="Another collection to search with it; repeat for several."),
    ] = None,
    rerank: Annotated[
        bool, typer.Option("--rerank", help="Rerank by the token vectors of the best passages.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rank the articles for questions. The JSON of several is a list."""
    body: dict[str, Any] = {"limit": limit, "passages": passages, "mode": mode.value}
    body["rerank"] = rerank
    body |= read_filters(filters) | ({"also_in": also_in} if also_in else {})
    answers = []
    with open_client(data, server, key, "folio search", embeds=True) as client:
        for query in queries:
            path = f"{collection_path(collection)}/search"
            answers.append(client.call("POST", path, json={"query": query, **body}))
            if not as_json:
                _print_answer(answers[-1])
    if as_json:
        print_json(answers if len(queries) > 1 else answers[0])


@reports_errors
def why(
    query: Annotated[str, typer.Argument(metavar="QUERY")],
    document_id: Annotated[str, typer.Argument(metavar="ID")],
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    collection: Collection = "default",
    limit: Annotated[int, typer.Option(help="Number of articles to return.", min=1, max=1000)] = 10,
    mode: SearchMode = Mode.HYBRID,
    filters: Filters = None,
    version: Annotated[int | None, typer.Option(help="Ask for this version.", min=1)] = None,
    key_id: Annotated[
        str | None, typer.Option("--for-key", help="Id of a key: would it see the article?")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show where an article ranks for a question, and why."""
    body = {"query": query, "document_id": document_id, "limit": limit, "mode": mode.value}
    body |= {"version": version, "key_id": key_id, **read_filters(filters)}
    with open_client(data, server, key, "folio why") as client:
        explanation = client.call("POST", f"{collection_path(collection)}/explain", json=body)
    if as_json:
        print_json(explanation)
        return
    for line in describe_explanation(explanation):
        out.print(safe_text(line), soft_wrap=True)


def read_filters(filters: str | None) -> dict[str, Any]:
    """Return the part of a body that a filter is; raises FolioError for what is not JSON."""
    if filters is None:
        return {}
    try:
        body = {"filters": json.loads(filters)}
        # NaN: Python reads it, and JSON has no such thing.
        json.dumps(body, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise FolioError(f"--filter is not JSON: {error}") from None
    return body


def _print_answer(answer: dict[str, Any]) -> None:
    out.print(safe_text("\n" + answer["query"], "bold"))
    if not answer["results"]:
        out.print("  no article")
    for rank, hit in enumerate(answer["results"], start=1):
        title = hit["title"] or hit["document_id"]
        out.print(
            safe_text(f"{rank:3}. {hit['score']:.3f}  {title}  ")
            + safe_text(hit["document_id"], "dim")
        )
        for passage in hit["passages"]:
            page = f"page {passage['page']}" if passage["page"] else ""
            where = ", ".join(part for part in (passage["heading"], page) if part)
            words = " ".join(passage["text"].split())
            excerpt = words if len(words) <= 280 else words[:279] + "…"
            label = Text(f"     {passage['score']:.3f}  ", "dim") + safe_text(where, "italic")
            out.print(label)
            out.print(safe_text("     " + excerpt, "cyan"))
    took = answer["took_ms"]
    times = ", ".join(f"{stage} {took[stage]:.1f} ms" for stage in ("embed", "search", "rerank"))
    out.print(Text(f"     {times.removesuffix(', rerank 0.0 ms')}", "dim"))
