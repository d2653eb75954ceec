"""Damaged requests of contracts that have no schema of their own: Dify's, and MCP's JSON-RPC.

Each is refused in the contract's shape, or answered: no damage is the server's fault.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, get_args

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.api.compat.dify import Operator
from tests.api.service import Json, Service

FEW = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
KNOWLEDGE = "damaged"
FORGED: Any = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(2**63), 2**53 + 1, 1e308, float("nan"), float("inf"), -0.0]),
    # A lone surrogate is JSON, and no text.
    st.sampled_from(["", "\x00", "\ud800", "é" * 5000, "\u202e", "2026-13-45T99:00Z", "%s", "'"]),
    st.text(max_size=20),
    # Copies, as a request that is damaged twice may be damaged inside of one.
    st.sampled_from([[], {}, [[[[]]]], {"": None}, [None], ["a", 1, None]]).map(deepcopy),
    st.just(2000).map(lambda length: [{}] * length),
)
DIFY: Json = {
    "knowledge_id": KNOWLEDGE,
    "query": "how do I descale it?",
    "retrieval_setting": {"top_k": 3, "score_threshold": 0.1},
    "metadata_condition": {
        "logical_operator": "and",
        "conditions": [
            {"name": ["product"], "comparison_operator": "contains", "value": "brew"},
            {"name": "year", "comparison_operator": ">", "value": "2024"},
        ],
    },
}
CALLS: tuple[Json, ...] = (
    {"method": "ping"},
    {"method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}}},
    {"method": "tools/list", "params": {"cursor": "x"}},
    {"method": "tools/call", "params": {"name": "search", "arguments": {"query": "tea"}}},
    {"method": "resources/read", "params": {"uri": f"folio://{KNOWLEDGE}/tea"}},
    {"method": "notifications/initialized"},
)


@pytest.fixture(scope="module")
def knowledge(service: Service) -> Service:
    """A service with one article in the collection that the requests name."""
    attributes = {"product": "brewer", "year": 2025.0, "public": True}
    service.new_collection(KNOWLEDGE).add({"id": "tea", "text": "Tea.", "attributes": attributes})
    return service


@st.composite
def damage(draw: st.DrawFn, whole: Json) -> Any:
    """Return a request with one to three of its parts left out, renamed or of another value."""
    damaged = deepcopy(whole)
    for _ in range(draw(st.integers(1, 3))):
        places = [*_places(damaged)]
        if not places:
            return draw(FORGED)
        holder, key = draw(st.sampled_from(places))
        act = draw(st.sampled_from(["forge", "forge", "drop", "add"]))
        if act == "drop":
            del holder[key]
        elif act == "add" and isinstance(holder, dict):
            holder[draw(st.text(max_size=5))] = draw(FORGED)
        else:
            holder[key] = draw(FORGED)
    return damaged


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each list or object in a request with each of its keys, or its first ones."""
    keys = [*node] if isinstance(node, dict) else range(min(len(node), 4))
    for key in keys:
        yield node, key
        if isinstance(node[key], dict | list):
            yield from _places(node[key])


def send(service: Service, path: str, body: object) -> httpx.Response:
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    return service.http.post(path, content=json.dumps(body), headers=headers)


def assert_dify(answer: httpx.Response) -> None:
    assert answer.status_code in {200, 400, 404, 413}, answer.text
    told = answer.json()
    if answer.status_code == 200:
        assert {*told} == {"records"}
        assert all(type(record["metadata"]) is dict for record in told["records"])
    else:
        assert {*told} == {"error_code", "error_msg"}
        assert type(told["error_code"]) is int
        assert told["error_msg"]


@FEW
@given(body=damage(DIFY))
def test_dify_refuses_a_damaged_request_in_its_own_shape(knowledge: Service, body: object) -> None:
    assert_dify(send(knowledge, "/v1/dify/retrieval", body))


NAMES = st.sampled_from(["product", "year", "public", "created_at", "updated_at", "title", "", "$"])


@FEW
@given(
    condition=st.fixed_dictionaries(
        {
            "name": NAMES | st.lists(NAMES, max_size=17) | st.text(max_size=300),
            "comparison_operator": st.sampled_from(get_args(Operator)) | FORGED,
        },
        optional={"value": FORGED | st.lists(FORGED, max_size=3)},
    ),
    combined=st.sampled_from(["and", "or"]),
)
def test_dify_answers_or_refuses_any_condition(
    knowledge: Service, condition: Json, combined: str
) -> None:
    conditions = {"logical_operator": combined, "conditions": [condition, condition]}
    assert_dify(send(knowledge, "/v1/dify/retrieval", DIFY | {"metadata_condition": conditions}))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"[]", b'"text"', b"\xff\xfe", b"[" * 5000, b"{}" * 2]
)
def test_dify_tells_what_is_not_a_request(knowledge: Service, content: bytes) -> None:
    answer = knowledge.http.post("/v1/dify/retrieval", content=content)
    assert answer.status_code == 400
    assert_dify(answer)


def assert_rpc(answer: httpx.Response) -> None:
    """A message of JSON-RPC, or nothing where nothing is to be answered."""
    assert answer.status_code in {200, 202, 400, 404, 413}, answer.text
    if answer.status_code == 202:
        assert not answer.content
        return
    told = answer.json()
    assert told["jsonrpc"] == "2.0"
    assert "result" in told or {"code", "message"} <= {*told["error"]}


MESSAGES: Any = st.sampled_from(CALLS).map(lambda call: {"jsonrpc": "2.0", "id": 1} | call)


@FEW
@given(message=MESSAGES.flatmap(damage))
def test_mcp_refuses_a_damaged_message_by_json_rpc(knowledge: Service, message: object) -> None:
    assert_rpc(send(knowledge, "/mcp", message))


@FEW
@given(batch=st.lists(MESSAGES | MESSAGES.flatmap(damage) | FORGED, max_size=4))
def test_mcp_refuses_or_answers_a_batch_by_json_rpc(knowledge: Service, batch: object) -> None:
    assert_rpc(send(knowledge, "/mcp", batch))


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"\xff\xfe", b"[" * 5000, b"{}{}"])
def test_mcp_tells_what_is_not_a_message(knowledge: Service, content: bytes) -> None:
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    answer = knowledge.http.post("/mcp", content=content, headers=headers)
    assert answer.status_code == 400
    assert_rpc(answer)
