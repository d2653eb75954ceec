"""When each key was used last: over REST and on the pages, also where another process works."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from app.config import Settings
from app.domain import Scope
from app.runtime.signals import KeyUses
from app.services.access.keys import create_key, list_keys, revoke_key
from app.services.access.uses import store_uses
from tests.admin.browser import Browser
from tests.api.service import Service, open_service, poll


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = Settings(data=tmp_path_factory.mktemp("uses"))
    with open_service(settings, requires_keys=True, works=False, loads=False) as opened:
        yield opened


def uses(service: Service) -> dict[str, bool]:
    """Return by name whether a use of each key is known."""
    return {key.name: bool(key.last_used_at) for key in list_keys(service.resources.database)}


def test_last_use_is_listed_without_a_request_that_waits_for_it(service: Service) -> None:
    _, admin = create_key(service.resources.database, name="admin", scope=Scope.ADMIN)
    create_key(service.resources.database, name="idle")
    headers = {"Authorization": f"Bearer {admin}"}

    def read() -> dict[str, str | None]:
        answer = httpx.get(f"{service.url}/v1/keys", headers=headers)
        return {key["name"]: key["last_used_at"] for key in answer.json()["keys"]}

    listed = poll(read, lambda found: found["admin"] is not None)
    assert listed["idle"] is None


def test_only_valid_keys_are_used_and_also_by_signing_in(service: Service) -> None:
    database = service.resources.database
    _, page = create_key(database, name="page", scope=Scope.READ)
    info, revoked = create_key(database, name="revoked", scope=Scope.READ)
    revoke_key(database, info.id)
    with httpx.Client(base_url=service.url) as http:
        Browser(http).sign_in(page)
        assert http.get("/v1/collections", headers={"Authorization": f"Bearer {revoked}"}).is_error
    store_uses(service.resources)
    known = uses(service)
    assert (known["page"], known["revoked"]) == (True, False)


def test_use_within_a_minute_of_the_last_one_costs_no_write() -> None:
    uses, noon = KeyUses(), datetime(2026, 1, 1, 12, tzinfo=UTC)
    uses.note("a", noon)
    uses.note("b", noon)
    assert uses.take() == {"a": noon, "b": noon}
    uses.note("a", noon + timedelta(seconds=59))
    assert uses.take() == {}
    uses.note("a", noon + timedelta(seconds=60))
    assert uses.take() == {"a": noon + timedelta(seconds=60)}
