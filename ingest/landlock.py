"""Landlock, the kernel's own sandbox: which files a process may read, and no others.

Linux 5.13 and later, where it is switched on; no privilege is needed. The numbers are those of
linux/landlock.h, the same on every architecture.
"""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_GET_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _READ_FILE, _READ_FOLDER = 1, 4, 8
# All rights to files that a version of the interface knows: a kernel refuses those it does not.
_FILE_RIGHTS = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF}
# TCP since version 4; abstract sockets and signals to others since version 6.
_NETWORK_RIGHTS, _SCOPES = 3, 3


def find_version() -> int:
    """Return the version of Landlock's interface; 0 where the kernel has none."""
    return max(0, _call(_CREATE_RULESET, None, 0, _GET_VERSION))


def allow_reading(paths: Iterable[Path], *, runs_programs: bool = False) -> bool:
    """Hold the calling thread to reading what is beneath `paths`, for good; False if it cannot be.

    Nothing can be written anywhere, and nothing run but, with `runs_programs`, what can be read.
    No new privileges (prctl) has to be set. Paths that do not exist are left out.
    """
    version = find_version()
    if version == 0:
        return False
    parts = [_FILE_RIGHTS.get(version, 0xFFFF)]
    parts += [_NETWORK_RIGHTS] if version >= 4 else []
    parts += [_SCOPES] if version >= 6 else []
    attributes = struct.pack(f"={len(parts)}Q", *parts)
    ruleset = _call(_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return False
    try:
        added = [_add_rule(ruleset, path, runs_programs=runs_programs) for path in paths]
        return all(added) and _call(_RESTRICT_SELF, ruleset, 0) == 0
    finally:
        os.close(ruleset)


def _add_rule(ruleset: int, path: Path, *, runs_programs: bool) -> bool:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        is_folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        rights = _READ_FILE | (_READ_FOLDER if is_folder else 0) | (_EXECUTE * runs_programs)
        # struct landlock_path_beneath_attr, packed.
        rule = struct.pack("=Qi", rights, handle)
        return _call(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0) == 0
    finally:
        os.close(handle)


def _call(number: int, *arguments: int | bytes | None) -> int:
    """Make a system call; -1 where it fails."""
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    values = [
        ctypes.c_long(argument) if isinstance(argument, int) else ctypes.c_char_p(argument)
        for argument in arguments
    ]
    return int(syscall(ctypes.c_long(number), *values))
