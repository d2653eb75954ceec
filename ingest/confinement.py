"""What the parsing process takes from itself before it reads a document: Linux only."""

import ctypes
import logging
import math
import mimetypes
import resource
import struct
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ingest import landlock
from ingest.seccomp import filter_calls

_MAX_OPEN_FILES = 64
_UNLIMITED = resource.RLIM_INFINITY

# linux/prctl.h, linux/capability.h
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_CAPABILITY_VERSION = 0x20080522
_SYSTEM = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/share",
    "/usr/share",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/dev/null",
    "/dev/urandom",
    *mimetypes.knownfiles,
)


@dataclass(frozen=True, slots=True)
class Confinement:
    """What holds a parsing process, as far as the kernel has it."""

    landlock: int
    """Version of Landlock's interface that is in force; 0 for none: no file can be opened then."""
    seccomp: bool
    """Whether system calls are filtered: no program, no signal, no network, nothing written."""

    def describe(self) -> str:
        """Return what is in force, and what is missing, in words."""
        if not self.seccomp:
            return "limits only: no filter of system calls can be set here"
        if self.landlock:
            return f"Landlock (version {self.landlock}) and a filter of system calls"
        return "a filter of system calls that lets no file be opened; the kernel has no Landlock"


def limit_process(memory_bytes: int) -> None:
    """Limit address space and open files, and forbid to write files; for good."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MAX_OPEN_FILES, _MAX_OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Libraries quote documents in what they log.
    logging.disable(logging.CRITICAL)


def limit_processor_time(seconds: float) -> None:
    """Let the kernel end the process (SIGXCPU) after so many more seconds of processor time."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    allowed = math.ceil(usage.ru_utime + usage.ru_stime + seconds)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(
        resource.RLIMIT_CPU, (allowed if hard == _UNLIMITED else min(allowed, hard), hard)
    )


def confine_parser(*, uses_landlock: bool, preload: Callable[[], None]) -> Confinement:
    """Give up every right that parsing has no need of, for good; returns what is in force.

    Where there is no Landlock no file can be opened afterwards: `preload` is called before.
    """
    _give_up_privileges()
    restricted = uses_landlock and landlock.allow_reading(list_readable())
    if not restricted:
        preload()
    return Confinement(
        landlock.find_version() if restricted else 0,
        filter_calls(opens_files=restricted, runs_programs=False),
    )


def confine_runner(program: Path) -> None:
    """Confine a process that runs `program`: both read libraries, and do no more than that."""
    _give_up_privileges()
    landlock.allow_reading([*list_readable(), program], runs_programs=True)
    filter_calls(opens_files=True, runs_programs=True)


def forbid_tracing() -> None:
    """Keep other processes of this user from reading this one's memory and environment.

    It also leaves no core dump, which would hold documents and keys.
    """
    _prctl(_PR_SET_DUMPABLE, 0)


def list_readable() -> list[Path]:
    """Return what a parser can read: the interpreter, its libraries, the packages, the system's.

    Of a folder that is not a library but holds our packages, such as a checkout, those only.
    """
    libraries = {Path(prefix) / "lib" for prefix in (sys.prefix, sys.base_prefix)}
    libraries |= {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    for entry in map(Path, filter(None, sys.path)):
        if entry.name in {"site-packages", "dist-packages"} or entry.suffix == ".zip":
            libraries.add(entry)
        else:
            libraries |= {entry / package for package in ("app", "ingest", "lib-dynload")}
    return sorted({*libraries, *map(Path, _SYSTEM)})


def can_be_read(path: Path) -> bool:
    """Return whether parsers can read what lies in a folder."""
    resolved = path.resolve()
    return any(resolved.is_relative_to(readable.resolve()) for readable in list_readable())


def _give_up_privileges() -> None:
    """Drop capabilities, by which root would raise its limits again, and take no new ones."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    ctypes.CDLL(None, use_errno=True).capset(header, bytes(2 * 3 * 4))


def _prctl(option: int, value: int) -> int:
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    return int(prctl(option, value, 0, 0, 0))
