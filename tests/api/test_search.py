"""Searching over HTTP: the shape of answers, passages, limits, filters, and what ranks first."""

from collections.abc import Iterator
from hashlib import sha256

import pytest

from app.config import Settings
from tests.api.service import Collection, Json, Service, open_service
from tests.databases import is_postgresql

ARTICLE = (
    "# Grinder ☕\n\nThe burrs are 𝒇𝒍𝒂𝒕 and hot 🫖 tea is not coffee.\n\n"
    "## Cleaning\n\nHold the button for eight seconds, then brush the burrs with care.\n\n"
    "## Dose\n\nTea with milk and sugar is hot, coffee without is cold: 18 g.\n"
)


# Answers


def test_answer_has_the_documented_shape_and_nothing_else(collection: Collection) -> None:
    collection.add(
        {
            "id": "manual/grinder",
            "markdown": ARTICLE,
            "url": "https://help.example.com/grinder",
            "attributes": {"product": "grinder", "tags": ["burrs", "dose"], "year": 2025},
        }
    )
    answer = collection.search("how do I clean the burrs?")
    assert list(answer) == [
        *(
            "query",
            "interpreted",
            "mode",
            "calibrated",
            "results",
            "total",
            "facets",
            "generation",
            "took_ms",
            "query_id",
        ),
    ]
    assert answer["query_id"] is None
    assert (answer["mode"], answer["calibrated"]) == ("hybrid", False)
    assert answer["query"] == "how do I clean the burrs?"
    assert isinstance(answer["generation"], int)
    took = answer["took_ms"]
    assert list(took) == ["embed", "search", "rerank", "total"]
    assert took.pop("rerank") == 0
    assert all(isinstance(value, float) and value > 0 for value in took.values())
    assert took["total"] == pytest.approx(took["embed"] + took["search"], abs=0.01)
    (hit,) = answer["results"]
    assert list(hit) == [
        "collection",
        "document_id",
        "version",
        "sha256",
        "title",
        "url",
        "score",
        "attributes",
        "passages",
        "same_as",
        "untrusted",
    ]
    assert hit["collection"] == collection.name
    assert (hit["document_id"], hit["version"]) == ("manual/grinder", 1)
    assert hit["sha256"] == sha256(ARTICLE.encode()).hexdigest()
    assert hit["untrusted"] is True
    assert (hit["title"], hit["url"]) == ("Grinder ☕", "https://help.example.com/grinder")
    assert hit["attributes"] == {"product": "grinder", "tags": ["burrs", "dose"], "year": 2025}
    assert 0 <= hit["score"] <= 1
    (passage,) = hit["passages"]
    fields = ["text", "start", "end", "score", "heading", "page", "table_head", "sentence"]
    assert list(passage) == fields
    assert 0 <= passage["score"] <= hit["score"] + 1e-9
    assert passage["page"] is None


def test_passages_are_quotations_of_the_stored_text(collection: Collection) -> None:
    collection.add({"id": "a", "markdown": ARTICLE})
    text = collection.get("a", include="text")["text"]
    assert text == ARTICLE
    (hit,) = collection.search(passages=100)["results"]
    passages = sorted(hit["passages"], key=lambda passage: passage["start"])
    assert len(passages) == collection.get("a")["receipt"]["passages"] > 2
    for passage in passages:
        assert passage["text"] == text[passage["start"] : passage["end"]]
    covered = {i for passage in passages for i in range(passage["start"], passage["end"])}
    assert all(i in covered for i, character in enumerate(text) if not character.isspace())
    assert {passage["heading"] for passage in passages} == {
        "Grinder ☕",
        "Grinder ☕ > Cleaning",
        "Grinder ☕ > Dose",
    }


@pytest.mark.parametrize("wanted", [0, 1, 3])
def test_passages_says_how_many_come_with_an_article_best_first(
    collection: Collection, wanted: int
) -> None:
    collection.add({"id": "a", "markdown": ARTICLE}, {"id": "b", "text": "Tea."})
    every = {
        hit["document_id"]: hit["passages"]
        for hit in collection.search("hot tea", passages=100)["results"]
    }
    assert len(every["b"]) == 1
    for hit in collection.search("hot tea", passages=wanted)["results"]:
        assert len(hit["passages"]) == min(wanted, len(every[hit["document_id"]]))
        scores = [passage["score"] for passage in hit["passages"]]
        assert scores == sorted(scores, reverse=True)
        assert hit["passages"] == every[hit["document_id"]][:wanted]


def test_one_passage_comes_unless_told_otherwise(collection: Collection) -> None:
    collection.add({"id": "a", "markdown": ARTICLE})
    assert [len(hit["passages"]) for hit in collection.search()["results"]] == [1]


def test_best_articles_come_first_and_limit_cuts_the_list(collection: Collection) -> None:
    collection.add(*({"id": str(n), "text": f"Tea {'and milk ' * n}."} for n in range(12)))
    every = collection.search(limit=1000)["results"]
    assert len(every) == 12
    scores = [hit["score"] for hit in every]
    assert scores == sorted(scores, reverse=True)
    ids = [hit["document_id"] for hit in every]
    for limit in (1, 5, 12):
        results = collection.search(limit=limit)["results"]
        assert [hit["document_id"] for hit in results] == ids[:limit]
    assert len(collection.search()["results"]) == 10


def test_min_score_leaves_out_what_scores_lower(collection: Collection) -> None:
    collection.add(*({"id": str(n), "text": f"Tea {'and milk ' * n}."} for n in range(6)))
    every = [(hit["document_id"], hit["score"]) for hit in collection.search()["results"]]
    threshold = (every[2][1] + every[3][1]) / 2
    kept = collection.search(min_score=threshold)["results"]
    assert [(hit["document_id"], hit["score"]) for hit in kept] == every[:3]
    assert collection.search(min_score=2)["results"] == []
    assert len(collection.search(min_score=-2)["results"]) == 6


def test_same_question_gets_the_same_answer(collection: Collection) -> None:
    collection.add({"id": "a", "markdown": ARTICLE}, {"id": "b", "text": "Tea."})
    first, second = collection.search("hot tea"), collection.search("hot tea")
    assert first["results"] == second["results"]
    assert first["generation"] == second["generation"]


def test_empty_collection_answers_with_nothing(collection: Collection) -> None:
    assert collection.search()["results"] == []


def test_text_of_the_question_comes_back_as_it_was_sent(collection: Collection) -> None:
    for query in ("  spaced  ", "ünïcödé 漢字 🫖", "\x07", "e\u0301"):
        assert collection.search(query)["query"] == query


def test_collections_do_not_see_each_other(service: Service) -> None:
    left, right = service.new_collection("left"), service.new_collection("right")
    left.add(
        {"id": "same", "text": "Left tea.", "attributes": {"side": "left"}},
        {"id": "only-left", "text": "Tea."},
    )
    right.add({"id": "same", "text": "Right tea.", "attributes": {"side": "right"}})
    assert left.found(limit=1000) == {"same", "only-left"}
    (hit,) = right.search(limit=1000)["results"]
    assert (hit["document_id"], hit["passages"][0]["text"]) == ("same", "Right tea.")
    assert right.found(filters={"type": "eq", "key": "side", "value": "left"}) == set()
    assert right.http.delete(right.document_path("only-left")).status_code == 404
    assert right.http.delete(right.path, params={"confirm": right.name}).json()["documents"] == 1
    assert left.found(limit=1000) == {"same", "only-left"}


# Modes

MODES = ["dense", "lexical", "hybrid"]


def test_search_by_words_finds_only_what_holds_one(collection: Collection) -> None:
    collection.add(
        {"id": "reset", "text": "ERR_CONN_RESET: hold the button.\n\nThen wait."},
        {"id": "tea", "text": "Tea with milk."},
    )
    (hit,) = collection.search("what is err-conn-reset?", mode="lexical", passages=9)["results"]
    assert hit["document_id"] == "reset"
    assert hit["passages"][0]["score"] == pytest.approx(hit["score"])
    assert collection.found("kettle", mode="lexical") == set()
    assert collection.found("kettle", mode="dense") == {"reset", "tea"}
    assert collection.found("kettle", mode="hybrid") == {"reset", "tea"}


@pytest.mark.parametrize("mode", MODES)
def test_question_of_signs_alone_finds_nothing(collection: Collection, mode: str) -> None:
    collection.add({"id": "tea", "text": "Tea with milk. Is it hot?!"})
    answer = collection.search("| --- | ?!", mode=mode, offset=0)
    assert (answer["results"], answer["total"]) == ([], 0)


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_passage_with_the_rare_word_of_a_question_is_quoted(
    collection: Collection, mode: str
) -> None:
    steps = [f"Step {n}: pour the tea and wait for it. {'Stir the tea. ' * 20}" for n in range(30)]
    steps[17] += "If it says ZX-4711, call us."
    collection.add(
        {"id": "a", "text": "\n\n".join(steps)},
        *({"id": str(n), "text": f"Tea number {n}, it says."} for n in range(9)),
    )
    hits = collection.search("tea says zx-4711", mode=mode, passages=100)["results"]
    (found,) = (hit for hit in hits if hit["document_id"] == "a")
    first, *others = found["passages"]
    assert len(others) >= 20
    assert "ZX-4711" in first["text"]
    assert not any("ZX-4711" in passage["text"] for passage in others)
    assert all(first["score"] > passage["score"] for passage in others)


@pytest.mark.parametrize("mode", MODES)
def test_min_score_is_a_probability_in_every_mode(collection: Collection, mode: str) -> None:
    collection.add(*({"id": str(n), "text": f"Tea {'and milk ' * n}."} for n in range(6)))
    every = collection.search("tea", mode=mode)["results"]
    scores = [hit["score"] for hit in every]
    assert len(every) == 6
    assert all(0 <= score <= 1 for score in scores)
    assert scores == sorted(scores, reverse=True)
    kept = collection.search("tea", mode=mode, min_score=scores[2])["results"]
    assert [hit["score"] for hit in kept] == [score for score in scores if score >= scores[2]]


@pytest.mark.parametrize("mode", MODES)
def test_filter_in_every_mode_gives_the_best_that_meet_it(
    collection: Collection, mode: str
) -> None:
    collection.add(
        *(
            {
                "id": f"{number:03}",
                "text": f"Tea {number} {'with milk ' * (number % 7)}{'hot ' * (number % 3)}.",
                "attributes": {"rare": number % 20 == 7},
            }
            for number in range(60)
        )
    )
    every = collection.search("hot tea with milk", mode=mode, limit=1000)["results"]
    assert len(every) == 60
    filters = is_("rare", "eq", True)
    found = collection.search("hot tea with milk", mode=mode, filters=filters, limit=2)["results"]
    expected = [hit for hit in every if hit["attributes"]["rare"]][:2]
    assert [hit["document_id"] for hit in found] == [hit["document_id"] for hit in expected]
    if mode != "hybrid":
        # A hybrid score says how sure the hit is beside the others that the filter lets through.
        scores = [hit["score"] for hit in expected]
        assert [hit["score"] for hit in found] == pytest.approx(scores, abs=1e-5)


def test_several_collections_are_searched_as_one(service: Service) -> None:
    left, right = service.new_collection("one-of-two"), service.new_collection("two-of-two")
    left.add({"id": "same", "text": "Hot tea with milk."})
    right.add({"id": "same", "text": "Cold coffee."}, {"id": "other", "text": "Tea."})
    for mode in MODES:
        hits = left.search("tea coffee", mode=mode, also_in=["two-of-two", "one-of-two"])["results"]
        assert {(hit["collection"], hit["document_id"]) for hit in hits} == {
            ("one-of-two", "same"),
            ("two-of-two", "same"),
            ("two-of-two", "other"),
        }
    refused = left.http.post(f"{left.path}/search", json={"query": "tea", "also_in": ["none"]})
    assert (refused.status_code, refused.json()["code"]) == (404, "collection_not_found")


def test_dimensions_compare_the_first_ones_of_each_vector(collection: Collection) -> None:
    collection.add({"id": "a", "markdown": ARTICLE}, {"id": "b", "text": "Tea with milk."})
    whole = collection.search("hot tea", mode="dense")["results"]
    all_of_them = collection.search("hot tea", mode="dense", dimensions=32)["results"]
    scores = [hit["score"] for hit in whole]
    assert [hit["score"] for hit in all_of_them] == pytest.approx(scores, abs=1e-5)
    shorter = collection.search("hot tea", mode="dense", dimensions=8)["results"]
    assert {hit["document_id"] for hit in shorter} == {"a", "b"}
    assert all(hit["passages"][0]["score"] == pytest.approx(hit["score"]) for hit in shorter)
    assert shorter[0]["score"] != whole[0]["score"]
    path = f"{collection.path}/search"
    refused = collection.http.post(path, json={"query": "tea", "dimensions": 33})
    assert (refused.status_code, refused.json()["code"]) == (422, "unsupported_dimensions")


# Filters

SHELF: list[Json] = [
    {
        "id": "grinder",
        "text": "Tea one.",
        "attributes": {
            "product": "grinder",
            "year": 2024,
            "price": 199.5,
            "sale": True,
            "tags": ["burrs", "dose"],
        },
    },
    {
        "id": "kettle",
        "text": "Tea two.",
        "attributes": {
            "product": "kettle",
            "year": 2025,
            "price": 20,
            "sale": False,
            "tags": ["dose"],
        },
    },
    {
        "id": "odd",
        "text": "Tea three.",
        "attributes": {"product": "5", "year": "2025", "sale": 1, "tags": [1, 2.5, True, "x"]},
    },
    {"id": "bare", "text": "Tea four."},
]


def is_(key: str, operator: str, value: object) -> Json:
    return {"type": operator, "key": key, "value": value}


def all_of(*filters: Json) -> Json:
    return {"type": "and", "filters": list(filters)}


def any_of(*filters: Json) -> Json:
    return {"type": "or", "filters": list(filters)}


@pytest.fixture(scope="module")
def shelf(service: Service) -> Collection:
    collection = service.new_collection("shelf")
    collection.add(*SHELF)
    return collection


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (is_("product", "eq", "kettle"), {"kettle"}),
        (is_("product", "eq", "Kettle"), set()),
        (is_("product", "eq", "5"), {"odd"}),
        (is_("product", "eq", 5), set()),
        (is_("nothing", "eq", "x"), set()),
        (is_("year", "eq", 2025), {"kettle"}),
        (is_("year", "eq", 2025.0), {"kettle"}),
        (is_("year", "eq", "2025"), {"odd"}),
        (is_("price", "eq", 199.5), {"grinder"}),
        (is_("price", "eq", 20.0), {"kettle"}),
        (is_("sale", "eq", True), {"grinder"}),
        (is_("sale", "eq", False), {"kettle"}),
        (is_("sale", "eq", 1), {"odd"}),
        (is_("sale", "eq", 0), set()),
        (is_("tags", "eq", "dose"), {"grinder", "kettle"}),
        (is_("tags", "eq", 1), {"odd"}),
        (is_("tags", "eq", True), {"odd"}),
        (is_("product", "ne", "kettle"), {"grinder", "odd", "bare"}),
        (is_("nothing", "ne", "x"), {"grinder", "kettle", "odd", "bare"}),
        (is_("tags", "ne", "burrs"), {"kettle", "odd", "bare"}),
        (is_("year", "ne", 2025), {"grinder", "odd", "bare"}),
        (is_("year", "gt", 2024), {"kettle"}),
        (is_("year", "gte", 2024), {"grinder", "kettle"}),
        (is_("year", "lt", 2025), {"grinder"}),
        (is_("year", "lte", 2025), {"grinder", "kettle"}),
        (is_("year", "gte", "2025"), {"odd"}),
        (is_("price", "gt", 20), {"grinder"}),
        (is_("price", "lt", 199.6), {"grinder", "kettle"}),
        (is_("product", "gt", "grinder"), {"kettle"}),
        (is_("product", "lte", "grinder"), {"grinder", "odd"}),
        (is_("tags", "gt", 2), {"odd"}),
        (is_("tags", "gt", 2.5), set()),
        (is_("tags", "lt", "burst"), {"grinder"}),
        (is_("product", "in", ["kettle", "grinder", "pan"]), {"grinder", "kettle"}),
        (is_("product", "in", [5]), set()),
        (is_("year", "in", [2024, "2025"]), {"grinder", "odd"}),
        (is_("tags", "in", ["burrs", 2.5]), {"grinder", "odd"}),
        (is_("product", "nin", ["kettle", "grinder"]), {"odd", "bare"}),
        (is_("nothing", "nin", ["x", 1]), {"grinder", "kettle", "odd", "bare"}),
        (is_("tags", "nin", ["dose"]), {"odd", "bare"}),
        (all_of(is_("tags", "eq", "dose"), is_("year", "lt", 2025)), {"grinder"}),
        (all_of(is_("sale", "eq", True)), {"grinder"}),
        (all_of(is_("product", "eq", "kettle"), is_("product", "eq", "grinder")), set()),
        (any_of(is_("product", "eq", "kettle"), is_("year", "eq", "2025")), {"kettle", "odd"}),
        (
            all_of(
                any_of(is_("product", "eq", "kettle"), is_("product", "eq", "grinder")),
                any_of(is_("price", "gt", 100), is_("sale", "eq", True)),
            ),
            {"grinder"},
        ),
        (
            any_of(
                all_of(is_("tags", "eq", "dose"), is_("sale", "eq", False)),
                all_of(is_("year", "ne", 2024), is_("product", "nin", ["5", "kettle"])),
            ),
            {"kettle", "bare"},
        ),
    ],
    ids=lambda some: str(sorted(some) if isinstance(some, set) else some),
)
def test_filter_keeps_exactly_the_documents_that_meet_it(
    shelf: Collection, filters: Json, expected: set[str]
) -> None:
    assert shelf.found(filters=filters) == expected


@pytest.mark.parametrize("operator", ["in", "nin"])
def test_membership_takes_a_thousand_values(shelf: Collection, operator: str) -> None:
    filters = is_("year", operator, [*range(1026, 2025), "2025"])
    met = {"grinder", "odd"}
    assert shelf.found(filters=filters) == (met if operator == "in" else {"kettle", "bare"})


@pytest.mark.parametrize(
    ("operator", "value", "said"),
    [
        ("eq", None, "a string, a number, true or false"),
        ("gt", ["kettle"], "a string, a number, true or false"),
        ("in", "kettle", "a list of strings, numbers"),
        ("nin", [None], "a list of strings, numbers"),
        ("contains", 1, "a string that is not empty"),
        ("starts_with", "", "a string that is not empty"),
    ],
)
def test_value_that_a_filter_cannot_have_is_refused_in_one_sentence_with_an_example(
    shelf: Collection, operator: str, value: object, said: str
) -> None:
    body = {"query": "tea", "filters": {"type": operator, "key": "product", "value": value}}
    answer = shelf.http.post(f"{shelf.path}/search", json=body)
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 1
    assert said in answer.json()["detail"]
    assert 'as in {"type": ' in answer.json()["detail"]


def test_filter_nests_thirty_levels_deep(shelf: Collection) -> None:
    filters = is_("product", "eq", "kettle")
    for level in range(30):
        join = any_of if level % 2 else all_of
        filters = join(filters, is_("sale", "eq", False))
    assert shelf.found(filters=filters) == {"kettle"}


def test_value_of_a_filter_is_data_and_never_a_statement(shelf: Collection) -> None:
    for value in ("' OR '1'='1", '" OR 1=1 --', "%", "_ettle"):
        assert shelf.found(filters=is_("product", "eq", value)) == set()
        assert shelf.found(filters=is_(value, "eq", "kettle")) == set()


def test_zero_byte_in_a_filter_finds_nothing_or_is_refused(shelf: Collection) -> None:
    for condition in (is_("product", "eq", "kettle\x00"), is_("kettle\x00", "eq", "kettle")):
        if is_postgresql():
            # Which stores none.
            body = {"query": "tea", "filters": condition}
            answer = shelf.http.post(f"{shelf.path}/search", json=body)
            assert (answer.status_code, answer.json()["code"]) == (422, "zero_byte")
        else:
            assert shelf.found(filters=condition) == set()


def test_filtered_search_still_fills_its_limit(collection: Collection) -> None:
    collection.add(
        *(
            {
                "id": f"{number:02}",
                "text": f"Tea with milk {number}.",
                "attributes": {"rare": number % 10 == 0},
            }
            for number in range(60)
        )
    )
    rare = {f"{number:02}" for number in range(0, 60, 10)}
    filters = is_("rare", "eq", True)
    # Several questions, so that no luck of the ranking puts the rare ones at the top.
    for query in ("tea", "coffee", "how do I reset the machine?", "0123456789"):
        assert collection.found(query, filters=filters, limit=6) == rare
        found = collection.found(query, filters=filters, limit=4)
        assert found < rare
        assert len(found) == 4


# What ranks first, with the model that is the default

HELP: list[Json] = [
    {
        "id": "descale",
        "markdown": "# Descaling the coffee machine\n\n"
        "Chalk builds up where the water is hard, and the pump gets loud.\n\n"
        "## What you need\n\nA sachet of citric acid and one litre of cold water.\n\n"
        "## How often\n\nEvery two months, or when the orange light blinks.",
        "attributes": {"product": "espresso"},
    },
    {
        "id": "refund",
        "markdown": "# Returns and refunds\n\n"
        "You can send anything back within thirty days.\n\n"
        "## When the money arrives\n\nWe pay back to your card within five working days.",
        "attributes": {"product": "shop"},
    },
    {
        "id": "bicycle",
        "markdown": "# Mending a flat tyre\n\n"
        "Take the wheel off, lever out the inner tube and look for the hole.\n\n"
        "## Patching\n\nRoughen the rubber, apply the glue and press the patch on.",
        "attributes": {"product": "bike"},
    },
    {
        "id": "password",
        "markdown": "# Signing in\n\nUse the address that you registered with.\n\n"
        "## Forgotten password\n\nAsk for a link by e-mail; it is valid for one hour.",
        "attributes": {"product": "account"},
    },
]


@pytest.fixture(scope="module")
def help_center(
    tmp_path_factory: pytest.TempPathFactory, _no_settings_of_this_machine: None
) -> Iterator[Collection]:
    """Four articles, read by the default model."""
    settings = Settings(data=tmp_path_factory.mktemp("help"), passage_tokens=32)
    with open_service(settings) as opened:
        collection = opened.new_collection("help")
        collection.add(*HELP)
        yield collection


@pytest.mark.parametrize(
    ("question", "article", "words"),
    [
        ("how do I get rid of limescale?", "descale", ""),
        ("what acid do I need for the espresso maker?", "descale", "citric acid"),
        ("after how many days is the refund on my card?", "refund", "five working days"),
        ("my bike has a puncture", "bicycle", ""),
        ("how do I glue the patch onto the tube?", "bicycle", "press the patch on"),
        ("I can't remember my login", "password", ""),
        ("how long does the reset link work?", "password", "valid for one hour"),
    ],
)
def test_article_that_answers_ranks_first_with_the_passage_that_does(
    help_center: Collection, question: str, article: str, words: str
) -> None:
    results = help_center.search(question)["results"]
    assert len(results) == len(HELP)
    assert results[0]["document_id"] == article
    # The scores are probabilities, small ones for so few words: their odds tell how clear it is.
    first, second = (hit["score"] / (1 - hit["score"]) for hit in results[:2])
    assert first > 1.4 * second
    assert words in results[0]["passages"][0]["text"]


def test_filter_ranks_the_rest_as_before(help_center: Collection) -> None:
    question = "how do I get rid of limescale?"
    ranked = [hit["document_id"] for hit in help_center.search(question)["results"]]
    filters = is_("product", "ne", "espresso")
    kept = [hit["document_id"] for hit in help_center.search(question, filters=filters)["results"]]
    assert kept == [name for name in ranked if name != "descale"]


@pytest.mark.usefixtures("_no_settings_of_this_machine")
def test_generation_is_null_before_anything_was_read(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with open_service(Settings(data=tmp_path_factory.mktemp("fresh")), works=False) as opened:
        answer = opened.new_collection("help").search()
        assert (answer["results"], answer["generation"]) == ([], None)
