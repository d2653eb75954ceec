"""Schemathesis over the OpenAPI document: whatever is sent, no 500, and answers as described."""

import re
import subprocess
import sysconfig
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from tests.api.service import Service, folio_environment, open_service
from tests.databases import is_postgresql

pytestmark = pytest.mark.slow

SCHEMATHESIS = str(Path(sysconfig.get_path("scripts")) / "schemathesis")
EXAMPLES_PER_ROUTE = 40
# Erasing takes what it may, and nothing that the other routes are asked about.
ERASING = ("/v1/collections/{collection}", "/v1/collections/{collection}/documents/{id}")
# No schema can say what makes these valid: files that hold text, addresses that answer, articles,
# queries and models that are there.
BY_CONTENT = (
    "/v1/collections/{collection}/calibration",
    "/v1/collections/{collection}/imports",
    "/v1/collections/{collection}/preflight",
    "/v1/evaluations",
    "/v1/feedback",
    "/v1/generations",
    "/v1/tunings",
)
# There is one model, and of these ids only what other answers said exists.
BY_ANSWER = ("/v1/collections/{collection}/rollback", "/v1/generations/{generation_id}")

# PostgreSQL keeps its own backups.
NOT_SHARED = ("/v1/backups",)


def write_config(service: Service, path: Path) -> None:
    """Name what exists, so that what is tested is more than refusals."""
    help_collection = service.new_collection("help")
    job = help_collection.add({"id": "manual/reset", "text": "Hold the button."})
    golden = [{"query": "How do I reset it?", "relevant": ["manual/reset"]}]
    evaluation = service.http.post(
        "/v1/evaluations", json={"collection": "help", "queries": golden}
    ).json()
    reparse = service.http.post("/v1/collections/help/reparses", json={}).json()
    (generation,) = service.http.get("/v1/generations").json()["generations"]
    model, *_ = service.http.get("/v1/models").json()["data"]
    key = service.http.post("/v1/keys", json={"name": "to revoke"}).json()
    backup = service.http.post("/v1/backups", json={}).json().get("name", "none")
    operations = [
        f'[[operations]]\ninclude-path = "{route}"\ninclude-method = "DELETE"\nwarnings = false\n'
        'parameters = { "path.collection" = "erased", "path.id" = "erased" }\n'
        for route in ERASING
    ] + [
        f'[[operations]]\ninclude-path = "{route}"\nwarnings = false\n'
        for route in (*BY_CONTENT, *BY_ANSWER, *(NOT_SHARED if is_postgresql() else ()))
    ]
    documents = f"""
[[operations]]
include-path = "/v1/backups/{{backup}}"
include-method = "DELETE"
warnings = false
parameters = {{ "path.backup" = "erased" }}
[[operations]]
include-path = "/v1/evaluations/{{evaluation_id}}"
include-method = "DELETE"
warnings = false
parameters = {{ "path.evaluation_id" = "erased" }}
[[operations]]
include-path = "{ERASING[1]}"
parameters = {{ "path.collection" = "help", "path.id" = "manual/reset" }}
[[operations]]
include-path = "/v1/models/{{id}}"
parameters = {{ "path.id" = "{model["id"]}" }}
"""
    parameters = f"""
[parameters]
"path.collection" = "help"
"path.job_id" = "{job["job_id"]}"
"path.evaluation_id" = "{evaluation["id"]}"
"path.reparse_id" = "{reparse["id"]}"
"path.generation_id" = {generation["id"]}
"path.key_id" = "{key["id"]}"
"path.backup" = "{backup}"
"query.wait" = 0
"""
    path.write_text(parameters + "".join(operations) + documents, encoding="utf-8")


# Contracts of other software: their clients decide what an answer looks like, and their schemas are
# not held to every status yet. No request to them gets a 500.
CONTRACTS = (
    r"^/(v1/(files|vector_stores|dify|openwebui|embed|models|rerank)|v2/|api/|embed|rerank|"
    r"similarity|tokenize|info|health$|$)"
)


@pytest.mark.parametrize("is_contract", [False, True], ids=["own interface", "contracts"])
def test_no_request_gets_a_500_and_every_answer_is_as_the_schema_says(
    tmp_path: Path, jina_v3: Path, is_contract: bool
) -> None:
    chosen = (
        ("--include-path-regex", CONTRACTS, "--checks", "not_a_server_error")
        if is_contract
        # What the schema cannot say is refused too: foreign cursors, dates in the past.
        else ("--exclude-path-regex", CONTRACTS, "--exclude-checks", "positive_data_acceptance")
    )
    with open_service(Settings(data=tmp_path / "data", model=str(jina_v3))) as service:
        write_config(service, tmp_path / "schemathesis.toml")
        run = subprocess.run(
            [
                *(SCHEMATHESIS, "--no-color", "run", f"{service.url}/openapi.json"),
                *("--max-examples", str(EXAMPLES_PER_ROUTE), "--generation-deterministic"),
                *chosen,
            ],
            cwd=tmp_path,
            env=folio_environment(),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert run.returncode == 0, run.stdout[-5000:]
        # A warning says that a route was tested by refusals alone.
        assert is_contract or "WARNINGS" not in run.stdout, run.stdout[-5000:]
        paths = httpx.get(f"{service.url}/openapi.json", timeout=60).json()["paths"]
    count = sum(
        len(operations)
        for path, operations in paths.items()
        if bool(re.search(CONTRACTS, path)) is is_contract
    )
    assert f"Tested: {count}" in run.stdout
