"""Explanations over HTTP: every cause is named, and ranks agree with the search."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, update

from app.config import Settings
from app.db.models import Collection as Row
from app.db.models import Document, Key, Version
from app.services.search import candidates as ranking
from tests.api.service import Collection, Json, Service, open_service, poll

QUERY = "hot tea with milk"


def explain(collection: Collection, document_id: str, query: str = QUERY, **body: object) -> Json:
    answer = collection.http.post(
        f"{collection.path}/explain", json={"query": query, "document_id": document_id, **body}
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def fill(collection: Collection) -> None:
    collection.add(
        *(
            {
                "id": f"{number:02}",
                "title": f"Article {number}",
                "text": f"Tea {'with milk ' * (number % 5)}{'hot ' * (number % 3)}{number}.",
                "attributes": {"number": number},
            }
            for number in range(15)
        )
    )
    # Measured once in the background, which changes what scores mean between two requests.
    path = f"{collection.path}/calibration"
    poll(lambda: collection.http.get(path).json(), lambda shown: not shown["is_due"])


def test_explanation_has_the_documented_shape_and_nothing_else(collection: Collection) -> None:
    fill(collection)
    answer = explain(collection, "07", "What is hot tea with MilkShake?")
    assert list(answer) == [
        *("query", "collection", "document_id", "mode", "limit", "state", "reason", "versions"),
        *("ranking", "untrusted"),
    ]
    assert (answer["collection"], answer["document_id"]) == (collection.name, "07")
    assert [(v["version"], v["live"]) for v in answer["versions"]] == [(1, True)]
    ranking = answer["ranking"]
    assert list(ranking) == ["stages", "reading", "passages", "took_ms"]
    assert set(ranking["stages"]) == {"unit", "lexical", "passage", "match", "fused"}
    took = ranking["took_ms"]
    assert list(took) == ["embed", "unit", "lexical", "fuse", "passages", "total"]
    assert took["total"] == pytest.approx(sum(took.values()) - took["total"], abs=0.01)
    reading = ranking["reading"]
    assert "".join(reading["tokens"]).strip() == "What is hot tea with MilkShake?"
    assert reading["model_tokens"] > len(reading["tokens"])
    assert reading["adapter"] == "retrieval_query"
    assert reading["prompt"]
    counts = {word["term"]: word["count"] for word in reading["terms"]}
    assert counts == {"hot": 1, "tea": 1, "milk": 2, "shake": 0, "milkshake": 0}
    (passage,) = ranking["passages"]
    assert passage["text"] == "Tea with milk with milk hot 7."


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_rank_score_and_gap_are_those_of_the_search(collection: Collection, mode: str) -> None:
    fill(collection)
    results = collection.search(QUERY, mode=mode, limit=15)["results"]
    assert len(results) == 15
    last = results[3]["score"]
    for rank, hit in enumerate(results, start=1):
        answer = explain(collection, hit["document_id"], mode=mode, limit=4)
        fused = answer["ranking"]["stages"]["fused"]
        assert (fused["rank"], fused["of"], fused["score"]) == (rank, 15, hit["score"])
        assert fused["last_shown"] == last
        assert fused["gap"] == pytest.approx(hit["score"] - last)
        assert answer["state"] == ("shown" if rank <= 4 else "below_limit")
        assert f"ranks {rank}" in answer["reason"]


def test_stages_rank_all_articles_each_by_its_own_score(collection: Collection) -> None:
    fill(collection)
    ids = [hit["document_id"] for hit in collection.search(limit=15, passages=0)["results"]]
    stages = [explain(collection, i)["ranking"]["stages"] for i in ids]
    for name in ("unit", "passage", "lexical", "match", "fused"):
        ranked = sorted((stage[name]["rank"], -stage[name]["score"]) for stage in stages)
        assert [rank for rank, _ in ranked] == list(range(1, 16))
        assert [score for _, score in ranked] == sorted(score for _, score in ranked)
        assert {stage[name]["of"] for stage in stages} == {15}


def test_mode_leaves_out_the_stages_that_do_not_look(collection: Collection) -> None:
    fill(collection)
    dense = explain(collection, "01", mode="dense")["ranking"]
    assert set(dense["stages"]) == {"unit", "passage", "fused"}
    assert dense["reading"]["terms"] == []
    lexical = explain(collection, "01", mode="lexical")["ranking"]
    assert set(lexical["stages"]) == {"lexical", "fused"}
    assert (lexical["reading"]["tokens"], lexical["reading"]["adapter"]) == ([], None)


# Causes


def test_document_that_was_never_there(collection: Collection) -> None:
    answer = explain(collection, "nothing")
    assert (answer["state"], answer["versions"], answer["ranking"]) == ("not_there", [], None)


def test_document_that_was_deleted_is_not_there(collection: Collection) -> None:
    collection.add({"id": "a", "text": "Tea."})
    collection.http.delete(collection.document_path("a"))
    assert explain(collection, "a")["state"] == "not_there"


def test_document_that_failed_says_why(collection: Collection) -> None:
    collection.finish(collection.put_file("a", b"%PDF-1.7 broken", "application/pdf"))
    answer = explain(collection, "a")
    assert (answer["state"], answer["ranking"]) == ("failed", None)
    assert answer["versions"][0]["error"]["code"] in answer["reason"]


@pytest.fixture
def idle(tmp_path: Path, jina_v3: Path) -> Iterator[Service]:
    """A service that ingests nothing."""
    settings = Settings(data=tmp_path / "data", model=str(jina_v3))
    with open_service(settings, works=False, loads=False) as opened:
        yield opened


def test_document_that_waits_is_queued(idle: Service) -> None:
    collection = idle.new_collection("help")
    collection.put("a", text="Tea.")
    answer = explain(collection, "a")
    assert (answer["state"], answer["reason"]) == ("queued", "version 1 is queued")
    assert answer["versions"][0]["status"] == "queued"


def test_version_that_was_replaced_is_superseded(collection: Collection) -> None:
    collection.add({"id": "a", "text": "Tea."})
    collection.add({"id": "a", "text": "Coffee."})
    answer = explain(collection, "a", version=1)
    assert answer["state"] == "superseded"
    assert answer["reason"] == "version 1 was superseded: version 2 answers"
    assert explain(collection, "a", version=2)["state"] == "shown"
    assert explain(collection, "a", version=3)["state"] == "not_there"


def test_former_version_answers_while_the_new_one_failed(collection: Collection) -> None:
    collection.add({"id": "a", "text": "Tea."})
    collection.finish(collection.put_file("a", b"%PDF-1.7 broken", "application/pdf"))
    answer = explain(collection, "a")
    assert answer["state"] == "shown"
    assert "version 1 answers, since version 2 failed: " in answer["reason"]
    assert explain(collection, "a", version=2)["state"] == "failed"


def test_filter_that_keeps_it_out_is_named(collection: Collection) -> None:
    fill(collection)
    even = {"type": "in", "key": "number", "value": [2, 4, 6]}
    missing = {"type": "eq", "key": "product", "value": "kettle"}
    assert explain(collection, "04", filters=even)["state"] == "shown"
    assert explain(collection, "04", filters=even)["ranking"]["stages"]["fused"]["of"] == 3
    answer = explain(collection, "05", filters=even)
    assert (answer["state"], answer["ranking"]) == ("filtered", None)
    assert answer["reason"] == "it does not meet the filter on number"
    both = {"type": "and", "filters": [even, missing]}
    assert explain(collection, "04", filters=both)["reason"].endswith("on product")
    answer = explain(collection, "04", filters={"type": "not", "filter": even})
    assert (answer["state"], answer["ranking"]) == ("filtered", None)
    assert answer["reason"] == "it does not meet the filter on number"


@pytest.mark.parametrize(
    ("query", "shown", "left_out", "reason"),
    [
        ('"hot 11" tea', "11", "07", 'it does not hold "hot 11", which the query quotes'),
        ("tea -milk", "05", "07", 'it holds "milk", which the query excludes'),
    ],
)
def test_phrase_or_excluded_word_that_keeps_it_out_is_named(
    collection: Collection, query: str, shown: str, left_out: str, reason: str
) -> None:
    fill(collection)
    answer = explain(collection, shown, query)
    stages = answer["ranking"]["stages"]
    assert answer["state"] == "shown"
    # Of all stages the same, as many as the search could show.
    assert {stage["of"] for stage in stages.values()} == {collection.search(query)["total"]}
    answer = explain(collection, left_out, query)
    assert (answer["state"], answer["reason"]) == ("filtered", reason)
    assert answer["ranking"]["stages"]["unit"]["rank"] is None


def test_article_under_the_least_score(collection: Collection) -> None:
    fill(collection)
    answer = explain(collection, "04", min_score=1.5)
    assert answer["state"] == "below_min_score"
    assert "1.5" in answer["reason"]


def test_article_without_a_word_of_the_question_is_not_proposed(collection: Collection) -> None:
    collection.add({"id": "a", "text": "Tea."}, {"id": "b", "text": "Coffee."})
    answer = explain(collection, "b", "tea", mode="lexical")
    assert answer["state"] == "not_proposed"
    assert answer["ranking"]["stages"]["fused"]["rank"] is None
    assert answer["ranking"]["stages"]["fused"]["of"] == 1
    assert answer["ranking"]["reading"]["terms"] == [{"term": "tea", "count": 0}]


def make_key(service: Service, **body: object) -> Json:
    answer = service.http.post("/v1/keys", json={"name": "bot", **body})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_key_that_would_not_see_it_is_not_allowed(service: Service, collection: Collection) -> None:
    other = service.new_collection(f"{collection.name}-other")
    collection.add({"id": "a", "text": "Tea."})
    fits = make_key(service, collections=[collection.name])["id"]
    assert explain(collection, "a", key_id=fits)["state"] == "shown"
    foreign = make_key(service, collections=[other.name])["id"]
    answer = explain(collection, "a", key_id=foreign)
    assert (answer["state"], answer["versions"], answer["ranking"]) == ("not_allowed", [], None)
    assert collection.name in answer["reason"]
    service.http.delete(f"/v1/keys/{fits}")
    answer = explain(collection, "a", key_id=fits)
    assert (answer["state"], "revoked" in answer["reason"]) == ("not_allowed", True)


def test_expired_key_is_not_allowed(service: Service, collection: Collection) -> None:
    collection.add({"id": "a", "text": "Tea."})
    key_id = make_key(service)["id"]
    with service.resources.database.write() as session:
        session.get_one(Key, key_id).expires_at = datetime(2020, 1, 2, tzinfo=UTC)
    answer = explain(collection, "a", key_id=key_id)
    assert (answer["state"], answer["reason"]) == ("not_allowed", "the key expired on 2020-01-02")


def test_only_an_admin_asks_for_another_key(tmp_path: Path, jina_v3: Path) -> None:
    settings = Settings(data=tmp_path / "data", model=str(jina_v3))
    with open_service(settings, requires_keys=True, works=False, loads=False) as service:
        from app.domain import Scope
        from app.services.access.keys import create_key
        from app.services.articles.collections import create_collection

        create_collection(service.resources.database, "help")
        info, token = create_key(service.resources.database, name="bot", scope=Scope.READ)
        body = {"query": "tea", "document_id": "a"}
        headers = {"Authorization": f"Bearer {token}"}
        path = "/v1/collections/help/explain"
        asked = service.http.post(path, json={**body, "key_id": info.id}, headers=headers)
        assert (asked.status_code, asked.json()["code"]) == (403, "forbidden")
        asked = service.http.post(path, json=body, headers=headers)
        assert asked.json()["state"] == "not_there"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"query": " ", "document_id": "a"}, 422, "empty_query"),
        ({"query": "tea"}, 422, "invalid_request"),
        ({"query": "tea", "document_id": "a\u0007"}, 422, "invalid_id"),
        ({"query": "tea", "document_id": "a", "key_id": "nobody"}, 404, "key_not_found"),
        (
            {"query": "tea", "document_id": "here", "dimensions": 4096},
            422,
            "unsupported_dimensions",
        ),
    ],
)
def test_bad_request_is_a_problem(
    collection: Collection, body: Json, status: int, code: str
) -> None:
    collection.add({"id": "here", "text": "Tea."})
    answer = collection.http.post(f"{collection.path}/explain", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_document_that_is_worked_on_is_processing(idle: Service) -> None:
    collection = idle.new_collection("help")
    collection.put("a", text="Tea.")
    with idle.resources.database.write() as session:
        session.execute(update(Version).values(status="processing", stage="embed"))
    answer = explain(collection, "a")
    assert (answer["state"], answer["reason"]) == ("processing", "version 1 is processing")


def test_document_that_was_damaged_failed_as_corrupt(
    service: Service, collection: Collection
) -> None:
    collection.add({"id": "a", "text": "Tea."}, {"id": "b", "text": "Tea."})
    with service.resources.database.write() as session:
        (document,) = session.scalars(
            select(Document)
            .join(Row, Row.id == Document.collection_id)
            .where(Row.name == collection.name, Document.external_id == "a")
        )
        session.execute(
            update(Version).where(Version.document_id == document.id).values(text="Ten.")
        )
    # Nobody has met the damage before: the explanation does.
    answer = explain(collection, "a")
    assert (answer["state"], "corrupt_data" in answer["reason"]) == ("failed", True)
    assert explain(collection, "b")["state"] == "shown"


def test_article_that_many_others_beat_in_every_stage_is_not_proposed(
    service: Service, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(collection)
    monkeypatch.setattr(ranking, "CANDIDATES", 3)
    shown = [hit["document_id"] for hit in collection.search(QUERY, limit=3)["results"]]
    states = {i: explain(collection, i, limit=3) for i in (f"{n:02}" for n in range(15))}
    assert {i for i, answer in states.items() if answer["state"] == "shown"} == set(shown)
    left_out = [a for a in states.values() if a["state"] == "not_proposed"]
    assert left_out
    for answer in left_out:
        stages = answer["ranking"]["stages"]
        assert min(stages["unit"]["rank"], stages["lexical"]["rank"]) > 3
        assert answer["reason"] == "it is among the best of no stage"


# Each has several causes; the first that keeps it out is the one that is named.
INJECTED: dict[str, tuple[str, Json]] = {
    "shown": ("shown", {}),
    "gone": ("not_there", {}),
    "broken": ("failed", {}),
    "broken-and-filtered": ("failed", {"filters": {"type": "eq", "key": "number", "value": 1}}),
    "filtered": ("filtered", {"filters": {"type": "eq", "key": "number", "value": 1}}),
    "filtered-and-weak": (
        "filtered",
        {"filters": {"type": "eq", "key": "number", "value": 1}, "min_score": 1.1},
    ),
    "weak": ("below_min_score", {"min_score": 1.1}),
    "weak-and-low": ("below_min_score", {"min_score": 1.1, "limit": 1}),
    "replaced": ("superseded", {"version": 1}),
    "replaced-and-filtered": (
        "superseded",
        {"version": 1, "filters": {"type": "eq", "key": "number", "value": 1}},
    ),
    "wordless": ("not_proposed", {"mode": "lexical"}),
    "low": ("below_limit", {"limit": 1}),
    "never": ("not_there", {"version": 7}),
}


def test_every_injected_cause_is_named(collection: Collection) -> None:
    for name in INJECTED:
        if name.startswith("broken"):
            collection.finish(collection.put_file(name, b"%PDF-1.7 broken", "application/pdf"))
        elif name.startswith("replaced"):
            collection.add({"id": name, "text": "Hot tea of yesterday."})
            collection.add({"id": name, "text": "Hot tea of today."})
        else:
            text = {"wordless": "Coffee.", "shown": QUERY}.get(name, f"A hot day, {name}.")
            collection.add({"id": name, "text": text, "attributes": {"number": 2}})
    collection.http.delete(collection.document_path("gone"))
    named = {
        name: explain(collection, name, **body)["state"] for name, (_, body) in INJECTED.items()
    }
    assert named == {name: state for name, (state, _) in INJECTED.items()}
