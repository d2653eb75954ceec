"""A server process with the sample articles, for the tests of framework retrievers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from folio_client import Folio

from tests.api.service import folio_environment, poll, run_server

ARTICLES = Path(__file__).parents[2] / "examples" / "articles"
SAMPLE = "help"
"""The collection of the sample articles; their ids are the paths of the golden questions."""


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folio]:
    folder = tmp_path_factory.mktemp("sample")
    log, environment = folder / "log", folio_environment()
    with (
        run_server(folder / "data", "--no-auth", log=log, environment=environment) as server,
        Folio(server.url) as client,
    ):
        client.create_collection(SAMPLE)
        for path in (path for path in sorted(ARTICLES.rglob("*")) if path.is_file()):
            document_id = path.relative_to(ARTICLES).as_posix()
            upload = client.put_file(SAMPLE, document_id, path.read_bytes())
            client.wait_for_job(upload.job_id, timeout_s=120)
        # A calibration between two searches would change their scores.
        poll(lambda: client.search(SAMPLE, "descale").calibrated, bool)
        yield client
