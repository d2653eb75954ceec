"""`folio reparse` against a running service."""

from collections.abc import Callable
from pathlib import Path
from zlib import crc32

from sqlalchemy import select

from app.db.models import Document, Version
from tests.api.service import Collection, Service
from tests.cli.command import Ran

Ask = Callable[..., Ran]


def shorten(service: Service, collection: Collection, document_id: str) -> None:
    """Have an article answer with less than stands in its upload, as an older parser read it."""
    with service.resources.database.write() as session:
        version = session.scalars(
            select(Version)
            .join(Document, Document.id == Version.document_id)
            .where(Document.external_id == document_id, Version.is_live)
            .order_by(Version.id.desc())
        ).first()
        assert version is not None
        version.text, version.text_crc32 = "Hold", crc32(b"Hold")


def test_reparse_reports_first_and_applies_when_told_to(
    ask: Ask, service: Service, collection: Collection, tmp_path: Path
) -> None:
    (tmp_path / "reset.md").write_text("# Reset\n\nHold the button for eight seconds.")
    (tmp_path / "tea.md").write_text("# Tea\n\nTea with milk.")
    assert ask("add", tmp_path).code == 0
    shorten(service, collection, "reset.md")
    report = ask("reparse", "--json").json
    assert [change["id"] for change in report["found"]["changes"]] == ["reset.md"]
    assert "--apply" in ask("reparse").stdout
    applied = ask("reparse", "--apply", "--json").json
    assert applied["job"]["counts"]["ready"] == 1
    assert ask("show", "reset.md", "--json").json["version"] == 2
    assert ask("show", "tea.md", "--json").json["version"] == 1
    assert ask("reparse", "--json").json["found"]["changed"] == 0


def test_reparse_that_is_not_there_and_body_of_the_wrong_type_are_refused(
    service: Service, collection: Collection
) -> None:
    path = f"/v1/collections/{collection.name}/reparses"
    assert service.http.get(f"{path}/none").json()["code"] == "reparse_not_found"
    assert service.http.post(path, json={"apply": "yes"}).status_code == 422
