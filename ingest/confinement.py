"""What the parsing process takes from itself before it reads a document: Linux only."""

import ctypes
import logging
import math
import platform
import resource
import struct

_MAX_OPEN_FILES = 64
_UNLIMITED = resource.RLIM_INFINITY

# linux/prctl.h, linux/seccomp.h, linux/filter.h, linux/audit.h
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _MODE_FILTER = 22, 38, 2
_LOAD_WORD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 1  # SECCOMP_RET_ERRNO with EPERM
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET = 0, 4
_X32_BIT = 0x40000000
_IO_URING_SETUP = 425
# Audit architecture, number of socket(2).
_ARCHITECTURES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}


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


def forbid_network() -> bool:
    """Make socket(2) and io_uring fail with EPERM, for good; False where the kernel cannot.

    A seccomp filter and not a network namespace: it needs no privilege, so it holds in containers.
    """
    architecture = _ARCHITECTURES.get(platform.machine())
    if architecture is None:
        return False
    audit, socket_number = architecture
    program = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (_LOAD_WORD, 0, 0, _ARCHITECTURE_OFFSET),
            (_IF_EQUAL, 0, 4, audit),
            (_LOAD_WORD, 0, 0, _NUMBER_OFFSET),
            (_IF_AT_LEAST, 2, 0, _X32_BIT),
            (_IF_EQUAL, 1, 0, socket_number),
            (_IF_EQUAL, 0, 1, _IO_URING_SETUP),
            (_RETURN, 0, 0, _REFUSE),
            (_RETURN, 0, 0, _ALLOW),
        )
    )
    instructions = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog { unsigned short len; struct sock_filter *filter; }
    header = ctypes.create_string_buffer(
        struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))
    )
    libc = ctypes.CDLL(None, use_errno=True)
    prctl = libc.prctl
    prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    if prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(header), 0, 0) == 0)
