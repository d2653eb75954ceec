"""A server without keys answers this machine, and no site that its browser shows."""

from pathlib import Path

import pytest

from app.config import Settings
from tests.api.service import Collection, Service, open_service

EVIL = "https://evil.example"


@pytest.mark.parametrize("path", ["/v1/collections", "/admin", "/mcp", "/healthz", "/docs"])
def test_name_that_leads_here_is_refused(service: Service, path: str) -> None:
    """Else a site that rebinds its own name could read everything."""
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "[", ""):
        answer = service.http.get(path, headers={"Host": host})
        assert (answer.status_code, answer.json()["code"]) == (421, "unknown_host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1", "[::1]:8000"])
def test_names_of_this_machine_are_answered(service: Service, host: str) -> None:
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert service.http.post("/v1/collections", json={}, headers=headers).status_code == 422


def test_form_of_another_site_is_refused(service: Service, collection: Collection) -> None:
    for origin in (EVIL, "null", "http://localhost.evil.example"):
        answer = service.http.post(
            f"{collection.path}/documents",
            files={"files": ("a.txt", b"Tea.")},
            headers={"Origin": origin},
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
    assert collection.page()["documents"] == []
    # The browser shows this answer to no site.
    assert service.http.get("/v1/collections", headers={"Origin": EVIL}).is_success


def test_refusal_has_the_shape_of_the_contract(service: Service) -> None:
    body = {"input": "tea", "model": ""}
    answer = service.http.post("/v1/embeddings", json=body, headers={"Origin": EVIL})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_origin")


def test_hosts_and_origins_of_the_settings_are_let_in(tmp_path: Path, jina_v3: Path) -> None:
    settings = Settings(
        data=tmp_path,
        model=str(jina_v3),
        mcp_hosts="kb.example, kb.example:8443",
        cors_origins="https://chat.example",
    )
    with open_service(settings, works=False, loads=False) as service:

        def status(host: str, origin: str) -> int:
            headers = {"Host": host, "Origin": origin}
            return service.http.post("/v1/collections", json={}, headers=headers).status_code

        for host in ("kb.example", "kb.example:80", "kb.example:8443"):
            assert status(host, "https://kb.example") == 422
            assert status(host, "https://chat.example") == 422
            assert status(host, EVIL) == 403
        assert status("other.example", "https://chat.example") == 421


def test_server_with_keys_is_told_by_its_keys(tmp_path: Path, jina_v3: Path) -> None:
    settings = Settings(data=tmp_path, model=str(jina_v3))
    with open_service(settings, requires_keys=True, works=False, loads=False) as service:
        headers = {"Host": "kb.example", "Origin": EVIL}
        assert service.http.post("/v1/collections", json={}, headers=headers).status_code == 401
