"""Schemathesis over the OpenAPI document: whatever is sent, no 500, and answers as described."""

import subprocess
import sysconfig
from pathlib import Path

import httpx

from app.config import Settings
from tests.api.service import folio_environment, open_service

SCHEMATHESIS = str(Path(sysconfig.get_path("scripts")) / "schemathesis")
EXAMPLES_PER_ROUTE = 40


def test_no_request_gets_a_500_and_every_answer_is_as_the_schema_says(
    tmp_path: Path, jina_v3: Path
) -> None:
    with open_service(Settings(data=tmp_path / "data", model=str(jina_v3))) as service:
        # The collection and the document that the schema's examples name.
        service.new_collection("help").add({"id": "manual/reset", "text": "Hold the button."})
        run = subprocess.run(
            [
                *(SCHEMATHESIS, "--no-color", "run", f"{service.url}/openapi.json"),
                *("--max-examples", str(EXAMPLES_PER_ROUTE), "--generation-deterministic"),
                # What the schema cannot say is refused too: foreign cursors, dates in the past.
                *("--exclude-checks", "positive_data_acceptance"),
            ],
            cwd=tmp_path,
            env=folio_environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert run.returncode == 0, run.stdout[-5000:]
        paths = httpx.get(f"{service.url}/openapi.json").json()["paths"]
    count = sum(len(operations) for operations in paths.values())
    assert f"Tested: {count}" in run.stdout
