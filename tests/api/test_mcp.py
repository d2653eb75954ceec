"""Tools over streamable HTTP, called as the official SDK calls them, with each kind of key."""

import asyncio
import json
import logging
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextResourceContents

from app.commands.upkeep import _log_to_stderr
from app.config import Settings
from app.domain import Scope
from app.services.access.keys import create_key
from tests.api.service import Collection, Json, Service, open_service, poll

T = TypeVar("T")
TIMEOUT_S = 60
UNSAID = "zanzibar7431"


def with_client(
    http: httpx.Client, act: Callable[[Client], Awaitable[T]], key: str | None = None
) -> T:
    """Let a client of the SDK act against the server that `http` talks to."""

    async def run() -> T:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=TIMEOUT_S) as own,
            Client(streamable_http_client(f"{http.base_url}/mcp", http_client=own)) as client,
        ):
            return await act(client)

    return asyncio.run(asyncio.wait_for(run(), TIMEOUT_S))


def call(http: httpx.Client, tool: str, *, key: str | None = None, **arguments: object) -> Any:
    return with_client(http, lambda client: client.call_tool(tool, arguments), key)


def call_tool(
    http: httpx.Client, tool: str, *, key: str | None = None, **arguments: object
) -> Json:
    """Return what a tool answers; fails where it is an error."""
    answer = call(http, tool, key=key, **arguments)
    assert not answer.is_error, answer.content
    return dict(answer.structured_content)


async def read_text(client: Client, uri: str) -> str:
    """Return the text of a resource."""
    (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    return content.text


async def refuse_resource(client: Client, *, uri: str) -> str:
    """Return the error of reading a resource."""
    with pytest.raises(MCPError) as refused:
        await client.read_resource(uri)
    return str(refused.value)


def test_follow_up_is_retrieved_with_the_turn_before(collection: Collection) -> None:
    collection.add(
        {"id": "grinder", "text": "The grinder takes four minutes to clean."},
        {"id": "zephyr", "text": "Nothing else."},
    )
    asked: Json = {
        "collection": collection.name,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Tell me about the grinder"}]},
            {"role": "assistant", "content": None},
            {"role": "user", "content": "thanks!"},
        ],
    }
    follow_up = {**asked, "messages": [*asked["messages"][:2], {"role": "user", "content": "why?"}]}
    assert call_tool(collection.http, "retrieve", **asked)["blocks"] == []
    found = call_tool(collection.http, "retrieve", **follow_up)
    assert "grinder" in {block["id"].partition("/")[2] for block in found["blocks"]}


LONG_PART = {"type": "text", "text": "tea " * 5_000}
LONG_TURN = [{"role": "user", "content": [LONG_PART, LONG_PART]}]


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("fetch", {"id": "nothing"}, "COLLECTION/DOCUMENT"),
        ("search", {"query": "tea", "collection": "nowhere"}, "nowhere"),
        ("search", {"query": "tea", "filters": {"type": "near"}}, '"type": "eq"'),
        ("retrieve", {}, "messages"),
        ("retrieve", {"query": "tea", "max_tokens": 0}, "max_tokens"),
        ("search", {"query": "why?", "messages": LONG_TURN}, "at most 32768"),
    ],
)
def test_error_of_a_tool_says_what_to_do(
    collection: Collection, tool: str, arguments: Json, told: str
) -> None:
    answer = call(collection.http, tool, **arguments)
    assert answer.is_error
    assert told in answer.content[0].text


def test_log_holds_nothing_that_a_caller_wrote(
    collection: Collection, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    _log_to_stderr()
    for tool, arguments in (
        ("fetch", {"id": UNSAID}),
        ("retrieve", {"query": "tea", "collection": UNSAID}),
        ("search", {"query": [UNSAID]}),
        (UNSAID, {}),
    ):
        assert call(collection.http, tool, **arguments).is_error

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(UNSAID)

    assert caplog.text == ""
    for use_case in ("search_documents", "get_document"):
        monkeypatch.setattr(f"app.api.mcp.own_library.{use_case}", fail)
    searched = call(collection.http, "search", query=UNSAID, collection=collection.name)
    assert "unexpected" in searched.content[0].text
    read = partial(refuse_resource, uri=f"folio://{collection.name}/{UNSAID}")
    assert "unexpected" in with_client(collection.http, read)
    assert caplog.text.count("unexpected RuntimeError") == 2
    assert UNSAID not in caplog.text


def test_client_that_hangs_up_is_no_error_of_the_service(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    cut = service.app.state.metrics.requests.labels("POST", "none", "400")
    before = cut._value.get()
    head = (
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
        b"Content-Type: application/json\r\nAccept: application/json\r\n\r\n{"
    )
    address = (service.http.base_url.host, service.http.base_url.port or 80)
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(head)
    poll(cut._value.get, lambda count: count == before + 1)
    assert caplog.text == ""


def test_every_listed_article_is_read_by_its_uri(collection: Collection) -> None:
    texts = {"a%2Fb": "Tea.", "a/b": "Milk.", "/a": "Cake.", "c:a": "Soup.", "..a": "Bread."}
    collection.add(*({"id": id_, "text": text} for id_, text in texts.items()))

    async def read(client: Client) -> dict[str, str]:
        articles = json.loads(await read_text(client, f"folio://{collection.name}"))
        return {
            one["id"].partition("/")[2]: await read_text(client, one["uri"]) for one in articles
        }

    assert with_client(collection.http, read) == texts


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = ("query", "id", "collection", "filters", "limit", "max_tokens", "messages")
ARGUMENTS = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, JSON))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tool=st.sampled_from(["search", "fetch", "retrieve"]), arguments=ARGUMENTS)
def test_any_arguments_get_an_answer_or_an_error_of_the_tool(
    service: Service, tool: str, arguments: Json
) -> None:
    request = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments},
    }
    answer = service.http.post(
        "/mcp", json=request, headers={"Accept": "application/json, text/event-stream"}
    )
    assert answer.status_code == 200, answer.text
    result = answer.json()["result"]
    assert result["content"]
    assert result.get("isError") or "structuredContent" in result


def test_key_of_one_collection_learns_nothing_of_another(tmp_path: Path, jina_v3: Path) -> None:
    with open_service(
        Settings(data=tmp_path, model=str(jina_v3), passage_tokens=32), requires_keys=True
    ) as service:
        database = service.resources.database
        admin = create_key(database, scope=Scope.ADMIN)[1]
        service.http.headers["Authorization"] = f"Bearer {admin}"
        for name in ("own", "foreign"):
            service.new_collection(name).add({"id": name, "text": f"Tea of {name}."})
        own = create_key(database, collections=["own"])[1]
        for named in ({}, {"collection": "own"}, {"collection": ""}):
            found = call_tool(service.http, "search", key=own, query="tea", **named)
            assert [one["id"] for one in found["results"]] == ["own/own"]
        blocks = call_tool(service.http, "retrieve", key=own, query="tea")["blocks"]
        assert [block["id"] for block in blocks] == ["own/own"]
        hidden = [
            call(service.http, "search", key=own, query="tea", collection="foreign"),
            call(service.http, "retrieve", key=own, query="tea", collection="foreign"),
            call(service.http, "fetch", key=own, id="foreign/foreign"),
        ]
        missing = call(service.http, "fetch", key=own, id="nowhere/foreign")
        for answer in hidden:
            assert answer.is_error
            assert "Tea of foreign" not in answer.content[0].text
        assert missing.is_error
        for uri in ("folio://foreign/foreign", "folio://foreign"):
            assert "foreign" in with_client(service.http, partial(refuse_resource, uri=uri), own)
