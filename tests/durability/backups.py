"""Backs a server up again and again while it is written to and ingests, and restores each.

    python -m tests.durability.backups [--backups N]

One client puts articles in turn. A backup must hold the first so many of them, all that were
answered before it began among them, each whole; restored, its queue must go on until every article
is ready and the first answer to the word that only it holds.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import httpx

from app.config import Settings
from app.db.backup import restore_backup, write_backup
from app.domain import Mode, Status
from app.runtime.resources import Resources, open_resources
from ingest.sandbox import Sandbox
from ingest.worker import drain_queue
from tests.api.service import poll
from tests.checkpoints import make_jina_v3
from tests.durability.consistency import compare_vectors
from tests.durability.serving import run_forked
from tests.durability.table import Row, finish
from tests.named import list_documents, search_documents

_PATH = "/v1/collections/help"
_ARTICLES_APART = 5
_NAMES = ("backups", "articles", "lost", "no prefix", "drift", "500s", "stuck")


def text_of(number: int) -> str:
    """Return an article that only one word tells from the others."""
    return f"word{number} " + "Steep the tea well. " * 40


@dataclass(slots=True)
class Writer:
    """Puts articles in turn: `begun` of them so far, of which `answered` are acknowledged."""

    http: httpx.Client
    begun: int = 0
    answered: int = 0
    refused: int = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        stopping = Event()
        thread = Thread(target=self._write, args=(stopping,))
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()

    def wait_for(self, count: int) -> None:
        """Return once so many articles are acknowledged."""
        poll(lambda: self.answered, lambda answered: answered >= count)

    def _write(self, stopping: Event) -> None:
        while not stopping.is_set():
            self.begun += 1
            path = f"{_PATH}/documents/{self.answered:06}"
            answer = self.http.put(path, json={"text": text_of(self.answered)})
            if answer.status_code == 202:
                self.answered += 1
            else:
                self.refused += 1
                return


def run(folder: Path, *, backups: int) -> dict[str, int]:
    """Take the backups and restore them; returns the counts."""
    model = str(make_jina_v3(folder / "model"))
    settings = Settings(data=folder / "data", model=model, passage_tokens=32, max_queue=10**6)
    taken: list[tuple[Path, int, int]] = []
    with (
        run_forked(settings, folder / "log") as server,
        httpx.Client(base_url=server.url, timeout=60.0) as http,
    ):
        http.post("/v1/collections", json={"name": "help"}).raise_for_status()
        poll(server.is_ready, bool)
        writer = Writer(http)
        with writer.running():
            for number in range(backups):
                writer.wait_for(number * _ARTICLES_APART)
                before = writer.answered
                file = folder / f"{number}.backup"
                write_backup(settings.data, file, keep_days=30)
                taken.append((file, before, writer.begun))
    counts = dict.fromkeys(_NAMES, 0) | {"backups": len(taken), "500s": writer.refused}
    sandbox = Sandbox(settings)
    try:
        for number, (file, before, after) in enumerate(taken):
            data = folder / f"restored-{number}"
            restore_backup(file, data, replace=False, allow_expired=False)
            with open_resources(settings.model_copy(update={"data": data})) as resources:
                _check(resources, sandbox, counts, before=before, after=after)
    finally:
        sandbox.close()
    return counts


def _check(
    resources: Resources, sandbox: Sandbox, counts: dict[str, int], *, before: int, after: int
) -> None:
    documents, _ = list_documents(resources, "help", limit=100_000)
    counts["articles"] += len(documents)
    whole = {d.id for d in documents if d.sha256 == sha256(text_of(int(d.id)).encode()).hexdigest()}
    counts["lost"] += sum(f"{number:06}" not in whole for number in range(before))
    prefix = {f"{number:06}" for number in range(len(documents))}
    counts["no prefix"] += {d.id for d in documents} != prefix or len(documents) > after
    drain_queue(resources, sandbox, Event())
    documents, _ = list_documents(resources, "help", limit=100_000)
    counts["stuck"] += sum(document.status is not Status.READY for document in documents)
    counts["drift"] += compare_vectors(resources).drift
    for document in documents:
        hits = search_documents(
            resources, "help", f"word{int(document.id)}", limit=1, mode=Mode.LEXICAL
        ).results
        counts["lost"] += not hits or hits[0].document_id != document.id


def describe(counts: dict[str, int]) -> Row:
    """Return what the counts say of the promise."""
    bad = sum(counts[name] for name in _NAMES[2:])
    return Row(
        "backup",
        f"{counts['backups']} backups amid ingestion, restored",
        f"{counts['articles']} articles in them, {counts['no prefix']} that are no prefix",
        held=not bad and counts["articles"] > counts["backups"],
        lost=counts["lost"],
        drift=counts["drift"],
        errors_500=counts["500s"],
        stuck=counts["stuck"],
    )


def main() -> None:
    """Take the backups and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--backups", type=int, default=20)
    parser.add_argument("--rows", type=Path, help="file for the row of the table")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="folio-durability-") as folder:
        counts = run(Path(folder), backups=arguments.backups)
    finish([describe(counts)], arguments.rows)


if __name__ == "__main__":
    main()
