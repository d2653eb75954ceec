"""What the documentation tells readers to run does what it says."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from tests.api.service import Service, open_service

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service with the bundled model, as `make serve` starts it."""
    with open_service(Settings(data=tmp_path / "data")) as opened:
        yield opened


def blocks_of(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_three_requests_of_the_readme_show_a_hit(service: Service) -> None:
    (script,) = blocks_of("README.md", "sh")
    assert script.count("curl ") == 3
    ran = subprocess.run(
        ["/bin/sh", "-e", "-c", script.replace("localhost:8000", service.url)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    decoder, answers, rest = json.JSONDecoder(), [], ran.stdout
    while rest:
        answer, end = decoder.raw_decode(rest)
        answers.append(answer)
        rest = rest[end:].lstrip()
    assert len(answers) == 3
    assert [hit["document_id"] for hit in answers[2]["results"]] == ["reset"]


def test_tutorial_runs_from_start_to_finish(service: Service) -> None:
    code = "\n".join(blocks_of("docs/tutorial.md", "python"))
    names: dict[str, object] = {}
    exec(compile(code.replace("http://127.0.0.1:8000", service.url), "tutorial", "exec"), names)  # noqa: S102  # our own page
    assert "three years" in str(names["prompt"])
    client = names["folio"]
    assert isinstance(client, httpx.Client)
    client.close()


@pytest.mark.parametrize("client", ["openai-sdk", "langchain", "llamaindex", "haystack"])
def test_page_of_a_client_finds_the_article(service: Service, client: str) -> None:
    """Frameworks that are not installed (the extra `peers`) end as skipped."""
    needed = {"langchain": "langchain_core", "llamaindex": "llama_index.core"}
    pytest.importorskip(needed.get(client, client.partition("-")[0]), reason="not installed")
    (code,) = blocks_of(f"docs/how-to/connect/{client}.md", "python")
    ran = subprocess.run(
        [sys.executable, "-c", code.replace("http://127.0.0.1:8000", service.url)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "kettle" in ran.stdout
    assert "Descale" in ran.stdout


@pytest.mark.parametrize("client", ["plain-http", "dify", "open-webui"])
def test_requests_of_a_page_find_the_article(service: Service, client: str) -> None:
    (prepare,) = blocks_of("docs/how-to/connect/plain-http.md", "sh")
    (asked,) = blocks_of(f"docs/how-to/connect/{client}.md", "sh")
    script = prepare if client == "plain-http" else f"{prepare}\n{asked}"
    ran = subprocess.run(
        ["/bin/sh", "-e", "-c", script.replace("http://127.0.0.1:8000", service.url)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    # The first answers are those of making the collection and of the upload.
    last = ran.stdout.rpartition('"job_id"')[2]
    assert "once a month with citric acid" in last
