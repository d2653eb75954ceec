"""A reparse reports what reads differently, and changes that alone."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from zlib import crc32

import pytest
from sqlalchemy import func, select, update

from app.db.models import Document, Job, ReparseRow, Version, utc_now
from app.domain import Condition, Progress, Status
from app.errors import Conflict, NotFound
from app.evaluation.golden import GoldenQuery
from app.runtime.resources import Resources
from app.services.articles.changes import change_document
from app.services.articles.erasure import erase_by_filter
from app.services.articles.jobs import forget_jobs
from app.services.quality.reparse import ReparseInfo, get_reparse, reparse_some, start_reparse
from ingest.sandbox import Sandbox
from tests.conftest import Ingest, article
from tests.named import delete_document, get_document, get_job, put_documents, ref_of
from tests.services.knowledge import acting_before_writes, read_live, work

GOLDEN = (GoldenQuery("1", "how long is the button held", {"b": 1}),)


def store_as_read_before(resources: Resources, document_id: str, text: str) -> None:
    """Have a document answer with a text that an older parser made of its upload."""
    with resources.database.write() as session:
        version = session.scalars(
            select(Version)
            .join(Document, Document.id == Version.document_id)
            .where(Document.external_id == document_id, Version.is_live)
        ).one()
        version.text, version.text_crc32 = text, crc32(text.encode())


def reparse(
    resources: Resources, *, applies: bool = False, golden: Sequence[GoldenQuery] = ()
) -> ReparseInfo:
    """Run a reparse of `help` to its end."""
    ref = ref_of(resources, "help")
    started = start_reparse(resources, ref, applies=applies, golden=golden)
    while reparse_some(resources, lambda: False):
        pass
    return get_reparse(resources.database, ref, started.id)


def numbers(resources: Resources) -> dict[str, int]:
    return {name: get_document(resources, "help", name).version for name in ("a", "b")}


@pytest.fixture
def stored(resources: Resources, ingest: Ingest) -> Resources:
    """Two articles, one of which an older parser read in part."""
    ingest(article("a", "Tea with milk."), article("b", "Hold the button for eight seconds."))
    store_as_read_before(resources, "b", "Hold the button.")
    return resources


def test_report_names_what_would_change_and_changes_nothing(stored: Resources) -> None:
    before = read_live(stored)
    done = reparse(stored)
    assert (done.status, done.applies, done.documents) == (Progress.DONE, False, 2)
    assert [done.found[name] for name in ("read", "unchanged", "changed")] == [2, 1, 1]
    (change,) = done.found["changes"]
    assert (change["id"], change["words_before"], change["words_after"]) == ("b", 3, 6)
    assert 0 < change["similarity"] < 1
    assert read_live(stored) == before
    assert numbers(stored) == {"a": 1, "b": 1}


def test_applied_only_what_reads_differently_gets_a_version(
    stored: Resources, sandbox: Sandbox
) -> None:
    done = reparse(stored, applies=True)
    assert (done.status, done.found["changed"]) == (Progress.DONE, 1)
    # Until the new version is ready, the old one answers.
    assert read_live(stored)["b"].text == "Hold the button."
    work(stored, sandbox)
    assert read_live(stored)["b"].text == "Hold the button for eight seconds."
    assert numbers(stored) == {"a": 1, "b": 2}
    assert reparse(stored, applies=True).found["changed"] == 0


def test_job_of_a_reparse_that_goes_on_is_kept_however_old_it_is(
    stored: Resources, ingest: Ingest
) -> None:
    started = start_reparse(stored, ref_of(stored, "help"), applies=True)
    with stored.database.write() as session:
        session.execute(update(Job).values(created_at=utc_now() - timedelta(days=3650)))
    ingest(article("c", "Newer than all of them."))
    forget_jobs(stored, lambda: False)
    with stored.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Job)) == 2
    assert reparse_some(stored, lambda: False)
    assert get_job(stored, started.id).counts["queued"] == 1


def test_report_is_kept_as_long_as_jobs_are(stored: Resources) -> None:
    old, new = reparse(stored), reparse(stored)
    ended = utc_now() - timedelta(days=stored.settings.job_days)
    with stored.database.write() as session:
        for each, at in ((old, ended - timedelta(1)), (new, ended + timedelta(1))):
            session.execute(
                update(ReparseRow).where(ReparseRow.id == each.id).values(finished_at=at)
            )
    forget_jobs(stored, lambda: False)
    with stored.database.read() as session:
        assert session.scalars(select(ReparseRow.id)).all() == [new.id]


def test_attributes_and_url_that_change_while_it_reads_stay_changed(
    stored: Resources, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = ref_of(stored, "help")
    started = start_reparse(stored, ref, applies=True)
    changes = {"url": "https://b.example", "attributes": {"year": 2025}}
    with acting_before_writes(
        stored, monkeypatch, lambda: change_document(stored, ref, "b", changes)
    ):
        reparse_some(stored, lambda: False)
    work(stored, sandbox)
    assert get_reparse(stored.database, ref, started.id).found["changed"] == 1
    document = get_document(stored, "help", "b")
    assert (document.version, document.live_version) == (2, 2)
    assert (document.url, document.attributes) == ("https://b.example", {"year": 2025})


def erase_one(resources: Resources) -> None:
    delete_document(resources, "help", "b")


def erase_picked(resources: Resources) -> None:
    picked = Condition("eq", "$id", "b")
    erase_by_filter(resources, ref_of(resources, "help"), picked, confirmed=1)


@pytest.mark.parametrize("erase", [erase_one, erase_picked])
def test_report_forgets_what_is_erased(
    stored: Resources, monkeypatch: pytest.MonkeyPatch, erase: Callable[[Resources], None]
) -> None:
    ref, reported = ref_of(stored, "help"), reparse(stored)
    started = start_reparse(stored, ref, applies=False)
    # Right before it notes what it has read.
    with acting_before_writes(stored, monkeypatch, lambda: erase(stored)):
        reparse_some(stored, lambda: False)
    for one in (reported.id, started.id):
        assert get_reparse(stored.database, ref, one).found["changes"] == []


def test_golden_set_is_asked_as_it_is_and_as_it_would_be(
    resources: Resources, ingest: Ingest
) -> None:
    ingest(article("a", "Tea in boxes."), article("b", "Tea."))
    store_as_read_before(resources, "b", "Coffee.")
    before = read_live(resources)
    answers = reparse(resources, golden=[GoldenQuery("1", "tea", {"b": 1})]).found["answers"]
    assert answers["asked"] == 1
    assert 0 <= answers["ndcg_before"] <= 1
    assert 0 <= answers["ndcg_after"] <= 1
    assert read_live(resources) == before


def test_prediction_for_the_golden_set_is_what_then_happens(
    stored: Resources, sandbox: Sandbox
) -> None:
    predicted = reparse(stored, golden=GOLDEN).found["answers"]
    reparse(stored, applies=True)
    work(stored, sandbox)
    # Nothing is left to change, so before and after are what is there now.
    now = reparse(stored, golden=GOLDEN).found["answers"]
    assert now["ndcg_before"] == now["ndcg_after"] == predicted["ndcg_after"]


def test_upload_that_cannot_be_read_is_named_and_its_version_answers_on(
    resources: Resources, ingest: Ingest
) -> None:
    ingest(article("a", "Tea."))
    with resources.database.write() as session:
        session.scalars(select(Version)).one().media_type = "application/pdf"
    before = read_live(resources)
    done = reparse(resources, applies=True)
    (failure,) = done.found["failures"]
    assert (failure["id"], failure["answers"]) == ("a", True)
    assert done.found["unreadable"] == 1
    assert read_live(resources) == before


def test_document_that_failed_before_is_read_once_more(
    resources: Resources, ingest: Ingest, sandbox: Sandbox
) -> None:
    ingest(article("a", "Tea."))
    with resources.database.write() as session:
        version = session.scalars(select(Version)).one()
        version.status, version.is_live, version.error_code = Status.FAILED, False, "no_text"
    (change,) = reparse(resources, applies=True).found["changes"]
    assert change["words_before"] is None
    work(resources, sandbox)
    assert get_document(resources, "help", "a").status is Status.READY


def test_document_in_the_queue_is_left_to_it(resources: Resources, ingest: Ingest) -> None:
    ingest(article("a", "Tea."))
    put_documents(resources, "help", [article("a", "Coffee.")])
    assert reparse(resources, applies=True).found["waiting"] == 1
    assert get_document(resources, "help", "a").version == 2


def test_attributes_and_names_of_the_upload_go_with_it(
    resources: Resources, ingest: Ingest, sandbox: Sandbox
) -> None:
    ingest(article("a", "Tea with milk.", filename="tea.txt", attributes={"year": 2025}, url="u:1"))
    store_as_read_before(resources, "a", "Tea.")
    reparse(resources, applies=True)
    work(resources, sandbox)
    document = get_document(resources, "help", "a")
    assert (document.version, document.title, document.url) == (2, "tea", "u:1")
    assert document.attributes == {"year": 2025}


def test_what_a_stop_cuts_off_goes_on_where_it_was(stored: Resources) -> None:
    ref = ref_of(stored, "help")
    started = start_reparse(stored, ref, applies=False)
    asked = iter([False, True])
    # Asked before each document: the first is read, and the second is not.
    assert reparse_some(stored, lambda: next(asked))
    assert get_reparse(stored.database, ref, started.id).found["read"] == 1
    while reparse_some(stored, lambda: False):
        pass
    assert get_reparse(stored.database, ref, started.id).found["read"] == 2


def test_one_reparse_of_a_collection_at_a_time(stored: Resources) -> None:
    ref = ref_of(stored, "help")
    start_reparse(stored, ref, applies=False)
    with pytest.raises(Conflict):
        start_reparse(stored, ref, applies=True)
    with pytest.raises(NotFound):
        get_reparse(stored.database, ref, "none")
