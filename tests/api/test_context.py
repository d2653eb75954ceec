"""Contexts over HTTP: within the budget, quoting the stored text, saying where it comes from."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from random import Random

import httpx
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from app.config import Settings
from app.domain import Mode
from tests.api.service import Collection, Json, Service, open_service

SECTIONS = "\n\n".join(
    f"## Part {n}\n\n"
    + " ".join(f"{word}{n} stands beside {word} here." for word in ("tea", "milk", "burrs", "dose"))
    for n in range(12)
)
LONG = f"# Manual\n\n{SECTIONS}\n"


def ask(collection: Collection, query: str = "tea", **body: object) -> httpx.Response:
    return collection.http.post(f"{collection.path}/context", json={"query": query, **body})


def context(collection: Collection, query: str = "tea", **body: object) -> Json:
    answer = ask(collection, query, **body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def count_tokens(service: Service, block: Json) -> int:
    parts = (block["title"], block["heading"], block["text"])
    return sum(
        len(service.resources.generations.live().engine().token_starts(part)) for part in parts
    )


def test_article_that_fits_comes_whole_with_its_provenance(
    service: Service, collection: Collection
) -> None:
    collection.add(
        {"id": "m", "markdown": LONG, "url": "https://help.example.com/m", "title": "The manual"}
    )
    answer = context(collection, max_tokens=100_000)
    assert list(answer) == [
        *(
            "query",
            "interpreted",
            "small_talk",
            "blocks",
            "tokens",
            "max_tokens",
            "calibrated",
            "no_answer",
        ),
        *("generation", "took_ms"),
    ]
    (block,) = answer["blocks"]
    assert list(block) == [
        *(
            "collection",
            "document_id",
            "version",
            "sha256",
            "title",
            "url",
            "heading",
            "table_head",
        ),
        *("text", "same_as", "start", "end", "page", "tokens", "score", "whole", "untrusted"),
    ]
    assert block["text"] == LONG
    assert (block["start"], block["end"], block["whole"]) == (0, len(LONG), True)
    assert (block["collection"], block["document_id"]) == (collection.name, "m")
    assert (block["title"], block["url"]) == ("The manual", "https://help.example.com/m")
    assert (block["version"], block["sha256"]) == (1, sha256(LONG.encode()).hexdigest())
    assert block["untrusted"] is True
    assert block["tokens"] == answer["tokens"] == count_tokens(service, block)
    assert 0 <= block["score"] <= 1
    assert (block["heading"], block["page"]) == ("", None)


def test_article_that_does_not_fit_comes_in_its_best_passages_with_headings(
    service: Service, collection: Collection
) -> None:
    collection.add({"id": "m", "markdown": LONG})
    answer = context(collection, "where do burrs2 and burrs7 stand?", max_tokens=400)
    blocks = answer["blocks"]
    assert len(blocks) > 1
    assert not any(block["whole"] for block in blocks)
    assert {"Manual > Part 2", "Manual > Part 7"} <= {block["heading"] for block in blocks}
    for block in blocks:
        assert block["text"] == LONG[block["start"] : block["end"]]
        assert block["tokens"] == count_tokens(service, block)
    assert [b["start"] for b in blocks] == sorted({b["start"] for b in blocks})
    assert answer["tokens"] == sum(block["tokens"] for block in blocks) <= 400


def test_best_article_is_not_pushed_out_by_shorter_ones(collection: Collection) -> None:
    collection.add(
        {"id": "long", "markdown": LONG},
        *({"id": str(n), "text": f"Nothing of it in {n}."} for n in range(8)),
    )
    answer = context(collection, "milk7 tea7 burrs7 dose7", max_tokens=120)
    assert answer["blocks"][0]["document_id"] == "long"


def test_context_is_never_over_its_budget(service: Service, collection: Collection) -> None:
    random = Random(5)
    words = ("tea", "milk", "burrs", "dose", "hot", "漢字", "naïve", "ERR_42", "🫖", "x" * 90)
    collection.add(
        {"id": "long", "markdown": LONG, "title": "A manual of everything"},
        *(
            {
                "id": f"d{n}",
                "title": " ".join(random.choices(words, k=n % 4)),
                "text": ". ".join(" ".join(random.choices(words, k=9)) for _ in range(1 + 2 * n)),
            }
            for n in range(14)
        ),
    )
    sizes = set()
    for _ in range(150):
        budget = int(10 ** random.uniform(0, 3.5))
        answer = context(collection, " ".join(random.choices(words, k=3)), max_tokens=budget)
        counted = sum(count_tokens(service, block) for block in answer["blocks"])
        assert counted == answer["tokens"] <= budget == answer["max_tokens"]
        sizes.add(len(answer["blocks"]))
    assert 0 in sizes
    assert max(sizes) > 5


def test_passages_that_repeat_another_are_left_out(collection: Collection) -> None:
    same = "The steam button resets the grinder after eight seconds of holding it down firmly."
    parts = [f"{same} " + "Take care of the burrs and the dose, always. " * 2] * 6
    other = "Milk for the tea is kept cold, and sugar in a jar beside the kettle on the shelf."
    collection.add({"id": "m", "text": "\n\n".join([*parts, *([other + " Cold. " * 40] * 2)])})
    answer = context(collection, "steam button, sugar kettle", max_tokens=250)
    texts = [block["text"] for block in answer["blocks"]]
    assert sum(text.count(same) for text in texts) <= 2
    assert any("sugar" in text for text in texts)


def test_what_answers_far_less_surely_than_the_best_is_left_out(collection: Collection) -> None:
    collection.add(
        {"id": "reset", "text": "The steam button resets the grinder."},
        *({"id": f"other-{n}", "text": f"Nothing of it in {n}."} for n in range(5)),
    )
    answer = context(collection, "what resets the grinder steam button", max_tokens=1000)
    assert [block["document_id"] for block in answer["blocks"]] == ["reset"]


def test_filters_and_min_score_keep_articles_out(collection: Collection) -> None:
    collection.add(
        {"id": "old", "text": "Tea.", "attributes": {"year": 2020}},
        {"id": "new", "text": "Tea.", "attributes": {"year": 2025}},
    )
    condition = {"type": "gt", "key": "year", "value": 2021}
    (block,) = context(collection, max_tokens=100, filters=condition)["blocks"]
    assert block["document_id"] == "new"
    assert context(collection, max_tokens=100, min_score=1.1)["blocks"] == []


def test_several_collections_make_one_context(service: Service) -> None:
    first, second = service.new_collection("ctx-a"), service.new_collection("ctx-b")
    first.add({"id": "x", "text": "Tea of the first."})
    second.add({"id": "x", "text": "Tea of the second."})
    blocks = context(first, max_tokens=100, also_in=["ctx-b"])["blocks"]
    assert {block["collection"] for block in blocks} == {"ctx-a", "ctx-b"}


def test_empty_collection_has_an_empty_context(collection: Collection) -> None:
    answer = context(collection, max_tokens=10)
    assert (answer["blocks"], answer["tokens"], answer["no_answer"]) == ([], 0, None)


def test_no_answer_is_null_where_the_collection_was_not_measured(collection: Collection) -> None:
    collection.add({"id": "a", "text": "Tea."})
    answer = context(collection, max_tokens=100)
    assert (answer["calibrated"], answer["no_answer"]) == (False, None)


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory, jina_v3: Path) -> Iterator[Service]:
    """A service that has two tokenizers: `words`, and a file that is none."""
    folder = tmp_path_factory.mktemp("tokenizers")
    words = Tokenizer(models.WordLevel({"?": 0, "tea": 1}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.enable_truncation(4)
    words.save(str(folder / "words.json"))
    (folder / "broken.json").write_text("{}")
    settings = Settings(data=tmp_path_factory.mktemp("data"), model=str(jina_v3), tokenizers=folder)
    with open_service(settings) as opened:
        opened.new_collection("help").add({"id": "m", "markdown": LONG, "title": "The manual"})
        yield opened


@pytest.mark.parametrize("budget", [60, 100, 250, 1000])
def test_tokens_are_counted_with_the_tokenizer_that_is_named(counted: Service, budget: int) -> None:
    answer = counted.http.post(
        "/v1/collections/help/context",
        json={"query": "burrs7", "max_tokens": budget, "tokenizer": "words"},
    ).json()
    for block in answer["blocks"]:
        parts = (block["title"], block["heading"], block["text"])
        assert block["tokens"] == sum(len(part.split()) for part in parts)
    assert 0 < answer["tokens"] == sum(b["tokens"] for b in answer["blocks"]) <= budget
    assert all(block["whole"] is (budget == 1000) for block in answer["blocks"])


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("gpt", 422, "unknown_tokenizer"),
        ("../words", 422, "unknown_tokenizer"),
        ("broken", 503, "model_unavailable"),
    ],
)
def test_tokenizer_that_is_none_is_a_problem(
    counted: Service, name: str, status: int, code: str
) -> None:
    answer = counted.http.post(
        "/v1/collections/help/context",
        json={"query": "tea", "max_tokens": 9, "tokenizer": name},
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"query": " ", "max_tokens": 9}, 422, "empty_query"),
        ({"query": "tea " * 9000, "max_tokens": 9}, 413, "query_too_large"),
        ({"query": "tea"}, 422, "invalid_request"),
        ({"query": "tea", "max_tokens": 0}, 422, "invalid_request"),
        ({"query": "tea", "max_tokens": 1_000_001}, 422, "invalid_request"),
        ({"query": "tea", "max_tokens": "9"}, 422, "invalid_request"),
        ({"query": "tea", "max_tokens": 9, "mode": Mode.DENSE}, 422, "invalid_request"),
        ({"query": "tea", "max_tokens": 9, "also_in": ["nowhere"]}, 404, "collection_not_found"),
    ],
)
def test_bad_request_is_a_problem(
    collection: Collection, body: Json, status: int, code: str
) -> None:
    answer = collection.http.post(f"{collection.path}/context", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_context_of_no_collection_is_not_found(service: Service) -> None:
    answer = service.http.post(
        "/v1/collections/nowhere/context", json={"query": "tea", "max_tokens": 9}
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "collection_not_found")


def test_thanks_get_no_context(collection: Collection) -> None:
    collection.add({"id": "a", "text": "Thanks for the tea."})
    answer = context(collection, "thanks!", max_tokens=500)
    assert (answer["blocks"], answer["tokens"], answer["small_talk"]) == ([], 0, True)


def test_a_turn_is_answered_with_the_one_before(collection: Collection) -> None:
    collection.add(
        {"id": "grinder", "text": "The grinder takes four minutes to clean."},
        {"id": "pump", "text": "The pump takes nine minutes to clean."},
    )
    messages = [{"role": "user", "content": "Tell me about the pump"}, {"role": "assistant"}]
    question = "how long to clean?"
    answer = context(collection, question, max_tokens=500, messages=messages)
    assert answer["interpreted"] == "Tell me about the pump how long to clean?"
    assert {block["document_id"] for block in answer["blocks"]} == {"grinder", "pump"}
    # By words: the vectors of the tests' model are random.
    hits = collection.search(question, messages=messages, mode="lexical")["results"]
    assert hits[0]["document_id"] == "pump"
