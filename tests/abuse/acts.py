"""What a parser must not be able to do, as acts that are tried one after another.

    python -m tests.abuse.acts FOLDER VICTIM landlock|no-landlock|free

tries them on the files of FOLDER and on the process VICTIM, and prints as JSON what came of each.
`free` confines nothing: there the acts have to succeed, or their refusal says nothing.
"""

import ctypes
import errno
import fcntl
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ingest.confinement import confine_parser, limit_process
from ingest.parsers import parse_document, preload_parsers

_MEMORY_BYTES = 2 * 2**30
_LIBC = ctypes.CDLL(None, use_errno=True)
_PTRACE_SEIZE = 0x4206
_X86 = os.uname().machine == "x86_64"

Act = Callable[[], object]


def list_acts(folder: Path, victim: int) -> dict[str, Act]:
    """Return the acts by name; each raises OSError where it is refused."""
    return {
        **_list_file_acts(folder),
        **_list_process_acts(victim),
        **_list_program_acts(),
        **_list_network_acts(folder),
    }


def _list_file_acts(folder: Path) -> dict[str, Act]:
    database = folder / "folio.db"
    return {
        "read the database": database.read_bytes,
        "read a file of the system": Path("/etc/passwd").read_bytes,
        "list the data folder": lambda: list(folder.iterdir()),
        "watch the data folder": lambda: _call(294 if _X86 else 26, 0),
        "open the database for writing": lambda: os.close(os.open(database, os.O_WRONLY)),
        "append to the database": lambda: database.open("ab").close(),
        "truncate the database by its name": lambda: os.truncate(folder / "to-truncate", 0),
        "create a file": lambda: (folder / "created").touch(),
        "create a file without a name": lambda: os.close(
            os.open(folder, os.O_TMPFILE | os.O_WRONLY)
        ),
        "rename a file": lambda: (folder / "to-rename").rename(folder / "renamed"),
        "unlink a file": lambda: (folder / "to-unlink").unlink(),
        "make a folder": lambda: (folder / "made").mkdir(),
        "remove a folder": lambda: (folder / "to-remove").rmdir(),
        "make a hard link": lambda: (folder / "linked").hardlink_to(database),
        "make a symbolic link": lambda: (folder / "symlinked").symlink_to(database),
        "make a pipe with a name": lambda: os.mkfifo(folder / "fifo"),
        "open up a file": lambda: database.chmod(0o666),
        "change an owner": lambda: os.chown(database, os.getuid(), os.getgid()),
        "set a file's time": lambda: os.utime(database),
    }


def _list_process_acts(victim: int) -> dict[str, Act]:
    process = Path(f"/proc/{victim}")
    address = _find_code()
    return {
        "read another environment": (process / "environ").read_bytes,
        "open another memory": lambda: os.close(os.open(process / "mem", os.O_RDONLY)),
        "write another memory": lambda: os.close(os.open(process / "mem", os.O_RDWR)),
        "read another's open files": lambda: list((process / "fd").iterdir()),
        "read another's memory": lambda: _copy_memory(310 if _X86 else 270, victim, address),
        "write another's memory": lambda: _copy_memory(311 if _X86 else 271, victim, address),
        "trace a process": lambda: _trace(victim),
        "signal a process": lambda: os.kill(victim, signal.SIGCONT),
        "signal a thread": lambda: _call(234 if _X86 else 131, victim, victim, int(signal.SIGCONT)),
        "hold a process by descriptor": lambda: os.close(os.pidfd_open(victim)),
        "have signals sent to a process": lambda: _own_signals(victim),
        "lower a process's priority": lambda: os.setpriority(os.PRIO_PROCESS, victim, 1),
        "move a process to a processor": lambda: os.sched_setaffinity(
            victim, os.sched_getaffinity(0)
        ),
        "limit a process": lambda: resource.prlimit(victim, resource.RLIMIT_CORE, (0, 0)),
    }


def _list_program_acts() -> dict[str, Act]:
    return {
        "fork": _fork,
        "run a program": lambda: subprocess.run(["/bin/true"], check=True),
        "run a program in its place": _replace,
        "leave for namespaces of its own": lambda: _call(272 if _X86 else 97, 0x10000000),
    }


def _list_network_acts(folder: Path) -> dict[str, Act]:
    return {
        "open a TCP socket": lambda: socket.socket().close(),
        "open a UDP socket": lambda: socket.socket(type=socket.SOCK_DGRAM).close(),
        "open a Unix socket": lambda: socket.socket(socket.AF_UNIX).close(),
        "listen on a port": lambda: socket.create_server(("127.0.0.1", 0)).close(),
        "make a pair of sockets": socket.socketpair,
        "ask for shared memory": lambda: _call(29 if _X86 else 194, 0, 4096, 0o600 | 0o1000),
    }


def try_acts(acts: dict[str, Act]) -> dict[str, str]:
    """Return `done` or the error of each act."""
    outcomes = {}
    for name, act in acts.items():
        try:
            act()
            outcomes[name] = "done"
        except OSError as error:
            outcomes[name] = type(error).__name__
    return outcomes


def _call(number: int, *arguments: int) -> int:
    result = int(_LIBC.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)))
    if result < 0:
        raise OSError(ctypes.get_errno(), "a system call was refused")
    return result


def _find_code() -> int:
    """Return an address at which a process like this one has memory, if it is not moved about."""
    return int(Path("/proc/self/maps").read_text().partition("-")[0], 16)


def _copy_memory(number: int, victim: int, address: int) -> None:
    here = ctypes.create_string_buffer(8)
    local = (ctypes.c_uint64 * 2)(ctypes.addressof(here), 1)
    remote = (ctypes.c_uint64 * 2)(address, 1)
    try:
        _call(number, victim, ctypes.addressof(local), 1, ctypes.addressof(remote), 1, 0)
    except OSError as error:
        # The right was there, the address was not, or is of code that cannot be written.
        if error.errno != errno.EFAULT:
            raise


def _trace(victim: int) -> None:
    number = 101 if _X86 else 117
    _call(number, _PTRACE_SEIZE, victim, 0, 0)


def _own_signals(victim: int) -> None:
    reading, writing = os.pipe()
    try:
        fcntl.fcntl(reading, fcntl.F_SETOWN, victim)
    finally:
        os.close(reading)
        os.close(writing)


def _fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _replace() -> None:
    """Run a program in place of a fork where there can be one, in place of this process else."""
    try:
        pid = os.fork()
    except OSError:
        pid = 0
    if pid == 0:
        os.execv("/bin/true", ["/bin/true"])  # noqa: S606
    os.waitpid(pid, 0)


def main() -> None:
    """Confine this process as a parser is, try everything and print it."""
    folder, victim, how = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    limit_process(_MEMORY_BYTES)
    acts = list_acts(folder, victim)
    if how != "free":
        confine_parser(uses_landlock=how == "landlock", preload=preload_parsers)
    # It has to be able to do its work.
    assert parse_document("text/plain", b"Hot tea").text == "Hot tea"
    print(json.dumps(try_acts(acts)))


if __name__ == "__main__":
    main()
