"""Access is denied unless it is declared: what holds routes and use cases to it."""

import ast

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from app.api.access import (
    Admin,
    GuardedRoute,
    ReadableCollection,
    Reader,
    UndeclaredAccess,
    WritableCollection,
)
from app.application import ROUTERS, create_app
from app.runtime.resources import Resources
from tests.test_layers import ROOT, SOURCES

# What stands for a caller who may do everything, and what trusts that something was allowed.
TRUSTING = {"EVERYONE", "recall_collection", "recall_named"}


def test_only_the_access_room_makes_a_collection_ref() -> None:
    makers = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and "CollectionRef" in {getattr(node.func, "id", ""), getattr(node.func, "attr", "")}
    }
    assert makers == {"app/services/access/collections.py"}


def test_no_route_passes_over_the_check_of_its_caller() -> None:
    for path in (ROOT / "app/api").rglob("*.py"):
        if path.name == "access.py":
            continue
        names = {
            alias.name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        assert not names & TRUSTING, path


def test_route_that_declares_no_access_is_refused_where_it_is_made() -> None:
    router = APIRouter(route_class=GuardedRoute)

    @router.get("/fine/{collection}")
    def fine(collection: ReadableCollection) -> None: ...

    with pytest.raises(UndeclaredAccess, match="/new declares 0 kinds of access"):

        @router.get("/new")
        def new() -> None: ...

    with pytest.raises(UndeclaredAccess, match=r"/\{collection\} declares 0"):

        @router.get("/{collection}")
        def new_in_collection(collection: str) -> None: ...

    with pytest.raises(UndeclaredAccess, match="/both declares 2 kinds of access"):

        @router.get("/both")
        def both(reader: Reader, admin: Admin) -> None: ...

    # A declaration that yields no collection does not do for a path that names one.
    with pytest.raises(UndeclaredAccess, match=r"names \{collection\}"):

        @router.get("/{collection}/more")
        def more(collection: str, reader: Reader) -> None: ...


def test_service_with_a_route_of_another_kind_does_not_start(resources: Resources) -> None:
    plain = APIRouter(prefix="/v1")

    @plain.get("/vector_stores/{vector_store_id}")
    def show(vector_store_id: str) -> None: ...

    with pytest.raises(UndeclaredAccess, match="vector_store_id"):
        create_app(resources, routers=(*ROUTERS, plain))
    app = create_app(resources, works=False)
    app.include_router(plain)
    with pytest.raises(UndeclaredAccess, match="vector_store_id"), TestClient(app):
        pass


def test_service_with_a_mounted_application_does_not_start(resources: Resources) -> None:
    app = create_app(resources, works=False)
    app.mount("/other", FastAPI())
    with pytest.raises(UndeclaredAccess, match="/other"), TestClient(app):
        pass


def test_declaration_that_reads_no_collection_of_the_path_is_refused() -> None:
    router = APIRouter(route_class=GuardedRoute)
    with pytest.raises(UndeclaredAccess, match=r"has no \{collection\}"):

        @router.get("/elsewhere/{id}")
        def elsewhere(id: str, collection: WritableCollection) -> None: ...
