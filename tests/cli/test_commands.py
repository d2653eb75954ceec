"""Every command but `add` and `serve`, talking to a running server."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.commands.client import Client
from app.config import Settings
from app.domain import Scope
from app.services.access.keys import create_key
from tests.api.service import Collection, Service, open_service, poll
from tests.cli.command import Ran, folio

Ask = Callable[..., Ran]


@pytest.fixture
def articles(collection: Collection) -> Collection:
    """Three articles, one of which failed."""
    collection.add(
        {"id": "tea", "title": "Tea", "text": "Tea with milk.", "attributes": {"year": 2025}},
        {"id": "help/reset", "title": "Reset", "markdown": "# Reset\n\nHold the button."},
    )
    collection.finish(collection.post({"id": "void", "text": "a\0b"}))
    return collection


# search


def test_search_shows_articles_with_a_passage_each(ask: Ask, articles: Collection) -> None:
    ran = ask("search", "tea with milk")
    assert (ran.code, ran.stderr) == (0, "")
    lines = [line.split() for line in ran.stdout.splitlines() if line.strip()]
    assert lines[0] == ["tea", "with", "milk"]
    hits = [(line[0], line[-1]) for line in lines if re.fullmatch(r"\d\.", line[0])]
    assert [rank for rank, _ in hits] == ["1.", "2."]
    assert {name for _, name in hits} == {"tea", "help/reset"}
    assert "Tea with milk." in ran.stdout


def test_search_in_json_is_the_answer_of_the_interface(ask: Ask, articles: Collection) -> None:
    answer = ask("search", "tea with milk", "--limit", "1", "--passages", "0", "--json").json
    direct = articles.search("tea with milk", limit=1, passages=0)
    assert {**answer, "took_ms": None} == {**direct, "took_ms": None}
    assert len(answer["results"]) == 1


def test_several_questions_in_json_are_one_list(ask: Ask, articles: Collection) -> None:
    answers = ask("search", "tea", "reset", "--json").json
    assert [answer["query"] for answer in answers] == ["tea", "reset"]
    assert all(len(answer["results"]) == 2 for answer in answers)


def test_search_can_be_restricted_by_attributes(ask: Ask, articles: Collection) -> None:
    condition = '{"type": "eq", "key": "year", "value": 2025}'
    answer = ask("search", "reset", "--filter", condition, "--json").json
    assert [hit["document_id"] for hit in answer["results"]] == ["tea"]


def test_search_that_finds_nothing_says_so(ask: Ask, collection: Collection) -> None:
    ran = ask("search", "tea")
    assert (ran.code, "no article" in ran.stdout) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["tea", "--filter", "{"], "--filter is not JSON"),
        (["tea", "--filter", '{"x": NaN}'], "--filter is not JSON"),
        (["tea", "--filter", "[" * 50_000], "--filter is not JSON"),
        (["tea", "--filter", "{}"], "body.filters"),
        ([""], "query"),
        (["tea " * 20_000], "32"),
    ],
)
def test_question_that_cannot_be_asked_is_refused(
    ask: Ask, articles: Collection, arguments: list[str], reason: str
) -> None:
    assert reason in ask("search", *arguments).error


def test_calls_beyond_what_a_server_allows_in_a_minute_wait_for_their_turn(
    tmp_path: Path, jina_v3: Path
) -> None:
    """A command that follows its work asks more often than that."""
    settings = Settings(data=tmp_path / "data", model=str(jina_v3), max_requests_per_minute=120)
    with open_service(settings, works=False, loads=False) as service:
        client = Client(service.http)
        answers = [client.call("GET", "/v1/collections") for _ in range(123)]
    assert answers == 123 * [{"collections": []}]


def test_password_of_a_server_that_does_not_answer_is_not_told() -> None:
    told = folio("status", "--server", "http://folio:secret@127.0.0.1:1").error
    assert told.startswith("http://127.0.0.1:1 does not answer")
    assert "secret" not in told


# show, list, remove, status


def test_id_that_no_address_can_hold_is_an_error(ask: Ask, collection: Collection) -> None:
    assert "too long" in ask("show", "x" * 70_000).error


def test_show_prints_state_receipt_and_versions(ask: Ask, articles: Collection) -> None:
    articles.add({"id": "help/reset", "title": "Reset", "markdown": "# Reset\n\nHold it."})
    ran = ask("show", "help/reset")
    assert ran.code == 0
    rows = dict(line.strip().split(maxsplit=1) for line in ran.stdout.splitlines())
    assert rows["id"].strip() == "help/reset"
    assert rows["status"].strip() == "ready"
    assert re.fullmatch(r"\d+ of \d+ tokens, units 1, passages \d+", rows["embedded"].strip())
    moment = r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"
    assert re.search(rf"^ version 2 +ready, answers, {moment} *$", ran.stdout, re.MULTILINE)
    assert re.search(rf"^ version 1 +ready, {moment} *$", ran.stdout, re.MULTILINE)
    assert "Hold it." not in ran.stdout


def test_show_prints_the_text_when_asked(ask: Ask, collection: Collection) -> None:
    text = "One line " + "that goes on " * 200 + "\n\nand\tanother."
    collection.add({"id": "long", "text": text})
    assert ask("show", "long", "--text").stdout.endswith(text.replace("\t", "     ") + "\n")
    shown = ask("show", "long", "--text", "--json").json
    assert shown["text"] == text
    assert shown == collection.get("long", include="text,versions")


def test_show_of_a_failed_article_says_why(ask: Ask, articles: Collection) -> None:
    ran = ask("show", "void")
    assert (ran.code, "nul_character" in ran.stdout) == (0, True)


def test_rollback_waits_and_says_how_the_version_stands(ask: Ask, collection: Collection) -> None:
    for text in ("First.", "Second."):
        collection.add({"id": "a", "text": text})
    (document,) = ask("rollback", "a", "1", "--json").json["documents"]
    assert (document["version"], document["status"], document["error"]) == (3, "ready", None)
    assert collection.get("a", include="text")["text"] == "First."
    assert ask("rollback", "a", "2").stdout == "a: version 4 is what version 2 was\n"


def test_list_has_a_line_for_each_article(ask: Ask, articles: Collection) -> None:
    lines = [line.split() for line in ask("list").stdout.splitlines()]
    assert lines[0] == ["id", "status", "version", "tokens", "title"]
    assert [line[0] for line in lines[1:]] == ["help/reset", "tea", "void"]
    assert (lines[2][1:3], lines[2][4]) == (["ready", "1"], "Tea")
    assert lines[3][1:3] == ["failed:", "nul_character"]
    failed = ask("list", "--status", "failed", "--json").json
    assert [document["id"] for document in failed] == ["void"]


def test_list_and_show_are_readable_on_100_columns(
    ask: Ask, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    article_id = "getting-started/connect-app-wifi.html"
    title = "How to connect the app to a network that has no name of its own, step by step"
    attributes = {"tags": ["wifi", "app"], "year": 2025}
    collection.add({"id": article_id, "text": "Tea.", "title": title, "attributes": attributes})
    monkeypatch.setattr("app.commands.terminal.out.width", 100)
    heading, line = ask("list").stdout.splitlines()
    assert max(len(heading), len(line)) <= 100
    # The id for the next command, and a line an article.
    assert line.split()[0] == article_id
    assert "How to connect the app" in line
    shown = ask("show", article_id).stdout.splitlines()
    assert max(map(len, shown)) <= 100
    assert not [row for row in shown if "{" in row]
    assert [row.split() for row in shown if row.startswith(" @")] == [
        ["@tags", "wifi,", "app"],
        ["@year", "2025"],
    ]


@pytest.mark.parametrize("count", [3, 6, 7])
def test_list_goes_through_all_pages(
    ask: Ask, collection: Collection, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """The last one may be full."""
    monkeypatch.setattr("app.commands.client._PAGE", 3)
    names = [f"{number:04}" for number in range(count)]
    collection.add(*({"id": name, "text": "Tea."} for name in names))
    for order, expected in (("$id", names), ("-$id", names[::-1])):
        listed = ask("list", "--sort", order, "--json").json
        assert [document["id"] for document in listed] == expected
    assert [document["id"] for document in ask("list", "--json").json] == names


def test_id_that_a_terminal_is_too_narrow_for_is_folded_and_not_cut(
    ask: Ask, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    document_id = "folder/" + "0123456789" * 20
    collection.add({"id": document_id, "text": "Tea."})
    assert f" {document_id} " in ask("list").stdout
    monkeypatch.setattr("app.commands.terminal.out.width", 80)
    lines = ask("list").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert document_id in "".join(line.split()[0] for line in lines[1:] if line.split())


def test_remove_erases_and_names_what_was_not_there(ask: Ask, articles: Collection) -> None:
    ran = ask("remove", "tea", "nothing", "help/reset")
    assert ran.code == 1
    assert ran.stdout.splitlines() == ["erased tea", "erased help/reset"]
    assert ran.stderr == f"error: nothing: no such document in {articles.name}\n"
    assert [document["id"] for document in articles.page()["documents"]] == ["void"]


def test_remove_in_json_is_a_list_of_receipts(ask: Ask, articles: Collection) -> None:
    ran = ask("remove", "tea", "void", "--json")
    assert ran.code == 0
    assert [(receipt["deleted"], receipt["units"]) for receipt in ran.json] == [
        ("tea", 1),
        ("void", 0),
    ]


def test_remove_by_filter_counts_first(ask: Ask, articles: Collection) -> None:
    of_2025 = ("remove", "--filter", '{"type": "eq", "key": "year", "value": 2025}')
    assert ask(*of_2025).stdout.splitlines() == [
        "tea",
        "articles that meet the filter: 1; --confirm-count 1 erases them",
    ]
    assert "1 documents meet the filter now, not 2" in ask(*of_2025, "--confirm-count", "2").error
    assert ask(*of_2025, "--confirm-count", "1").stdout == "erased: 1\n"
    assert [document["id"] for document in articles.page()["documents"]] == ["help/reset", "void"]
    assert ask("remove").error == "give ids of articles or --filter"
    counted = ask("remove", "tea", "--confirm-count", "1")
    assert counted.error == "--confirm-count goes with --filter"


def test_list_is_sorted(ask: Ask, articles: Collection) -> None:
    listed = ask("list", "--sort", "-$title", "--json").json
    assert [document["id"] for document in listed] == ["tea", "help/reset", "void"]


@pytest.mark.parametrize("command", ["remove", "show"])
@pytest.mark.parametrize("document_id", ["..", ".", "../..", "../../{other}", "a/../tea", "./tea"])
def test_dots_in_an_id_lead_nowhere_else(
    ask: Ask, articles: Collection, service: Service, command: str, document_id: str
) -> None:
    other = service.new_collection(f"other-{articles.name}")
    ran = ask(command, document_id.format(other=other.name))
    assert 'a document id has no part that is "." or ".."' in ran.error
    assert service.http.get(other.path).status_code == 200
    assert articles.found("tea") == {"tea", "help/reset"}
    service.http.delete(other.path).raise_for_status()


@pytest.mark.parametrize(
    "document_id", ["...", "a/.../b", "a//b", "a%2Fb", "a?b#c", "\u00e9 \u6f22", "/"]
)
def test_id_of_any_characters_is_shown_and_removed(
    ask: Ask, collection: Collection, document_id: str
) -> None:
    collection.add({"id": document_id, "text": "Tea."}, {"id": "b", "text": "Milk."})
    assert ask("show", document_id, "--json").json["id"] == document_id
    assert ask("remove", document_id).code == 0
    assert collection.found() == {"b"}


def test_status_counts_the_articles_of_each_collection(ask: Ask, articles: Collection) -> None:
    def status(*options: str) -> Ran:
        return folio("status", "--server", str(articles.http.base_url), *options)

    (row,) = (line.split() for line in status().stdout.splitlines() if f" {articles.name} " in line)
    assert row == [articles.name, "0", "0", "2", "1"]
    (listed,) = (entry for entry in status("--json").json if entry["name"] == articles.name)
    assert listed["documents"] == {"queued": 0, "processing": 0, "ready": 2, "failed": 1}
    sums = status(articles.name, "--json").json
    said = status(articles.name).stdout
    assert f"uploads: {sums['bytes']} bytes, the last one {sums['last_upload_at']}" in said
    assert f"texts: {sums['tokens']} tokens" in said
    assert "1 failed: " in said
    assert "(nul_character)" in said
    assert status("none").error == "no such collection: none"


@pytest.mark.parametrize("command", [["search", "tea"], ["show", "a"], ["list"], ["remove", "a"]])
@pytest.mark.parametrize("name", ["nope", "..", "../keys", "No Such"])
def test_unknown_collection_is_named(service: Service, command: list[str], name: str) -> None:
    ran = folio(*command, "--server", service.url, "--collection", name)
    assert ran.error == f"no such collection: {name}"


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_unknown_article_is_an_error_and_no_json(
    ask: Ask, collection: Collection, options: list[str]
) -> None:
    ran = ask("show", "nope", *options)
    assert ran.error == f"no such document in {collection.name}"


# keys


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, jina_v3: Path) -> Iterator[tuple[str, str]]:
    """A service that wants keys: its URL and an admin key."""
    settings = Settings(data=tmp_path_factory.mktemp("locked"), model=str(jina_v3))
    with open_service(settings, requires_keys=True) as service:
        _, token = create_key(service.resources.database, scope=Scope.ADMIN)
        yield service.url, token


@pytest.fixture
def admin(locked: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run a command with the admin's key and server in the environment."""
    monkeypatch.setenv("FOLIO_SERVER", locked[0])
    monkeypatch.setenv("FOLIO_KEY", locked[1])
    return folio


def test_key_is_printed_alone_and_works(admin: Ask, files: Path) -> None:
    ran = admin("keys", "create", "--scope", "admin", "--name", "me")
    (token,) = ran.stdout.splitlines()
    assert (ran.code, ran.stderr) == (0, "keep it: only its hash is stored\n")
    (files / "a.md").write_text("Tea.")
    assert admin("add", "a.md", "--key", token).code == 0
    made = admin("keys", "create", "--scope", "read", "--collection", "default", "--json").json
    assert (made["scope"], made["collections"]) == ("read", ["default"])
    assert len(admin("search", "tea", "--key", made["key"], "--json").json["results"]) == 1
    refused = admin("remove", "a.md", "--key", made["key"])
    assert refused.error == "this needs the scope write; the key has read"


def test_key_can_be_made_for_some_days(admin: Ask) -> None:
    made = admin("keys", "create", "--days", "30", "--json").json
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)
    assert admin("keys", "create", "--days", "1000000000").code == 2


def test_keys_are_listed_without_secrets_and_revoked(admin: Ask) -> None:
    made = admin("keys", "create", "--name", "[bold]chatbot[/bold]", "--json").json
    listed = admin("keys", "list")
    assert re.search(
        rf"{made['id']} +\[bold\]chatbot\[/bold\] +read +all +never +never +no", listed.stdout
    )
    assert made["key"].split("_", 2)[2] not in listed.stdout
    assert admin("keys", "revoke", made["id"]).stdout == f"revoked {made['id']}\n"
    (row,) = (row for row in admin("keys", "list", "--json").json if row["id"] == made["id"])
    assert row["revoked_at"] is not None
    assert "key" not in row
    assert "the key is not valid" in admin("status", "--key", made["key"]).error


@pytest.mark.parametrize("key_id", ["nope", "..", "../collections/default"])
def test_unknown_key_cannot_be_revoked_and_leads_nowhere_else(
    admin: Ask, files: Path, key_id: str
) -> None:
    (files / "a.md").write_text("Tea.")
    admin("add", "a.md")
    assert admin("keys", "revoke", key_id).code == 1
    assert [entry["name"] for entry in admin("status", "--json").json] == ["default"]


def test_key_for_an_unknown_collection_is_not_made(admin: Ask) -> None:
    ran = admin("keys", "create", "--collection", "nope")
    assert ran.error == "no such collection: nope"


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ([], "this needs a key"),
        (["--key", "wrong"], "the key is not valid"),
        (["--key", "folio_operator_" + "a" * 43], "the key is not valid"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        ["search", "tea"],
        ["show", "a"],
        ["list"],
        ["remove", "a"],
        ["status"],
        ["keys", "create"],
        ["keys", "list"],
        ["keys", "revoke", "a"],
    ],
    ids=" ".join,
)
def test_command_without_a_valid_key_says_how_to_give_one(
    locked: tuple[str, str], command: list[str], key: list[str], reason: str
) -> None:
    ran = folio(*command, "--server", locked[0], *key)
    assert ran.error.startswith(reason)
    assert "--key" in ran.error
    assert "FOLIO_KEY" in ran.error


@pytest.mark.parametrize("key", ["caf\u00e9", "two words", "a\nb", "\udcff"])
def test_key_that_no_header_can_carry_is_refused_without_quoting_it(
    locked: tuple[str, str], key: str
) -> None:
    error = folio("status", "--server", locked[0], "--key", key).error
    assert error == "the key holds characters that no key has"


def test_add_with_a_key_that_may_not_make_collections_says_so(admin: Ask, files: Path) -> None:
    key = admin("keys", "create", "--scope", "write", "--json").json["key"]
    (files / "a.md").write_text("Tea.")
    ran = admin("add", "a.md", "--key", key, "--collection", "new")
    assert ran.error == "this needs the scope admin; the key has write"


# doctor, reembed


def test_doctor_reports_on_a_server(ask: Ask, articles: Collection) -> None:
    ran = folio("doctor", "--server", str(articles.http.base_url))
    assert ran.code == 0
    findings = [line.split(maxsplit=2) for line in ran.stdout.splitlines()]
    assert [topic for _, topic, _ in findings[:5]] == [
        *("program", "server", "model", "parsing", "documents")
    ]
    assert findings[2][2] == "jina-v3 answers questions"
    assert re.match(r"\d+: 0 queued, 0 processing, \d+ ready, [1-9]\d* failed", findings[4][2])
    assert "folio list --status failed" in findings[5][2]


def test_doctor_says_what_is_wrong_with_a_server(locked: tuple[str, str], tmp_path: Path) -> None:
    def problems(*options: str) -> dict[str, str]:
        ran = folio("doctor", *options, "--json")
        assert ran.code == 1
        return {f["topic"]: f["text"] for f in ran.json if f["level"] == "problem"}

    assert "does not answer" in problems("--server", "http://127.0.0.1:1")["server"]
    assert "not valid" in problems("--server", locked[0], "--key", "wrong")["documents"]
    settings = Settings(data=tmp_path, model=str(tmp_path / "no-model"))
    with open_service(settings, loads=False) as service:
        found = poll(lambda: problems("--server", service.url), lambda found: bool(found))
    assert list(found) == ["model"]


def test_reembed_on_a_server_says_where_to_run_it(service: Service) -> None:
    error = folio("reembed", "--server", service.url).error
    assert error.startswith(f"{service.url} cannot do this while it runs")
    assert "data folder" in error
