"""What clients of other software send beside the plain case, and how each contract refuses."""

import re
from pathlib import Path

import httpx
import numpy as np
import pytest
from sqlalchemy import select, update

from app.commands.client import connect
from app.commands.remote_library import RemoteLibrary
from app.config import Settings
from app.db.models import Document, Version
from app.domain import Status
from tests.api.service import Collection, Json, Service, open_service
from tests.api.test_mcp import call_tool, with_client

JSON = {"Content-Type": "application/json"}
TEXTS = ["tea takes four minutes", "steam the milk", "the museum opens at ten"]
NULLS: list[tuple[str, Json]] = [
    ("/v1/vector_stores", {"name": None, "file_ids": None, "metadata": None}),
    ("/v1/vector_stores/NAME/search", {"query": "tea", "max_num_results": None}),
    ("/v1/vector_stores/NAME/search", {"query": "tea", "rewrite_query": None}),
    (
        "/v1/vector_stores/NAME/search",
        {"query": "tea", "ranking_options": {"ranker": None, "score_threshold": None}},
    ),
    ("/v1/embeddings", {"input": "tea", "model": None, "encoding_format": None, "user": None}),
    (
        "/v1/dify/retrieval",
        {
            "knowledge_id": "NAME",
            "query": "tea",
            "retrieval_setting": {"top_k": None, "score_threshold": None},
            "metadata_condition": {"logical_operator": None, "conditions": None},
        },
    ),
    ("/embed", {"inputs": "tea", "truncate": None, "normalize": None, "prompt_name": None}),
    ("/", {"inputs": "tea"}),
    ("/rerank", {"query": "tea", "texts": ["a"], "raw_scores": None, "return_text": None}),
    ("/tokenize", {"inputs": "tea", "add_special_tokens": None}),
    ("/api/embed", {"model": "MODEL", "input": "tea", "truncate": None, "options": None}),
    ("/v2/rerank", {"query": "tea", "documents": ["a"], "top_n": None, "model": None}),
    ("/v1/openwebui/NAME/search", {"query": "tea", "count": None}),
]


@pytest.mark.parametrize(("path", "body"), NULLS, ids=lambda value: str(value)[:40])
def test_null_stands_for_what_a_client_does_not_set(
    service: Service, collection: Collection, path: str, body: Json
) -> None:
    model = service.http.get("/v1/models").json()["data"][0]["id"]
    named = {"NAME": collection.name, "MODEL": model}
    given = {key: named.get(value, value) for key, value in body.items() if type(value) is str}
    path = path.replace("NAME", collection.name)
    answer = service.http.post(path, json=body | given)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("method", "path", "fields"),
    [
        ("GET", "/v1/nothing", {"error"}),
        ("PUT", "/v1/files", {"error"}),
        ("GET", "/v1/dify", {"error_code", "error_msg"}),
        ("GET", "/v1/dify/retrieval", {"error_code", "error_msg"}),
        ("POST", "/v1/openwebui/one/nothing", {"detail"}),
        ("GET", "/embed", {"error", "error_type"}),
        ("GET", "/rerank", {"error", "error_type"}),
        ("POST", "/info", {"error", "error_type"}),
        ("POST", "/predict", {"error", "error_type"}),
        ("GET", "/v2", {"message"}),
        ("GET", "/v2/rerank", {"message"}),
        ("GET", "/api/nothing", {"error"}),
    ],
)
def test_path_or_method_that_is_not_there_is_told_by_the_contract(
    service: Service, method: str, path: str, fields: set[str]
) -> None:
    answer = service.http.request(method, path)
    assert answer.status_code in {404, 405}
    assert {*answer.json()} == fields


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v2/embed", "/embed", "/v1/dify/retrieval"])
def test_body_that_is_wrong_as_a_whole_is_told_in_a_sentence(service: Service, path: str) -> None:
    answer = service.http.post(path, content=b"{", headers=JSON).json()
    error = answer.get("error", answer)
    told = error if isinstance(error, str) else error.get("message") or error["error_msg"]
    assert told.startswith("Invalid JSON")


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/health", "/v1/models", "/admin"])
def test_head_is_answered_as_get_without_a_body(service: Service, path: str) -> None:
    """As monitors and `wget --spider` ask."""
    answer = service.http.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
    got = service.http.get(path)
    assert answer.headers["Content-Type"] == got.headers["Content-Type"]
    assert service.http.head("/v1/embeddings").status_code == 405


@pytest.mark.parametrize(
    ("named", "origin", "is_let_in"),
    [
        ("https://chat.example.com/", "https://chat.example.com", True),
        ("https://chat.example.com", "https://other.example.com", False),
        ("*", "https://any.example.com", True),
    ],
)
def test_pages_of_named_origins_may_call_from_a_browser(
    tmp_path: Path, jina_v3: Path, named: str, origin: str, *, is_let_in: bool
) -> None:
    """The REST interface and `/mcp`, of a server in a private network too."""
    settings = Settings(data=tmp_path, model=str(jina_v3), cors_origins=named)
    with open_service(settings, works=False) as service:
        asked = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
            "Access-Control-Request-Private-Network": "true",
        }
        assert service.http.options("/v1/embeddings", headers=asked).is_success == is_let_in
        listed = service.http.get("/v1/models", headers={"Origin": origin})
        assert ("Access-Control-Allow-Origin" in listed.headers) == is_let_in
        assert listed.headers["Access-Control-Expose-Headers"] == "*"
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        answer = service.http.post("/mcp", json=ping, headers={"Origin": origin})
        assert answer.status_code == (200 if is_let_in else 403)


def test_tools_of_a_collection_are_described_by_a_document_that_is_whole(
    service: Service, collection: Collection
) -> None:
    answer = service.http.get(f"/v1/openwebui/{collection.name}/openapi.json")
    named = set(re.findall(r'"\$ref":"#/components/schemas/(\w+)"', answer.text))
    assert named == {*answer.json()["components"]["schemas"]}
    assert answer.text.count('"$ref"') == answer.text.count('"$ref":"#/components/')


def test_expiry_of_a_file_has_an_anchor_and_seconds(service: Service) -> None:
    for expiry in ({"anchor": "created_at"}, {"anchor": "last_active_at", "seconds": "3600"}):
        form = {f"expires_after[{name}]": value for name, value in expiry.items()}
        answer = service.http.post(
            "/v1/files", files={"file": ("a.txt", b"Tea.")}, data={"purpose": "assistants"} | form
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_expiry")


def test_ollama_lists_what_is_loaded(service: Service) -> None:
    listed = service.http.get("/api/tags").json()
    assert service.http.get("/api/ps").json() == listed


def test_mcp_answers_with_a_slash_and_offers_no_stream(service: Service) -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert service.http.post("/mcp/", json=ping).json()["result"] == {}
    for method in ("GET", "DELETE", "OPTIONS"):
        refused = service.http.request(method, "/mcp", headers={"Accept": "text/event-stream"})
        assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")


def test_mcp_lists_collections_as_resources(service: Service, collection: Collection) -> None:
    listed = with_client(service.http, lambda client: client.list_resources())
    assert f"folio://{collection.name}" in {str(resource.uri) for resource in listed.resources}


@pytest.mark.parametrize("encodings", [[], ["float"], ["float", "ubinary"]])
def test_cohere_of_the_first_version_embeds_as_the_second(
    service: Service, encodings: list[str]
) -> None:
    """What `cohere.Client` sends, and LangChain's packages for Cohere by it."""
    asked: Json = {"texts": ["tea", "milk"], "input_type": "search_query", "truncate": "NONE"}
    second = {**asked, "embedding_types": encodings or ["float"]}
    expected = service.http.post("/v2/embed", json=second).json()["embeddings"]
    answer = service.http.post(
        "/v1/embed", json=asked | {"embedding_types": encodings or None, "stream": False}
    ).json()
    assert answer["response_type"] == ("embeddings_by_type" if encodings else "embeddings_floats")
    assert answer["embeddings"] == (expected if encodings else expected["float"])
    assert answer["meta"]["api_version"] == {"version": "1"}


@pytest.mark.parametrize("path", ["/v1/embed", "/v2/embed"])
def test_cohere_has_vectors_in_whole_numbers(service: Service, path: str) -> None:
    """Both kinds of bytes rank as the numbers do, and the packed signs are theirs."""
    types = ["float", "int8", "uint8", "binary", "ubinary"]
    body = {"texts": TEXTS, "input_type": "search_document", "embedding_types": types}
    answer = service.http.post(path, json=body).json()["embeddings"]
    found = {kind: np.array(answer[kind], dtype=np.float64) for kind in types}
    assert {answer_type: rows.shape[1] for answer_type, rows in found.items()} == {
        **dict.fromkeys(("float", "int8", "uint8"), 32),
        **dict.fromkeys(("binary", "ubinary"), 4),
    }
    signed, unsigned = found["int8"], found["uint8"]
    assert signed.min() >= -128
    assert signed.max() <= 127
    assert (unsigned == signed + 128).all()
    assert (found["binary"] == found["ubinary"] - 128).all()
    signs = np.unpackbits(found["ubinary"].astype(np.uint8), axis=1) == 1
    assert (signs == (found["float"] > 0)).all()
    # Every vector is on one scale: inner products are those of the numbers, times a constant.
    products, expected = signed @ signed.T, found["float"] @ found["float"].T
    assert products / products[0, 0] == pytest.approx(expected / expected[0, 0], abs=0.02)


@pytest.mark.parametrize("path", ["/v1/embed", "/v2/embed"])
def test_cohere_type_that_is_not_there_is_named(service: Service, path: str) -> None:
    body = {"texts": ["tea"], "input_type": "search_query", "embedding_types": ["int4"]}
    answer = service.http.post(path, json=body)
    assert (answer.status_code, {*answer.json()}) == (400, {"message"})
    assert "embedding_types" in answer.json()["message"]


def test_cohere_client_may_ask_whether_its_key_is_one(service: Service) -> None:
    answer = service.http.post("/v1/check-api-key")
    assert (answer.status_code, answer.json()["valid"]) == (200, True)
    assert {*service.http.get("/v1/check-api-key").json()} == {"message"}


def test_similarity_is_the_cosine_to_each_text_in_order(service: Service) -> None:
    texts = ["tea", "black tea with milk", "tea"]
    body = {"inputs": {"source_sentence": texts[0], "sentences": texts[1:]}}
    for parameters in ({}, {"parameters": {"prompt_name": "query", "truncate": True}}):
        other, same = service.http.post("/similarity", json=body | parameters).json()
        assert same == pytest.approx(1, abs=1e-5)
        assert -1 <= other < same
    rows = service.http.post("/embed", json={"inputs": texts}).json()
    expected = [float(np.dot(rows[0], row)) for row in rows[1:]]
    assert service.http.post("/similarity", json=body).json() == pytest.approx(expected, abs=1e-5)
    for wrong in ({"inputs": "tea"}, {"inputs": {"source_sentence": "tea", "sentences": []}}):
        answer = service.http.post("/similarity", json=wrong)
        assert (answer.status_code, {*answer.json()}) == (422, {"error", "error_type"})


def test_cohere_of_the_first_version_refuses_in_its_own_shape(service: Service) -> None:
    for answer in (
        service.http.post("/v1/embed", json={"texts": []}),
        service.http.post("/v1/embed", json={"texts": ["tea"], "model": "nothing"}),
        service.http.get("/v1/embed"),
    ):
        assert answer.status_code in {400, 404, 405}
        assert {*answer.json()} == {"message"}


def test_fault_of_the_service_is_no_fault_of_a_file_to_openai_s_client(
    service: Service, collection: Collection
) -> None:
    files = [("files", (f"{name}.txt", b"Tea.")) for name in ("lost", "bad")]
    collection.finish(service.http.post(f"{collection.path}/documents", files=files))
    for name, code in (("lost.txt", "too_many_attempts"), ("bad.txt", "empty_document")):
        with service.resources.database.write() as session:
            found = select(Document.id).where(Document.external_id == name)
            session.execute(
                update(Version)
                .where(Version.document_id.in_(found))
                .values(status=Status.FAILED, error_code=code, is_live=False)
            )
    listed = service.http.get(f"/v1/vector_stores/{collection.name}/files").json()["data"]
    assert sorted(file["last_error"]["code"] for file in listed) == ["invalid_file", "server_error"]


@pytest.mark.parametrize("name", ["queries", "passsage", ""])
def test_prompt_that_is_not_there_is_refused(service: Service, name: str) -> None:
    compared = {"source_sentence": "tea", "sentences": ["milk"]}
    for path, body in (
        ("/embed", {"inputs": "tea", "prompt_name": name}),
        ("/embed_all", {"inputs": "tea", "prompt_name": name}),
        ("/similarity", {"inputs": compared, "parameters": {"prompt_name": name}}),
    ):
        answer = service.http.post(path, json=body)
        assert (answer.status_code, answer.json()["error_type"]) == (422, "Validation")
        assert "prompt_name" in answer.json()["error"]
        assert "query" in answer.json()["error"]


@pytest.mark.parametrize("nothing", [[], ""])
def test_ollama_has_no_vectors_of_nothing(service: Service, nothing: object) -> None:
    model = service.http.get("/v1/models").json()["data"][0]["id"]
    answer = service.http.post("/api/embed", json={"model": model, "input": nothing})
    assert (answer.status_code, answer.json()["embeddings"]) == (200, [])


def test_ollama_has_no_vector_of_an_empty_prompt_and_shows_by_a_former_field(
    service: Service,
) -> None:
    model = service.http.get("/v1/models").json()["data"][0]["id"]
    empty = service.http.post("/api/embeddings", json={"model": model, "prompt": ""})
    assert (empty.status_code, empty.json()["embedding"]) == (200, [])
    asked = ({"model": model}, {"name": model})
    shown = [service.http.post("/api/show", json=body).json() for body in asked]
    assert shown[0] == shown[1]
    assert shown[0]["capabilities"] == ["embedding"]


def test_tei_cuts_the_end_or_refuses(service: Service) -> None:
    body: Json = {"inputs": "tea " * 9000, "truncate": True}
    assert service.http.post("/embed", json=body | {"truncation_direction": "Right"}).is_success
    compared = {"source_sentence": "tea", "sentences": [body["inputs"]]}
    parameters = {"truncate": True, "truncation_direction": "Left"}
    for path, left in (
        ("/embed", body | parameters),
        ("/similarity", {"inputs": compared, "parameters": parameters}),
    ):
        answer = service.http.post(path, json=left)
        assert (answer.status_code, answer.json()["error_type"]) == (422, "Validation")
        assert "at most 8192" in answer.json()["error"]


def test_file_that_is_named_twice_is_one_of_its_batch(
    service: Service, collection: Collection
) -> None:
    file_id = service.http.post(
        "/v1/files", files={"file": ("a.txt", b"Tea.")}, data={"purpose": "assistants"}
    ).json()["id"]
    path = f"/v1/vector_stores/{collection.name}/file_batches"
    files = [{"file_id": file_id, "attributes": {"n": n}} for n in (1, 2)]
    batch = service.http.post(path, json={"files": files}).json()
    assert batch["file_counts"]["total"] == 1
    (listed,) = service.http.get(f"{path}/{batch['id']}/files").json()["data"]
    assert (listed["id"], listed["attributes"]) == (file_id, {"n": 2})


NO_NUMBERS = ["NaN", "Infinity", "-1e999", str(2**53 + 1), "1" + "0" * 400]


@pytest.mark.parametrize("number", NO_NUMBERS, ids=lambda number: number[:8])
def test_attribute_that_no_reader_of_json_has_as_it_is_is_refused(
    service: Service, collection: Collection, number: str
) -> None:
    """By OpenAI's door when it is stored, and by Dify's when it is asked for."""
    file = service.http.post(
        "/v1/files", files={"file": ("a.txt", b"Tea.")}, data={"purpose": "assistants"}
    ).json()
    path = f"/v1/vector_stores/{collection.name}/files"
    stored = f'{{"file_id": "{file["id"]}", "attributes": {{"n": {number}}}}}'
    answer = service.http.post(path, content=stored, headers=JSON)
    assert (answer.status_code, {*answer.json()}) == (400, {"error"})
    condition = f'{{"name": "n", "comparison_operator": "=", "value": {number}}}'
    asked = (
        f'{{"knowledge_id": "{collection.name}", "query": "tea", '
        f'"metadata_condition": {{"conditions": [{condition}]}}}}'
    )
    answer = service.http.post("/v1/dify/retrieval", content=asked, headers=JSON)
    assert (answer.status_code, {*answer.json()}) == (400, {"error_code", "error_msg"})


@pytest.mark.parametrize("key", ["$created_at", "$updated_at"])
def test_dify_may_ask_whether_an_article_has_a_time(
    service: Service, collection: Collection, key: str
) -> None:
    collection.add({"id": "a", "text": "Tea takes four minutes."})
    for operator, found in (("empty", 0), ("not empty", 1)):
        answer = ask_dify(service, collection, {"name": key, "comparison_operator": operator})
        assert (answer.status_code, len(answer.json()["records"])) == (200, found)


def test_dify_s_conditions_have_so_many_values_in_all(
    service: Service, collection: Collection
) -> None:
    names = [f"n{number}" for number in range(16)]
    values = {"name": names, "comparison_operator": "in", "value": ["a"] * 1000}
    conditions = {"name": names, "comparison_operator": "is not", "value": "a"}
    for many, told in (([values], "4096"), ([conditions] * 17, "256")):
        answer = ask_dify(service, collection, *many)
        assert (answer.status_code, {*answer.json()}) == (400, {"error_code", "error_msg"})
        assert told in answer.json()["error_msg"]
    assert ask_dify(service, collection, *[conditions] * 16).status_code == 200


def test_attribute_with_a_name_of_folio_s_own_is_kept_under_another(
    service: Service, collection: Collection
) -> None:
    attributes = {"version": "11 beta", "document_id": "x", "status": "draft", "product": "kettle"}
    collection.add({"id": "tea", "text": "Tea takes four minutes.", "attributes": attributes})
    (record,) = ask_dify(service, collection).json()["records"]
    assert record["metadata"] == {
        "product": "kettle",
        "status": "draft",
        "attributes.version": "11 beta",
        "attributes.document_id": "x",
        "document_id": "tea",
        "version": 1,
        "url": "",
    }
    fetched = call_tool(service.http, "fetch", id=f"{collection.name}/tea")["metadata"]
    with connect(Settings(), server=service.url, key=None, command="folio mcp") as client:
        assert RemoteLibrary(client).fetch(collection.name, "tea").metadata == fetched
    assert (fetched["version"], fetched["attributes.version"]) == (1, "11 beta")
    assert (fetched["status"], fetched["attributes.status"]) == ("ready", "draft")
    assert (fetched["document_id"], fetched["product"]) == ("x", "kettle")


def test_open_webui_is_told_what_could_not_be_read(service: Service) -> None:
    for data, warnings in ((b"Tea.", None), (b"Tea \xff.", ["not UTF-8: decoded as cp1252"])):
        headers = {"Content-Type": "text/plain", "X-Filename": "tea.txt"}
        answer = service.http.put("/v1/openwebui/process", content=data, headers=headers)
        assert answer.json()["metadata"].get("warnings") == warnings


def test_address_that_is_not_utf_8_is_refused(service: Service, collection: Collection) -> None:
    """The server reads every byte that is not as the same character."""
    for name in ("caf%e9", "caf%e8"):
        answer = service.http.put(f"{collection.path}/documents/{name}", json={"text": "Tea."})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert collection.page()["documents"] == []
    page = service.http.get(f"/admin/collections/{collection.name}/articles/caf%e9")
    assert (page.status_code, "the URL is not UTF-8" in page.text) == (422, True)
    assert service.http.get(f"{collection.path}/documents?after=%e9").status_code == 422
    store = service.http.get(f"/v1/vector_stores/{collection.name}/files/caf%e9")
    assert "error" in store.json()
    assert collection.put("café", text="Tea.").status_code == 202


def ask_dify(service: Service, collection: Collection, *conditions: Json) -> httpx.Response:
    asked = {
        "knowledge_id": collection.name,
        "query": "tea",
        "metadata_condition": {"conditions": conditions},
    }
    return service.http.post("/v1/dify/retrieval", json=asked)
