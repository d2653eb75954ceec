"""The page that describes the interface, on a machine without a way to the internet."""

import re
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from tests.api.service import open_service


def test_root_says_what_this_is_and_where_to_go(tmp_path: Path, jina_v3: Path) -> None:
    with open_service(Settings(data=tmp_path / "data", model=str(jina_v3))) as service:
        answer = httpx.get(service.url)
        assert answer.status_code == httpx.codes.OK
        said = answer.json()
        assert said["name"] == "Folio"
        for place in ("docs", "openapi"):
            assert httpx.get(service.url + said[place]).status_code == httpx.codes.OK


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_docs_page_brings_its_scripts_along(page: str, tmp_path: Path, jina_v3: Path) -> None:
    with open_service(Settings(data=tmp_path / "data", model=str(jina_v3))) as service:
        html = httpx.get(service.url + page).text
        loaded = re.findall(r"<(?:script|link)[^>]* (?:src|href)=\"([^\"]+)\"", html)
        assert any(path.endswith(".js") for path in loaded)
        for path in loaded:
            assert path.startswith("/"), f"{path} is on another machine"
            assert httpx.get(service.url + path).status_code == httpx.codes.OK
