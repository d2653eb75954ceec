"""What `folio backfill` does: `folio add` in many processes at once, on the nodes of a Ray cluster.

Ray Data hands shares of the articles out, and again where a node was lost. Each worker puts its
shares into the shared database as `folio add` does and reads the queue as `folio work` does: what
is stored already is passed over, and a claim of a dead worker lapses. So nothing is lost, and
nothing stands there twice, whatever Ray repeats.
"""

import logging
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, replace
from math import ceil
from secrets import token_hex
from socket import create_connection
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any
from weakref import finalize

from app.commands.client import Client, connect
from app.commands.upload import Entry, Outcome, make_batches, upload
from app.config import Settings
from app.errors import Conflict, DatabaseUnavailable, FolioError, InvalidRequest
from folio_kb.path import put_first

_COMMAND = "folio backfill"
# Of each worker: while one is being read, the next one is put.
_SHARES_AT_ONCE = 2
_PAUSE_SECONDS = 2.0
# A row names files or lines, and holds no article.
_OBJECT_STORE_BYTES = 200 * 2**20
_TOKEN_BYTES = 32
_CONNECT_SECONDS = 10.0
_LOOPBACK = ("127.", "localhost:")


class BackfillFailed(FolioError):
    """A bulk load ended before its end; run again, it goes on from what is stored."""

    status, code = 503, "backfill_failed"


@dataclass(frozen=True, slots=True)
class Workers:
    """How many workers there are to be, what each of them takes, and where."""

    count: int = 1
    cpus: float = 1.0
    gpus: float = 0.0
    address: str | None = None
    """Of a Ray cluster to join; None starts one on this machine, for this process."""


class Worker:
    """A process of the cluster: puts shares of the articles, and reads what is queued."""

    def __init__(self, settings: Settings, collection: str) -> None:
        # Ray has put the folder that the command was started in before it.
        put_first()
        stack = ExitStack()
        self._collection = collection
        self._client = _open(settings, stack)
        self.close = finalize(self, stack.close)
        """Ends what it has opened; at the latest when Ray lets go of it."""

    def __call__(self, row: Mapping[str, Any]) -> dict[str, bytes]:
        """Return what became of a share once each of its articles is ready or failed."""
        # Written by `backfill`.
        return {"answer": pickle.dumps(self.add(pickle.loads(row["share"])))}  # noqa: S301

    def add(self, entries: list[Entry]) -> Outcome | FolioError:
        """Add articles as often as it takes while PostgreSQL is away; returns what stopped it."""
        if isinstance(self._client, FolioError):
            return self._client
        while True:
            outcome = Outcome()
            try:
                upload(self._client, self._collection, entries, outcome, lambda _: None)
            except FolioError as error:
                if error.code != DatabaseUnavailable.code:
                    return _plain(error)
                sleep(_PAUSE_SECONDS)
            else:
                return outcome


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray cluster that is connected to, and what its workers are to be."""

    ray: Any
    settings: Settings
    collection: str
    workers: Workers


@contextmanager
def join_cluster(settings: Settings, collection: str, workers: Workers) -> Iterator[Cluster]:
    """Make the collection, and be connected to a cluster, or one of its own, while the block runs.

    Raises InvalidRequest without a shared database or Ray, StaleVectors and other ModelUnavailable
    where no worker could go on, and BackfillFailed when no cluster answers.
    """
    _require_shared(settings)
    ray = _import_ray(workers.address)
    _prepare(settings, collection)
    with ExitStack() as stack:
        # What Ray prints of a lost node is for people; on standard output is what a script reads.
        stack.enter_context(redirect_stdout(sys.stderr))
        ray.init(**_choose_cluster(workers, stack))
        stack.callback(ray.shutdown)
        yield Cluster(ray, settings, collection, workers)


def backfill(
    cluster: Cluster,
    entries: list[Entry],
    outcome: Outcome,
    on_progress: Callable[[Outcome], None],
) -> None:
    """Add articles, whose files are at the same paths on every node.

    Raises BackfillFailed, and what kept a worker from going on.
    """
    started = monotonic()
    outcome.total = outcome.done + len(entries)
    try:
        for answer in _hand_out(cluster, entries):
            outcome.add(answer)
            outcome.total = max(outcome.total, outcome.done)
            outcome.seconds = monotonic() - started
            on_progress(outcome)
    except cluster.ray.exceptions.RayError as error:
        raise BackfillFailed(
            f"Ray gave up ({type(error).__name__}); what was acknowledged is kept, and the same "
            "command goes on from there"
        ) from error


def _open(settings: Settings, stack: ExitStack) -> Client | FolioError:
    """Return the way in, or why there is none: what a constructor raises, Ray tells in its own."""
    try:
        return stack.enter_context(
            connect(settings, server=None, key=None, command=_COMMAND, embeds=True, works=True)
        )
    except FolioError as error:
        return _plain(error)


def _plain(error: FolioError) -> FolioError:
    """Return an error that can be sent to another process, whatever its class needs."""
    return FolioError(str(error), code=error.code)


def _import_ray(address: str | None) -> Any:
    """Import Ray, which reads variables as it is; raises InvalidRequest where it is missing."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if address is None:
        # A token of this cluster's own, whatever is usual here.
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token_hex(_TOKEN_BYTES)}
    if address is None or address.startswith(_LOOPBACK):
        # The only way to have all ports on loopback: else 127.0.0.1 is taken for an address that
        # other machines reach. Set so, it stays one on any system, and is the only one listened at.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    try:
        import ray.data
    except ModuleNotFoundError as error:
        raise InvalidRequest(
            f"{_COMMAND} needs Ray, of the extra `ray`: pip install '.[ray]' in a "
            "checkout of Folio",
            code="no_ray",
        ) from error
    # How far it is, we say ourselves.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray


def _require_shared(settings: Settings) -> None:
    # The service's imports take seconds.
    from app.main import require_shared

    require_shared(settings, _COMMAND)


def _prepare(settings: Settings, collection: str) -> None:
    """Make the collection; raises where no worker could go on."""
    from app.runtime.resources import open_resources
    from app.services.articles.collections import create_collection

    with open_resources(settings, holder=_COMMAND) as resources:
        live = resources.generations.live()
        live.checkpoint()
        live.check_fingerprint()
        with suppress(Conflict):
            create_collection(resources.database, collection)


def _resolve(entries: list[Entry]) -> list[Entry]:
    """Return entries with paths that mean the same in another process's folder."""
    return [
        entry if entry.path is None else replace(entry, path=entry.path.absolute())
        for entry in entries
    ]


def _choose_cluster(workers: Workers, stack: ExitStack) -> dict[str, Any]:
    """Return what Ray is to connect to or to start; its files go with `stack`."""
    options: dict[str, Any] = {
        "runtime_env": {
            "worker_process_setup_hook": "folio_kb.path.import_packages",
            # A worker that loses its node would kill its parsers first, and blame documents.
            "env_vars": {"RAY_kill_child_processes_on_worker_exit": "0"},
        },
        "logging_level": logging.ERROR,
        # What workers print stays in the cluster's logs.
        "log_to_driver": False,
    }
    if workers.address is not None:
        require_answer(workers.address)
        return options | {"address": workers.address}
    return options | {
        # Without it a cluster that somebody else started here would be joined.
        "address": "local",
        "num_cpus": ceil(workers.count * workers.cpus),
        "num_gpus": ceil(workers.count * workers.gpus),
        "object_store_memory": _OBJECT_STORE_BYTES,
        "include_dashboard": False,
        "_temp_dir": stack.enter_context(TemporaryDirectory(prefix="folio-ray-")),
    }


def require_answer(address: str) -> None:
    """Raise BackfillFailed where nothing listens: Ray tries for minutes, then ends the process."""
    host, _, port = address.rpartition(":")
    try:
        create_connection((host, int(port)), _CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise BackfillFailed(f"no Ray cluster answers at {address}") from error


def _hand_out(cluster: Cluster, entries: list[Entry]) -> Iterator[Outcome]:
    """Yield what became of each share, in whatever order they are done."""
    data, workers = cluster.ray.data, cluster.workers
    data.DataContext.get_current().enable_progress_bars = False
    shares = [{"share": pickle.dumps(batch)} for batch in make_batches(_resolve(entries))]
    answers = data.from_items(shares, override_num_blocks=len(shares)).map(
        Worker,
        fn_constructor_args=(cluster.settings, cluster.collection),
        num_cpus=workers.cpus,
        num_gpus=workers.gpus,
        compute=data.ActorPoolStrategy(
            size=workers.count,
            max_tasks_in_flight_per_actor=_SHARES_AT_ONCE,
            max_concurrent_calls_per_actor=_SHARES_AT_ONCE,
            enable_true_multi_threading=True,
        ),
    )
    for row in answers.iter_rows():
        # Written by a worker.
        answer = pickle.loads(row["answer"])  # noqa: S301
        if isinstance(answer, FolioError):
            raise answer
        yield answer
