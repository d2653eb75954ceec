"""The OpenAPI document: what generated clients and /docs are made of."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruff import find_ruff_bin

from app.config import Settings
from tests.api.service import Service, folio_environment, open_service

Json = dict[str, Any]


@pytest.fixture(scope="module")
def document(service: Service) -> Json:
    return dict(httpx.get(f"{service.url}/openapi.json", timeout=60).json())


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    """Yield each operation with its method and path."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def references(value: object) -> Iterator[str]:
    """Yield every `$ref` inside a document."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


def test_every_reference_has_its_schema_and_every_schema_a_reference(document: Json) -> None:
    held = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) == held


def test_operation_ids_are_short_and_different(document: Json) -> None:
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    assert [name for name in ids if not re.fullmatch("[a-z_]{3,24}", name)] == []
    assert {"search", "put_document", "post_documents", "get_job"} <= set(ids)


def test_every_field_and_parameter_is_described(document: Json) -> None:
    fields = {
        f"{name}.{field}": schema
        for name, model in document["components"]["schemas"].items()
        for field, schema in model.get("properties", {}).items()
    }
    parameters = {
        f"{name} {parameter['name']}": parameter
        for name, operation in operations(document)
        for parameter in operation.get("parameters", [])
    }
    described = fields | parameters
    assert len(fields) > 150
    assert [name for name, schema in described.items() if not schema.get("description")] == []


def test_every_operation_says_what_it_does(document: Json) -> None:
    assert [name for name, operation in operations(document) if not operation["description"]] == []


@pytest.mark.parametrize(
    ("path", "method", "other"),
    [
        ("/v1/collections/{collection}/documents/{id}", "put", "application/octet-stream"),
        ("/v1/collections/{collection}/documents", "post", "multipart/form-data"),
    ],
)
def test_uploads_as_json_are_described_with_an_example_that_is_taken(
    document: Json, service: Service, path: str, method: str, other: str
) -> None:
    content = document["paths"][path][method]["requestBody"]["content"]
    assert list(content) == ["application/json", other]
    schemas = document["components"]["schemas"]
    schema = schemas[content["application/json"]["schema"]["$ref"].rpartition("/")[2]]
    body = (
        schema["examples"][0]
        if method == "put"
        else {"documents": schemas["NamedDocumentIn"]["examples"]}
    )
    name = f"example-{method}"
    service.new_collection(name)
    url = service.url + path.format(collection=name, id="manual/reset")
    assert httpx.request(method, url, json=body, timeout=60).status_code == httpx.codes.ACCEPTED


SCRIPT = """
import sys
from folio_client import Client
from folio_client.api.collections import create_collection
from folio_client.api.documents import put_document
from folio_client.api.search import search
from folio_client.models import CollectionIn, DocumentIn, SearchIn
from folio_client.types import File
from io import BytesIO

with Client(base_url=sys.argv[1]) as client:
    create_collection.sync(client=client, body=CollectionIn(name="generated"))
    tea = DocumentIn(title="Tea", text="Hot water and leaves.")
    accepted = put_document.sync("generated", "tea", client=client, body=tea, wait=30)
    assert accepted.documents[0].status == "ready", accepted
    milk = File(payload=BytesIO(b"# Milk\\n\\nIt is white."))
    accepted = put_document.sync("generated", "milk.md", client=client, body=milk, wait=30)
    assert accepted.documents[0].status == "ready", accepted
    found = search.sync("generated", client=client, body=SearchIn(query="tea"))
    assert {hit.document_id for hit in found.results} == {"tea", "milk.md"}, found
"""


@pytest.mark.slow
def test_generated_client_uploads_and_searches(tmp_path: Path, jina_v3: Path) -> None:
    """With openapi-python-client, which must find nothing to warn of."""
    client = tmp_path / "folio_client"
    with open_service(Settings(data=tmp_path / "data", model=str(jina_v3))) as service:
        generated = subprocess.run(
            [
                *(sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"),
                *("--url", f"{service.url}/openapi.json", "--output-path", str(client)),
                "--fail-on-warning",
            ],
            cwd=tmp_path,
            # It formats what it writes with ruff.
            env=folio_environment(PATH=f"{Path(find_ruff_bin()).parent}{os.pathsep}{os.defpath}"),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert generated.returncode == 0, generated.stdout[-3000:] + generated.stderr[-3000:]
        # Nothing of the client may be missing.
        assert "arning" not in generated.stdout + generated.stderr
        used = subprocess.run(
            [sys.executable, "-c", SCRIPT, service.url],
            cwd=tmp_path,
            env=folio_environment(PYTHONPATH=tmp_path),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert used.returncode == 0, used.stderr[-3000:]
