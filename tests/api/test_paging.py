"""Paging through what a search finds, and counting the values of its attributes."""

import pytest

from tests.api.service import Collection, Json, Service, poll

MODES = ["dense", "lexical", "hybrid"]
ARTICLES = 130


@pytest.fixture(scope="module")
def teas(service: Service) -> Collection:
    """130 articles: more than a search within its first hundred proposes."""
    collection = service.new_collection("teas")
    collection.add(
        *(
            {
                "id": f"t{n:03}",
                "text": f"Tea number {n} is hot. " + "It is tea with milk. " * (n % 7),
                "attributes": {
                    "product": f"p{n % 3}",
                    "tags": ["hot", "tea"] if n % 2 else ["hot", "hot"],
                    "year": 2000 + n % 2,
                    "new": n % 5 == 0,
                    "rank": n,
                },
            }
            for n in range(ARTICLES)
        )
    )
    # Measured between two pages, they would be of two orders.
    path = f"{collection.path}/calibration"
    poll(lambda: collection.http.get(path).json(), lambda shown: not shown["is_due"])
    return collection


def ids(answer: Json) -> list[str]:
    return [hit["document_id"] for hit in answer["results"]]


@pytest.mark.parametrize("mode", MODES)
def test_pages_are_parts_of_one_list(teas: Collection, mode: str) -> None:
    whole = teas.search("hot tea with milk", mode=mode, offset=0, limit=1000, passages=0)
    assert len(set(ids(whole))) == whole["total"] == ARTICLES
    scores = [hit["score"] for hit in whole["results"]]
    assert scores == sorted(scores, reverse=True)
    paged: list[str] = []
    for offset in range(0, ARTICLES, 20):
        page = teas.search("hot tea with milk", mode=mode, offset=offset, limit=20, passages=0)
        assert page["total"] == ARTICLES
        paged += ids(page)
    assert paged == ids(whole)


@pytest.mark.parametrize("limit", [1, 10, 100])
@pytest.mark.parametrize("mode", MODES)
def test_first_page_is_what_a_search_without_pages_shows(
    teas: Collection, mode: str, limit: int
) -> None:
    alone, page = (
        teas.search("number 7 hot tea with milk", mode=mode, limit=limit, **paged)
        for paged in ({}, {"offset": 0})
    )
    assert ids(page) == ids(alone)
    # Without their scores, which change when the collection has been measured.
    quoted = [
        [[passage["text"] for passage in hit["passages"]] for hit in answer["results"]]
        for answer in (alone, page)
    ]
    assert quoted[0] == quoted[1]


@pytest.mark.parametrize("mode", MODES)
def test_page_past_the_articles_that_were_looked_at_quotes_and_is_no_surer(
    teas: Collection, mode: str
) -> None:
    whole = teas.search("hot tea with milk", mode=mode, offset=0, limit=130)["results"]
    last = teas.search("hot tea with milk", mode=mode, offset=100, limit=30)["results"]
    assert [hit["document_id"] for hit in last] == [hit["document_id"] for hit in whole[100:]]
    assert all(len(hit["passages"]) == 1 for hit in last)
    assert max(hit["score"] for hit in whole[100:]) <= whole[99]["score"]


def test_pages_of_reranked_articles_are_parts_of_one_list(teas: Collection) -> None:
    asked = {"rerank": True, "passages": 0}
    whole = teas.search("hot tea with milk", offset=0, limit=40, **asked)
    assert len(set(ids(whole))) == 40
    paged = [
        teas.search("hot tea with milk", offset=offset, limit=10, **asked)
        for offset in range(0, 40, 10)
    ]
    assert [one for page in paged for one in ids(page)] == ids(whole)
    scores = [hit["score"] for hit in whole["results"]]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("mode", MODES)
def test_filter_is_counted_in_total(teas: Collection, mode: str) -> None:
    filters = {"type": "eq", "key": "product", "value": "p1"}
    answer = teas.search(mode=mode, limit=5, offset=3, filters=filters)
    assert (len(answer["results"]), answer["total"]) == (5, 43)


def test_lexical_total_is_of_the_articles_that_hold_a_word(teas: Collection) -> None:
    answer = teas.search("milk", mode="lexical", limit=5)
    assert answer["total"] == sum(1 for n in range(ARTICLES) if n % 7)
    assert teas.search("coffee", mode="lexical")["total"] == 0


def test_past_the_last_article_is_an_empty_page(teas: Collection) -> None:
    answer = teas.search(offset=ARTICLES, limit=5)
    assert (answer["results"], answer["total"]) == ([], ARTICLES)


def test_last_page_knows_what_min_score_leaves_out(teas: Collection) -> None:
    scores = [hit["score"] for hit in teas.search(limit=ARTICLES, passages=0)["results"]]
    least = scores[6]
    expected = sum(score >= least for score in scores)
    answer = teas.search(limit=expected + 1, min_score=least)
    assert (len(answer["results"]), answer["total"]) == (expected, expected)


def test_copies_share_a_place_on_every_page(service: Service) -> None:
    collection = service.new_collection("copies")
    collection.add(
        *(
            {"id": f"{name}{n}", "text": f"The {name} makes {amount} cups of tea in the kitchen."}
            for name, amount in (("kettle", 4), ("samovar", 9))
            for n in range(3)
        )
    )
    pages = [
        collection.search("cups of tea", collapse=True, offset=offset, limit=1) for offset in (0, 1)
    ]
    assert [len(page["results"][0]["same_as"]) for page in pages] == [2, 2]
    assert ids(pages[0]) != ids(pages[1])
    assert collection.search("cups of tea", collapse=True)["total"] == 2


def test_more_copies_than_a_search_reads_hide_no_article_between_pages(service: Service) -> None:
    collection = service.new_collection("crowd")
    copies = [{"id": f"c{n}", "text": "Boil cups of tea in the red kettle."} for n in range(50)]
    others = [{"id": f"o{n}", "text": f"Tea {'is hot ' * n}in {n} cups."} for n in range(25)]
    collection.add(*copies, *others)
    pages = [
        collection.search("boil cups of tea", collapse=True, offset=offset, limit=10, passages=0)
        for offset in (0, 10, 20, 30)
    ]
    assert [len(page["results"]) for page in pages] == [10, 10, 6, 0]
    assert len({document_id for page in pages for document_id in ids(page)}) == 26
    assert pages[2]["total"] == 26


def test_pages_end_at_the_thousandth_article(teas: Collection) -> None:
    answer = teas.http.post(
        f"{teas.path}/search", json={"query": "tea", "offset": 995, "limit": 10}
    )
    assert answer.status_code == 422
    assert "offset and limit together are at most 1000" in answer.text


@pytest.mark.parametrize("mode", MODES)
def test_facets_count_what_matches_by_value(teas: Collection, mode: str) -> None:
    answer = teas.search(mode=mode, limit=1, facets=["product", "tags", "year", "new", "none"])
    assert answer["facets"] == {
        "product": [
            {"value": "p0", "count": 44},
            {"value": "p1", "count": 43},
            {"value": "p2", "count": 43},
        ],
        "tags": [{"value": "hot", "count": 130}, {"value": "tea", "count": 65}],
        "year": [{"value": 2000, "count": 65}, {"value": 2001, "count": 65}],
        "new": [{"value": False, "count": 104}, {"value": True, "count": 26}],
        "none": [],
    }


def test_facets_count_only_what_the_filter_allows(teas: Collection) -> None:
    filters = {"type": "lt", "key": "rank", "value": 4}
    answer = teas.search(filters=filters, facets=["product", "$media_type"])
    assert answer["facets"]["product"] == [
        {"value": "p0", "count": 2},
        {"value": "p1", "count": 1},
        {"value": "p2", "count": 1},
    ]
    assert answer["facets"]["$media_type"] == [{"value": "text/plain", "count": 4}]


def test_facet_names_its_hundred_most_frequent_values(teas: Collection) -> None:
    counted = teas.search(facets=["rank"])["facets"]["rank"]
    assert [one["value"] for one in counted] == list(range(100))


def test_collections_that_are_searched_together_are_counted_together(
    teas: Collection, collection: Collection
) -> None:
    collection.add({"id": "t", "text": "Cold tea.", "attributes": {"product": "p2"}})
    # What is named twice counts once.
    also_in = ["teas", collection.name, "teas"]
    answer = collection.search(also_in=also_in, facets=["product"], limit=1)
    assert answer["total"] == ARTICLES + 1
    assert answer["facets"]["product"][1] == {"value": "p2", "count": 44}


def test_of_an_empty_collection_nothing_is_counted(collection: Collection) -> None:
    answer = collection.search(facets=["product"])
    assert (answer["total"], answer["facets"]) == (0, {"product": []})


def test_erased_article_is_not_counted_any_more(collection: Collection) -> None:
    collection.add(*({"id": f"d{n}", "text": "Tea.", "attributes": {"n": 1}} for n in range(3)))
    collection.http.delete(collection.document_path("d1")).raise_for_status()
    answer = collection.search(facets=["n"])
    assert (answer["total"], answer["facets"]["n"]) == (2, [{"value": 1, "count": 2}])


@pytest.mark.parametrize("key", ["$id", "$url", "$created_at", "$updated_at", ""])
def test_what_cannot_be_counted_is_refused(teas: Collection, key: str) -> None:
    answer = teas.http.post(f"{teas.path}/search", json={"query": "tea", "facets": [key]})
    assert answer.status_code == 422
