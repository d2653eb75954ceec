"""The sync that a running server does by itself, again and again: `folio sync` without a hand."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from app.commands.client import Client, open_socket
from app.commands.sync import apply_plan, plan_sync
from app.commands.upload import Outcome
from app.db.models import utc_now
from app.errors import FolioError
from app.main import serve_on_socket
from app.runtime.resources import Resources, SyncReport

logger = logging.getLogger("folio")

_STOP_SECONDS = 5.0


@contextmanager
def run_scheduled_sync(resources: Resources) -> Iterator[None]:
    """Mirror the configured folder while the block runs; without one do nothing."""
    if resources.settings.sync_folder is None:
        yield
        return
    stopping = Event()
    with serve_on_socket(resources, works=False) as path, open_socket(path) as http:
        # A daemon, so that an upload that is followed does not hold up the end of the process.
        thread = Thread(
            target=_keep_synced,
            args=(resources, Client(http), stopping),
            name="folio-sync",
            daemon=True,
        )
        thread.start()
        try:
            yield
        finally:
            stopping.set()
    # What it waited for ended with the socket.
    thread.join(_STOP_SECONDS)


def sync_once(resources: Resources, client: Client) -> SyncReport:
    """Mirror the configured folder and say what came of it; the reason of a failure is logged."""
    settings = resources.settings
    assert settings.sync_folder is not None
    outcome = Outcome()
    try:
        plan = plan_sync(client, settings.sync_folder, settings.sync_collection, outcome)
        apply_plan(client, settings.sync_collection, plan, outcome, lambda outcome: None)
    except FolioError as error:
        logger.error("the scheduled sync failed: %s", error)
        return SyncReport(utc_now(), error.code)
    # A file that cannot be read, or whatever else a disk does: the next one may go well.
    except Exception as error:  # noqa: BLE001
        logger.error("the scheduled sync failed: %s", type(error).__name__)
        return SyncReport(utc_now(), "internal_error")
    return SyncReport(
        utc_now(),
        None,
        added=len(plan.added),
        changed=len(plan.changed),
        renamed=len(plan.renamed),
        deleted=len(plan.deleted),
        failed=len(outcome.failures),
    )


def _keep_synced(resources: Resources, client: Client, stopping: Event) -> None:
    while not stopping.is_set():
        resources.last_sync = sync_once(resources, client)
        stopping.wait(60 * resources.settings.sync_minutes)
