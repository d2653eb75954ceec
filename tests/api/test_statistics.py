"""What a collection comes to: sizes, languages, the last upload, what failed and why."""

from datetime import UTC, datetime

import pytest

from tests.api.service import Collection, Json

ENGLISH = (
    "The kettle is filled with cold water and put on the stove. When the water boils, it is poured "
    "over the leaves, which are left alone for four minutes before the tea is drunk."
)
GERMAN = (
    "Der Kessel wird mit kaltem Wasser gefüllt und auf den Herd gestellt. Sobald das Wasser kocht, "
    "wird es über die Blätter gegossen, die dann vier Minuten lang in Ruhe gelassen werden."
)


def statistics_of(collection: Collection) -> Json:
    answer = collection.http.get(f"{collection.path}/statistics")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_empty_collection_comes_to_nothing(collection: Collection) -> None:
    assert statistics_of(collection) == {
        "name": collection.name,
        "bytes": 0,
        "tokens": 0,
        "languages": [],
        "last_upload_at": None,
        "failures": [],
    }


def test_sums_are_those_of_the_receipts_of_what_answers(collection: Collection) -> None:
    """Of former versions, of failed documents and of erased ones nothing is left in them."""
    before = datetime.now(UTC)
    collection.add(
        {"id": "en", "text": ENGLISH},
        {"id": "en2", "text": ENGLISH + " Enjoy it."},
        {"id": "de", "text": GERMAN},
        {"id": "gone", "text": ENGLISH},
    )
    collection.add({"id": "en", "text": ENGLISH + " It is hot, so wait."})
    collection.http.delete(collection.document_path("gone")).raise_for_status()
    collection.finish(collection.put_file("a.pdf", b"%PDF-1.7\nno", "application/pdf"))
    collection.finish(collection.put_file("b.pdf", b"%PDF-1.7\nnot", "application/pdf"))
    collection.finish(collection.post({"id": "void", "text": "a\0b"}))
    sums = statistics_of(collection)
    receipts = [collection.get(one)["receipt"] for one in ("en", "en2", "de")]
    assert sums["bytes"] == sum(receipt["bytes"] for receipt in receipts)
    assert sums["bytes"] == sum(
        len(text.encode())
        for text in (ENGLISH + " It is hot, so wait.", ENGLISH + " Enjoy it.", GERMAN)
    )
    assert sums["tokens"] == sum(receipt["tokens_counted"] for receipt in receipts)
    assert sums["languages"] == [
        {"language": "en", "documents": 2},
        {"language": "de", "documents": 1},
    ]
    assert datetime.fromisoformat(sums["last_upload_at"]) >= before
    failures = {one["code"]: (one["documents"], one["message"]) for one in sums["failures"]}
    assert {code: count for code, (count, _) in failures.items()} == {
        "unreadable_pdf": 2,
        "nul_character": 1,
    }
    assert all(message for _, message in failures.values())


def test_sums_follow_every_change(collection: Collection) -> None:
    """They are kept while nothing changes: a version with the same text, a deletion end that."""

    def sums() -> tuple[int, int]:
        found = statistics_of(collection)
        receipts = [d["receipt"] for d in collection.page()["documents"]]
        assert found["bytes"] == sum(receipt["bytes"] for receipt in receipts)
        assert found["tokens"] == sum(receipt["tokens_counted"] for receipt in receipts)
        assert found == statistics_of(collection)
        return found["bytes"], found["tokens"]

    collection.add({"id": "a", "text": ENGLISH}, {"id": "b", "text": GERMAN})
    size, tokens = sums()
    # The same words in other bytes.
    collection.add({"id": "a", "text": ENGLISH + "\n\n\n"})
    assert sums()[0] == size + 3
    collection.add({"id": "a", "title": "Kettle", "text": ENGLISH + "\n\n\n"})
    sums()
    collection.http.delete(collection.document_path("b")).raise_for_status()
    assert sums()[1] < tokens
    collection.http.delete(collection.document_path("a")).raise_for_status()
    assert sums() == (0, 0)


def test_document_that_is_read_at_last_failed_no_more(collection: Collection) -> None:
    collection.finish(collection.post({"id": "a", "text": "a\0b"}))
    assert len(statistics_of(collection)["failures"]) == 1
    collection.add({"id": "a", "text": "Tea."})
    assert statistics_of(collection)["failures"] == []


def test_description_is_changed_after_the_collection_was_made(collection: Collection) -> None:
    for description in ("For customers", ""):
        answer = collection.http.patch(collection.path, json={"description": description})
        assert answer.status_code == 200
        assert answer.json()["description"] == description
        assert collection.http.get(collection.path).json()["description"] == description


@pytest.mark.parametrize(
    "body", [{}, {"description": "x" * 4097}, {"description": "", "name": "b"}]
)
def test_description_that_cannot_be_is_refused(collection: Collection, body: Json) -> None:
    assert collection.http.patch(collection.path, json=body).status_code == 422
