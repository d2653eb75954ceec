"""What admins do every day: correct an article, try failed uploads again, mark and measure."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from markupsafe import escape

from app.config import Settings
from app.runtime.signals import SyncReport
from tests.admin.browser import Browser, open_browser, text_of
from tests.api.service import Collection, Service, open_service, poll

HOME = "/admin/collections/help"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, jina_v3: Path) -> Iterator[Service]:
    settings = Settings(data=tmp_path_factory.mktemp("work"), model=str(jina_v3), query_log_days=1)
    with open_service(settings) as opened:
        opened.new_collection("help").add(
            {"id": "tea", "text": "Tea takes four minutes.", "attributes": {"old": "1", "n": 7}}
        )
        yield opened


@pytest.fixture
def collection(service: Service) -> Collection:
    return Collection(service.http, "help")


@pytest.fixture
def browser(service: Service) -> Iterator[Browser]:
    with open_browser(service.url) as opened:
        yield opened


def test_title_address_and_attributes_are_edited_in_place(
    browser: Browser, collection: Collection
) -> None:
    page = browser.visit(f"{HOME}/articles/tea").text
    former = re.search(r'name="former" value="([^"]*)"', page)
    assert former
    assert "n: 7" in former[1]
    answer = browser.send(
        f"{HOME}/change",
        id="tea",
        title="Steeping",
        url="https://example.com/tea",
        former=former[1],
        attributes='n: 8\ncode: "01"\ntags: ["a", "b"]\nfree: two: parts',
    )
    assert answer.status_code == 200, text_of(answer)
    shown = poll(lambda: collection.get("tea"), lambda found: found["title"] == "Steeping")
    assert shown["url"] == "https://example.com/tea"
    assert shown["attributes"] == {"n": 8, "code": "01", "tags": ["a", "b"], "free": "two: parts"}
    assert "code: 01\n" in browser.visit(f"{HOME}/articles/tea").text


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"attributes": "no colon"}, "key: value"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"attributes": "deep: [[1]]"}, "attributes"),
        ({"attributes": "deeper: " + "[" * 100_000}, "attributes"),
    ],
)
def test_mistake_in_the_form_is_told_and_changes_nothing(
    browser: Browser, collection: Collection, fields: dict[str, str], told: str
) -> None:
    before = collection.get("tea")
    answer = browser.send(f"{HOME}/change", id="tea", title=before["title"], **fields)
    assert answer.status_code == 422
    assert told in text_of(answer)
    assert collection.get("tea")["attributes"] == before["attributes"]


def test_form_sent_back_as_it_was_changes_nothing(browser: Browser, collection: Collection) -> None:
    """What the file itself says stays the file's: no version is made for an attribute."""
    collection.finish(collection.put_file("headed.md", b"# Headed\n\nTea.", "text/markdown"))
    fields = {"id": "headed.md", "title": "Headed"}
    answer = browser.send(f"{HOME}/change", **fields)
    assert "Nothing was changed" in text_of(answer)
    assert "Changed." in text_of(browser.send(f"{HOME}/change", **fields, attributes="n: 1"))
    now = collection.get("headed.md")
    assert (now["title"], now["attributes"], now["version"]) == ("Headed", {"n": 1}, 1)


def test_title_of_two_lines_stays_where_only_an_attribute_changes(
    browser: Browser, collection: Collection
) -> None:
    collection.add({"id": "lines", "text": "Tea.", "title": "Tea\nwith milk"})
    # As a browser has it in a field of one line.
    form = {"id": "lines", "title": "Teawith milk", "attributes": "n: 1"}
    assert "Changed." in text_of(browser.send(f"{HOME}/change", **form))
    now = collection.get("lines")
    assert (now["title"], now["attributes"], now["version"]) == ("Tea\nwith milk", {"n": 1}, 1)


def test_attributes_with_odd_names_and_values_stay_as_they_are(
    browser: Browser, collection: Collection
) -> None:
    odd = {
        "dc:title": "a: b",
        '"quoted"': '"x"',
        "lines": "one\ntwo",
        "separator": "one\u2028two",
        " spaces ": " x ",
        "number": "7",
        "plain": "",
    }
    collection.add({"id": "odd", "text": "Tea.", "attributes": odd})

    def fields() -> dict[str, str]:
        page = browser.visit(f"{HOME}/articles/odd").text
        former = re.search(r'name="former" value="([^"]*)"', page)
        assert former
        # As a browser sends lines.
        return {"id": "odd", "former": unescape(former[1]).replace("\n", "\r\n")}

    form = fields()
    same = browser.send(f"{HOME}/change", **form, attributes=form["former"])
    assert "Nothing was changed" in text_of(same)
    more = form["former"].replace("a: b", "a: c") + '\r\n"new:one": 1'
    assert "Changed." in text_of(browser.send(f"{HOME}/change", **form, attributes=more))
    assert collection.get("odd")["attributes"] == {**odd, "dc:title": "a: c", "new:one": 1}


def test_pdf_is_shown_in_a_frame_and_nothing_else_is(
    browser: Browser, collection: Collection
) -> None:
    collection.finish(collection.put_file("page.html", b"<p>Tea</p>", "text/html"))
    collection.finish(collection.put_file("bad.pdf", b"%PDF-1.7 bad", "application/pdf"))
    html = browser.visit(f"{HOME}/originals/page.html?inline=true")
    assert html.headers["content-disposition"].startswith("attachment")
    pdf = browser.visit(f"{HOME}/originals/bad.pdf?inline=true")
    assert pdf.headers["content-disposition"] == "inline"
    assert pdf.headers["content-type"] == "application/pdf"
    assert "frame-ancestors 'self'" in pdf.headers["content-security-policy"]
    assert "<iframe" in browser.visit(f"{HOME}/articles/bad.pdf").text


@pytest.mark.parametrize(
    ("title", "document_id"),
    [
        ("\t Как \n очистить  ", "Как очистить"),
        ("ж" * 200, "ж" * 128),
        ("a" + "あ" * 100, "a" + "あ" * 85),
    ],
    ids=["spaces", "two bytes", "three bytes"],
)
def test_title_in_any_script_makes_the_id_of_what_is_pasted(
    browser: Browser, collection: Collection, title: str, document_id: str
) -> None:
    answer = browser.send(f"{HOME}/paste", title=title, text="Tea.")
    assert answer.status_code == 200, text_of(answer)
    assert collection.get(document_id)["version"] == 1
    assert collection.http.delete(collection.document_path(document_id)).is_success


def test_title_of_spaces_is_refused(browser: Browser) -> None:
    answer = browser.send(f"{HOME}/paste", title=" \t", text="Tea.")
    assert (answer.status_code, "title" in text_of(answer)) == (422, True)


def test_failed_article_is_named_and_tried_again(browser: Browser, collection: Collection) -> None:
    collection.finish(collection.put_file("broken.pdf", b"%PDF-1.7 broken", "application/pdf"))
    page = text_of(browser.visit(f"{HOME}/uploads"))
    assert "broken.pdf" in page
    answer = browser.send(f"{HOME}/retry")
    assert "read once more" in text_of(answer)


def test_right_article_is_marked_exported_and_measured(browser: Browser) -> None:
    question = "how long does tea take?"
    page = browser.visit(f"{HOME}/search?q={quote(question)}").text
    query = re.search(r'name="query" value="([0-9a-f]+)"', page)
    assert query
    marked = browser.send(f"{HOME}/feedback", query=query[1], q=question, document="tea")
    assert "tea is the right article" in text_of(marked)
    narrowed = {"q": question, "mode": "lexical", "filter": '{"type":"eq","key":"n","value":7}'}
    page = browser.visit(str(httpx.URL(f"{HOME}/search", params=narrowed))).text
    asked = re.search(r'name="asked" value="([^"]+)"', page)
    assert asked
    again = browser.send(
        f"{HOME}/feedback", query=query[1], q=question, document="tea", asked=unescape(asked[1])
    )
    assert narrowed.items() <= dict(again.url.params).items()
    exported = browser.visit(f"{HOME}/golden.jsonl")
    assert [json.loads(line) for line in exported.text.splitlines()] == [
        {"query": question, "relevant": {"tea": 1}}
    ]
    started = browser.send(f"{HOME}/measure")
    shown = poll(lambda: browser.visit(started.url.path), lambda answer: "nDCG@10" in answer.text)
    assert "<svg" in shown.text
    assert "style=" not in shown.text


def test_golden_set_is_added_to_changed_and_removed(
    service: Service, browser: Browser, collection: Collection
) -> None:
    home = "/admin/collections/set"
    service.new_collection("set").add({"id": "a: b", "text": "Tea."}, {"id": "c", "text": "Milk."})
    browser.visit(f"{home}/golden")
    added = browser.send(f"{home}/golden/add", query="which tea?", relevant="a: b\n\n gone ")
    assert "1 added" in text_of(added)
    assert "not in the collection: 1" in text_of(added)
    lines = """{"id": 7, "query": "which milk?", "relevant": {"c": 3}, "note": "x"}

{"query": "which moon?", "relevant": []}"""
    assert "2 added, 0 changed; the set has 3 now" in text_of(
        browser.send(f"{home}/golden/import", lines=lines)
    )
    milk = service.http.get("/v1/collections/set/golden").json()["queries"][1]
    form = {"id": str(milk["id"]), "query": "what milk?", "relevant": "c\na: b"}
    assert "Changed." in text_of(browser.send(f"{home}/golden/change", **form))
    moon = browser.visit(f"{home}/golden?after={milk['id']}").text
    last = re.search(r'name="id" value="([0-9]+)"', moon)
    assert last
    assert "removed" in text_of(browser.send(f"{home}/golden/remove", id=last[1]))
    exported = browser.visit(f"{home}/golden.jsonl").text.splitlines()
    assert [json.loads(line) for line in exported] == [
        {"query": "which tea?", "relevant": {"a: b": 1, "gone": 1}},
        {"query": "what milk?", "relevant": {"c": 3, "a: b": 1}},
    ]


def test_question_keeps_its_lines_where_only_its_articles_change(
    service: Service, browser: Browser
) -> None:
    golden = "/v1/collections/lines/golden"
    service.new_collection("lines").add({"id": "a", "text": "Tea."})
    question = "which tea?\n\n  the green one"
    body = {"queries": [{"query": question, "relevant": []}]}
    assert service.http.post(golden, json=body).is_success
    page = browser.visit("/admin/collections/lines/golden").text
    # The first end of a line is not part of the text.
    shown = re.search(r'<textarea id="query-(\d+)"[^>]*>\n([^<]*)</textarea>', page)
    assert shown
    form = {"id": shown[1], "query": unescape(shown[2]).replace("\n", "\r\n"), "relevant": "a"}
    browser.send("/admin/collections/lines/golden/change", **form)
    (kept,) = service.http.get(golden).json()["queries"]
    assert (kept["query"], kept["relevant"]) == (question, {"a": 1})


def test_golden_question_that_is_saved_as_it_was_stays_as_it_is(
    service: Service, browser: Browser
) -> None:
    golden = "/v1/collections/same/golden"
    service.new_collection("same")
    asked = {"query": " which tea?\n", "relevant": {" sp ": 2, "l\u2028s": 3}}
    assert service.http.post(golden, json={"queries": [asked]}).is_success
    (before,) = service.http.get(golden).json()["queries"]
    page = browser.visit("/admin/collections/same/golden").text
    query, ids = (
        re.search(rf'<textarea id="{name}-\d+"[^>]*>\n?([^<]*)</textarea>', page)
        for name in ("query", "relevant")
    )
    assert query
    assert ids
    shown = {"query": query[1], "relevant": ids[1]}
    form = {name: unescape(text).replace("\n", "\r\n") for name, text in shown.items()}
    browser.send("/admin/collections/same/golden/change", id=str(before["id"]), **form)
    (after,) = service.http.get(golden).json()["queries"]
    assert (after["query"], after["relevant"]) == (before["query"], before["relevant"])


@pytest.mark.parametrize(
    "line",
    ["no json", "[" * 100_000, '{"query": "tea"}', '{"query": 7, "relevant": []}', '"\\ud800"'],
)
def test_line_that_is_no_question_is_named_and_nothing_is_imported(
    browser: Browser, collection: Collection, line: str
) -> None:
    before = browser.visit(f"{HOME}/golden.jsonl").text
    lines = f'{{"query": "is this imported?", "relevant": []}}\n{line}'
    answer = browser.send(f"{HOME}/golden/import", lines=lines)
    assert answer.status_code == 422
    assert "line 2" in text_of(answer)
    assert browser.visit(f"{HOME}/golden.jsonl").text == before


def test_feedback_of_others_is_suggested_and_added(
    service: Service, browser: Browser, collection: Collection
) -> None:
    asked = service.http.post(f"{collection.path}/search", json={"query": "tea minutes?"}).json()
    said = {"query_id": asked["query_id"], "document_id": "tea"}
    assert service.http.post("/v1/feedback", json=said).is_success
    suggested = text_of(browser.visit(f"{HOME}/golden"))
    assert "tea minutes?" in suggested.partition("Suggested by feedback")[2]
    shown = text_of(browser.send(f"{HOME}/golden/add", query="tea minutes?", relevant="tea"))
    assert "Suggested by feedback" not in shown
    assert "tea minutes?" in shown


def test_question_without_an_answer_is_noted_as_a_gap(browser: Browser) -> None:
    question = "is there a museum of spoons?"
    page = browser.visit(f"{HOME}/search?q={quote(question)}").text
    query = re.search(r'name="query" value="([0-9a-f]+)"', page)
    assert query
    noted = browser.send(f"{HOME}/feedback", query=query[1], q=question)
    assert "nothing here answers" in text_of(noted)
    assert question in text_of(browser.visit(f"{HOME}/questions"))
    assert json.dumps({"query": question, "relevant": {}}) in (
        browser.visit(f"{HOME}/golden.jsonl").text
    )


def test_article_shows_the_questions_that_found_it(
    service: Service, browser: Browser, collection: Collection
) -> None:
    collection.add({"id": "steam", "text": "Steam the milk."})
    asked = {"query": "how is milk <b>steamed</b>", "limit": 20}
    answer = service.http.post(f"{collection.path}/search", json=asked).json()
    said = {"query_id": answer["query_id"], "helpful": True, "document_id": "steam"}
    assert service.http.post("/v1/feedback", json=said).is_success
    parameters = {"document_id": "steam"}
    found = service.http.get(f"{collection.path}/questions", params=parameters).json()["questions"]
    kept = [(one["query"], one["helpful"], one["unhelpful"], one["chosen"]) for one in found]
    assert kept == [("how is milk <b>steamed</b>", 1, 0, 1)]
    page = browser.visit(f"{HOME}/articles/steam")
    assert "how is milk &lt;b&gt;steamed" in page.text
    assert "helpful to 1, the right article to 1" in text_of(page)
    missing = service.http.get(f"{collection.path}/questions", params={"document_id": "none"})
    assert missing.status_code == 404


def test_collections_page_shows_what_each_comes_to_and_why_some_failed(
    browser: Browser, service: Service
) -> None:
    collection = service.new_collection("sums")
    collection.add({"id": "a", "text": "The tea is poured over the leaves and left for a while."})
    collection.finish(collection.put_file("bad.pdf", b"%PDF-1.7 bad", "application/pdf"))
    sums = service.http.get(f"{collection.path}/statistics").json()
    row = browser.visit("/admin").text.partition("/admin/collections/sums")[2].partition("</tr>")[0]
    assert f"{sums['bytes']} bytes" in row
    assert f'class="number">{sums["tokens"]}</td>' in row
    assert 'href="/admin/collections/sums?status=failed"' in row
    assert "<code>unreadable_pdf</code>" in row
    assert "bad.pdf" in text_of(browser.visit("/admin/collections/sums?status=failed"))


def test_missing_article_is_begun_with_the_question_as_its_title(
    browser: Browser, service: Service
) -> None:
    collection = service.new_collection("gaps")
    collection.add({"id": "a", "text": "The tea is poured over the leaves."})
    question = 'who repairs "bicycles" & <b>boats</b>?'
    asked = {"query": question, "filters": {"type": "eq", "key": "n", "value": 1}}
    assert service.http.post(f"{collection.path}/search", json=asked).is_success
    home = "/admin/collections/gaps"
    page = poll(lambda: browser.visit(f"{home}/questions").text, lambda said: "Write it" in said)
    link = re.search(r'href="([^"]+)">Write it', page)
    assert link
    opened = browser.visit(unescape(link[1]))
    assert '<details id="write" open>' in opened.text
    assert f'value="{escape(question)}"' in opened.text
    assert '<details id="write">' in browser.visit(home).text


def test_description_is_edited_on_the_page(browser: Browser, service: Service) -> None:
    service.new_collection("told")
    path = "/admin/collections/told"
    for said in ("For <b>customers</b>", ""):
        answer = browser.send(f"{path}/describe", description=said)
        assert "Changed." in text_of(answer)
        assert service.http.get("/v1/collections/told").json()["description"] == said
    assert browser.send(f"{path}/describe", description="x" * 4097).status_code == 422


def test_dropped_files_are_checked_one_by_one_and_not_stored(
    browser: Browser, service: Service
) -> None:
    collection = service.new_collection("checked")
    kept = "The tea is poured over the leaves and left for four minutes. Then it is drunk."
    collection.add({"id": "tea.md", "title": "Tea", "text": kept})
    browser.visit("/admin")
    files = [
        ("files", ("near.md", f"# Tea\n\n{kept}".encode())),
        ("files", ("tea.md", b"# Milk\n\nMilk is steamed.")),
        ("files", ("broken.pdf", b"%PDF-1.7 and no more")),
    ]
    answer = browser.http.post(
        "/admin/collections/checked/files/preflight",
        files=files,
        headers={"X-CSRF-Token": browser.csrf},
    )
    assert answer.status_code == 200, text_of(answer)
    near, same, broken = answer.text.split('<li class="card long checked">')[1:]
    assert "says nearly the same" in near
    assert "/admin/collections/checked/articles/tea.md" in near
    assert "would replace" in same
    assert "would replace" not in near
    assert "<code>unreadable_pdf</code>" in broken
    assert [document["id"] for document in collection.page()["documents"]] == ["tea.md"]
    assert collection.get("tea.md")["version"] == 1


def test_archive_of_more_articles_than_are_checked_is_told(
    browser: Browser, service: Service
) -> None:
    service.new_collection("packed")
    lines = "\n".join(json.dumps({"id": f"a{n}", "text": "Tea."}) for n in range(21))
    answer = browser.http.post(
        "/admin/collections/packed/files/preflight",
        files={"files": ("many.jsonl", lines.encode())},
        headers={"X-CSRF-Token": browser.csrf},
    )
    assert answer.status_code == 200
    assert "would fail: these are 21 articles; at most 20" in text_of(answer)


@pytest.mark.data_folder
def test_backup_is_made_listed_and_erased(browser: Browser, service: Service) -> None:
    made = browser.send("/admin/backups", keep_days="3")
    assert made.status_code == 200, text_of(made)
    assert "being made" in text_of(made)

    def read() -> str:
        return browser.visit("/admin/operations").text

    page = poll(read, lambda page: 'class="badge ready">ready' in page)
    row = page.partition('aria-label="Backups"')[2].partition("</table>")[0]
    assert "less than an hour" in row
    name = re.search(r'name="backup" value="([^"]+)"', row)
    assert name
    assert "was erased" in text_of(browser.send("/admin/backups/delete", backup=name[1]))
    assert name[1] not in browser.visit("/admin/operations").text
    gone = browser.send("/admin/backups/delete", backup=name[1])
    assert (gone.status_code, "no such backup" in text_of(gone)) == (404, True)
    assert browser.send("/admin/backups", keep_days="0").status_code == 422


def test_questions_of_the_log_are_shown_filtered_and_asked_again(
    browser: Browser, service: Service, collection: Collection
) -> None:
    name = service.new_collection("asked").name
    home, asked = f"/admin/collections/{name}", Collection(service.http, name)
    asked.add({"id": "tea", "text": "Tea takes four minutes."})
    odd = "how & why? 100% #tea + milk"
    ids = {text: asked.search(text)["query_id"] for text in (odd, "kettle")}
    feedback = {"query_id": ids[odd], "helpful": True}
    assert service.http.post("/v1/feedback", json=feedback).is_success
    assert {odd, "kettle"} <= set(cards(browser.visit(f"{home}/questions")))
    assert cards(browser.visit(f"{home}/questions?show=helpful")) == [odd]
    assert cards(browser.visit(f"{home}/questions?show=nothing")) == ["kettle"]
    page = browser.visit(f"{home}/questions?show=helpful").text
    again = re.search(rf'href="({home}/search[^"]*)">Ask it again', page)
    assert again
    assert f'value="{escape(odd)}"' in browser.visit(unescape(again[1])).text
    assert browser.visit(f"{home}/questions?show=so").status_code == 422
    assert browser.visit(f"{home}/questions?before=none").status_code == 422


def cards(answer: httpx.Response) -> list[str]:
    log = answer.text.partition('id="log-title"')[2]
    return [unescape(text) for text in re.findall(r"<b><bdi>(.*?)</bdi></b>", log)]


def test_evaluations_are_listed_with_their_figures(browser: Browser, service: Service) -> None:
    name = service.new_collection("measured").name
    Collection(service.http, name).add({"id": "tea", "text": "Tea takes four minutes."})
    body = {"collection": name, "queries": [{"query": "tea", "relevant": ["tea"]}]}
    made = service.http.post("/v1/evaluations", json=body).json()["id"]
    path = f"/v1/evaluations/{made}"
    poll(lambda: service.http.get(path).json(), lambda one: one["status"] == "done")
    page = browser.visit("/admin/quality").text
    row = page.partition(f'href="/admin/evaluations/{made}"')[2].partition("</tr>")[0]
    assert "1.000" in row
    assert "hybrid" in row
    assert browser.visit(f"/admin/evaluations/{made}").status_code == 200
    erased = browser.send(f"/admin/evaluations/{made}/remove")
    assert "The evaluation was erased." in text_of(erased)
    assert service.http.get(path).status_code == 404
    assert made not in browser.visit("/admin/quality").text


def test_last_sync_is_told_among_the_findings(browser: Browser, service: Service) -> None:
    signals = service.resources.signals
    signals.last_sync = SyncReport(datetime(2026, 11, 29, tzinfo=UTC), None, added=3, failed=1)
    page = text_of(browser.visit("/admin/operations"))
    assert "at 2026-11-29T00:00:00+00:00: 3 added, 0 changed" in page
    signals.last_sync = SyncReport(datetime(2026, 11, 29, tzinfo=UTC), "storage_full")
    assert "ended with storage_full" in text_of(browser.visit("/admin/operations"))
    signals.last_sync = None
