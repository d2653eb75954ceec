"""The wheel: what is in it, and that it runs wherever the checkout is not."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

from tests.api.service import Collection, folio_environment, poll, run_server
from tests.postgres.server import run_postgres

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PACKAGE = "folio_kb"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    run_python("-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with only the wheel in it; what it needs comes from the environment of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    run_python("-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), str(wheel))
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder of somebody's own, with an `app` and an `ingest` of its own."""
    folder = tmp_path / "elsewhere"
    for name in ("app", "ingest"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"raise ImportError('the wrong {name}')\n")
    return folder


def run_python(*arguments: str, cwd: Path | None = None, **variables: str | Path) -> str:
    """Return what Python prints; fails with its errors."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=folio_environment(**variables),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def read_names(wheel: Path) -> set[str]:
    """Return the files of a wheel without those that describe it."""
    with ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def find_sources(folder: str) -> set[Path]:
    """Return the files of a folder of the checkout, relative to it."""
    root = ROOT / folder
    return {
        path.relative_to(root)
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_wheel_holds_one_package_with_everything_in_it(wheel: Path) -> None:
    expected = {f"{PACKAGE}/{path}" for path in find_sources(PACKAGE)}
    for name in ("app", "ingest"):
        expected |= {f"{PACKAGE}/{name}/{path}" for path in find_sources(name)}
    expected |= {f"{PACKAGE}/app/db/migrations_data/{path}" for path in find_sources("alembic")}
    assert {
        f"{PACKAGE}/app/db/migrations_data/env.py",
        f"{PACKAGE}/app/embedding/mini/model.safetensors",
        f"{PACKAGE}/app/py.typed",
    } <= expected
    assert read_names(wheel) == expected


def test_editable_installation_is_the_checkout_and_a_copy_of_nothing(tmp_path: Path) -> None:
    build = f"from hatchling.build import build_editable; build_editable({str(tmp_path)!r})"
    run_python("-c", build, cwd=ROOT)
    (built,) = tmp_path.glob("*.whl")
    (link,) = read_names(built)
    with ZipFile(built) as archive:
        assert archive.read(link).decode().split() == [str(ROOT)]


def test_installation_beside_other_packages_takes_only_its_own_name(installed: Path) -> None:
    script = f"""
import sys
sys.path = [path for path in sys.path if path != {str(ROOT)!r}]
sys.path.insert(0, {str(installed)!r})
from importlib.util import find_spec
print([name for name in ("app", "ingest", "alembic", "folio_kb") if find_spec(name)])
"""
    assert run_python("-I", "-c", script).strip() == "['alembic', 'folio_kb']"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["doctor"]])
def test_command_runs_in_a_folder_with_packages_of_the_same_names(
    installed: Path, elsewhere: Path, tmp_path: Path, arguments: list[str]
) -> None:
    path = f".:{installed}"
    shown = run_python(
        *(str(installed / "bin" / "folio"), *arguments),
        cwd=elsewhere,
        PYTHONPATH=path,
        FOLIO_DATA=tmp_path / "data",
    )
    assert "olio" in shown
    as_module = run_python("-P", "-m", PACKAGE, "--help", cwd=elsewhere, PYTHONPATH=path)
    assert "doctor" in as_module


def test_installed_wheel_serves_from_any_folder(
    installed: Path, elsewhere: Path, tmp_path: Path, jina_v3: Path
) -> None:
    files = sorted(elsewhere.rglob("*"))
    with run_server(
        tmp_path / "data",
        "--no-auth",
        log=tmp_path / "log",
        environment=folio_environment(PYTHONPATH=f".:{installed}", FOLIO_MODEL=jina_v3),
        program=(sys.executable, str(installed / "bin" / "folio")),
        cwd=elsewhere,
    ) as server:
        poll(server.is_ready, bool)
        with httpx.Client(base_url=server.url, timeout=60.0) as http:
            assert http.post("/v1/collections", json={"name": "help"}).status_code == 201
            collection = Collection(http, "help")
            # Parsed by the process that parses, embedded, stored, found.
            collection.add({"id": "a", "markdown": "# Tea\n\nHot water and leaves."})
            assert collection.found("tea") == {"a"}
    assert sorted(elsewhere.rglob("*")) == files


@pytest.mark.skipif(find_spec("ray") is None, reason="the extra `ray` is missing")
def test_workers_of_a_backfill_are_of_the_installed_wheel(
    installed: Path, elsewhere: Path, tmp_path: Path, jina_v3: Path
) -> None:
    article = tmp_path / "tea.md"
    article.write_text("# Tea\n\nHot water and leaves.", encoding="utf-8")
    with run_postgres() as postgres:
        postgres.create_database("wheel")
        said = run_python(
            *(str(installed / "bin" / "folio"), "backfill", str(article), "--json"),
            cwd=elsewhere,
            PYTHONPATH=f".:{installed}",
            FOLIO_MODEL=jina_v3,
            FOLIO_DATABASE_URL=postgres.url("wheel"),
        )
    assert json.loads(said)["ready"] == 1
