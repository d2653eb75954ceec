"""What is imported is declared, what is declared is pinned, what an image is made of reaches it."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
CLIENT = ROOT / "clients/python"
# Of extras, which need not be installed here.
DISTRIBUTIONS = {"haystack": ["haystack-ai"], "llama_index": ["llama-index-core"]}
OWN = {"app", "folio_client", "folio_haystack", "folio_kb", "ingest", "train"}


def list_requirements(project: Path, *extras: str) -> Iterator[Requirement]:
    """Yield what a distribution asks for; with `all` of every extra."""
    declared = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = declared["optional-dependencies"]
    chosen = optional if extras == ("all",) else extras
    for line in (
        *declared["dependencies"],
        *(line for extra in chosen for line in optional[extra]),
    ):
        yield Requirement(line)


def list_imported(folder: Path) -> set[str]:
    """Return the packages that the modules of a folder import, those of Python itself left out."""
    imported = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                imported.add(node.module.partition(".")[0])
    return imported - OWN - sys.stdlib_module_names


@pytest.mark.parametrize(
    ("project", "extras", "folder"),
    [
        (ROOT, ("openvino", "postgres", "ray"), "app"),
        (ROOT, (), "ingest"),
        (ROOT, (), "alembic"),
        (ROOT, (), "folio_kb"),
        (ROOT, ("train",), "train"),
        (CLIENT, ("haystack", "langchain", "llama-index"), "."),
    ],
    ids=["app", "ingest", "alembic", "folio_kb", "train", "client"],
)
def test_library_that_is_imported_is_declared(
    project: Path, extras: tuple[str, ...], folder: str
) -> None:
    declared = {canonicalize_name(one.name) for one in list_requirements(project, *extras)}
    owners = {**DISTRIBUTIONS, **packages_distributions()}
    assert [
        name
        for name in sorted(list_imported(project / folder))
        if declared.isdisjoint(map(canonicalize_name, owners.get(name, [name])))
    ] == []


@pytest.mark.parametrize("project", [ROOT, CLIENT], ids=["folio-kb", "folio-client"])
def test_library_that_is_declared_is_pinned_within_its_range(project: Path) -> None:
    """`make constraints` writes the versions anew."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {canonicalize_name(name): pin for name, _, pin in (one.partition("==") for one in lines)}

    def is_pinned(one: Requirement) -> bool:
        pin = pins.get(canonicalize_name(one.name))
        return pin is not None and one.specifier.contains(pin)

    requirements = [one for one in list_requirements(project, "all") if one.name != "folio-kb"]
    assert [str(one) for one in requirements if not is_pinned(one)] == []


def test_what_the_image_copies_is_not_ignored() -> None:
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", (ROOT / "Dockerfile").read_text(), re.M)
        for source in line.split()[:-1]
    }
    kept = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.M)
    assert copied == set(kept)
