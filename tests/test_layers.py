"""Imports go one way."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Each layer may import itself and the ones before it; those on one line not each other.
LAYERS = [
    ["app.config", "app.domain", "app.errors"],
    ["app.db", "app.embedding", "app.index", "app.evaluation"],
    ["app.runtime"],
    ["ingest"],
    ["app.services"],
    ["app.api"],
    ["app.admin"],
    ["app.application"],
    ["app.main"],
    ["app.embedding_server"],
    ["app.commands"],
    ["app.cli"],
    ["train"],
]
RANKS = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def layer_of(module: str) -> str | None:
    return next((name for name in RANKS if module == name or module.startswith(name + ".")), None)


def imports_of(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            assert node.module is not None
            modules |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {
        module for module in modules if module.split(".")[0] in {"app", "ingest", "train", "bench"}
    }


SOURCES = sorted(
    [*ROOT.glob("app/**/*.py"), *ROOT.glob("ingest/**/*.py"), *ROOT.glob("train/**/*.py")]
)


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_imports_only_its_own_layer_and_lower_ones(path: Path) -> None:
    module = name_of(path)
    layer = layer_of(module)
    if layer is None:
        assert module == "app", f"{module} belongs to no layer"
        return
    for imported in imports_of(path):
        assert not imported.startswith("bench"), f"{module} imports {imported}"
        target = layer_of(imported)
        assert target is None or target == layer or RANKS[target] < RANKS[layer], (
            f"{module} ({layer}) imports {imported} ({target})"
        )


def edges_of(path: Path, modules: set[str]) -> set[str]:
    """Return the modules that a file imports: at its top, in functions and for type checkers."""
    edges = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            edges |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            # `from package import name`: a module, or a name that the package itself defines.
            edges |= {name if name in modules else str(node.module) for name in names}
    return edges & modules


def test_no_module_imports_itself_by_way_of_others() -> None:
    modules = {name_of(path) for path in SOURCES}
    # Raises CycleError, which names the cycle.
    TopologicalSorter({name_of(path): edges_of(path, modules) for path in SOURCES}).prepare()
