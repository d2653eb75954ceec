"""A standby takes over from a primary that was killed; the long form is tests.postgres.cluster."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.config import Settings
from tests.api.service import open_service
from tests.postgres.server import PostgresServer, run_postgres, run_standby

pytestmark = pytest.mark.slow


@pytest.fixture
def pair() -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """A primary and its standby, with the database `folio`."""
    with run_postgres() as primary:
        primary.create_database("folio")
        with run_standby(primary) as standby:
            yield primary, standby


def test_a_standby_takes_over_with_all_that_was_acknowledged(
    pair: tuple[PostgresServer, PostgresServer], tmp_path: Path, jina_v3: Path
) -> None:
    primary, standby = pair
    settings = Settings(
        data=tmp_path,
        model=str(jina_v3),
        passage_tokens=32,
        # The worker may have claimed what was uploaded last.
        lease_seconds=3,
        retry_seconds=0.2,
        database_url=SecretStr(primary.url("folio", standby)),
    )
    with open_service(settings) as service:
        collection = service.new_collection("help")
        collection.add({"id": "a", "text": "Tea with milk."})
        uploaded = collection.put("b", text="Coffee.")
        assert uploaded.status_code == 202
        primary.kill()
        refused = [
            service.http.get(collection.path),
            service.http.post(f"{collection.path}/search", json={"query": "tea"}),
            collection.put("c", text="Water."),
            service.http.get("/readyz"),
        ]
        assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [
            (503, "database_unavailable")
        ] * len(refused)
        standby.promote()
        assert collection.finish(uploaded)["errors"] == []
        collection.add({"id": "d", "text": "Milk."})
        assert collection.found("tea") == {"a", "b", "d"}
        assert collection.found("coffee", mode="lexical") == {"b"}
