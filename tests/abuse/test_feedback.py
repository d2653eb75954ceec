"""Item 3: a key has one vote for each answer, and for documents only that it could have found."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from app.domain import Scope
from app.services.access.keys import create_key
from tests.api.service import Collection, Service, open_service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, jina_v3: Path) -> Iterator[Service]:
    data = tmp_path_factory.mktemp("votes")
    settings = Settings(data=data, model=str(jina_v3), query_log_days=1)
    with open_service(settings, requires_keys=True) as opened:
        _, token = create_key(opened.resources.database, scope=Scope.ADMIN)
        opened.http.headers["Authorization"] = f"Bearer {token}"
        for name in ("help", "secret"):
            opened.new_collection(name).add({"id": f"{name}-tea", "text": "Hot tea with milk."})
        yield opened


def make_reader(service: Service, *collections: str) -> httpx.Client:
    _, token = create_key(service.resources.database, collections=collections)
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=service.url, headers=headers, timeout=60)


def ask(service: Service, text: str) -> str:
    return str(Collection(service.http, "help").search(text)["query_id"])


def learned(service: Service) -> dict[str, dict[str, int]]:
    answer = service.http.get("/v1/collections/help/golden/suggestions").json()
    return {query["query"]: query["relevant"] for query in answer["queries"]}


def test_key_has_one_vote_and_the_last_one_counts(service: Service) -> None:
    query_id = ask(service, "tea with milk")
    with make_reader(service, "help") as one, make_reader(service, "help") as other:
        for _ in range(5):
            vote = {"query_id": query_id, "helpful": True}
            assert one.post("/v1/feedback", json=vote).status_code == 201
        assert learned(service)["tea with milk"] == {"help-tea": 1}
        vote = {"query_id": query_id, "document_id": "help-tea"}
        assert other.post("/v1/feedback", json=vote).status_code == 201
        assert learned(service)["tea with milk"] == {"help-tea": 2}
        for client in (one, other):
            vote = {"query_id": query_id, "helpful": False}
            assert client.post("/v1/feedback", json=vote).status_code == 201
    assert "tea with milk" not in learned(service)


@pytest.mark.parametrize("document_id", ["secret-tea", "nowhere"])
def test_document_that_is_not_of_the_collection_gets_no_vote(
    service: Service, document_id: str
) -> None:
    query_id = ask(service, f"about {document_id}")
    with make_reader(service, "help") as reader:
        vote = {"query_id": query_id, "document_id": document_id}
        answer = reader.post("/v1/feedback", json=vote)
    assert (answer.status_code, answer.json()["code"]) == (404, "document_not_found")
    assert document_id not in str(learned(service))


def test_key_of_another_collection_cannot_tell_a_query_from_none(service: Service) -> None:
    query_id = ask(service, "hot tea")
    with make_reader(service, "secret") as stranger:
        answers = [
            stranger.post("/v1/feedback", json={"query_id": named, "helpful": True})
            for named in (query_id, "0" * 32)
        ]
    assert {answer.status_code for answer in answers} == {404}
    assert answers[0].json() == answers[1].json()


def test_erased_document_is_learned_no_more(service: Service) -> None:
    collection = Collection(service.http, "help")
    collection.add({"id": "gone", "text": "A kettle."})
    vote = {"query_id": ask(service, "kettle"), "document_id": "gone"}
    assert service.http.post("/v1/feedback", json=vote).status_code == 201
    assert learned(service)["kettle"] == {"gone": 1}
    assert service.http.delete(collection.document_path("gone")).is_success
    assert "kettle" not in learned(service)
