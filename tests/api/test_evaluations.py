"""Evaluations and generations over REST, with the thread that works on them."""

from functools import partial
from pathlib import Path

from tests.api.service import Collection, Json, Service, poll
from tests.checkpoints import make_jina_v3

TEXTS = {f"a{n}": f"Tea number {n} with milk and sugar {n * 7}." for n in range(20)}
QUERIES = [{"query": text, "relevant": [name]} for name, text in TEXTS.items()]


def fill(collection: Collection) -> None:
    collection.add(*({"id": name, "text": text} for name, text in TEXTS.items()))


def test_evaluation_runs_in_the_background_and_compares_with_the_first(
    service: Service, collection: Collection
) -> None:
    fill(collection)
    asked = service.http.post(
        "/v1/evaluations",
        json={
            "collection": collection.name,
            "queries": [*QUERIES, {"query": "gone", "relevant": {"nowhere": 2}}],
            "configurations": [{"mode": "lexical"}, {"mode": "dense", "dimensions": 8}],
        },
    )
    assert asked.status_code == 202, asked.text
    path = f"/v1/evaluations/{asked.json()['id']}"

    def read() -> Json:
        return dict(service.http.get(path).json())

    done = poll(read, lambda answer: answer["status"] != "queued")
    assert done["status"] == "done", done["message"]
    result = done["result"]
    assert result["missing"] == ["nowhere"]
    assert result["queries"] == 21
    lexical, dense = result["runs"]
    # Each text holds a number of its own, and the last query's article is not there.
    assert lexical["measures"]["success@1"]["mean"] == 20 / 21
    assert dense["name"] == "dense, 8 dimensions"
    (compared,) = result["comparisons"]
    values = compared["measures"]["nDCG@10"]
    assert values["wins"] + values["losses"] + values["ties"] == 21
    assert len(result["by_query"]) == 21
    live = [one["id"] for one in service.http.get("/v1/generations").json()["generations"]]
    (listed,) = list_of(service, collection)["evaluations"]
    assert listed == {
        **{name: done[name] for name in done.keys() - {"result"}},
        "queries": 21,
        "runs": [
            {"name": run["name"], "generation": live[0], "ndcg": run["measures"]["nDCG@10"]["mean"]}
            for run in (lexical, dense)
        ],
    }


def test_ids_of_a_golden_set_in_a_body_are_those_of_documents_in_any_form(
    service: Service, collection: Collection
) -> None:
    collection.add({"id": "caf\u00e9.md", "text": "Steam the milk."})
    query = {"query": "milk?", "relevant": ["cafe\u0301.md"]}
    body = {"collection": collection.name, "queries": [query]}
    started = service.http.post("/v1/evaluations", json=body).json()
    path = f"/v1/evaluations/{started['id']}"
    done = poll(
        lambda: dict(service.http.get(path).json()), lambda answer: answer["status"] != "queued"
    )
    assert done["result"]["missing"] == []


def list_of(service: Service, collection: Collection, **options: object) -> Json:
    params = {"collection": collection.name, **{name: str(one) for name, one in options.items()}}
    answer = service.http.get("/v1/evaluations", params=params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_evaluations_are_listed_newest_first_in_pages(
    service: Service, collection: Collection
) -> None:
    fill(collection)
    assert list_of(service, collection) == {"evaluations": [], "next_before": None}
    body = {"collection": collection.name, "queries": QUERIES[:1]}
    made = [service.http.post("/v1/evaluations", json=body).json()["id"] for _ in range(3)]
    first = list_of(service, collection, limit=2)
    second = list_of(service, collection, limit=2, before=first["next_before"])
    found = [one["id"] for page in (first, second) for one in page["evaluations"]]
    assert found == made[::-1]
    assert second["next_before"] is None
    assert made[0] in service.http.get("/v1/evaluations", params={"limit": "100"}).text
    for params, status in (({"before": "none"}, 422), ({"collection": "none"}, 404)):
        assert service.http.get("/v1/evaluations", params=params).status_code == status


def test_evaluation_that_was_erased_is_not_there(service: Service, collection: Collection) -> None:
    fill(collection)
    body = {"collection": collection.name, "queries": QUERIES[:1]}
    kept, erased = (service.http.post("/v1/evaluations", json=body).json()["id"] for _ in range(2))
    path = f"/v1/evaluations/{erased}"
    answer = service.http.delete(path)
    assert (answer.status_code, answer.json()) == (200, {"id": erased})
    for again in (service.http.get(path), service.http.delete(path)):
        assert (again.status_code, again.json()["code"]) == (404, "evaluation_not_found")
    assert [one["id"] for one in list_of(service, collection)["evaluations"]] == [kept]
    poll(
        lambda: dict(service.http.get(f"/v1/evaluations/{kept}").json()),
        lambda one: one["status"] == "done",
    )
    assert [one["id"] for one in list_of(service, collection)["evaluations"]] == [kept]


def test_evaluation_of_what_is_not_there_is_refused(
    service: Service, collection: Collection
) -> None:
    def ask(**body: object) -> tuple[int, str]:
        answer = service.http.post("/v1/evaluations", json={"queries": QUERIES, **body})
        return answer.status_code, answer.json()["code"]

    name = collection.name
    assert ask(collection="none") == (404, "collection_not_found")
    assert ask(collection=name, queries=[]) == (422, "invalid_request")
    assert ask(collection=name, configurations=[{"generation": 99}]) == (
        404,
        "generation_not_found",
    )
    nothing = [{"query": "who?", "relevant": []}]
    assert ask(collection=name, queries=nothing) == (422, "no_relevant_document")
    twice = [{"id": "1", **QUERIES[0]}, {"id": "1", **QUERIES[1]}]
    assert ask(collection=name, queries=twice) == (422, "duplicate_id")
    assert service.http.get("/v1/evaluations/none").status_code == 404


def test_generation_is_built_measured_and_rolled_back_on_a_running_server(
    service: Service, collection: Collection, tmp_path: Path
) -> None:
    fill(collection)
    model = make_jina_v3(tmp_path / "other", seed=7)
    before = service.http.get("/v1/generations").json()["generations"]
    (live,) = [row for row in before if row["is_live"]]
    body = {"model": str(model), "collection": collection.name, "queries": QUERIES, "margin": 1}
    made = service.http.post("/v1/generations", json=body)
    assert made.status_code == 202, made.text
    path = f"/v1/generations/{made.json()['id']}"
    done = poll(lambda: service.http.get(path).json(), lambda row: row["state"] != "building")
    assert done["is_live"], done
    assert done["report"]["queries"] == 20
    assert done["documents"] == done["total"]
    assert "excludes a loss of more than 1" in done["message"]
    # Both can be asked, and new articles come to both.
    collection.add({"id": "new", "text": "A quick brown fox."})
    for generation in (live["id"], done["id"]):
        options: Json = {"limit": 100, "mode": "dense", "generation": generation}
        poll(partial(collection.found, "fox", **options), lambda found: "new" in found)
    again = service.http.post("/v1/generations", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "generation_is_live")
    removed = service.http.delete(path)
    assert (removed.status_code, removed.json()["code"]) == (409, "generation_is_live")
    back = service.http.post(f"/v1/generations/{live['id']}/rollback")
    assert back.json()["is_live"], back.text
    assert service.http.delete(path).json() == {"id": done["id"]}
    assert service.http.get(path).status_code == 404
    assert collection.found("fox", limit=100) >= {"new"}
