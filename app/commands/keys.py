"""`folio keys`: API keys from their making to their end."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.table import Table

from app.commands.client import (
    key_path,
)
from app.commands.terminal import (
    ApiKey,
    AsJson,
    Data,
    Server,
    err,
    open_client,
    out,
    print_json,
    reports_errors,
    safe_text,
)
from app.domain import Scope

keys_app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)


@keys_app.command("create")
@reports_errors
def create_key(
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    scope: Annotated[Scope, typer.Option(help="What it may do.")] = Scope.READ,
    collection: Annotated[
        list[str] | None, typer.Option(help="Only in these collections; repeat for several.")
    ] = None,
    days: Annotated[
        int | None, typer.Option(help="Valid for so many days.", min=1, max=36_500)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it; it cannot be shown again."""
    body: dict[str, Any] = {"name": name, "scope": scope.value, "collections": collection or None}
    if days is not None:
        body["expires_at"] = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    with open_client(data, server, key, "folio keys create") as client:
        made = client.call("POST", "/v1/keys", json=body)
    if as_json:
        print_json(made)
    else:
        out.print(made["key"], soft_wrap=True)
        err.print("keep it: only its hash is stored")


@keys_app.command("list")
@reports_errors
def list_keys(
    data: Data = None, server: Server = None, key: ApiKey = None, as_json: AsJson = False
) -> None:
    """List keys, without their secrets."""
    with open_client(data, server, key, "folio keys list") as client:
        keys = client.call("GET", "/v1/keys")["keys"]
    if as_json:
        print_json(keys)
        return
    table = Table("id", "name", "scope", "collections", "expires", "last used", "revoked", box=None)
    for row in keys:
        where = "all" if row["collections"] is None else ", ".join(row["collections"])
        expires, revoked = row["expires_at"] or "never", row["revoked_at"] or "no"
        used = row["last_used_at"] or "never"
        table.add_row(
            row["id"], safe_text(row["name"]), row["scope"], where, expires, used, revoked
        )
    out.print(table)


@keys_app.command("revoke")
@reports_errors
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="ID")],
    data: Data = None,
    server: Server = None,
    key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a key; the next request with it is refused."""
    with open_client(data, server, key, "folio keys revoke") as client:
        revoked = client.call("DELETE", key_path(key_id))
    print_json(revoked) if as_json else out.print(safe_text(f"revoked {key_id}"))
