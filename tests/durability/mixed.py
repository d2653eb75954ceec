"""Has a server do everything at once, and counts what it lost, mixed up or refused.

    python -m tests.durability.mixed [--minutes N] [--model NAME] [--pause S]

Ten search and four write, with keys of two collections; one follows each upload by its events, a
folder is mirrored that keeps changing, and a tuning follows the other. At the end everything that
was acknowledged must be there and be found, each search must have answered of its own collection
only, and the server's memory must have levelled off: over the second half of the time it may grow
by 2 % (which a run of less than ten minutes does not count: caches fill). What it stands on is said
beside it: the articles of the writers that are there, which are never more than 120.
"""

import argparse
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event, Lock
from time import monotonic, sleep

import httpx

from app.config import BUNDLED_MODEL, Settings
from app.domain import Mode, Scope
from app.runtime.resources import open_resources
from app.services.access.keys import create_key
from app.services.articles.collections import create_collection
from tests.api.service import poll
from tests.checkpoints import make_jina_v3
from tests.durability.consistency import count_drift, wait_for_queue
from tests.durability.serving import Server, run_forked
from tests.durability.table import Row, finish

_COLLECTIONS = ("first", "second")
_SEARCHERS, _WRITERS = 10, 4
_DOCUMENTS, _FILES, _PAIRS = 30, 20, 100
_SYNC_MINUTES = 0.1
_MEMORY_SECONDS = 1.0
_MIN_COUNTED_S = 600.0
# Of the server's log, shown where anything was refused.
_LOG_CHARACTERS = 8_000
MAX_GROWTH = 0.02
_NAMES = (
    "searches",
    "written",
    "followed",
    "synced",
    "tuned",
    "lost",
    "wrong",
    "drift",
    "foreign",
    "errors",
)


def text_of(word: str) -> str:
    """Return an article that only one word tells from the others."""
    return f"{word} " + "Steep the tea well, and pour it into a warm cup. " * 20


@dataclass(slots=True)
class Load:
    """A server under load, and what came of it."""

    url: str
    tokens: dict[str, str]
    """Keys by the collection that they cover; "" for all."""
    folder: Path
    """What is mirrored."""
    pause_s: float
    ended: Event = field(default_factory=Event)
    counts: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    expected: dict[tuple[str, str], str | None] = field(default_factory=dict)
    """The words that articles hold, by collection and id; None where it was deleted."""
    memory_mb: list[float] = field(default_factory=list)
    live: list[int] = field(default_factory=list)
    """How many articles of the writers were there at each of these times."""
    _lock: Lock = field(default_factory=Lock)

    def client(self, collection: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.tokens[collection]}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=120.0)

    def note(self, name: str, number: int = 1) -> None:
        with self._lock:
            self.counts[name] += number

    def repeat(self, collection: str, step: Callable[[httpx.Client, int], None]) -> None:
        """Take one step after another until the time is over; whatever is refused is an error."""
        with self.client(collection) as http:
            for number in count():
                try:
                    step(http, number)
                except httpx.HTTPStatusError as error:
                    self.note("errors")
                    self.errors.append(f"{step.__name__}: {error.response.text[:300]}")
                except httpx.TransportError as error:
                    self.note("errors")
                    self.errors.append(f"{step.__name__}: {error!r}")
                if self.ended.wait(self.pause_s):
                    return

    def search(self, collection: str) -> Callable[[httpx.Client, int], None]:
        """Return a search, whose hits must be of its own collection."""
        randomness = random.Random(id(self) + len(collection))

        def search(http: httpx.Client, number: int) -> None:
            query = f"how long does tea {randomness.randrange(10**6)} steep"
            mode = list(Mode)[number % len(Mode)]
            body = {"query": query, "mode": mode, "limit": 5}
            answer = http.post(f"/v1/collections/{collection}/search", json=body)
            hits = answer.raise_for_status().json()["results"]
            self.note("searches")
            self.note("foreign", sum(not h["document_id"].startswith(collection) for h in hits))

        return search

    def write(self, collection: str, writer: int) -> Callable[[httpx.Client, int], None]:
        """Return a step that puts, replaces or deletes one of this writer's articles."""
        randomness = random.Random(writer)

        def write(http: httpx.Client, number: int) -> None:
            document_id = f"{collection}-{writer}-{randomness.randrange(_DOCUMENTS)}"
            path, key = f"/v1/collections/{collection}/documents/{document_id}", document_id
            if self.expected.get((collection, key)) and randomness.random() < 0.2:
                http.delete(path).raise_for_status()
                self.expected[collection, key] = None
            else:
                word = f"word{writer}x{number}"
                http.put(path, json={"text": text_of(word)}).raise_for_status()
                self.expected[collection, key] = word
            self.note("written")

        return write

    def follow(self, http: httpx.Client, number: int) -> None:
        """Upload, and read the events until the job is done."""
        path = f"/v1/collections/first/documents/first-followed-{number % 5}"
        answer = http.put(path, json={"text": text_of(f"followed{number}")}).raise_for_status()
        events, seen = f"/v1/jobs/{answer.json()['job_id']}/events", ""
        while "event: done" not in seen and not self.ended.is_set():
            seen = http.get(events).raise_for_status().text
        self.note("followed")

    def change_folder(self, _http: httpx.Client, number: int) -> None:
        """Give one file another text, and now and then take one away."""
        file = self.folder / f"mirrored-{number % _FILES}.md"
        if number % 7 == 6:
            file.unlink(missing_ok=True)
        else:
            file.write_text(text_of(f"file{number}"), encoding="utf-8")
        self.ended.wait(1.0)

    def tune(self, http: httpx.Client, _number: int) -> None:
        """Have an adapter trained on what writers do not touch; wait until it went live or not."""
        queries = [
            {"query": f"what is fixed{n}", "relevant": {f"fixed-{n}": 1}} for n in range(_PAIRS)
        ]
        body = {"collection": "fixed", "queries": queries, "force": True}
        path = (
            f"/v1/generations/{http.post('/v1/tunings', json=body).raise_for_status().json()['id']}"
        )
        while not self.ended.wait(1.0):
            if http.get(path).raise_for_status().json()["state"] != "building":
                self.note("tuned")
                return

    def watch(self, server: Server) -> None:
        """Note the server's memory once a second."""
        while not self.ended.wait(_MEMORY_SECONDS):
            self.memory_mb.append(server.memory_mb())
            self.live.append(sum(word is not None for word in list(self.expected.values())))

    def levels(self) -> str:
        """Return the memory at the start, half-way and at the end, with the articles there."""
        places = (0, len(self.memory_mb) // 2, -1)
        return ", ".join(f"{self.memory_mb[at]:.0f} MB of {self.live[at]}" for at in places)

    def growth(self) -> float:
        """Return by how much memory grew over the second half: medians of a tenth of the time."""
        tenth = max(1, len(self.memory_mb) // 10)
        half = len(self.memory_mb) // 2
        before = median(self.memory_mb[half : half + tenth])
        return median(self.memory_mb[-tenth:]) / before - 1


@contextmanager
def open_load(folder: Path, model: str, pause_s: float) -> Iterator[tuple[Server, Load]]:
    """Serve three collections and a mirrored folder."""
    mirrored = folder / "mirrored"
    mirrored.mkdir()
    (mirrored / "mirrored-0.md").write_text(text_of("file"), encoding="utf-8")
    settings = Settings(
        data=folder / "data",
        model=model,
        sync_folder=mirrored,
        sync_collection="mirror",
        sync_minutes=_SYNC_MINUTES,
        max_requests_per_key=16,
    )
    with open_resources(settings) as resources:
        for name in (*_COLLECTIONS, "fixed"):
            create_collection(resources.database, name)
        tokens = {
            name: create_key(resources.database, scope=Scope.WRITE, collections=[name])[1]
            for name in _COLLECTIONS
        } | {"": create_key(resources.database, scope=Scope.ADMIN)[1]}
    with run_forked(settings, folder / "log", no_auth=False) as server:
        poll(server.is_ready, bool, seconds=120)
        load = Load(server.url, tokens, mirrored, pause_s)
        with load.client("") as http:
            documents = [{"id": f"fixed-{n}", "text": text_of(f"fixed{n}")} for n in range(_PAIRS)]
            http.post("/v1/collections/fixed/documents", json={"documents": documents})
            wait_for_queue(http, "/v1/collections/fixed")
        yield server, load


def run(folder: Path, *, seconds: float, model: str = "", pause_s: float = 0.2) -> Load:
    """Load a server for so long; returns what came of it."""
    model = model or str(make_jina_v3(folder / "model"))
    with open_load(folder, model, pause_s) as (server, load):
        steps: list[tuple[str, Callable[[httpx.Client, int], None]]] = [
            ("first", load.follow),
            ("", load.change_folder),
            ("", load.tune),
        ]
        for number in range(_SEARCHERS):
            name = _COLLECTIONS[number % 2]
            steps.append((name, load.search(name)))
        for number in range(_WRITERS):
            name = _COLLECTIONS[number % 2]
            steps.append((name, load.write(name, number)))
        with ThreadPoolExecutor(len(steps) + 1) as threads:
            running = [threads.submit(load.watch, server)]
            running += [threads.submit(load.repeat, *step) for step in steps]
            # What is no refusal ends one of them, and with it the run.
            wait(running, seconds, FIRST_EXCEPTION)
            load.ended.set()
        for one in running:
            one.result()
        check(load)
        if load.errors:
            load.errors.insert(0, server.log.read_text(encoding="utf-8")[-_LOG_CHARACTERS:])
    return load


def check(load: Load) -> None:
    """Compare what is stored with what was acknowledged, and search each article by its word."""
    with ExitStack() as stack:
        clients = {name: stack.enter_context(load.client(name)) for name in (*_COLLECTIONS, "")}
        for name in _COLLECTIONS:
            path = f"/v1/collections/{name}"
            status = wait_for_queue(clients[name], path)
            load.note("wrong", sum(status.values()) - status["ready"])
            load.note("drift", count_drift(clients[name], path, _list_ids(clients[name], path)))
        for (collection, document_id), word in load.expected.items():
            body = {"query": word or "gone", "mode": "lexical", "limit": 1}
            path = f"/v1/collections/{collection}"
            http = clients[collection]
            found = http.get(f"{path}/documents/{document_id}")
            if word is None:
                load.note("wrong", found.status_code != 404)
                continue
            hits = http.post(f"{path}/search", json=body).raise_for_status().json()["results"]
            is_there = found.is_success and found.json()["sha256"] == _hash(text_of(word))
            load.note("lost", not is_there)
            load.note("wrong", not hits or hits[0]["document_id"] != document_id)
        _check_mirror(load, clients[""])


def _list_ids(http: httpx.Client, path: str) -> set[str]:
    page = http.get(f"{path}/documents", params={"limit": 1000}).raise_for_status().json()
    return {document["id"] for document in page["documents"]}


def _check_mirror(load: Load, http: httpx.Client) -> None:
    wanted = {
        file.name: _hash(file.read_text(encoding="utf-8")) for file in load.folder.glob("*.md")
    }

    def list_mirrored() -> dict[str, str]:
        page = http.get("/v1/collections/mirror/documents", params={"limit": 1000})
        return {d["id"]: d["sha256"] for d in page.raise_for_status().json()["documents"]}

    deadline = monotonic() + 60 * _SYNC_MINUTES * 5 + 30
    while (found := list_mirrored()) != wanted and monotonic() < deadline:
        sleep(0.5)
    load.note("synced", len(found))
    load.note("wrong", found != wanted)


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def describe(load: Load, seconds: float) -> Row:
    """Return what the counts say of the promise."""
    counts, growth = load.counts, load.growth()
    did = all(counts[name] for name in ("searches", "written", "followed", "synced", "tuned"))
    levelled = growth <= MAX_GROWTH or seconds < _MIN_COUNTED_S
    bad = sum(counts[name] for name in ("lost", "wrong", "drift", "foreign", "errors"))
    done = ", ".join(f"{counts[name]:,} {name}" for name in _NAMES[:5])
    return Row(
        "everything at once",
        f"{seconds / 60:.1f} minutes",
        f"{done}, {counts['foreign']} foreign, {counts['errors']} errors; memory "
        f"{load.levels()} articles, {100 * growth:+.1f} % in the second half",
        held=did and levelled and not bad,
        lost=counts["lost"] + counts["wrong"],
        drift=counts["drift"],
        errors_500=counts["errors"],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Load a server and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument(
        "--model", default="tiny", help=f"`tiny`, or a name such as {BUNDLED_MODEL}"
    )
    parser.add_argument("--pause", type=float, default=0.2, help="seconds between two calls of one")
    parser.add_argument("--rows", type=Path, help="file for the row of the table")
    options = parser.parse_args(arguments)
    seconds = 60 * options.minutes
    model = "" if options.model == "tiny" else options.model
    with TemporaryDirectory(prefix="folio-mixed-") as folder:
        load = run(Path(folder), seconds=seconds, model=model, pause_s=options.pause)
    print("\n".join(load.errors[:20]), flush=True)
    print("memory, MB a minute:", *(f"{mb:.0f}" for mb in load.memory_mb[::60]), flush=True)
    finish([describe(load, seconds)], options.rows)


if __name__ == "__main__":
    main()
