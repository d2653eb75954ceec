"""Uploading, replacing and erasing: when the model is asked, who wins, and what is left."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select, text, update
from sqlalchemy.exc import IntegrityError

from app.config import Settings
from app.db import queries
from app.db.models import File, Generation, Original, PassageRow, Table, UnitRow, Version, utc_now
from app.db.queries import streams
from app.domain import Condition, Filter, Status
from app.errors import NotFound
from app.evaluation.golden import GoldenQuery
from app.runtime.resources import Resources, open_resources
from app.services.access.principal import EVERYONE
from app.services.articles import files
from app.services.articles.collections import create_collection
from app.services.articles.documents import Accepted, Upload
from app.services.articles.files import NewFile, create_file
from app.services.articles.jobs import retry_documents
from app.services.articles.store_files import Page, list_store_files, update_store_file
from app.services.articles.versions import restore_version
from app.services.quality.evaluations import dump_golden
from app.services.quality.gate import GateRequest, dump_gate
from app.services.quality.labels import dump_labels
from ingest.sandbox import Sandbox
from tests.conftest import Ingest, article, markdown
from tests.databases import collect_statements
from tests.named import (
    delete_collection,
    delete_document,
    get_document,
    get_job,
    list_documents,
    put_documents,
    ref_of,
    search_documents,
)
from tests.services.knowledge import Watch, acting_before_writes, read_live, search, work


def put(resources: Resources, upload: Upload, collection: str = "help") -> Accepted:
    (accepted,) = put_documents(resources, collection, [upload]).documents
    return accepted


def find(resources: Resources, condition: Filter) -> set[str]:
    hits = search_documents(resources, "help", "tea", filters=condition).results
    return {hit.document_id for hit in hits}


def count_rows(resources: Resources, table: type[Table]) -> int:
    with resources.database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


# What another does between reading and writing


def test_new_attributes_of_a_file_go_to_the_bytes_that_came_meanwhile(
    resources: Resources, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(article("a", "Tea."))
    ref = ref_of(resources, "help")
    ((file,), _) = list_store_files(resources, ref, Page())
    newer = article("a", "Coffee.")
    with acting_before_writes(resources, monkeypatch, lambda: put(resources, newer)):
        update_store_file(resources, ref, file.id, {"year": 2025})
    ingest()
    document = get_document(resources, "help", "a", with_text=True)
    assert (document.text, document.attributes) == ("Coffee.", {"year": 2025})


def test_document_that_is_erased_meanwhile_does_not_come_back(
    resources: Resources, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(article("a", "Tea."), article("b", "Milk."))
    ref = ref_of(resources, "help")
    files, _ = list_store_files(resources, ref, Page(descending=False))

    changes: dict[str, Callable[[], object]] = {
        "a": lambda: update_store_file(resources, ref, files[0].id, {"year": 2025}),
        "b": lambda: restore_version(resources, ref, "b", 1),
    }
    for document_id, change in changes.items():
        erase = partial(delete_document, resources, "help", document_id)
        with acting_before_writes(resources, monkeypatch, erase), pytest.raises(NotFound):
            change()
    assert count_rows(resources, Version) == 0


# When the model is asked


def test_same_article_again_asks_the_model_nothing(
    resources: Resources, ingest: Ingest, watch: Watch
) -> None:
    upload = markdown(
        "a", "# Tea\n\nMilk.", title="Hot", url="https://a.example", attributes={"hot": [True, 1]}
    )
    ingest(upload)
    before = read_live(resources)
    watch.texts.clear()
    (accepted,) = ingest(upload).documents
    assert accepted == Accepted("a", 1, Status.READY, "none")
    assert read_live(resources) == before
    assert watch.texts == []


def test_no_title_and_an_empty_one_are_the_same(resources: Resources, ingest: Ingest) -> None:
    ingest(article("a", "Tea."))
    upload = article("a", "Tea.", title="", url="", attributes={})
    assert put(resources, upload).change == "none"


def test_attributes_in_another_order_are_the_same(resources: Resources, ingest: Ingest) -> None:
    ingest(article("a", "Tea.", attributes={"x": 1, "y": [1, 2]}))
    again = article("a", "Tea.", attributes={"y": [1, 2], "x": 1})
    assert put(resources, again).change == "none"
    turned = article("a", "Tea.", attributes={"y": [2, 1], "x": 1})
    assert put(resources, turned).change == "metadata"


def test_new_url_and_attributes_ask_the_model_nothing(
    resources: Resources, ingest: Ingest, watch: Watch
) -> None:
    ingest(markdown("a", "# Tea\n\nMilk.", url="https://old.example", attributes={"v": 1}))
    before = read_live(resources)
    watch.texts.clear()
    (accepted,) = ingest(
        markdown("a", "# Tea\n\nMilk.", url="https://new.example", attributes={"v": 2})
    ).documents
    assert (accepted.version, accepted.change) == (1, "metadata")
    assert find(resources, Condition("eq", "v", 2)) == {"a"}
    assert get_document(resources, "help", "a").url == "https://new.example"
    assert read_live(resources) == before
    assert watch.texts == []


@pytest.mark.parametrize(("old", "new"), [(True, 1), (1, True), (False, 0), ([1], [True])])
def test_flag_is_not_the_number_that_it_equals_in_python(
    resources: Resources, ingest: Ingest, old: bool | int | list[int], new: bool | int | list[bool]
) -> None:
    ingest(article("a", "Tea.", attributes={"hot": old}))
    assert put(resources, article("a", "Tea.", attributes={"hot": new})).change == "metadata"
    sought = {"old": old, "new": new}
    found = {
        name: find(
            resources, Condition("eq", "hot", value[0] if isinstance(value, list) else value)
        )
        for name, value in sought.items()
    }
    assert found == {"old": set(), "new": {"a"}}
    assert repr(get_document(resources, "help", "a").attributes) == repr({"hot": new})


def test_metadata_that_is_taken_back_falls_back_to_that_of_the_file(
    resources: Resources, ingest: Ingest
) -> None:
    source = "---\nurl: https://file.example\nkind: file\n---\nTea."
    ingest(markdown("a", source, url="https://ours.example", attributes={"kind": "ours", "x": 1}))
    assert put(resources, markdown("a", source)).change == "metadata"
    document = get_document(resources, "help", "a")
    assert (document.url, document.attributes) == ("https://file.example", {"kind": "file"})
    assert find(resources, Condition("eq", "kind", "file")) == {"a"}
    assert find(resources, Condition("eq", "x", 1)) == set()


def test_same_text_in_other_bytes_asks_the_model_nothing_and_gets_its_own_receipt(
    resources: Resources, ingest: Ingest, watch: Watch
) -> None:
    ingest(Upload("a", "Tea \xe0 la menthe.".encode("cp1252"), "text/plain"))
    (before,) = read_live(resources).values()
    assert before.receipt is not None
    # A tokenizer for tests knows few letters.
    code, *unknown = before.receipt["warnings"]
    assert code == "not UTF-8: decoded as cp1252"
    watch.texts.clear()
    ingest(article("a", "Tea \xe0 la menthe."))
    (after,) = read_live(resources).values()
    assert after.receipt == before.receipt | {
        "bytes": len("Tea \xe0 la menthe.") + 1,
        "warnings": unknown,
    }
    assert (after.text, after.units) == (before.text, before.units)
    assert watch.texts == []


def test_same_text_with_other_headings_gets_its_passages_anew(
    resources: Resources, ingest: Ingest, watch: Watch
) -> None:
    source = b"Tea\n\n## Milk\n\nPour it.\n\n## Cup\n\nLift it."
    ingest(Upload("a", source, "text/plain", title="Tea"))
    (before,) = read_live(resources).values()
    assert {passage.heading for unit in before.units for passage in unit.passages} == {""}
    ingest(Upload("a", source, "text/markdown", title="Tea"))
    (after,) = read_live(resources).values()
    assert (after.text, after.title) == (before.text, before.title)
    assert {passage.heading for unit in after.units for passage in unit.passages} >= {"Milk", "Cup"}
    assert len(watch.texts) == 2


def test_content_that_comes_back_after_a_failed_version_asks_the_model_nothing(
    resources: Resources, ingest: Ingest, watch: Watch
) -> None:
    ingest(article("a", "Tea."))
    before = read_live(resources)
    ingest(Upload("a", b"no PDF", "application/pdf"))
    assert get_document(resources, "help", "a").status is Status.FAILED
    watch.texts.clear()
    (accepted,) = ingest(article("a", "Tea.")).documents
    assert (accepted.version, accepted.change) == (3, "content")
    document = get_document(resources, "help", "a")
    assert (document.status, document.live_version, document.error) == (Status.READY, 3, None)
    assert read_live(resources) == before
    assert watch.texts == []


# Who wins


def test_old_version_answers_while_the_model_reads_the_new_one(
    resources: Resources, ingest: Ingest, watch: Watch
) -> None:
    ingest(article("a", "Old tea.", attributes={"v": 1}))
    answers = []

    def look(text: str) -> None:
        document = get_document(resources, "help", "a", with_text=True)
        found = find(resources, Condition("eq", "v", 1))
        answers.append((text, search(resources), document.text, document.status, found))

    watch.before_embedding = look
    ingest(article("a", "New tea.", attributes={"v": 2}))
    assert answers == [("New tea.", {"a": "Old tea."}, "Old tea.", Status.PROCESSING, {"a"})]
    assert search(resources) == {"a": "New tea."}
    assert find(resources, Condition("eq", "v", 1)) == set()


def test_version_that_is_uploaded_while_another_is_read_wins(
    resources: Resources, ingest: Ingest, watch: Watch
) -> None:
    ingest(article("a", "First tea."))

    def upload(text: str) -> None:
        if text == "Second tea.":
            assert put(resources, article("a", "Third tea.")).version == 3

    watch.before_embedding = upload
    ingest(article("a", "Second tea."))
    document = get_document(resources, "help", "a", with_text=True, with_versions=True)
    assert (document.text, document.live_version) == ("Third tea.", 3)
    assert [(v.version, v.live) for v in document.versions or ()] == [
        (3, True),
        (2, False),
        (1, False),
    ]
    assert search(resources) == {"a": "Third tea."}
    assert count_rows(resources, UnitRow) == 1


def test_upload_that_takes_back_the_one_that_is_read_wins(
    resources: Resources, ingest: Ingest, watch: Watch
) -> None:
    """It equals what is live when it comes, and all the same it is no repetition."""
    ingest(article("a", "First tea."))

    def take_back(text: str) -> None:
        if text == "Second tea.":
            assert put(resources, article("a", "First tea.")).change == "content"

    watch.before_embedding = take_back
    ingest(article("a", "Second tea."))
    assert search(resources) == {"a": "First tea."}
    assert get_document(resources, "help", "a").live_version == 3


def test_uploads_of_one_id_at_once_are_all_kept_and_the_last_one_wins(
    resources: Resources, sandbox: Sandbox
) -> None:
    accepted: dict[int, str] = {}
    barrier = Barrier(8)

    def upload(number: int) -> None:
        barrier.wait()
        for part in range(3):
            words = f"Tea {number} {part}."
            accepted[put(resources, article("a", words)).version] = words

    threads = [Thread(target=upload, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(accepted) == list(range(1, 25))
    assert work(resources, sandbox) is None
    assert search(resources) == {"a": accepted[24]}
    document = get_document(resources, "help", "a", with_versions=True)
    assert [v.version for v in document.versions or () if v.live] == [24]
    # Nobody waits for the others any more: they are not read.
    replaced = [v.error for v in document.versions or () if not v.live]
    assert [error.code if error else None for error in replaced] == ["superseded"] * 9


def test_batch_with_an_upload_that_cannot_be_stored_stores_none(resources: Resources) -> None:
    with resources.database.write() as session:
        # The same for every document, so that a second one is refused.
        session.execute(text("CREATE UNIQUE INDEX refuse ON documents ((external_id <> ''))"))
    with pytest.raises(IntegrityError):
        put_documents(resources, "help", [article("a", "Tea."), article("b", "Milk.")])
    assert list_documents(resources, "help") == ([], None)
    assert count_rows(resources, Original) == 0


def test_failed_content_is_tried_again_and_can_succeed(
    resources: Resources, ingest: Ingest, watch: Watch
) -> None:
    def fail(text: str) -> None:
        raise RuntimeError

    watch.before_embedding = fail
    ingest(article("a", "Tea."))
    document = get_document(resources, "help", "a")
    assert (document.status, document.live_version) == (Status.FAILED, None)
    watch.before_embedding = lambda text: None
    (accepted,) = ingest(article("a", "Tea.")).documents
    assert (accepted.version, accepted.change) == (2, "content")
    document = get_document(resources, "help", "a")
    assert (document.status, document.live_version, document.error) == (Status.READY, 2, None)
    assert search(resources) == {"a": "Tea."}


# The trigger is of SQLite's dialect.
@pytest.mark.data_folder
def test_commit_that_fails_halfway_leaves_the_old_version_whole(
    resources: Resources, ingest: Ingest
) -> None:
    ingest(article("a", "Old tea."))
    before = read_live(resources)
    with resources.database.write() as session:
        session.execute(
            text(
                "CREATE TRIGGER refuse BEFORE INSERT ON passages WHEN new.ordinal = 1 "
                "BEGIN SELECT raise(ABORT, 'no'); END"
            )
        )
    ingest(markdown("a", "# New\n\nTea.\n\n# Cup\n\nMilk."))
    document = get_document(resources, "help", "a")
    assert (document.status, document.live_version) == (Status.FAILED, 1)
    assert document.error is not None
    assert document.error.code == "internal_error"
    assert read_live(resources) == before
    assert search(resources) == {"a": "Old tea."}


# Erasing


def assert_erased(folder: Path, *words: bytes) -> None:
    """Assert that no file of the data folder holds any of `words`."""
    for path in folder.rglob("*"):
        content = path.read_bytes()
        for word in words:
            assert word not in content, (path.name, word)


def secret_article(number: int) -> Upload:
    # Long enough to lie in overflow pages of its own.
    words = f"Zanzibar{number} tea. " * 700
    return markdown(
        "secret-id",
        f"# Headline{number}\n\n{words}",
        filename=f"Filename{number}.md",
        url=f"https://Address{number}.example",
        attributes={f"Key{number}": f"Value{number}"},
    )


SECRETS = (b"Zanzibar", b"Headline", b"Filename", b"Address", b"Key", b"Value", b"secret-id")


def read_vectors(resources: Resources) -> list[bytes]:
    with resources.database.read() as session:
        rows = session.execute(select(UnitRow.vector, UnitRow.passage_vectors)).all()
    return [part for vector, passages in rows for part in (vector, passages[:64])]


# PostgreSQL's files are not in it.
@pytest.mark.data_folder
def test_deleted_document_is_in_no_file_of_the_data_folder(
    resources: Resources, ingest: Ingest
) -> None:
    """With every version of it: text, upload, metadata and vectors."""
    ingest(article("kept", "Milk."))
    kept = read_vectors(resources)
    vectors = []
    for number in (1, 2):
        ingest(secret_article(number))
        vectors += read_vectors(resources)
    ingest(Upload("secret-id", b"Zanzibar3 is no PDF", "application/pdf"))
    put(resources, secret_article(4))
    folder = resources.settings.data
    with pytest.raises(AssertionError, match="Zanzibar"):
        assert_erased(folder, *SECRETS)
    assert delete_document(resources, "help", "secret-id").versions == 4
    assert_erased(folder, *SECRETS, *(set(vectors) - set(kept)))
    assert search(resources) == {"kept": "Milk."}


def test_small_changes_leave_few_parts_of_the_word_index(
    resources: Resources, ingest: Ingest
) -> None:
    def sizes() -> list[int]:
        indexes = resources.generations.live().catch_up()
        assert indexes is not None
        return [len(part) for shard in indexes.terms._shards.values() for part in shard.segments]

    ids = [f"id{number}" for number in range(20)]
    for document_id in ids:
        ingest(article(document_id, "Milk."))
        # A search reads each change before the next one.
        assert sizes()
    assert sum(sizes()) == 20
    assert len(sizes()) <= 4
    for document_id in ids[1:]:
        delete_document(resources, "help", document_id)
    assert sizes() == [1]


def test_page_of_many_documents_takes_no_more_statements_than_one_of_one(
    resources: Resources,
) -> None:
    put_documents(resources, "help", [article(f"{n}", f"Tea {n}.") for n in range(4)])
    counts = []
    for limit in (1, 3):
        with collect_statements(resources) as statements:
            assert len(list_documents(resources, "help", limit=limit)[0]) == limit
        counts.append(len(statements))
    assert counts[0] == counts[1]


def test_document_deleted_while_the_model_reads_it_is_in_no_file(
    resources: Resources, ingest: Ingest, watch: Watch
) -> None:
    watch.before_embedding = lambda text: delete_all(resources)
    ingest(secret_article(1))
    assert_erased(resources.settings.data, *SECRETS)
    assert list_documents(resources, "help") == ([], None)
    assert search(resources) == {}


def delete_all(resources: Resources) -> None:
    for document in list_documents(resources, "help")[0]:
        delete_document(resources, "help", document.id)


def test_deleted_collection_is_in_no_file(resources: Resources, ingest: Ingest) -> None:
    create_collection(resources.database, "Hidden", "Zanzibar0")
    ingest(secret_article(1), collection="Hidden")
    put(resources, secret_article(2), "Hidden")
    ingest(article("kept", "Milk."))
    hidden, kept = ref_of(resources, "Hidden"), ref_of(resources, "help")
    golden = [GoldenQuery("1", "Where is Zanzibar3?", {"secret-id": 1})]
    labels = dump_labels([GoldenQuery("1", "Where is tea?", {"kept": 1})])
    with resources.database.write() as session:
        generation = session.scalars(select(Generation)).one()
        generation.gate = dump_gate(GateRequest(hidden, golden))
        generation.gate["report"] = {"collection": "Hidden", "missing": ["secret-id"]}
        generation.tuning = {"start": 1, "collection": "Hidden", "queries": dump_golden(golden)}
        generation.labels = {str(hidden.id): dump_labels(golden), str(kept.id): labels}
    assert delete_collection(resources, "Hidden") == 1
    assert_erased(resources.settings.data, *SECRETS, b"Hidden")
    assert search(resources) == {"kept": "Milk."}
    with resources.database.read() as session:
        generation = session.scalars(select(Generation)).one()
        assert generation.labels == {str(kept.id): labels}


def test_document_deleted_and_uploaded_anew_while_it_is_read_is_the_new_one(
    resources: Resources, ingest: Ingest, watch: Watch
) -> None:
    ingest(article("a", "First tea."))

    def replace(text: str) -> None:
        if text == "Second tea.":
            delete_document(resources, "help", "a")
            assert put(resources, article("a", "Third tea.")).version == 1

    watch.before_embedding = replace
    ingest(article("a", "Second tea."))
    document = get_document(resources, "help", "a", with_text=True, with_versions=True)
    assert (document.text, document.version) == ("Third tea.", 1)
    assert len(document.versions or ()) == 1
    assert search(resources) == {"a": "Third tea."}
    assert count_rows(resources, UnitRow) == 1


def test_collection_deleted_and_made_anew_while_its_document_is_read_is_empty(
    resources: Resources, ingest: Ingest, watch: Watch
) -> None:
    def replace(text: str) -> None:
        delete_collection(resources, "help")
        create_collection(resources.database, "help")

    watch.before_embedding = replace
    job_id = ingest(article("a", "Tea.")).job_id
    assert search(resources) == {}
    for table in (Version, UnitRow, PassageRow, Original):
        assert count_rows(resources, table) == 0
    with pytest.raises(NotFound):
        get_job(resources, job_id)


# Very many at once


@pytest.fixture
def bound() -> Iterator[list[int]]:
    """How many values each statement holds that is executed meanwhile."""
    counts: list[int] = []

    def count(
        _connection: object,
        _cursor: object,
        _statement: str,
        values: Any,
        _context: object,
        many: bool,
    ) -> None:
        if not many:
            counts.append(len(values or ()))

    event.listen(Engine, "before_cursor_execute", count)
    yield counts
    event.remove(Engine, "before_cursor_execute", count)


def test_all_that_failed_is_tried_again_some_at_a_time(
    resources: Resources, monkeypatch: pytest.MonkeyPatch, bound: list[int]
) -> None:
    put_documents(resources, "help", [article(f"a{n}", "Tea.") for n in range(60)])
    with resources.database.write() as session:
        session.execute(update(Version).values(status=Status.FAILED))
    monkeypatch.setattr(streams, "MAX_BOUND", 8)
    bound.clear()
    retried = retry_documents(resources, ref_of(resources, "help"))
    assert len(retried.documents) == 60
    assert max(bound) < 30
    assert {document.status for document in list_documents(resources, "help")[0]} == {Status.QUEUED}


def test_article_that_failed_very_often_is_read_and_erased_some_versions_at_a_time(
    resources: Resources, ingest: Ingest, monkeypatch: pytest.MonkeyPatch, bound: list[int]
) -> None:
    def fail_often() -> None:
        for n in range(60):
            put(resources, article("a", f"Tea {n}."))
        bound.clear()

    monkeypatch.setattr(streams, "MAX_BOUND", 8)
    fail_often()
    ingest(article("a", "Tea."))
    assert count_rows(resources, Version) == resources.settings.keep_versions
    assert max(bound) < 50
    fail_often()
    delete_document(resources, "help", "a")
    assert (count_rows(resources, Version), count_rows(resources, Original)) == (0, 0)
    assert max(bound) < 50


def test_more_rows_are_looked_up_than_a_statement_holds_values(
    resources: Resources, ingest: Ingest
) -> None:
    ingest(article("a", "Tea."))
    # More than the SQLite of any system allows.
    ids = range(1, 300_001)
    with resources.database.read() as session:
        (version,) = queries.find_live_versions(session, ids).values()
        (unit,) = queries.list_vectors(session, ids, 1)
        assert unit.version_id == version.id
        assert list(queries.find_passage_vectors(session, ids).values()) == [unit.passage_vectors]


def test_files_expire_some_at_a_time(
    resources: Resources, monkeypatch: pytest.MonkeyPatch, bound: list[int]
) -> None:
    over = utc_now() - timedelta(days=1)
    new = NewFile("a.txt", "assistants", "text/plain", b"Tea.", expires_at=over)
    for _ in range(20):
        file_id = create_file(resources, EVERYONE, new).id
    put(resources, article("a", "Tea.", file_id=file_id))
    create_file(resources, EVERYONE, replace(new, expires_at=over + timedelta(days=2)))
    monkeypatch.setattr(files, "_AT_ONCE", 8)
    bound.clear()
    files.expire_files(resources)
    assert (count_rows(resources, File), count_rows(resources, Version)) == (1, 0)
    assert max(bound) < 20


# Uploads that share their bytes


def test_same_content_is_kept_once_and_answers_under_each_of_its_ids(
    resources: Resources, ingest: Ingest
) -> None:
    create_collection(resources.database, "other")
    ingest(article("a", "Tea."), article("b", "Tea."))
    ingest(article("a", "Tea."), collection="other")
    assert count_rows(resources, Original) == 1
    assert search(resources) == {"a": "Tea.", "b": "Tea."}
    assert count_rows(resources, UnitRow) == 3


def test_upload_survives_the_deletion_of_one_of_those_that_share_it(
    resources: Resources, ingest: Ingest, sandbox: Sandbox
) -> None:
    create_collection(resources.database, "other")
    ingest(article("a", "Tea."))
    # Not read yet: it needs the bytes.
    put_documents(resources, "help", [article("b", "Tea.")])
    put_documents(resources, "other", [article("c", "Tea.")])
    delete_document(resources, "help", "a")
    assert work(resources, sandbox) is None
    assert search(resources) == {"b": "Tea."}
    assert delete_collection(resources, "other") == 1
    assert search(resources) == {"b": "Tea."}
    assert count_rows(resources, Original) == 1
    delete_document(resources, "help", "b")
    assert count_rows(resources, Original) == 0


def test_upload_of_a_former_version_is_kept_for_another_document(
    resources: Resources, ingest: Ingest, sandbox: Sandbox
) -> None:
    ingest(article("a", "Tea."))
    ingest(article("a", "Milk."))
    put_documents(resources, "help", [article("b", "Tea.")])
    delete_document(resources, "help", "a")
    assert count_rows(resources, Original) == 1
    assert work(resources, sandbox) is None
    assert search(resources) == {"b": "Tea."}


def test_everything_is_as_it_was_after_reopening(settings: Settings, sandbox: Sandbox) -> None:
    with open_resources(settings) as resources:
        create_collection(resources.database, "help")
        put_documents(resources, "help", [article("a", "Old tea."), article("b", "Milk.")])
        put_documents(resources, "help", [article("c", "Gone.")])
        work(resources, sandbox)
        put(resources, article("a", "New tea."))
        work(resources, sandbox)
        delete_document(resources, "help", "c")
        put(resources, article("b", "Coffee."))
        before, documents = read_live(resources), list_documents(resources, "help")
        assert search(resources) == {"a": "New tea.", "b": "Milk."}
    with open_resources(settings) as resources:
        assert (read_live(resources), list_documents(resources, "help")) == (
            before,
            documents,
        )
        assert search(resources) == {"a": "New tea.", "b": "Milk."}
        assert get_document(resources, "help", "b").status is Status.QUEUED
