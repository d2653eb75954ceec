"""Changing and erasing articles without their files, and the order of lists."""

import pytest

from tests.api.service import Collection, Json, Service

ARTICLE: Json = {
    "id": "a/b",
    "markdown": "# Kettle\n\nHot water for tea.",
    "url": "https://example.com/old",
    "attributes": {"product": "kettle", "year": 2024, "tags": ["hot"]},
}


def change(collection: Collection, document_id: str, **body: object) -> Json:
    answer = collection.http.patch(
        collection.document_path(document_id), json=body, params={"wait": 30}
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["documents"][0])


def erase(collection: Collection, filters: Json, count: int | None = None) -> Json:
    answer = collection.http.post(
        f"{collection.path}/delete-documents",
        json={"filters": filters},
        params={} if count is None else {"confirm_count": count},
    )
    return {"status": answer.status_code, **answer.json()}


def test_url_and_attributes_change_at_once(collection: Collection) -> None:
    collection.add(ARTICLE)
    changed = change(
        collection,
        "a/b",
        url="https://example.com/new",
        attributes={"product": "samovar", "year": None, "new": True},
    )
    assert (changed["change"], changed["version"], changed["status"]) == ("metadata", 1, "ready")
    document = collection.get("a/b")
    assert document["url"] == "https://example.com/new"
    assert document["attributes"] == {"product": "samovar", "tags": ["hot"], "new": True}
    of_samovar = {"type": "eq", "key": "product", "value": "samovar"}
    hits = collection.search(filters=of_samovar)["results"]
    assert [(hit["url"], hit["attributes"]["new"]) for hit in hits] == [(document["url"], True)]


@pytest.mark.parametrize(
    ("changed", "filters"),
    [
        ({"attributes": {"year": 2025}}, {"type": "eq", "key": "year", "value": 2025}),
        ({"url": "https://example.com/new"}, {"type": "ends_with", "key": "$url", "value": "new"}),
        ({"attributes": {"new": 1}}, {"type": "eq", "key": "new", "value": 1}),
    ],
)
def test_filter_and_facet_that_were_asked_before_a_change_see_it(
    collection: Collection, changed: Json, filters: Json
) -> None:
    collection.add(ARTICLE, {"id": "b", "text": "Tea.", "attributes": {"year": 2023}})
    facets = ["year", "$media_type"]
    # A condition on true is not one on 1, which it equals as a value of Python.
    for asked in (filters, {"type": "eq", "key": "new", "value": True}):
        before = collection.search("tea", filters=asked, facets=facets)
        assert (before["results"], before["facets"]) == ([], {"year": [], "$media_type": []})
    change(collection, "a/b", **changed)
    after = collection.search("tea", filters=filters, facets=facets)
    assert [hit["document_id"] for hit in after["results"]] == ["a/b"]
    year = changed.get("attributes", {}).get("year", 2024)
    assert after["facets"] == {
        "year": [{"value": year, "count": 1}],
        "$media_type": [{"value": "text/markdown", "count": 1}],
    }
    collection.http.delete(collection.document_path("a/b")).raise_for_status()
    assert collection.search("tea", filters=filters, facets=facets)["total"] == 0


def test_new_title_makes_a_version_that_searches_find(collection: Collection) -> None:
    collection.add(ARTICLE)
    changed = change(collection, "a/b", title="Samovar")
    assert (changed["change"], changed["version"], changed["status"]) == ("content", 2, "ready")
    document = collection.get("a/b", include="text")
    assert (document["title"], document["text"]) == ("Samovar", "# Kettle\n\nHot water for tea.")
    assert document["attributes"] == ARTICLE["attributes"]
    assert collection.found("samovar", mode="lexical") == {"a/b"}


def test_null_takes_back_what_was_given(collection: Collection) -> None:
    html = "<html><head><title>Own</title></head><body><p>Tea with milk.</p></body></html>"
    collection.add({"id": "a", "html": html, "title": "Given", "attributes": {"n": 1}})
    change(collection, "a", title=None, url=None, attributes=None)
    document = collection.get("a")
    assert (document["title"], document["url"]) == ("Own", None)
    assert "n" not in document["attributes"]


def test_change_that_changes_nothing_makes_no_version(collection: Collection) -> None:
    collection.add(ARTICLE)
    assert change(collection, "a/b", attributes={"year": 2024})["change"] == "none"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "give at least one of title, url and attributes"),
        ({"text": "Tea."}, "text"),
        ({"url": "javascript:alert(1)"}, "must be a link"),
        ({"attributes": {"a": {"b": 1}}}, "null and objects are not allowed"),
        ({"attributes": {f"k{n}": n for n in range(64)}}, "at most 64 are allowed"),
    ],
)
def test_change_that_cannot_be_is_refused(collection: Collection, body: Json, said: str) -> None:
    collection.add({"id": "a", "text": "Tea.", "attributes": {"n": 1}})
    answer = collection.http.patch(collection.document_path("a"), json=body)
    assert answer.status_code == 422
    assert said in answer.text
    assert collection.get("a")["attributes"] == {"n": 1}


def test_what_is_not_there_cannot_be_changed(collection: Collection) -> None:
    answer = collection.http.patch(collection.document_path("a"), json={"title": "Tea"})
    assert (answer.status_code, answer.json()["code"]) == (404, "document_not_found")


# Erasing by filter


def test_filter_erases_as_many_as_were_counted(collection: Collection) -> None:
    collection.add(
        *({"id": f"d{n}", "text": f"Tea {n}.", "attributes": {"old": n < 3}} for n in range(5))
    )
    old = {"type": "eq", "key": "old", "value": True}
    counted = erase(collection, old)
    assert (counted["matched"], counted["deleted"]) == (3, 0)
    assert counted["ids"] == ["d0", "d1", "d2"]
    assert len(collection.found()) == 5
    collection.http.delete(collection.document_path("d1")).raise_for_status()
    refused = erase(collection, old, 3)
    assert (refused["status"], refused["code"]) == (409, "count_changed")
    assert len(collection.found()) == 4
    erased = erase(collection, old, 2)
    assert (erased["matched"], erased["deleted"], erased["ids"]) == (2, 2, ["d0", "d2"])
    assert collection.found(mode="hybrid") == collection.found(mode="lexical") == {"d3", "d4"}
    assert [document["id"] for document in collection.page()["documents"]] == ["d3", "d4"]
    assert erase(collection, old, 0)["deleted"] == 0


def test_article_that_failed_is_not_picked_by_what_it_lacks(collection: Collection) -> None:
    collection.add({"id": "a", "text": "Tea.", "attributes": {"product": "kettle"}})
    collection.finish(collection.post({"id": "void", "text": "a\0b"}))
    others = {"type": "ne", "key": "product", "value": "samovar"}
    assert erase(collection, others)["ids"] == ["a"]


def test_deletion_needs_a_filter(collection: Collection) -> None:
    for body in ({}, {"filters": None}, {"filters": {"type": "and", "filters": []}}):
        answer = collection.http.post(f"{collection.path}/delete-documents", json=body)
        assert answer.status_code == 422


# Lists


@pytest.fixture(scope="module")
def listed(service: Service) -> Collection:
    collection = service.new_collection("listed")
    documents: list[Json] = [
        {"id": "a", "title": "Zebra", "text": "Tea.", "attributes": {"n": [5, 9], "s": "x"}},
        {"id": "b", "title": "Adder", "text": "Milk.", "attributes": {"n": 7}},
        {"id": "c", "title": "Mole", "text": "Cocoa.", "attributes": {"n": 10, "s": "w"}},
        {"id": "d", "title": "Newt", "text": "Soup."},
    ]
    # Of one upload any may be ready first.
    for document in documents:
        collection.add(document)
    return collection


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("n", "abcd"),
        ("-n", "cabd"),
        ("s", "cabd"),
        ("-s", "acbd"),
        ("$title", "bcda"),
        ("-$title", "adcb"),
        ("$id", "abcd"),
        ("-$id", "dcba"),
        ("$created_at", "abcd"),
        ("-$updated_at", "dcba"),
        ("$url", "abcd"),
        ("nobody has this", "abcd"),
    ],
)
def test_list_is_sorted_by_a_field_or_an_attribute(
    listed: Collection, sort: str, expected: str
) -> None:
    pages = [listed.page(sort=sort, offset=offset, limit=3) for offset in (0, 3)]
    assert [page["total"] for page in pages] == [4, 4]
    assert "".join(d["id"] for page in pages for d in page["documents"]) == expected


def test_upload_that_failed_is_no_update_of_what_answers(collection: Collection) -> None:
    for document_id in "ab":
        collection.add({"id": document_id, "text": "Tea."})
    before = collection.get("a")["updated_at"]
    collection.finish(collection.put_file("a", b"%PDF-1.7 broken", "application/pdf"))
    document = collection.get("a")
    assert (document["status"], document["updated_at"]) == ("failed", before)
    page = collection.page(sort="-$updated_at", offset=0)
    assert [document["id"] for document in page["documents"]] == ["b", "a"]


def test_total_is_of_the_status_that_was_asked_for(listed: Collection) -> None:
    assert listed.page(limit=1)["total"] == 4
    assert listed.page(limit=1, status="ready")["total"] == 4
    assert listed.page(limit=1, status="failed", offset=0)["total"] == 0


def test_cursor_does_not_go_with_an_order(listed: Collection) -> None:
    cursor = listed.page(limit=1)["next_cursor"]
    answer = listed.http.get(f"{listed.path}/documents", params={"cursor": cursor, "sort": "n"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_order")
