"""What searches keep in memory of passages and vectors stands for what is stored now."""

from zlib import crc32

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.db import queries
from app.db.models import Change, UnitRow
from app.domain import Mode
from app.index.byte_cache import MISSING
from app.runtime.resources import Resources
from app.services.articles.changes import change_document
from app.services.search.search import SearchResult
from tests.conftest import Ingest, article
from tests.databases import collect_statements
from tests.named import delete_document, ref_of, search_documents


def reads_passages(statement: str) -> bool:
    """Return whether a statement reads vectors or places of passages."""
    columns = statement.partition("FROM")[0]
    return "passages" in columns or "passage_vectors," in f"{columns.rstrip()},"


def said(result: SearchResult) -> dict[str, tuple[float, str]]:
    return {hit.document_id: (hit.score, hit.passages[0].text) for hit in result.results}


@pytest.mark.parametrize("mode", list(Mode))
def test_the_same_question_reads_no_passage_again_and_gets_the_same_answer(
    resources: Resources, ingest: Ingest, mode: Mode
) -> None:
    ingest(article("a", "Tea with milk.\n\nCoffee."), article("b", "Tea."))
    with collect_statements(resources) as first:
        answer = said(search_documents(resources, "help", "tea", mode=mode))
    with collect_statements(resources) as second:
        assert said(search_documents(resources, "help", "tea", mode=mode)) == answer
    assert any(map(reads_passages, first))
    assert not any(map(reads_passages, second))


def test_a_new_version_is_read_and_what_was_kept_of_the_old_one_never_answers(
    resources: Resources, ingest: Ingest
) -> None:
    ingest(article("a", "Tea with milk."), article("b", "Coffee."))
    assert said(search_documents(resources, "help", "tea"))["a"][1] == "Tea with milk."
    ingest(article("a", "Tea with lemon."))
    assert said(search_documents(resources, "help", "tea"))["a"][1] == "Tea with lemon."
    delete_document(resources, "help", "a")
    assert "a" not in said(search_documents(resources, "help", "tea"))


def test_what_is_kept_of_an_article_goes_with_it(resources: Resources, ingest: Ingest) -> None:
    ingest(article("a", "Tea."))
    search_documents(resources, "help", "tea")
    with resources.database.read() as session:
        unit_id = session.scalars(select(UnitRow.id)).one()
    indexes = resources.generations.live().catch_up()
    assert indexes is not None
    kept = (indexes.kept_vectors, indexes.kept_passages)
    assert all(cache.find(unit_id) is not MISSING for cache in kept)
    delete_document(resources, "help", "a")
    search_documents(resources, "help", "tea")
    assert all(cache.find(unit_id) is MISSING for cache in kept)


def test_vectors_that_were_stored_anew_are_read_anew(resources: Resources, ingest: Ingest) -> None:
    ingest(article("a", "Tea."))
    before = said(search_documents(resources, "help", "tea", mode=Mode.DENSE))
    with resources.database.write() as session:
        vectors = session.scalars(select(UnitRow.passage_vectors)).one()
        turned = bytes(byte ^ 0x80 if n % 2 else byte for n, byte in enumerate(vectors))
        values = {"passage_vectors": turned, "passage_vectors_crc32": crc32(turned)}
        session.execute(update(UnitRow).values(values))
        unit = session.scalars(select(UnitRow)).one()
        session.add(Change(unit_id=unit.id))
    after = said(search_documents(resources, "help", "tea", mode=Mode.DENSE))
    assert after["a"][0] < before["a"][0]


def test_what_is_shown_of_an_article_changes_with_it(resources: Resources, ingest: Ingest) -> None:
    ingest(article("a", "Tea.", url="https://example.org/old"))
    assert [h.url for h in search_documents(resources, "help", "tea").results] == [
        "https://example.org/old"
    ]
    changes = {"url": "https://example.org/new", "attributes": {"cups": 2}}
    change_document(resources, ref_of(resources, "help"), "a", changes)
    (hit,) = search_documents(resources, "help", "tea").results
    assert (hit.url, hit.attributes) == ("https://example.org/new", {"cups": 2})


def test_an_upload_has_no_other_article_read_again(
    resources: Resources, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(article("a", "Tea."), article("b", "Tea with milk."))
    search_documents(resources, "help", "tea")
    read: list[list[int]] = []
    for name in ("find_live", "list_units", "find_texts"):
        record_ids(monkeypatch, name, read)
    ingest(article("c", "Tea with lemon."))
    assert len(search_documents(resources, "help", "tea").results) == 3
    assert [len(ids) for ids in read] == [1, 1, 1]
    change_document(resources, ref_of(resources, "help"), "a", {"attributes": {"cups": 2}})
    search_documents(resources, "help", "tea")
    assert [len(ids) for ids in read[3:]] == [1, 1, 1]


def record_ids(monkeypatch: pytest.MonkeyPatch, name: str, read: list[list[int]]) -> None:
    find = getattr(queries, name)

    def find_noting(session: Session, ids: list[int], *others: object) -> object:
        read.append(ids)
        return find(session, ids, *others)

    monkeypatch.setattr(queries, name, find_noting)
