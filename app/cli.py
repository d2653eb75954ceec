"""The command line: `folio`."""

import typer

from app.commands import (
    articles,
    evaluation,
    feedback,
    generations,
    keys,
    preflight,
    searching,
    upkeep,
    uploads,
)

app = typer.Typer(
    help="Whole-article retrieval for chatbots and agents.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("serve")(upkeep.serve)
app.command("add")(uploads.add)
app.command("sync")(uploads.sync)
app.command("import-url")(uploads.import_url)
app.command("search")(searching.search)
app.command("why")(searching.why)
app.command("show")(articles.show)
app.command("list")(articles.list_articles)
app.command("rollback")(articles.rollback)
app.command("remove")(articles.remove)
app.command("status")(upkeep.status)
app.command("eval")(evaluation.evaluate)
app.command("preflight")(preflight.preflight)
app.command("golden")(feedback.golden)
app.command("gaps")(feedback.gaps)
app.command("reembed")(generations.reembed)
app.command("tune")(generations.tune)
app.command("backup")(upkeep.backup)
app.command("restore")(upkeep.restore)
app.command("doctor")(upkeep.doctor)
app.add_typer(generations.generations_app, name="generations")
app.add_typer(keys.keys_app, name="keys")

if __name__ == "__main__":
    app()
