"""Fails every write, sync, truncation and rename of uploads and deletions, one run for each.

    python -m tests.durability.faults [--every N] [--broken]

Compiles shim.c, runs itself under it, and forks a process for each fault. After each run a process
without faults opens the folder: what was acknowledged must be there whole, what was not must be
whole or absent. `--broken` acknowledges before the commit, and must be caught losing documents.
A run that injected nothing, or a broken store without a loss, exits with 1.
"""

import argparse
import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from traceback import print_exc

from sqlalchemy import select, text

from app.config import Settings
from app.db.models import Document, Original, Version
from app.errors import FolioError
from app.runtime.resources import Resources, open_resources
from app.services.articles.collections import create_collection
from app.services.articles.documents import Upload
from tests.durability.table import Row, finish
from tests.named import delete_document, put_documents

MODES = {"kill": 1, "torn write": 2, "ENOSPC once": 3, "ENOSPC onward": 4, "EIO": 5}
_SHIM = "FOLIO_TEST_SHIM"
_DOCUMENTS = 6


def content_of(number: int) -> bytes:
    """Return bytes that fill several pages of the database."""
    return (sha256(str(number).encode()).hexdigest() * 160).encode()


def work(folder: Path, acknowledge: Callable[[str], None], *, broken: bool) -> None:
    """Upload, replace and delete; `acknowledge` is told what was answered."""
    with open_resources(Settings(data=folder), holder="faults") as resources:
        for number in range(_DOCUMENTS):
            step = f"put {number}"
            _try(partial(_put, resources, number), acknowledge, step, broken=broken)
        _try(
            lambda: delete_document(resources, "help", "0"), acknowledge, "delete 0", broken=broken
        )


def _put(resources: Resources, number: int) -> None:
    put_documents(resources, "help", [Upload(f"{number}", content_of(number), "text/plain")])


def _try(
    step: Callable[[], object], acknowledge: Callable[[str], None], name: str, *, broken: bool
) -> None:
    """Do a step; an error with a code is an answer too, any other ends the run."""
    if broken:
        acknowledge(name)
    try:
        step()
    except FolioError as error:
        acknowledge(f"error {error.status} {error.code}")
    else:
        if not broken:
            acknowledge(name)


def check(folder: Path, acknowledged: list[str]) -> tuple[int, int]:
    """Return (acknowledged documents that are lost, documents that are not whole)."""
    lost = torn = 0
    with (
        open_resources(Settings(data=folder), holder="check") as resources,
        resources.database.read() as session,
    ):
        torn += session.scalar(text("PRAGMA integrity_check")) != "ok"
        found = {
            row.external_id: (row.original_sha256, row.data)
            for row in session.execute(
                select(Document.external_id, Version.original_sha256, Original.data)
                .join(Version, Version.document_id == Document.id)
                .join(Original, Original.sha256 == Version.original_sha256)
            )
        }
        torn += len(session.scalars(select(Document)).all()) != len(found)
    for document_id, (digest, data) in found.items():
        whole = data == content_of(int(document_id)) and sha256(data).hexdigest() == digest
        torn += not whole
    for line in acknowledged:
        # The deletion comes after the answers to all uploads; cut off, it may have been done.
        if line.startswith("put ") and not (line == "put 0" and len(acknowledged) >= _DOCUMENTS):
            lost += line.removeprefix("put ") not in found
        lost += line == "delete 0" and "0" in found
    return lost, torn


def run_fault(template: Path, at: int, mode: int, *, broken: bool) -> tuple[list[str], int, int]:
    """Run the work in a fork with the fault armed; returns (acknowledged, injected, seen)."""
    shim = ctypes.CDLL(os.environ[_SHIM])
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            shim.shim_arm(ctypes.c_long(at), mode)
            # One write of a short line to a pipe is whole or not at all.
            work(template, lambda line: _tell(shim, writing, line), broken=broken)
        except FolioError as error:
            _tell(shim, writing, f"error {error.status} {error.code}")
        except BaseException:  # noqa: BLE001  # an error without a code is what is looked for
            print_exc()
            _tell(shim, writing, "uncoded")
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        lines = [line.split("|") for line in pipe.read().splitlines()]
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status)
    injected = int(killed) if killed or not lines else int(lines[-1][1])
    return [line[0] for line in lines], injected, int(lines[-1][2]) if lines else 0


def _tell(shim: ctypes.CDLL, pipe: int, line: str) -> None:
    # Through the dynamic linker's own copy: this is no write of the store.
    injected, seen = shim.shim_injected(), shim.shim_seen()
    libc = ctypes.CDLL(None)
    data = f"{line}|{injected}|{seen}\n".encode()
    libc.syscall(1 if os.uname().machine == "x86_64" else 64, pipe, data, len(data))


def run(folder: Path, *, every: int, broken: bool) -> Row:
    """Run every fault and print what each kind did; returns the sum of it."""
    template = folder / "template"
    with open_resources(Settings(data=template), holder="template") as resources:
        create_collection(resources.database, "help")
    calls = _count_calls(folder, template)
    print(f"{calls} writes, syncs, truncations and renames; every {every}. of them fails")
    print("| fault | injected | acknowledged | lost | not whole | without a code |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    sums = [0, 0, 0, 0, 0]
    for name, mode in MODES.items():
        counts = [0, 0, 0, 0, 0]
        for at in range(1, calls + 1, every):
            data = folder / "data"
            shutil.copytree(template, data)
            acknowledged, injected, _ = run_fault(data, at, mode, broken=broken)
            lost, torn = check(data, acknowledged)
            shutil.rmtree(data)
            done = sum(line.startswith(("put", "delete")) for line in acknowledged)
            uncoded = acknowledged.count("uncoded")
            seen = (injected > 0, done, lost, torn, uncoded)
            counts = [a + b for a, b in zip(counts, seen, strict=True)]
        print(f"| {name} | {' | '.join(map(str, counts))} |", flush=True)
        sums = [a + b for a, b in zip(sums, counts, strict=True)]
    return describe(sums, broken=broken)


def describe(sums: list[int], *, broken: bool) -> Row:
    """Return what the counts say: a store that is broken on purpose must be found out."""
    injected, acknowledged, lost, torn, uncoded = sums
    return Row(
        "a broken store is caught" if broken else "acknowledged = durable",
        f"{injected} failing writes, syncs, truncations, renames",
        f"{acknowledged} calls acknowledged, {torn} documents not whole",
        held=injected > 0 < acknowledged and (lost > 0 if broken else not lost + torn + uncoded),
        lost=lost,
        errors_500=uncoded,
    )


def _count_calls(folder: Path, template: Path) -> int:
    data = folder / "count"
    shutil.copytree(template, data)
    _, _, seen = run_fault(data, 10**9, 0, broken=False)
    return seen


def main() -> None:
    """Compile the shim and run under it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--every", type=int, default=1, help="only each N-th place")
    parser.add_argument("--broken", action="store_true", help="acknowledge before the commit")
    parser.add_argument("--rows", type=Path, help="file for the row of the table")
    arguments = parser.parse_args()
    # In memory where that is possible: a killed process loses nothing that a system call took.
    where = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  # not a guessable name
    with TemporaryDirectory(prefix="folio-durability-", dir=where) as folder:
        if _SHIM not in os.environ:
            shim = Path(folder) / "shim.so"
            source = Path(__file__).with_name("shim.c")
            subprocess.run(
                ["cc", "-shared", "-fPIC", "-o", str(shim), str(source), "-ldl"], check=True
            )
            environment = {**os.environ, _SHIM: str(shim), "LD_PRELOAD": str(shim)}
            command = [sys.executable, "-m", "tests.durability.faults", *sys.argv[1:]]
            sys.exit(subprocess.run(command, env=environment, check=False).returncode)
        row = run(Path(folder), every=arguments.every, broken=arguments.broken)
        finish([row], arguments.rows)


if __name__ == "__main__":
    main()
