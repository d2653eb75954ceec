"""Uploads files that want to hurt the service to a real server, and searches all the while.

    python -m tests.durability.corpus [--searches N]

Each file must end with its code: at the upload, or as a failed document. The server must be the
same process at the end, and searches must be answered meanwhile. The files are those of
tests.ingest.bad_files; prints the code of each.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import perf_counter

import httpx
import numpy as np

from app.config import Settings
from ingest.formats import ZIP
from tests.api.service import poll
from tests.checkpoints import make_jina_v3
from tests.durability.serving import Server, run_forked
from tests.durability.table import Row, finish
from tests.ingest.bad_files import BAD_ARCHIVES, BAD_FILES

_PATH = "/v1/collections/help"
_WAIT_SECONDS = 600
# An open loop: a search is sent when it is due, however long the former one takes.
_SEARCHES_PER_S = 20


class Searches:
    """Searches at a steady rate; what each took from the moment at which it was due."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.took_ms: list[float] = []
        self.failed = Counter[str]()

    @contextmanager
    def running(self) -> Iterator[None]:
        stopping = Event()
        thread = Thread(target=self._search, args=(stopping,))
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()

    def _search(self, stopping: Event) -> None:
        with httpx.Client(base_url=self._url, timeout=60.0) as http:
            due = perf_counter()
            while not stopping.wait(max(0.0, due - perf_counter())):
                try:
                    http.post(f"{_PATH}/search", json={"query": "tea with milk"}).raise_for_status()
                except httpx.HTTPError as error:
                    self.failed[type(error).__name__] += 1
                self.took_ms.append(1000 * (perf_counter() - due))
                due += 1 / _SEARCHES_PER_S

    @property
    def p99_ms(self) -> float:
        return float(np.percentile(self.took_ms or [np.nan], 99))


def upload_all(http: httpx.Client) -> dict[str, str]:
    """Upload each file by itself; returns the code that it got, at once or when it was read."""
    made = {name: (media_type, make()) for name, (media_type, make, _) in BAD_FILES.items()}
    made |= {name: (ZIP, make()) for name, (make, _) in BAD_ARCHIVES.items()}
    codes, waiting = {}, {}
    for name, (media_type, data) in made.items():
        answer = http.post(
            f"{_PATH}/documents", files={"files": (name, data, media_type)}, data={"id": name}
        )
        if answer.status_code == 202:
            waiting[name] = answer.json()["job_id"]
        else:
            codes[name] = str(answer.json()["code"] if answer.status_code < 500 else "500")
    for name, job_id in waiting.items():
        codes[name] = _wait_for(http, job_id)
    return codes


def _wait_for(http: httpx.Client, job_id: str) -> str:
    job = poll(
        lambda: http.get(f"/v1/jobs/{job_id}").json(),
        lambda job: not job["counts"]["queued"] + job["counts"]["processing"],
        seconds=_WAIT_SECONDS,
    )
    return str(job["errors"][0]["code"]) if job["errors"] else "ready"


def run(folder: Path, *, searches: int) -> tuple[dict[str, str], Searches, Searches, bool]:
    """Upload the corpus; returns codes, idle searches, those beside it, whether it still runs."""
    model = str(make_jina_v3(folder / "model"))
    # Time enough that each file ends by its code on a busy machine too.
    settings = Settings(data=folder / "data", model=model, passage_tokens=32, parse_seconds=300)
    with (
        run_forked(settings, folder / "log") as server,
        httpx.Client(base_url=server.url, timeout=_WAIT_SECONDS) as http,
    ):
        http.post("/v1/collections", json={"name": "help"}).raise_for_status()
        http.put(f"{_PATH}/documents/good", json={"text": "Pour the milk in first."})
        poll(server.is_ready, bool)
        idle = _search_idle(server, searches)
        beside = Searches(server.url)
        with beside.running():
            codes = upload_all(http)
        http.put(f"{_PATH}/documents/after", json={"text": "Warm the pot."}).raise_for_status()
        return codes, idle, beside, server.is_ready()


def _search_idle(server: Server, count: int) -> Searches:
    searches = Searches(server.url)
    with searches.running():
        poll(lambda: len(searches.took_ms), lambda done: done >= count, seconds=_WAIT_SECONDS)
    return searches


def expected_codes() -> dict[str, str]:
    """Return the code that each file is to get."""
    codes = {name: code for name, (_, _, code) in BAD_FILES.items()}
    # A body without a byte is refused before anybody asks what it is.
    codes["empty PDF"] = "empty_document"
    # By its content it is an archive, of which each member becomes a document.
    codes["no office file"] = "ready"
    return codes | {name: code for name, (_, code) in BAD_ARCHIVES.items()}


def describe(codes: dict[str, str], idle: Searches, beside: Searches, *, same_process: bool) -> Row:
    """Return what was counted.

    How much slower searches are is said, and not judged: tests.abuse judges what another key sees.
    """
    expected = expected_codes()
    other = [name for name in expected if codes.get(name) != expected[name]]
    for name in other:
        print(f"{name}: {codes.get(name)} instead of {expected[name]}")
    failed = beside.failed.total() + idle.failed.total()
    errors_500 = sum(code == "500" for code in codes.values()) + failed
    return Row(
        "a parser cannot hurt the service",
        f"{len(expected)} bad files",
        f"{len(expected) - len(other)} got their code, {int(not same_process)} restarts, "
        f"{len(beside.took_ms)} searches beside them, {failed} unanswered, p99 "
        f"{beside.p99_ms:.0f} ms against {idle.p99_ms:.0f} idle, "
        f"{beside.p99_ms / idle.p99_ms:.1f} times",
        held=not other and same_process and not errors_500 and bool(beside.took_ms),
        errors_500=errors_500,
        stuck=len(expected.keys() - codes.keys()),
    )


def main() -> None:
    """Upload the corpus and print the codes and the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--searches", type=int, default=400, help="how many on the idle server")
    parser.add_argument("--rows", type=Path, help="file for the row of the table")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="folio-durability-") as folder:
        codes, idle, beside, same = run(Path(folder), searches=arguments.searches)
    print("| bad file | code |\n| --- | --- |")
    for name, code in sorted(codes.items()):
        print(f"| {name} | `{code}` |")
    finish([describe(codes, idle, beside, same_process=same)], arguments.rows)


if __name__ == "__main__":
    main()
