"""The pages over HTTP: who sees what, whose forms are taken, and what becomes of hostile text."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from markupsafe import escape

from app.admin.pages import HEADERS
from app.admin.sessions import MAX_SESSIONS, Sessions
from app.config import Settings
from app.domain import Scope
from app.services.access.keys import create_key, revoke_key
from tests.admin.browser import Browser, text_of
from tests.api.service import Service, open_service, poll

ARTICLE = "/admin/collections/own/articles/a"
ADMIN_ONLY = {"/admin/quality", "/admin/operations"}
WRITERS_ONLY = {
    f"/admin/collections/own/{path}" for path in ("questions", "golden", "golden.jsonl")
}
FORMS: dict[str, dict[str, str]] = {
    "/admin/collections": {"name": "made"},
    "/admin/collections/own/delete": {"confirm": "own"},
    "/admin/collections/own/describe": {"description": "made"},
    "/admin/collections/own/paste": {"title": "Pasted", "text": "Tea."},
    "/admin/collections/own/preflight": {"title": "Pasted", "text": "Tea."},
    "/admin/collections/own/files/preflight": {},
    "/admin/collections/own/imports": {"url": "http://127.0.0.1/"},
    "/admin/collections/own/imports/preflight": {"url": "http://127.0.0.1/"},
    "/admin/collections/own/upload": {},
    "/admin/collections/own/rollback": {"id": "a", "version": "1"},
    "/admin/collections/own/erase": {"id": "a"},
    "/admin/collections/own/change": {"id": "a", "title": "Made"},
    "/admin/collections/own/feedback": {"query": "none", "document": "a"},
    "/admin/collections/own/golden/add": {"query": "tea?", "relevant": "a"},
    "/admin/collections/own/golden/change": {"id": "1", "query": "tea?", "relevant": "a"},
    "/admin/collections/own/golden/remove": {"id": "1"},
    "/admin/collections/own/golden/import": {"lines": '{"query": "tea?", "relevant": ["a"]}'},
    "/admin/collections/own/measure": {},
    "/admin/collections/own/calibrate": {},
    "/admin/collections/own/retry": {},
    "/admin/jobs/none/cancel": {},
    "/admin/evaluations/none/remove": {},
    "/admin/quality/tune": {"collection": "own"},
    "/admin/quality/rollback": {"generation": "1"},
    "/admin/quality/remove": {"generation": "1"},
    "/admin/backups": {"keep_days": "3"},
    "/admin/backups/delete": {"backup": "none"},
    "/admin/keys": {"name": "made", "days": "3"},
    "/admin/keys/revoke": {"key": "none"},
    "/admin/sign-out": {},
}
# A reader may say which article is right, but nobody asked this question; and no such job.
UNKNOWN_TO_READERS = {"/admin/collections/own/feedback", "/admin/jobs/none/cancel"}
OWNERS_FORMS = {
    "/admin/collections",
    "/admin/collections/own/delete",
    "/admin/collections/own/describe",
    "/admin/collections/own/measure",
    "/admin/collections/own/calibrate",
    "/admin/evaluations/none/remove",
    "/admin/quality/tune",
    "/admin/quality/rollback",
    "/admin/quality/remove",
    "/admin/backups",
    "/admin/backups/delete",
    "/admin/keys",
    "/admin/keys/revoke",
}
HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)//",
    "data:text/html,<script>alert(1)</script>",
    '"><script>alert(1)</script>',
    "'><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "{{ 777777777 * 777777 }}",
    "{% raw %}{{ csrf }}{% endraw %}",
    "${7*7}",
    "<!-- --><b>bold</b>",
    "<iframe src=//example.com></iframe>",
    "<base href=//example.com>",
    "<meta http-equiv=refresh content=0;url=//example.com>",
    "<link rel=stylesheet href=//example.com>",
    "<style>body{display:none}</style>",
    "<form action=//example.com><button>go</button></form>",
    "<textarea>",
    "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
    "\u202egnp.exe",
    "a\u200bb\u2066c\u2069",
    "W" * 800,
    "&lt;script&gt;alert(1)&lt;/script&gt;",
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, jina_v3: Path) -> Iterator[Service]:
    settings = Settings(data=tmp_path_factory.mktemp("pages"), model=str(jina_v3), query_log_days=1)
    with open_service(settings, requires_keys=True) as opened:
        admin = make_key(opened, Scope.ADMIN)
        headers = {"Authorization": f"Bearer {admin}"}
        with httpx.Client(base_url=opened.url, headers=headers, timeout=60) as http:
            for name in ("own", "other"):
                assert http.post("/v1/collections", json={"name": name}).is_success
                path = f"/v1/collections/{name}/documents/a"
                for text in ("Tea.", "Tea with milk."):
                    params = {"wait": "30"}
                    body = {"title": f"Tea of {name}", "text": text}
                    assert http.put(path, json=body, params=params).is_success
        yield opened


def make_key(service: Service, scope: Scope, *collections: str) -> str:
    _, token = create_key(service.resources.database, scope=scope, collections=collections or None)
    return token


@pytest.fixture
def browser(service: Service) -> Iterator[Browser]:
    with httpx.Client(base_url=service.url, timeout=60) as http:
        yield Browser(http)


def page_routes(service: Service) -> list[tuple[str, str]]:
    """Return (method, path) of all pages, with a collection and an article filled in."""
    routes = [context.original_route for context in iter_route_contexts(service.app.routes)]
    values = {"collection": "own", "id": "a", "job_id": "none", "name": "style.css"}
    values |= {"evaluation_id": "none", "path": "none"}
    return [
        (method, route.path.replace(":path}", "}").format(**values))
        for route in routes
        if isinstance(route, APIRoute) and route.path.startswith("/admin")
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]


def test_visitor_sees_nothing_but_the_sign_in_page(service: Service, browser: Browser) -> None:
    visited = 0
    for method, path in page_routes(service):
        if method != "GET" or path in {"/admin/sign-in", "/admin/static/style.css"}:
            continue
        answer = browser.http.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin/sign-in"), path
        visited += 1
    assert visited >= 7
    assert browser.sign_in("folio_none_" + "x" * 43).status_code == 401
    assert browser.http.get("/admin").status_code == 303


def test_every_page_has_its_headers_also_an_error(service: Service, browser: Browser) -> None:
    browser.sign_in(make_key(service, Scope.ADMIN))
    for path in ("/admin", ARTICLE, "/admin/collections/none", "/admin/static/style.css"):
        answer = browser.visit(path)
        for name in HEADERS.keys() - {"Cache-Control"}:
            assert answer.headers[name] == HEADERS[name], path


def test_cookie_is_kept_from_scripts_and_other_sites(browser: Browser) -> None:
    cookie = browser.http.get("/admin/sign-in").headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/admin" in cookie


def test_session_is_another_one_after_signing_in(service: Service, browser: Browser) -> None:
    """One that somebody planted before is worth nothing afterwards."""
    planted = browser.http.get("/admin/sign-in").cookies["folio_session"]
    browser.sign_in(make_key(service, Scope.ADMIN))
    with httpx.Client(base_url=service.url, cookies={"folio_session": planted}) as other:
        assert other.get("/admin").status_code == 303


def test_no_form_is_taken_without_its_token(service: Service, browser: Browser) -> None:
    browser.sign_in(make_key(service, Scope.ADMIN))
    posts = [path for method, path in page_routes(service) if method == "POST"]
    assert set(posts) - {"/admin/sign-in"} == set(FORMS)
    for path in posts:
        for token in ("", "x" * 43):
            answer = browser.http.post(path, data={**FORMS.get(path, {}), "csrf": token})
            assert answer.status_code == 403, path
            assert "out of date" in text_of(answer)
            assert "sign in in another tab" in text_of(answer)
    assert browser.visit(ARTICLE).status_code == 200
    assert "made" not in text_of(browser.visit("/admin"))


def test_key_sees_on_the_pages_what_it_sees_over_rest(service: Service, browser: Browser) -> None:
    browser.sign_in(make_key(service, Scope.READ, "own"))
    assert "own" in text_of(browser.visit("/admin"))
    assert "other" not in text_of(browser.visit("/admin"))
    assert browser.visit(ARTICLE).status_code == 200
    assert "Tea of own" in text_of(browser.visit("/admin/collections/own/search?q=tea"))
    for path in ("", "/articles/a", "/originals/a", "/search", "/questions", "/uploads", "/golden"):
        answer = browser.visit(f"/admin/collections/other{path}")
        assert answer.status_code == 404, path
        assert "Tea of other" not in answer.text
    for path in sorted(ADMIN_ONLY | WRITERS_ONLY):
        assert browser.visit(path).status_code == 403, path
    for path, fields in FORMS.items():
        if path != "/admin/sign-out":
            expected = 404 if path in UNKNOWN_TO_READERS else 403
            assert browser.send(path, **fields).status_code == expected, path
    assert browser.visit(ARTICLE).status_code == 200


def test_forms_that_a_key_may_not_send_are_not_shown_to_it(
    service: Service, browser: Browser
) -> None:
    pages = [
        "",
        *(f"/collections/own{path}" for path in ("", "/articles/a", "/search", "/uploads")),
    ]
    allowed = {"read": {"/admin/sign-out"}, "write": {*FORMS} - OWNERS_FORMS}
    for scope in (Scope.READ, Scope.WRITE):
        browser.sign_in(make_key(service, scope, "own"))
        for page in (*pages, *(["/collections/own/golden"] if scope is Scope.WRITE else [])):
            shown = browser.visit(f"/admin{page}")
            assert shown.status_code == 200
            actions = set(re.findall(r'action="([^"]+)"', shown.text))
            assert actions <= allowed[scope.value] | {"/admin/collections/own/feedback"}, page
            linked = set(re.findall(r'href="(/admin[^"?#]*)"', shown.text))
            for path in linked:
                assert browser.http.get(path).status_code == 200, path


def test_questions_of_others_are_for_keys_that_may_write(
    service: Service, browser: Browser
) -> None:
    admin = {"Authorization": f"Bearer {make_key(service, Scope.ADMIN)}"}
    search = f"{service.url}/v1/collections/own/search"
    body = {"query": "what about their tea"}
    assert httpx.post(search, json=body, headers=admin, timeout=60).is_success
    browser.sign_in(make_key(service, Scope.WRITE, "own"))
    assert body["query"] in text_of(browser.visit(ARTICLE))
    browser.sign_in(make_key(service, Scope.READ, "own"))
    assert body["query"] not in text_of(browser.visit(ARTICLE))


def test_revoked_key_is_signed_out_everywhere(service: Service, browser: Browser) -> None:
    info, token = create_key(service.resources.database, scope=Scope.ADMIN)
    browser.sign_in(token)
    assert browser.http.get("/admin").status_code == 200
    revoke_key(service.resources.database, info.id)
    refused = browser.visit("/admin")
    assert refused.status_code == 401
    assert "no longer valid" in text_of(refused)
    assert "Sign out" not in text_of(refused)
    assert browser.sign_in(make_key(service, Scope.ADMIN)).status_code == 200
    assert browser.http.get("/admin").status_code == 200


def test_signing_out_ends_the_session(service: Service, browser: Browser) -> None:
    browser.sign_in(make_key(service, Scope.ADMIN))
    former = browser.http.cookies["folio_session"]
    assert "signed out" in text_of(browser.send("/admin/sign-out"))
    with httpx.Client(base_url=service.url, cookies={"folio_session": former}) as other:
        assert other.get("/admin").status_code == 303


def test_visitors_push_out_visitors_and_nobody_who_signed_in() -> None:
    sessions = Sessions(lifetime_s=60)
    admin, first = sessions.start("admin"), sessions.start(None)
    last = [sessions.start(None) for _ in range(MAX_SESSIONS)][-1]
    assert sessions.find(admin.id) is admin
    assert sessions.find(first.id) is None
    assert sessions.find(last.id) is last
    sessions.end(admin)
    assert sessions.find(admin.id) is None


def test_one_time_link_signs_in_once(service: Service, browser: Browser) -> None:
    link = service.app.state.sessions.invite()
    assert "Collections" in text_of(browser.visit(f"/admin/sign-in?link={link}"))
    with httpx.Client(base_url=service.url) as other:
        assert "used already" in text_of(Browser(other).visit(f"/admin/sign-in?link={link}"))


def test_earlier_version_is_compared_and_made_the_newest(
    service: Service, browser: Browser
) -> None:
    browser.sign_in(make_key(service, Scope.ADMIN))
    page = text_of(browser.visit(f"{ARTICLE}?compare=1"))
    assert "-Tea." in page
    assert "+Tea with milk." in page
    answer = browser.send("/admin/collections/own/rollback", id="a", version="1")
    assert answer.status_code == 200
    assert "Version 1 is read once more" in text_of(answer)


def test_changed_lines_that_look_like_the_head_of_a_diff_are_compared(
    service: Service, browser: Browser
) -> None:
    admin = {"Authorization": f"Bearer {make_key(service, Scope.ADMIN)}"}
    path = f"{service.url}/v1/collections/own/documents/options"
    for text in ("--verbose says more", "++ says more"):
        put = httpx.put(path, json={"text": text}, params={"wait": "30"}, headers=admin, timeout=60)
        assert put.is_success
    browser.sign_in(make_key(service, Scope.ADMIN))
    page = text_of(browser.visit("/admin/collections/own/articles/options?compare=1"))
    assert "---verbose says more" in page
    assert "+++ says more" in page
    assert httpx.delete(path, headers=admin, timeout=60).is_success


def test_collection_is_made_and_erased_only_by_its_typed_name(
    service: Service, browser: Browser
) -> None:
    browser.sign_in(make_key(service, Scope.ADMIN))
    assert browser.send("/admin/collections", name="brief").status_code == 200
    wrong = browser.send("/admin/collections/brief/delete", confirm="brie")
    assert (wrong.status_code, "type brief" in text_of(wrong)) == (422, True)
    assert "brief was erased" in text_of(
        browser.send("/admin/collections/brief/delete", confirm="brief")
    )


def test_new_key_is_shown_once_and_works(service: Service, browser: Browser) -> None:
    browser.sign_in(make_key(service, Scope.ADMIN))
    page = browser.send("/admin/keys", name="bot", scope="read", collection="own", days="3")
    # To reload it, or to come back to it, makes no other key.
    assert (page.request.method, page.url.path) == ("GET", "/admin/operations")
    token = page.text.partition('id="new-key">')[2].partition("<")[0]
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{service.url}/v1/collections/own", headers=headers).is_success
    assert token not in browser.visit("/admin/operations").text


def test_address_without_a_page_is_told_on_a_page(service: Service, browser: Browser) -> None:
    """One that only takes forms is met by the back button."""
    browser.sign_in(make_key(service, Scope.READ, "own"))
    for path in ("/admin/nothing", "/admin/keys", "/admin/collections/own/paste"):
        answer = browser.visit(path)
        assert (answer.status_code, answer.headers["content-type"][:9]) == (404, "text/html"), path
        assert "no such page" in text_of(answer)
    home = browser.http.get("/admin/")
    assert (home.status_code, home.headers["location"]) == (303, "/admin")


def test_times_of_the_process_are_drawn(service: Service, browser: Browser) -> None:
    browser.sign_in(make_key(service, Scope.ADMIN))
    for _ in range(3):
        browser.visit("/admin")
    page = browser.visit("/admin/operations").text
    row = page.partition("<code>GET /admin</code>")[2].partition("</tr>")[0]
    assert row.count("<rect") == row.count("<title>up to") + row.count("<title>over") > 10
    answered = re.search(r'number">([0-9]+)<', row)
    assert answered
    drawn = sum(int(count) for count in re.findall(r": ([0-9]+)</title>", row))
    assert 3 <= drawn == int(answered[1])
    assert "style=" not in page


def test_tuning_asks_for_questions_and_says_how_many(service: Service, browser: Browser) -> None:
    browser.sign_in(make_key(service, Scope.ADMIN))
    assert "Tune the model" in text_of(browser.visit("/admin/quality"))
    empty = browser.send("/admin/quality/tune", collection="other")
    assert (empty.status_code, "is empty" in text_of(empty)) == (409, True)
    lines = '{"query": "tea?", "relevant": ["a"]}'
    assert browser.send("/admin/collections/other/golden/import", lines=lines).status_code == 200
    few = browser.send("/admin/quality/tune", collection="other")
    assert (few.status_code, "at least 40" in text_of(few)) == (422, True)


def test_pasted_article_is_checked_before_it_is_stored(service: Service, browser: Browser) -> None:
    browser.sign_in(make_key(service, Scope.WRITE, "own"))
    form = {"title": "Tea of own", "text": "\nTea with milk."}
    page = browser.send("/admin/collections/own/preflight", **form)
    assert page.status_code == 200, text_of(page)
    near = page.text.partition("say nearly the same")[2].partition("</section>")[0]
    assert "/admin/collections/own/articles/a" in near
    assert "articles/Tea%20of%20own" not in browser.visit("/admin/collections/own").text
    empty = browser.send("/admin/collections/own/preflight", title="Empty", text=" ")
    assert empty.status_code == 422


def test_form_that_is_too_large_is_told_on_a_page(service: Service, browser: Browser) -> None:
    browser.sign_in(make_key(service, Scope.WRITE, "own"))
    answer = browser.send("/admin/collections/own/paste", title="Large", text="x" * 2**20)
    assert (answer.status_code, answer.headers["content-type"][:9]) == (413, "text/html")
    assert "at most 1048576 bytes" in text_of(answer)
    answer = browser.send("/admin/sign-in", key="x" * 2**20)
    assert (answer.status_code, "at most 8192 bytes" in text_of(answer)) == (413, True)
    many = {f"f{number}": "" for number in range(1000)}
    answer = browser.send("/admin/collections/own/paste", **many)
    assert (answer.status_code, "at most 1000 fields" in text_of(answer)) == (422, True)


@pytest.mark.parametrize(
    ("path", "status"), [("/admin/collections", b"403"), ("/admin/sign-in", b"413")]
)
def test_form_of_a_stranger_is_refused_before_it_is_read(
    service: Service, path: str, status: bytes
) -> None:
    """To parse it would keep everybody waiting."""
    with begin_form(service, path, size=900_000) as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 " + status)


def test_browser_that_hangs_up_amid_a_form_is_no_error_of_the_service(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    cut = service.app.state.metrics.requests.labels("POST", "/admin/sign-in", "400")
    before = cut._value.get()
    begin_form(service, "/admin/sign-in", size=100).close()
    poll(cut._value.get, lambda count: count == before + 1)
    assert caplog.text == ""


def begin_form(service: Service, path: str, *, size: int) -> socket.socket:
    """Send a form but for its last bytes."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\ncsrf="
    )
    url = service.http.base_url
    connection = socket.create_connection((url.host, url.port or 80), timeout=30)
    connection.sendall(head.encode())
    return connection


def test_method_that_a_page_does_not_have_is_told_with_those_that_it_has(service: Service) -> None:
    for path, allowed in (
        ("/admin", "GET"),
        ("/admin/sign-in", "GET, POST"),
        ("/docs", "GET"),
    ):
        answer = service.http.delete(path)
        assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)


def test_pasted_article_may_be_as_large_as_one_that_is_uploaded(
    service: Service, browser: Browser
) -> None:
    """A browser sends it as multipart: encoded, each of these characters would take nine bytes."""
    browser.sign_in(make_key(service, Scope.WRITE, "own"))
    forms = browser.visit("/admin/collections/own").text
    assert 'own/paste" enctype="multipart/form-data"' in forms
    text = "Tea." + "\N{EM SPACE}" * 500_000
    fields = {"csrf": browser.csrf, "title": "Long tea", "text": text}
    answer = browser.http.post(
        "/admin/collections/own/paste",
        files={name: (None, value) for name, value in fields.items()},
    )
    assert answer.status_code == 303, text_of(answer)
    assert browser.send("/admin/collections/own/erase", id="Long tea").status_code == 200


def test_files_are_taken_only_where_articles_come(service: Service, browser: Browser) -> None:
    """A form of any other page, a stranger's too, would be written to the disk without a limit."""
    files = {"key": ("key", b"x" * 2**21)}
    assert browser.http.post("/admin/sign-in", files=files).status_code == 415
    browser.visit("/admin/sign-in")
    token = {"X-CSRF-Token": browser.csrf}
    assert browser.http.post("/admin/sign-in", files=files, headers=token).status_code == 415
    for path in ("paste", "upload"):
        answer = browser.http.post(f"/admin/collections/own/{path}", files=files)
        assert (answer.status_code, "you were signed out" in text_of(answer)) == (403, True)
    browser.sign_in(make_key(service, Scope.ADMIN))
    taking = {f"/admin/collections/own/{path}" for path in ("upload", "files/preflight")}
    pasting = {f"/admin/collections/own/{path}" for path in ("paste", "preflight")}
    fetching = {f"/admin/collections/own/{path}" for path in ("imports", "imports/preflight")}
    for path in FORMS.keys() - taking - pasting - fetching:
        assert browser.http.post(path, files=files).status_code == 415, path
    for path in pasting:
        answer = browser.http.post(path, files=files)
        assert (answer.status_code, "Too many files" in text_of(answer)) == (400, True), path


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_only_text(service: Service, browser: Browser, hostile: str) -> None:
    """As title, id, attribute, text, question, golden question, name: no tag of it is left."""
    key = make_key(service, Scope.ADMIN)
    document_id = hostile[:60]
    body = {"title": hostile, "text": f"{hostile} tea.", "attributes": {"note": hostile}}
    put = httpx.post(
        f"{service.url}/v1/collections/own/documents",
        json={"documents": [{"id": document_id, **body}]},
        params={"wait": "30"},
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
    )
    assert put.is_success, put.text
    browser.sign_in(key)
    added = browser.send(
        "/admin/collections/own/golden/add", query=f"{hostile} tea?", relevant=document_id
    )
    assert "<script>" not in added.text
    named = browser.send("/admin/collections", name=hostile[:64], description=hostile)
    # The one that is only long is a name.
    assert named.status_code == (200 if hostile.isalpha() else 422)
    # A name of its own, so that one case that fails leaves nothing in the way of the others.
    own_name = f"described-{HOSTILE.index(hostile)}"
    described = browser.send("/admin/collections", name=own_name, description=hostile)
    assert described.status_code == 200
    file = {"files": (f"{hostile[:200]}.pdf", b"%PDF-1.7 and no more")}
    dropped = browser.http.post(
        "/admin/collections/own/upload", files=file, headers={"X-CSRF-Token": browser.csrf}
    )
    assert dropped.status_code in {200, 202}
    checked = browser.http.post(
        "/admin/collections/own/files/preflight",
        files={"files": (f"{hostile[:200]}.md", f"# {hostile}\n\n{hostile} tea.")},
        headers={"X-CSRF-Token": browser.csrf},
    )
    assert checked.status_code == 200
    uploads = "/admin/collections/own/uploads"
    if dropped.status_code == 202:
        file_id = str(dropped.json()["accepted"]["documents"][0]["id"])
        poll(lambda: browser.visit(uploads).text, lambda page: escape(file_id) in page)
    search = httpx.URL("/admin/collections/own/search", params={"q": hostile, "why": document_id})
    article = httpx.URL("/admin/collections/own/articles/").copy_with(
        raw_path=b"/admin/collections/own/articles/"
        + httpx.QueryParams({"": document_id}).__str__()[1:].replace("+", "%20").encode()
    )
    equal = json.dumps({"type": "eq", "key": "note", "value": hostile})
    named_attribute = json.dumps({"type": "eq", "key": hostile[:128], "value": hostile})
    filtered = [
        httpx.URL(search, params={"q": "tea", "by": by, "filter": given})
        for by, given in (("note", equal), ("note", "[]"), (hostile[:128], named_attribute))
    ]
    golden, log = (f"/admin/collections/own/{page}" for page in ("golden", "questions"))
    visited = ["/admin", "/admin/collections/own", golden, uploads, str(search), str(article), log]
    narrowed = [browser.visit(str(url)) for url in filtered]
    assert [answer.status_code for answer in narrowed] == [200, 422, 200]
    assert escape(hostile) in narrowed[0].text
    for answer in (named, described, dropped, checked, *narrowed, *map(browser.visit, visited)):
        path = answer.url.path
        if answer is dropped:
            assert answer.headers["x-content-type-options"] == "nosniff"
            continue
        if answer not in (named, checked, *narrowed):
            assert answer.status_code == 200, path
        # Longer than what could be in a score by chance.
        assert "604937666061729" not in answer.text
        for tag in ("<script>", "<svg", "<img", "<iframe", "<base", "<style", "<math", "<b>bold"):
            assert tag not in answer.text, (path, tag)
        # The part that a check answers with has none.
        assert answer.text.count("<script") == (0 if "<html" not in answer.text else 1)
        assert "<form action=//" not in answer.text
        assert 'onmouseover="' not in answer.text
    for name in (own_name, hostile[:64]):
        browser.send(f"/admin/collections/{quote(name, safe='')}/delete", confirm=name)
