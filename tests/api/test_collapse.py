"""Articles that say the same: nine copies do not fill an answer."""

import random

import pytest

from tests.api.service import Collection, Service

ARTICLE = (
    "Hold the red button of the {} for eight seconds until the lamp blinks. Then let it go, wait "
    "for a minute and switch the {} on again with the green button on its left side."
)
OTHERS = ("kettle", "grinder", "toaster", "mixer", "oven", "fridge", "iron", "lamp", "radio", "fan")


@pytest.fixture(scope="module")
def shelf(service: Service) -> Collection:
    collection = service.new_collection("copies")
    copies = [{"id": f"copy{n}", "text": ARTICLE.format("press", "press")} for n in range(9)]
    # Typed anew, with another line break and a word more.
    copies[3]["text"] = str(copies[3]["text"]).replace("Then let", "\n\nThen just let")
    others = [{"id": name, "text": f"The {name} has a green lamp and a door."} for name in OTHERS]
    collection.add(*copies, *others)
    return collection


def test_copies_become_one_hit_that_names_the_others(shelf: Collection) -> None:
    query = "How long do I hold the red button of the press?"
    plain = shelf.search(query, limit=19)["results"]
    assert sum(hit["document_id"].startswith("copy") for hit in plain) == 9
    assert all(hit["same_as"] == [] for hit in plain)
    hits = shelf.search(query, limit=9, collapse=True)["results"]
    copies = [hit for hit in hits if hit["document_id"].startswith("copy")]
    assert len(hits) == 9
    assert len(copies) == 1
    assert sorted([copies[0]["document_id"], *copies[0]["same_as"]]) == [
        f"copy{n}" for n in range(9)
    ]


def test_copies_are_one_block_of_a_context(shelf: Collection) -> None:
    body = {"query": "How long do I hold the red button of the press?", "max_tokens": 2000}
    blocks = shelf.http.post(f"{shelf.path}/context", json=body).json()["blocks"]
    copies = [block for block in blocks if block["document_id"].startswith("copy")]
    assert len(copies) == 1
    assert len(copies[0]["same_as"]) == 8
    every = shelf.http.post(f"{shelf.path}/context", json={**body, "collapse": False}).json()
    assert len({block["document_id"] for block in every["blocks"]}) > 1


def test_copy_in_another_collection_is_named_with_it(shelf: Collection, service: Service) -> None:
    other = service.new_collection("more-copies")
    other.add({"id": "copy0", "text": ARTICLE.format("press", "press")})
    query = "How long do I hold the red button of the press?"
    first = shelf.search(query, limit=1, collapse=True, also_in=[other.name])["results"][0]
    of_one = {f"copy{n}" for n in range(9)}
    of_other = {"more-copies/copy0"}
    if first["collection"] == other.name:
        of_one, of_other = {f"copies/{one}" for one in of_one}, {"copy0"}
    # The hit itself has its collection beside it.
    assert len(first["same_as"]) == 9
    assert set(first["same_as"]) < of_one | of_other


def test_articles_that_differ_in_a_number_or_in_what_is_asked_stay_two(service: Service) -> None:
    collection = service.new_collection("alike")
    collection.add(
        {"id": "old", "text": ARTICLE.format("press", "press") + " It weighs 12 kg."},
        {"id": "new", "text": ARTICLE.format("press", "press") + " It weighs 14 kg."},
        {"id": "oven", "text": ARTICLE.format("oven", "press") + " It weighs 12 kg."},
    )
    hits = collection.search("hold the button of the oven", collapse=True)["results"]
    assert {hit["document_id"] for hit in hits} == {"old", "new", "oven"}


def test_copies_among_many_take_no_room_of_other_answers(service: Service) -> None:
    chance = random.Random(4)
    words = [f"word{n}" for n in range(500)]
    texts = [f"Button {n}. " + " ".join(chance.choices(words, k=60)) + "." for n in range(300)]
    collection = service.new_collection("crowd")
    collection.add(*({"id": f"{n}", "text": text} for n, text in enumerate(texts)))
    # No article is far ahead of the others, which would end the context.
    body = {"query": " ".join(words[1:8]), "max_tokens": 2000}

    def answers() -> list[str]:
        answer = collection.http.post(f"{collection.path}/context", json=body).json()
        assert answer["tokens"] <= 2000
        # A copy is the same answer.
        return [block["document_id"].split(".")[0] for block in answer["blocks"]]

    alone = answers()
    assert len(alone) == len(set(alone)) > 3
    copied = int(alone[0])
    collection.add(*({"id": f"{copied}.{n}", "text": texts[copied]} for n in range(8)))
    crowded = answers()
    assert len(crowded) == len(set(crowded)) >= len(alone)
