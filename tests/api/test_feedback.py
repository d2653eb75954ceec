"""The query log: off unless asked for, forgotten in time, and what it teaches."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.config import Settings
from app.db.models import Feedback, LoggedQuery
from app.domain import Mode, Scope
from app.errors import ModelAway, StorageFull
from app.evaluation.golden import MAX_GRADE
from app.runtime.resources import Resources
from app.services.access.collections import find_collection
from app.services.access.principal import EVERYONE
from app.services.quality.feedback import record_query, store_queries
from app.services.quality.gaps import embed_wanted, find_gaps
from app.services.quality.gate import GateRequest
from app.services.quality.generation_builder import keep_generations
from app.services.quality.generations import (
    list_generations,
    remove_generation,
    request_generation,
    roll_back,
)
from ingest.sandbox import Sandbox
from tests.api.service import Collection, Json, Service, open_service, poll
from tests.conftest import article
from tests.named import put_documents, ref_of, search_documents
from tests.services.knowledge import open_with, work


@pytest.fixture(scope="module")
def logging_service(
    tmp_path_factory: pytest.TempPathFactory, jina_v3: Path, _no_settings_of_this_machine: None
) -> Iterator[Service]:
    data = tmp_path_factory.mktemp("logging")
    settings = Settings(data=data, model=str(jina_v3), passage_tokens=32, query_log_days=30)
    with open_service(settings) as opened:
        yield opened


@pytest.fixture
def logged(logging_service: Service, request: pytest.FixtureRequest) -> Collection:
    collection = logging_service.new_collection(request.node.name[:60])
    collection.add(
        {"id": "tea", "text": "Tea with milk is hot."}, {"id": "dog", "text": "The lazy dog."}
    )
    return collection


def say(collection: Collection, query_id: str, **feedback: object) -> int:
    body = {"query_id": query_id, **feedback}
    return collection.http.post("/v1/feedback", json=body).status_code


def test_nothing_is_logged_unless_it_is_asked_for(service: Service, collection: Collection) -> None:
    assert collection.search("tea")["query_id"] is None
    store_queries(service.resources)
    with service.resources.database.read() as session:
        assert session.scalars(select(LoggedQuery.id)).all() == []
    answer = service.http.post("/v1/feedback", json={"query_id": "x", "helpful": True})
    assert (answer.status_code, answer.json()["code"]) == (404, "query_not_found")


def test_golden_set_is_made_of_what_people_said(logged: Collection) -> None:
    asked = [logged.search(text)["query_id"] for text in ("hot tea", "Hot  TEA", "dog", "nothing")]
    assert say(logged, asked[0], helpful=True) == 201
    assert say(logged, asked[1], document_id="tea") == 201
    assert say(logged, asked[2], helpful=False) == 201
    assert say(logged, asked[3]) == 422
    queries = logged.http.get(f"{logged.path}/golden/suggestions").json()["queries"]
    assert queries == [{"query": "hot tea", "relevant": {"tea": 2}}]


def test_further_pages_are_no_questions_of_their_own(logged: Collection) -> None:
    first, second = (logged.search("hot tea", limit=1, offset=offset) for offset in (0, 1))
    assert second["results"]
    assert second["query_id"] is None
    queries = logged.http.get(f"{logged.path}/queries").json()["queries"]
    assert [query["id"] for query in queries] == [first["query_id"]]


def test_follow_up_is_logged_with_what_it_carried_over(logged: Collection) -> None:
    before = {"role": "user", "content": "is tea\x00 hot?"}
    asked = logged.search("and why?", messages=[before])
    assert asked["interpreted"] == "is tea  hot? and why?"
    assert say(logged, asked["query_id"], document_id="tea") == 201
    suggested = logged.http.get(f"{logged.path}/golden/suggestions").json()["queries"]
    assert suggested == [{"query": asked["interpreted"], "relevant": {"tea": 1}}]


def test_more_votes_than_a_grade_may_be_are_suggested_as_a_golden_set_takes_them(
    logging_service: Service, logged: Collection
) -> None:
    ref = ref_of(logging_service.resources, logged.name)
    with logging_service.resources.database.write() as session:
        for number in range(MAX_GRADE + 1):
            asked = LoggedQuery(
                id=f"{number:032}", collection_id=ref.id, text="tea?", mode=Mode.HYBRID, found=[]
            )
            session.add(asked)
            session.flush()
            session.add(Feedback(query_id=asked.id, key_id="", document_id="tea"))
    suggested = logged.http.get(f"{logged.path}/golden/suggestions").json()
    assert suggested == {"queries": [{"query": "tea?", "relevant": {"tea": MAX_GRADE}}]}
    assert logged.http.post(f"{logged.path}/golden", json=suggested).json()["added"] == 1


def test_question_that_is_being_stored_is_waited_for(
    tmp_path: Path, jina_v3: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_with(tmp_path, jina_v3, query_log_days=30) as resources:
        record_query(resources, ref_of(resources, "help"), search_documents(resources, "help", "x"))
        write, taken, goes_on = resources.database.write, Event(), Event()

        @contextmanager
        def write_late() -> Iterator[Session]:
            taken.set()
            assert goes_on.wait(60)
            with write() as session:
                yield session

        def look() -> None:
            store_queries(resources)
            with resources.database.read() as session:
                found.extend(session.scalars(select(LoggedQuery.text)))

        found: list[str] = []
        monkeypatch.setattr(resources.database, "write", write_late)
        background = Thread(target=store_queries, args=[resources])
        background.start()
        assert taken.wait(60)
        looking = Thread(target=look)
        looking.start()
        looking.join(0.3)
        goes_on.set()
        for thread in (background, looking):
            thread.join()
    assert found == ["x"]


def test_questions_that_cannot_be_stored_wait_until_they_can(
    tmp_path: Path, jina_v3: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_with(tmp_path, jina_v3, query_log_days=30) as resources:
        ref, write = ref_of(resources, "help"), resources.database.write
        asked = record_query(resources, ref, search_documents(resources, "help", "hot tea"))

        @contextmanager
        def fail_at_the_end() -> Iterator[Session]:
            with write() as session:
                yield session
                raise StorageFull("full")

        with monkeypatch.context() as patch:
            patch.setattr(resources.database, "write", fail_at_the_end)
            with pytest.raises(StorageFull):
                store_queries(resources)
        store_queries(resources)
        with resources.database.read() as session:
            (stored,) = session.execute(select(LoggedQuery.id, LoggedQuery.text)).all()
    assert tuple(stored) == (asked, "hot tea")


def test_document_is_named_in_any_form_of_its_id(logged: Collection) -> None:
    logged.add({"id": "caf\u00e9", "text": "Coffee."})
    asked = logged.search("coffee")["query_id"]
    assert say(logged, asked, document_id="cafe\u0301") == 201
    assert say(logged, asked, document_id="a/../b") == 422
    queries = logged.http.get(f"{logged.path}/golden/suggestions").json()["queries"]
    assert queries == [{"query": "coffee", "relevant": {"caf\u00e9": 1}}]


def test_gaps_group_what_found_nothing_good(logged: Collection) -> None:
    for text in ("kettle kettle", "kettle kettle", "kettle  kettle"):
        logged.search(text)
    good = logged.search("tea with milk")["query_id"]
    say(logged, good, helpful=True)
    bad = logged.search("the lazy dog")["query_id"]
    say(logged, bad, helpful=False)
    # Every score lies below 1: only what was called helpful is answered.
    gaps = logged.http.get(f"{logged.path}/gaps", params={"below": 1}).json()["gaps"]
    assert sum(gap["count"] for gap in gaps) == 4
    assert gaps[0]["count"] >= 3
    assert "kettle kettle" in gaps[0]["examples"]
    assert not any("tea with milk" in gap["examples"] for gap in gaps)
    # A score of 0 lies below none; what was called unhelpful stays.
    (left,) = logged.http.get(f"{logged.path}/gaps", params={"below": 0}).json()["gaps"]
    assert (left["count"], left["examples"]) == (1, ["the lazy dog"])


def test_log_is_listed_newest_first_with_what_was_said(logged: Collection) -> None:
    texts = ["hot tea", "the lazy dog", "kettle kettle"]
    tea, dog, kettle = (str(logged.search(text)["query_id"]) for text in texts)
    assert say(logged, tea, helpful=True) == 201
    assert say(logged, dog, helpful=False, document_id="tea") == 201

    def read(**params: str | int) -> Json:
        answer = logged.http.get(f"{logged.path}/queries", params=params)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    listed = read()
    assert (listed["log_days"], listed["next_before"]) == (30, None)
    assert [one["query"] for one in listed["queries"]] == texts[::-1]
    assert [one["id"] for one in listed["queries"]] == [kettle, dog, tea]
    assert {one["calibrated"] for one in listed["queries"]} == {False}
    said = {
        one["id"]: (one["helpful"], one["unhelpful"], one["chosen"]) for one in listed["queries"]
    }
    assert said == {tea: (1, 0, {}), dog: (0, 1, {"tea": 1}), kettle: (0, 0, {})}
    assert set(listed["queries"][2]["found"]) == {"tea", "dog"}
    for name, ids in {
        "anything": [dog, tea],
        "nothing": [kettle],
        "helpful": [tea],
        "unhelpful": [dog],
        "chosen": [dog],
    }.items():
        assert [one["id"] for one in read(said=name)["queries"]] == ids
    first = read(limit=2)
    second = read(limit=2, before=first["next_before"])
    assert [one["id"] for page in (first, second) for one in page["queries"]] == [kettle, dog, tea]
    assert second["next_before"] is None
    for params in ({"before": "none"}, {"said": "so"}, {"limit": 0}):
        assert logged.http.get(f"{logged.path}/queries", params=params).status_code == 422


def test_unanswered_questions_of_the_log_are_those_of_the_gaps(
    logged: Collection, logging_service: Service
) -> None:
    texts = ["tea with milk", "kettle kettle", "the lazy dog", "who knows"]
    helped, weak, bad, good = (str(logged.search(text)["query_id"]) for text in texts)
    store_queries(logging_service.resources)
    with logging_service.resources.database.write() as session:
        session.execute(update(LoggedQuery).where(LoggedQuery.id == good).values(score=0.9))
        session.execute(update(LoggedQuery).where(LoggedQuery.id != good).values(score=0.01))
    say(logged, helped, helpful=True)
    say(logged, bad, helpful=False)
    found = logged.http.get(f"{logged.path}/queries", params={"unanswered": "true"}).json()
    assert [one["id"] for one in found["queries"]] == [bad, weak]
    gaps = logged.http.get(f"{logged.path}/gaps").json()["gaps"]
    assert {text for gap in gaps for text in gap["examples"]} == {texts[1], texts[2]}


def test_log_that_is_off_says_so(collection: Collection) -> None:
    collection.search("tea")
    log = collection.http.get(f"{collection.path}/queries").json()
    assert log == {"log_days": 0, "queries": [], "next_before": None}


def test_page_of_gaps_does_not_wait_for_the_model(
    logging_service: Service, logged: Collection
) -> None:
    for text in ("spoons and forks", "spoons and forks", "who paints the moon"):
        logged.search(text)
    resources = logging_service.resources
    ref = find_collection(resources.database, EVERYONE, logged.name, Scope.ADMIN)
    at_once = find_gaps(resources, ref, below=1, seconds=0)
    assert (at_once.gaps, at_once.waiting) == ([], 3)
    later = poll(
        lambda: find_gaps(resources, ref, below=1, seconds=0), lambda found: not found.waiting
    )
    assert later == find_gaps(resources, ref, below=1)
    assert sum(gap.count for gap in later.gaps) == 3


def test_questions_are_grouped_once_the_model_is_back(
    tmp_path: Path, jina_v3: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_with(tmp_path, jina_v3, query_log_days=30) as resources:
        ref = ref_of(resources, "help")
        for _ in range(2):
            record_query(resources, ref, search_documents(resources, "help", "hot tea"))

        def fail(*_: object, **__: object) -> None:
            raise ModelAway("no answer")

        with monkeypatch.context() as patch:
            patch.setattr(resources.generations.live().engine(), "embed", fail)
            with pytest.raises(ModelAway):
                find_gaps(resources, ref)
            assert find_gaps(resources, ref, seconds=0).waiting == 2
            embed_wanted(resources, lambda: False)
        (gap,) = find_gaps(resources, ref).gaps
    assert gap.count == 2


def test_questions_are_grouped_by_vectors_of_the_model_that_is_live(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox
) -> None:
    with open_with(tmp_path / "data", jina_v3, query_log_days=30) as resources:
        put_documents(resources, "help", [article("a", "Tea.")])
        work(resources, sandbox)
        ref, first = ref_of(resources, "help"), list_generations(resources)[0].id
        for number, dimensions in enumerate((8, 16), start=1):
            record_query(resources, ref, search_documents(resources, "help", f"hot tea {number}"))
            force = GateRequest(force=True)
            made = request_generation(resources, model=None, dimensions=dimensions, gate=force)
            keep_generations(resources, lambda: False)
            assert sum(gap.count for gap in find_gaps(resources, ref, below=2).gaps) == number
            roll_back(resources, first)
            # SQLite gives its id to the next one.
            remove_generation(resources, made.id)


def test_queries_are_erased_on_demand_and_when_their_time_is_over(
    logging_service: Service, logged: Collection
) -> None:
    resources = logging_service.resources
    say(logged, logged.search("tea")["query_id"], helpful=True)
    assert logged.http.delete(f"{logged.path}/queries").json() == {"erased": 1}
    query_id = log_long_ago(resources, logged, "tea")
    store_queries(resources)
    with resources.database.read() as session:
        assert session.get(LoggedQuery, query_id) is None
        assert session.scalar(select(Feedback.id).where(Feedback.query_id == query_id)) is None


def test_queries_go_with_those_that_are_past_their_time_up_to_an_hour_before(
    logging_service: Service, logged: Collection
) -> None:
    resources, ages = (
        logging_service.resources,
        [timedelta(days=29), timedelta(days=30, minutes=-50)],
    )
    kept, nearly = [log_long_ago(resources, logged, "tea", age) for age in ages]

    def list_ids() -> set[str]:
        return {one["id"] for one in logged.http.get(f"{logged.path}/queries").json()["queries"]}

    assert list_ids() == {kept, nearly}
    log_long_ago(resources, logged, "tea")
    assert list_ids() == {kept}


@pytest.mark.data_folder
def test_erased_queries_are_in_no_file(logging_service: Service, logged: Collection) -> None:
    resources = logging_service.resources
    phrase = "unmistakable passphrase"

    def is_in_files() -> bool:
        files = [path.read_bytes() for path in resources.settings.data.iterdir() if path.is_file()]
        return any(phrase.encode() in data for data in files)

    logged.search(phrase)
    store_queries(resources)
    assert is_in_files()
    logged.http.delete(f"{logged.path}/queries")
    assert not is_in_files()
    log_long_ago(resources, logged, phrase)
    assert is_in_files()
    store_queries(resources)
    assert not is_in_files()


def log_long_ago(
    resources: Resources, logged: Collection, query: str, age: timedelta = timedelta(days=31)
) -> str:
    """Ask, give feedback, and have it look as if that was long ago: longer than is kept."""
    query_id: str = logged.search(query)["query_id"]
    assert say(logged, query_id, helpful=True) == 201
    with resources.database.write() as session:
        row = session.get_one(LoggedQuery, query_id)
        session.execute(
            update(LoggedQuery)
            .where(LoggedQuery.id == query_id)
            .values(asked_at=row.asked_at - age)
        )
    return query_id
