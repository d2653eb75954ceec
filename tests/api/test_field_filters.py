"""Filters on what Folio itself knows of a document: its id, its source and its dates."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.db.models import Collection as Row
from app.db.models import Document, Version
from tests.api.service import Collection, Json, Service

MODES = ["dense", "lexical", "hybrid"]


@pytest.fixture(scope="module")
def dated(service: Service) -> Collection:
    """Articles `d0` to `d9`: made on the n-th of January 2026, read a month later."""
    collection = service.new_collection("dated")
    collection.add(
        *(
            {"id": f"d{n}", "text": f"Tea {n}.", "url": f"https://example.com/{n % 2}"}
            for n in range(9)
        ),
        {"id": "d9", "markdown": "Tea *9*."},
    )
    with service.resources.database.write() as session:
        rows = session.execute(
            select(Document, Version)
            .join(Version, Version.document_id == Document.id)
            .join(Row, Row.id == Document.collection_id)
            .where(Row.name == "dated")
        )
        for document, version in rows:
            day = int(document.external_id[1:]) + 1
            document.created_at = datetime(2026, 1, day, 12, tzinfo=UTC)
            version.ready_at = document.created_at + timedelta(days=31)
    return collection


def condition(kind: str, key: str, value: object) -> Json:
    return {"type": kind, "key": key, "value": value}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("kind", "key", "value", "expected"),
    [
        ("gte", "$created_at", "2026-01-09", "89"),
        ("gt", "$created_at", "2026-01-09T12:00:00Z", "9"),
        ("lt", "$created_at", "2026-01-02T13:00:00+02:00", "0"),
        ("lte", "$updated_at", "2026-02-02T12:00:00Z", "01"),
        ("in", "$updated_at", ["2026-02-02T12:00:00Z", "2026-02-03T12:00:00+00:00"], "12"),
        ("eq", "$url", "https://example.com/1", "1357"),
        ("ne", "$url", "https://example.com/1", "024689"),
        ("gt", "$url", "https://example.com/0", "1357"),
        ("in", "$id", ["d3", "d4", "d33"], "34"),
        ("nin", "$id", ["d3", "d4"], "01256789"),
        ("eq", "$media_type", "text/markdown", "9"),
        ("eq", "$id", 3, ""),
        ("gt", "$url", True, ""),
        ("ne", "$id", 3, "0123456789"),
    ],
)
def test_filter_on_a_field_in_every_mode(
    dated: Collection, mode: str, kind: str, key: str, value: object, expected: str
) -> None:
    filters = condition(kind, key, value)
    assert dated.found(mode=mode, filters=filters) == {f"d{n}" for n in expected}


def test_fields_and_attributes_go_together(dated: Collection) -> None:
    both = {
        "type": "and",
        "filters": [
            condition("gte", "$created_at", "2026-01-05"),
            {
                "type": "or",
                "filters": [
                    condition("eq", "$url", "https://example.com/1"),
                    condition("eq", "product", "kettle"),
                ],
            },
        ],
    }
    assert dated.found(filters=both) == {"d5", "d7"}


@pytest.mark.parametrize(
    "value", ["yesterday", "", 2026, True, "2026-13-01", "0001-01-01T00:00:00+14:00"]
)
@pytest.mark.parametrize("kind", ["gt", "in"])
def test_time_that_is_none_is_refused(collection: Collection, kind: str, value: object) -> None:
    filters = condition(kind, "$created_at", [value] if kind == "in" else value)
    answer = collection.http.post(
        f"{collection.path}/search", json={"query": "tea", "filters": filters}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "ISO 8601" in answer.text


GERMAN = "Halten Sie den Knopf acht Sekunden lang gedrückt, bis die Lampe blinkt."
FRENCH = "Maintenez le bouton enfoncé pendant huit secondes jusqu'à ce que la lampe clignote."
ENGLISH = "Hold the button down for eight seconds until the lamp blinks."


@pytest.fixture(scope="module")
def babel(service: Service) -> Collection:
    collection = service.new_collection("babel")
    collection.add(
        {"id": "de", "text": GERMAN},
        {"id": "fr", "text": FRENCH},
        {"id": "en", "text": ENGLISH},
        {"id": "code", "text": "0x1F 42"},
        {"id": "given", "text": ENGLISH, "attributes": {"$language": "en-GB"}},
    )
    return collection


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("eq", "de", {"de"}),
        ("in", ["fr", "en"], {"fr", "en"}),
        ("ne", "en", {"de", "fr", "code", "given"}),
        ("eq", "en-GB", {"given"}),
    ],
)
def test_filter_on_the_language(
    babel: Collection, mode: str, kind: str, value: object, expected: set[str]
) -> None:
    found = babel.found(
        "Knopf bouton button 42", mode=mode, filters=condition(kind, "$language", value)
    )
    assert found == expected


def test_language_is_in_the_receipt_and_not_among_the_attributes(babel: Collection) -> None:
    documents = {name: babel.get(name) for name in ("de", "code", "given")}
    languages = {name: document["receipt"]["language"] for name, document in documents.items()}
    assert languages == {"de": "de", "code": None, "given": "en"}
    assert documents["de"]["attributes"] == {}


def test_language_stays_when_only_attributes_change(service: Service) -> None:
    collection = service.new_collection("babel-changed")
    collection.add({"id": "a", "text": GERMAN})
    collection.add({"id": "a", "text": GERMAN, "attributes": {"product": "lamp"}})
    assert collection.found("Knopf", filters=condition("eq", "$language", "de")) == {"a"}


@pytest.fixture(scope="module")
def named(service: Service) -> Collection:
    collection = service.new_collection("named")
    west = {"city": "Zu\u0308rich West", "tags": ["x", "yz"]}
    collection.add(
        {"id": "a", "text": "Tea.", "attributes": west},
        {"id": "b", "text": "Tea.", "attributes": {"city": "zürich", "n": 3}},
        {"id": "c", "text": "Tea.", "attributes": {"A\u030a": "100% sure_thing"}},
    )
    return collection


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (condition("contains", "city", "rich"), "ab"),
        (condition("contains", "city", "Zürich"), "a"),
        (condition("eq", "city", "zu\u0308rich"), "b"),
        (condition("not_contains", "city", "West"), "bc"),
        (condition("starts_with", "city", "Zü"), "a"),
        (condition("ends_with", "city", "West"), "a"),
        (condition("ends_with", "city", "zürich!zürich"), ""),
        (condition("contains", "tags", "z"), "a"),
        (condition("contains", "Å", "0% s"), "c"),
        (condition("contains", "Å", "%thing"), ""),
        (condition("contains", "n", "3"), ""),
        (condition("exists", "n", value=True), "b"),
        ({"type": "exists", "key": "city"}, "ab"),
        (condition("exists", "city", value=False), "c"),
        (condition("exists", "$url", value=True), ""),
        (condition("exists", "$id", value=True), "abc"),
        (condition("starts_with", "$id", "b"), "b"),
        (condition("not_contains", "$id", "b"), "ac"),
        (condition("in", "city", []), ""),
        (condition("nin", "city", []), "abc"),
        ({"type": "not", "filter": condition("exists", "city", value=True)}, "c"),
        ({"type": "not", "filter": {"type": "not", "filter": condition("eq", "n", 3)}}, "b"),
    ],
)
def test_filter_on_what_an_attribute_holds(named: Collection, filters: Json, expected: str) -> None:
    assert named.found(filters=filters) == set(expected)


@pytest.mark.parametrize("filters", [{"type": "like", "key": "a", "value": "b"}, {"city": "x"}, []])
def test_unknown_filter_is_told_the_types_and_an_example(
    named: Collection, filters: object
) -> None:
    answer = named.http.post(f"{named.path}/search", json={"query": "tea", "filters": filters})
    assert answer.status_code == 422
    assert "starts_with" in answer.json()["detail"]
    assert '{"type": "eq", "key": "product", "value": "grinder"}' in answer.json()["detail"]


@pytest.mark.parametrize("value", [None, {"a": 1}, [], ["x", None], [["x"]]])
def test_attribute_of_another_kind_is_refused_in_one_sentence(
    named: Collection, value: object
) -> None:
    body = {"documents": [{"id": "x", "text": "Tea.", "attributes": {"product": value}}]}
    answer = named.http.post(f"{named.path}/documents", json=body)
    assert answer.status_code == 422
    detail = answer.json()["detail"]
    assert "'product'" in detail
    assert detail.count("null and objects are not allowed") == 1
