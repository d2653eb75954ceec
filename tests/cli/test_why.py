"""`folio why`, and the options of `folio search` that narrow it."""

import re
from collections.abc import Callable

from tests.api.service import Collection
from tests.cli.command import Ran

Ask = Callable[..., Ran]

MANUAL = "# Grinder\n\n## Cleaning\n\nBrush the burrs.\n\n## Dose\n\nTake 18 g of coffee.\n"


def test_why_says_where_an_article_stands(collection: Collection, ask: Ask) -> None:
    collection.add({"id": "manual/grinder", "markdown": MANUAL}, {"id": "tea", "text": "Tea."})
    ran = ask("why", "how do I clean burrs?", "manual/grinder", "--limit", "1")
    assert ran.code == 0, ran
    lines = ran.stdout.splitlines()
    assert lines[0].startswith(f"{collection.name}/manual/grinder: shown: it ranks 1 of 2")
    assert "  version 1: ready, answers" in lines
    for stage in ("by its whole vector", "by its best passage", "by words", "all together"):
        (line,) = [line for line in lines if line.startswith(f"  {stage}")]
        assert re.search(r" rank [12] of \d, score -?\d\.\d{4}, [+-]\d\.\d{4} from", line), line
    assert any("adapter retrieval_query" in line for line in lines)
    (tokens,) = [line for line in lines if "|" in line]
    assert tokens.replace("|", "").strip() == "how do I clean burrs?"
    (words,) = [line for line in lines if line.startswith("  words in the article: ")]
    assert words == "  words in the article: clean ×0, burrs ×1"
    assert "      Brush the burrs." in lines
    assert lines[-1].startswith("  milliseconds: embed ")


def test_why_of_an_article_that_is_not_there_is_one_line(ask: Ask) -> None:
    ran = ask("why", "tea", "nothing")
    assert ran.code == 0
    (line,) = ran.stdout.splitlines()
    assert "/nothing: not there: no such document in " in line


def test_why_shows_what_was_uploaded_harmlessly(collection: Collection, ask: Ask) -> None:
    collection.add({"id": "a", "text": "Tea \x1b[31mred\x1b[0m."})
    ran = ask("why", "tea", "a")
    assert "\x1b" not in ran.stdout
    assert "red" in ran.stdout


def test_why_as_json_is_the_answer_of_the_interface(collection: Collection, ask: Ask) -> None:
    collection.add({"id": "a", "text": "Tea.", "attributes": {"year": 2020}})
    newer = '{"type": "gt", "key": "year", "value": 2021}'
    answer = ask("why", "tea", "a", "--json", "--filter", newer).json
    assert (answer["state"], answer["reason"]) == (
        "filtered",
        "it does not meet the filter on year",
    )
    assert ask("why", "tea", "a", "--json", "--mode", "lexical").json["mode"] == "lexical"
    assert ask("why", "tea", "a", "--json", "--version", "7").json["state"] == "not_there"


def test_search_takes_a_mode_and_further_collections(
    service: object, collection: Collection, ask: Ask
) -> None:
    other = f"{collection.name}-more"
    made = collection.http.post("/v1/collections", json={"name": other})
    assert made.status_code == 201
    collection.add({"id": "a", "text": "Tea."}, {"id": "b", "text": "Coffee."})
    Collection(collection.http, other).add({"id": "c", "text": "Tea."})
    answer = ask("search", "tea", "--mode", "lexical", "--also-in", other, "--json").json
    assert answer["mode"] == "lexical"
    found = {(hit["collection"], hit["document_id"]) for hit in answer["results"]}
    assert found == {(collection.name, "a"), (other, "c")}
    assert ask("search", "tea", "--mode", "both").code == 2
