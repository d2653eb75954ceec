"""The golden set that a collection keeps: added to, changed, and measured with."""

from typing import Any

import pytest

from app.errors import InvalidRequest
from app.services.quality.golden_sets import mark_answer
from tests.api.service import Collection, Json, Service, poll
from tests.named import ref_of

TEA = {"query": "How long does tea take?", "relevant": ["tea"]}
NONE = {"query": "is there a museum of spoons?", "relevant": []}


@pytest.fixture
def filled(collection: Collection) -> Collection:
    collection.add(
        {"id": "tea", "text": "Tea takes four minutes."},
        {"id": "milk", "text": "Milk goes in last."},
    )
    return collection


def add(collection: Collection, *queries: Json) -> Json:
    answer = collection.http.post(f"{collection.path}/golden", json={"queries": queries})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def listed(collection: Collection, **parameters: int) -> list[Any]:
    found = collection.http.get(f"{collection.path}/golden", params=parameters).json()
    return [(query["query"], query["relevant"], query["missing"]) for query in found["queries"]]


def refuse(collection: Collection, *queries: Json) -> tuple[int, str]:
    answer = collection.http.post(f"{collection.path}/golden", json={"queries": queries})
    return answer.status_code, answer.json()["code"]


def test_question_is_in_the_set_once_and_its_last_documents_count(filled: Collection) -> None:
    assert add(filled, TEA, NONE) == {"added": 2, "changed": 0, "total": 2}
    assert add(filled, TEA, NONE) == {"added": 0, "changed": 0, "total": 2}
    again = {"query": "how long  does TEA take?", "relevant": {"milk": 2, "gone": 1}}
    assert add(filled, again) == {"added": 0, "changed": 1, "total": 2}
    assert listed(filled) == [
        (TEA["query"], {"milk": 2, "gone": 1}, ["gone"]),
        (NONE["query"], {}, []),
    ]


def test_question_is_changed_and_removed(filled: Collection) -> None:
    add(filled, TEA, NONE)
    path = f"{filled.path}/golden"
    first, second = (query["id"] for query in filled.http.get(path).json()["queries"])
    taken = filled.http.put(f"{path}/{first}", json={"query": NONE["query"], "relevant": []})
    assert (taken.status_code, taken.json()["code"]) == (409, "golden_query_exists")
    changed = filled.http.put(f"{path}/{first}", json={"query": "tea?", "relevant": ["milk"]})
    assert changed.json()["relevant"] == {"milk": 1}
    assert filled.http.delete(f"{path}/{second}").status_code == 204
    assert listed(filled) == [("tea?", {"milk": 1}, [])]
    gone = filled.http.delete(f"{path}/{second}")
    assert (gone.status_code, gone.json()["code"]) == (404, "golden_query_not_found")


def test_number_that_no_question_has_is_refused(filled: Collection) -> None:
    for number, status in (("9" * 5000, 404), ("0", 422), ("one", 404), ("9999", 404)):
        assert filled.http.delete(f"{filled.path}/golden/{number}").status_code == status


def test_question_of_another_collection_is_not_there(service: Service, filled: Collection) -> None:
    add(filled, TEA)
    query_id = filled.http.get(f"{filled.path}/golden").json()["queries"][0]["id"]
    other = service.new_collection(f"{filled.name}-other")
    path = f"{other.path}/golden/{query_id}"
    assert other.http.delete(path).status_code == 404
    assert other.http.put(path, json=TEA).status_code == 404
    assert listed(filled) == [(TEA["query"], {"tea": 1}, [])]


def test_set_is_listed_in_pages(filled: Collection) -> None:
    add(filled, *({"query": f"question {n}", "relevant": []} for n in range(7)))
    after: int | None = 0
    seen: list[str] = []
    while after is not None:
        parameters = {"limit": 3, "after": after}
        page = filled.http.get(f"{filled.path}/golden", params=parameters).json()
        assert page["total"] == 7
        seen += [query["query"] for query in page["queries"]]
        after = page["following"]
    assert seen == [f"question {n}" for n in range(7)]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"query": " \n", "relevant": []}, (422, "empty_query")),
        ({"query": "x" * 40_000, "relevant": []}, (413, "query_too_large")),
        ({"query": "tea\x00", "relevant": []}, (422, "nul_character")),
        ({"query": "tea", "relevant": {"tea": 0}}, (422, "invalid_request")),
        ({"query": "tea", "relevant": [""]}, (422, "invalid_id")),
        ({"query": "tea", "relevant": ["a/../b"]}, (422, "invalid_id")),
        ({"query": "tea", "relevant": [str(n) for n in range(101)]}, (422, "invalid_golden_query")),
    ],
)
def test_what_is_no_question_is_refused_with_all_that_came_with_it(
    filled: Collection, query: Json, code: tuple[int, str]
) -> None:
    assert refuse(filled, TEA, query) == code
    assert listed(filled) == []


def test_answer_is_marked_by_any_form_of_its_id(service: Service, filled: Collection) -> None:
    filled.add({"id": "caf\u00e9", "text": "Coffee."})
    ref = ref_of(service.resources, filled.name)
    mark_answer(service.resources, ref, "coffee?", "cafe\u0301")
    assert listed(filled) == [("coffee?", {"caf\u00e9": 1}, [])]


def test_marks_end_at_the_most_documents_of_a_question(
    service: Service, filled: Collection
) -> None:
    add(filled, {"query": "tea?", "relevant": [str(n) for n in range(99)]})
    ref = ref_of(service.resources, filled.name)
    mark_answer(service.resources, ref, "tea?", "tea")
    with pytest.raises(InvalidRequest, match="101 documents"):
        mark_answer(service.resources, ref, "tea?", "milk")
    ((_, relevant, _),) = listed(filled)
    assert len(relevant) == 100


def test_set_has_a_limit_and_nothing_is_lost_at_it(filled: Collection) -> None:
    def some(name: str, count: int) -> list[Json]:
        return [{"query": f"{name} {n}", "relevant": []} for n in range(count)]

    assert add(filled, *some("first", 9_999))["total"] == 9_999
    assert refuse(filled, *some("more", 2)) == (409, "golden_set_full")
    assert add(filled, *some("more", 1))["total"] == 10_000
    assert add(filled, {"query": "first 0", "relevant": ["tea"]})["changed"] == 1


def test_evaluation_and_calibration_take_the_set(service: Service, filled: Collection) -> None:
    body = {"collection": filled.name}
    empty = service.http.post("/v1/evaluations", json=body)
    assert (empty.status_code, empty.json()["code"]) == (409, "no_golden_set")
    path = f"{filled.path}/calibration"
    assert service.http.post(path, json={"queries": None}).json()["code"] == "no_golden_set"
    add(filled, TEA, NONE)
    asked = service.http.post("/v1/evaluations", json=body)
    assert asked.status_code == 202, asked.text
    done = poll(
        lambda: dict(service.http.get(f"/v1/evaluations/{asked.json()['id']}").json()),
        lambda answer: answer["status"] != "queued",
    )
    assert done["result"]["queries"] == 1
    few = service.http.post(path, json={"queries": None}).json()
    assert few["code"] == "golden_set_too_small", few


def test_set_goes_with_its_collection(service: Service, filled: Collection) -> None:
    add(filled, TEA)
    confirm = {"confirm": filled.name}
    assert service.http.delete(filled.path, params=confirm).is_success
    assert service.http.get(f"{filled.path}/golden").status_code == 404
    assert listed(service.new_collection(filled.name)) == []
