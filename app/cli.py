"""The command line: `folio`."""

from importlib.metadata import version
from typing import Annotated

import typer

from app.commands import (
    articles,
    calibration,
    evaluation,
    feedback,
    generations,
    golden_sets,
    keys,
    mcp,
    preflight,
    reparse,
    search,
    upkeep,
    uploads,
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _print_version(asked: bool) -> None:  # typer calls it so
    if asked:
        typer.echo(f"folio {version('folio-kb')}")
        raise typer.Exit


@app.callback()
def _main(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Whole-article retrieval for chatbots and agents."""


app.command("serve")(upkeep.serve)
app.command("work")(upkeep.work)
app.command("embed-server")(upkeep.embed_server)
app.command("add")(uploads.add)
app.command("backfill")(uploads.backfill)
app.command("sync")(uploads.sync)
app.command("import-url")(uploads.import_url)
app.command("search")(search.search)
app.command("why")(search.why)
app.command("show")(articles.show)
app.command("list")(articles.list_articles)
app.command("rollback")(articles.rollback)
app.command("remove")(articles.remove)
app.command("status")(upkeep.status)
app.command("eval")(evaluation.evaluate)
app.command("calibrate")(calibration.calibrate)
app.command("mcp")(mcp.mcp)
app.command("preflight")(preflight.preflight)
app.command("reparse")(reparse.reparse)
app.command("golden")(golden_sets.golden)
app.command("gaps")(feedback.gaps)
app.command("reembed")(generations.reembed)
app.command("tune")(generations.tune)
app.command("backup")(upkeep.backup)
app.command("restore")(upkeep.restore)
app.command("migrate-to")(upkeep.migrate_to)
app.command("doctor")(upkeep.doctor)
app.add_typer(generations.generations_app, name="generations")
app.add_typer(keys.keys_app, name="keys")

if __name__ == "__main__":
    app()
