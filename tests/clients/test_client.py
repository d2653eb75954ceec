"""The client against a real server: every call, its errors, and waiting when the server asks."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from folio_client import AsyncFolio, Folio, FolioError, SearchResult

from app.config import Settings
from tests.api.service import Service, open_service
from tests.web_site import serve_site

CLIENT = Path(__file__).parents[2] / "clients" / "python"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, jina_v3: Path) -> Iterator[Service]:
    data = tmp_path_factory.mktemp("client")
    settings = Settings(
        data=data, model=str(jina_v3), passage_tokens=32, fetch_networks="127.0.0.1"
    )
    with open_service(settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def folio(service: Service) -> Iterator[Folio]:
    with Folio(service.url) as client:
        client.create_collection("help", "For customers")
        for name in ("tea", "milk", "coffee"):
            text = f"How to make {name}.\n\nSteep {name} for a minute."
            client.put_document("help", name, title=name.title(), text=text, wait_s=30)
        yield client


def test_collection_is_described_anew_and_measured(folio: Folio) -> None:
    changed = folio.change_collection("help", description="For everyone")
    assert changed.description == "For everyone"
    sums = folio.get_statistics("help")
    assert (sums.name, sum(one.documents for one in sums.languages)) == ("help", 3)
    assert sums.bytes >= sums.tokens > 0
    assert sums.last_upload_at is not None
    assert sums.failures == []


def test_article_goes_in_is_found_and_goes_out(folio: Folio) -> None:
    upload = folio.put_document("help", "a/b c", text="Cocoa.", attributes={"hot": True}, wait_s=30)
    assert upload.documents[0].status == "ready"
    document = folio.get_document("help", "a/b c", with_text=True)
    assert (document.text, document.attributes) == ("Cocoa.", {"hot": True})
    only = {"type": "eq", "key": "hot", "value": True}
    assert [hit.document_id for hit in folio.search("help", "cocoa", filters=only).results] == [
        "a/b c"
    ]
    assert folio.delete_document("help", "a/b c").deleted == "a/b c"
    assert {document.id for document in folio.list_documents("help")} == {"tea", "milk", "coffee"}


def test_articles_are_changed_sorted_and_erased_by_a_filter(folio: Folio) -> None:
    for n in range(3):
        folio.put_document("help", f"n{n}", text="Soup.", attributes={"n": n}, wait_s=30)
    changed = folio.change_document("help", "n0", attributes={"n": 9}, wait_s=30)
    assert changed.documents[0].change == "metadata"
    page = folio.page_documents("help", sort="-n", limit=2)
    assert ([document.id for document in page.documents], page.total) == (["n0", "n2"], 6)
    of_soup = {"type": "gte", "key": "n", "value": 0}
    found = folio.search("help", "soup", filters=of_soup, offset=1, limit=1, facets=["n"])
    assert (found.total, len(found.results)) == (3, 1)
    assert [(one.value, one.count) for one in found.facets["n"]] == [(1, 1), (2, 1), (9, 1)]
    counted = folio.delete_documents("help", of_soup)
    assert (counted.matched, counted.deleted, counted.ids) == (3, 0, ["n0", "n1", "n2"])
    assert folio.delete_documents("help", of_soup, confirm_count=3).deleted == 3
    assert {document.id for document in folio.list_documents("help")} == {"tea", "milk", "coffee"}


def test_page_is_fetched_by_the_server(folio: Folio) -> None:
    with serve_site() as site:
        upload = folio.import_page(
            "help", f"{site}/a", document_id="page", attributes={"web": True}, wait_s=30
        )
    assert (upload.documents[0].id, upload.documents[0].status) == ("page", "ready")
    document = folio.get_document("help", "page")
    assert (document.url, document.attributes) == (f"{site}/a", {"web": True})
    folio.delete_document("help", "page")
    with pytest.raises(FolioError, match="not on the public internet"):
        folio.import_page("help", "http://10.0.0.1/")


def test_file_is_followed_until_it_is_read(folio: Folio) -> None:
    upload = folio.put_file("help", "page.html", b"<h1>Cake</h1><p>Bake the cake.</p>")
    job = folio.wait_for_job(upload.job_id, timeout_s=60, pause_s=0.05)
    assert (job.is_pending, job.counts["ready"]) == (False, 1)
    assert folio.delete_document("help", "page.html").deleted == "page.html"


def test_context_keeps_to_its_budget(folio: Folio) -> None:
    context = folio.get_context("help", "steep the tea", max_tokens=40)
    assert 0 < context.tokens <= 40
    assert all(block.collection == "help" for block in context.blocks)


def test_key_of_an_empty_variable_is_none(service: Service, folio: Folio) -> None:
    with Folio(service.url, key="") as client:
        assert client.list_collections() == folio.list_collections()


def test_failure_has_status_code_and_words(folio: Folio) -> None:
    with pytest.raises(FolioError, match="no such collection") as failed:
        folio.search("nope", "tea")
    assert (failed.value.status, failed.value.code) == (404, "collection_not_found")
    with pytest.raises(FolioError) as gone, Folio("http://127.0.0.1:1") as nobody:
        nobody.list_collections()
    assert (gone.value.status, gone.value.code) == (0, "unreachable")


def test_ids_name_nothing_else_than_what_is_meant(folio: Folio) -> None:
    """Resolved on the way, a document `..` would be its collection."""
    for document_id in ("..", "../..", ".", "a/../../.."):
        with pytest.raises(FolioError) as failed:
            folio.delete_document("help", document_id)
        assert failed.value.code == "invalid_id", document_id
    for job_id in ("../collections/help", "..", "none?status=ready"):
        with pytest.raises(FolioError) as failed:
            folio.get_job(job_id)
        assert failed.value.status == 404, job_id
    assert folio.get_statistics("help").name == "help"


def test_coroutines_answer_as_threads_do(service: Service, folio: Folio) -> None:
    async def ask() -> tuple[SearchResult, list[str]]:
        async with AsyncFolio(service.url) as client:
            found, _ = await asyncio.gather(
                client.search("help", "tea", limit=2),
                client.get_context("help", "tea", max_tokens=9),
            )
            return found, [document.id async for document in client.list_documents("help")]

    found, ids = asyncio.run(ask())
    expected = folio.search("help", "tea", limit=2).results
    assert [(h.document_id, h.score) for h in found.results] == [
        (h.document_id, h.score) for h in expected
    ]
    assert set(ids) >= {"tea", "milk", "coffee"}


@pytest.mark.parametrize(("busy", "raises"), [(1, False), (2, False), (9, True)])
def test_busy_server_is_asked_again_when_it_says(busy: int, raises: bool) -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if len(asked) <= busy:
            problem = {"code": "queue_full", "detail": "try again"}
            return httpx.Response(429, json=problem, headers={"Retry-After": "0"})
        return httpx.Response(200, json={"collections": []})

    http = httpx.Client(base_url="http://folio", transport=httpx.MockTransport(answer))
    with Folio("", http=http) as client:
        if raises:
            with pytest.raises(FolioError, match="try again"):
                client.list_collections()
        else:
            assert client.list_collections() == []
    assert len(asked) == min(busy + 1, 4)


def test_page_of_a_proxy_is_no_answer() -> None:
    page = httpx.MockTransport(lambda _: httpx.Response(200, html="<h1>Sign in</h1>"))
    with (
        Folio("", http=httpx.Client(base_url="http://folio", transport=page)) as client,
        pytest.raises(FolioError, match="not Folio's") as failed,
    ):
        client.list_collections()
    assert (failed.value.status, failed.value.code) == (200, "unexpected_answer")


def test_client_brings_no_model_along() -> None:
    code = "import sys, folio_client; print({'torch', 'numpy', 'app'} & set(sys.modules))"
    run = [sys.executable, "-P", "-c", code]
    ran = subprocess.run(
        run, env={"PYTHONPATH": str(CLIENT)}, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "set()"
