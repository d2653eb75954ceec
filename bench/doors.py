"""A search through each door beside the native route, interleaved in one run.

folio serve --data DATA
python -m bench.doors --url http://127.0.0.1:8000 --key KEY --collection NAME
"""

import argparse
from collections.abc import Callable
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import httpx

QUERIES = ("how do I reset it", "how long does it last", "what does it cost", "who may use it")


def native(name: str, query: str) -> tuple[str, dict[str, Any]]:
    return f"/v1/collections/{name}/search", {"query": query, "limit": 10}


def store(name: str, query: str) -> tuple[str, dict[str, Any]]:
    return f"/v1/vector_stores/{name}/search", {"query": query, "max_num_results": 10}


def dify(name: str, query: str) -> tuple[str, dict[str, Any]]:
    setting = {"top_k": 10, "score_threshold": 0.0}
    body = {"knowledge_id": name, "query": query, "retrieval_setting": setting}
    return "/v1/dify/retrieval", body


def open_webui(name: str, query: str) -> tuple[str, dict[str, Any]]:
    return f"/v1/openwebui/{name}/search", {"query": query, "count": 10}


def mcp_search(name: str, query: str) -> tuple[str, dict[str, Any]]:
    return "/mcp", _call("search", {"query": query, "collection": name})


def mcp_retrieve(name: str, query: str) -> tuple[str, dict[str, Any]]:
    return "/mcp", _call("retrieve", {"query": query, "collection": name})


def native_context(name: str, query: str) -> tuple[str, dict[str, Any]]:
    return f"/v1/collections/{name}/context", {"query": query, "max_tokens": 2000}


def _call(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


DOORS: tuple[Callable[[str, str], tuple[str, dict[str, Any]]], ...] = (
    native,
    store,
    dify,
    open_webui,
    mcp_search,
    native_context,
    mcp_retrieve,
)


def measure(http: httpx.Client, collection: str, rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of each door, asked in turn."""
    taken: dict[str, list[float]] = {door.__name__: [] for door in DOORS}
    for number in range(rounds):
        for place, door in enumerate(DOORS):
            # A question of its own each time, so that no cache answers.
            query = f"{QUERIES[number % len(QUERIES)]} {number * len(DOORS) + place}"
            path, body = door(collection, query)
            started = perf_counter()
            answer = http.post(path, json=body).raise_for_status()
            taken[door.__name__].append(1000 * (perf_counter() - started))
            # MCP answers an error with 200.
            if "jsonrpc" in body and not _is_result(answer.json()):
                raise SystemExit(f"{door.__name__} answers with an error: {answer.text}")
    return taken


def _is_result(answer: dict[str, Any]) -> bool:
    return "result" in answer and not answer["result"].get("isError")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--key", default="")
    parser.add_argument("--collection", required=True)
    parser.add_argument("--rounds", type=int, default=100)
    args = parser.parse_args()
    headers = {"Authorization": f"Bearer {args.key}", "Accept": "application/json"}
    with httpx.Client(base_url=args.url, headers=headers, timeout=60) as http:
        measure(http, args.collection, 5)
        taken = measure(http, args.collection, args.rounds)
    for name, times in taken.items():
        base = taken["native_context" if name == "mcp_retrieve" else "native"]
        ratio = median(times) / median(base)
        p95 = quantiles(times, n=20)[-1]
        print(f"{name:15} p50 {median(times):7.1f} ms  p95 {p95:7.1f} ms  of native {ratio:.2f}")


if __name__ == "__main__":
    main()
