"""A filter of system calls for the parsing process: Linux on x86-64 and arm64.

What is refused fails with EPERM, as for a caller without the right. The numbers are the kernel's
(arch/x86/entry/syscalls/syscall_64.tbl, scripts/syscall.tbl), the format is that of linux/filter.h.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass

_SET_MODE_FILTER, _ALL_THREADS = 1, 1
_LOAD_WORD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_REFUSE = _ERRNO | errno.EPERM
# glibc takes an older call instead, whose arguments a filter can see.
_UNKNOWN = _ERRNO | errno.ENOSYS
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET, _ARGUMENTS_OFFSET = 0, 4, 16
_X32_BIT = 0x40000000

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_A_THREAD = 0x10000  # CLONE_THREAD
_SET_OWNER, _SET_SIGNAL, _SET_OWNER_EX = 8, 10, 15  # fcntl: whom a descriptor sends signals
_SET_OWNER_OF_SOCKET, _SET_GROUP_OF_SOCKET, _TYPE_INTO_TERMINAL = 0x8901, 0x8902, 0x5412  # ioctl


@dataclass(frozen=True, slots=True)
class _Architecture:
    audit: int
    seccomp: int
    column: int
    """Of the tables below."""


_ARCHITECTURES = {
    "x86_64": _Architecture(0xC000003E, 317, 0),
    "aarch64": _Architecture(0xC00000B7, 277, 1),
}
_Numbers = tuple[int | None, int | None]
_RUNNING_PROGRAMS: dict[str, _Numbers] = {
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
}
_CLONE: _Numbers = (56, 220)
_CLONE3: _Numbers = (435, 435)
_OPEN: _Numbers = (2, None)
_OPENAT: _Numbers = (257, 56)
_OPENAT2: _Numbers = (437, 437)
_PRLIMIT: _Numbers = (302, 261)
_FCNTL: _Numbers = (72, 25)
_IOCTL: _Numbers = (16, 29)
_REFUSED: dict[str, _Numbers] = {
    # Other processes: their memory, their descriptors, signals, their place in the queue.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "sched_setaffinity": (203, 122),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # Files: whatever changes one, its name or its rights.
    "creat": (85, None),
    "truncate": (76, 45),
    "ftruncate": (77, 46),
    "fallocate": (285, 47),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "rmdir": (84, None),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "link": (86, None),
    "linkat": (265, 37),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
    # The network, and what processes share beside it.
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    # The system itself.
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "personality": (135, 92),
    "iopl": (172, None),
    "ioperm": (173, None),
    "uselib": (134, None),
}

_Instruction = tuple[int, int, int, int]


def filter_calls(*, opens_files: bool, runs_programs: bool) -> bool:
    """Refuse the calls that a parser has no need of, for good; False where the kernel cannot.

    All threads of the process are held to it. With `opens_files` files can be opened for reading,
    with `runs_programs` other programs can be started, which are held to the same.
    """
    architecture = _ARCHITECTURES.get(platform.machine())
    if architecture is None:
        return False
    rules = _list_rules(architecture.column, opens_files=opens_files, runs_programs=runs_programs)
    program = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (*_begin(architecture.audit), *rules, (_RETURN, 0, 0, _ALLOW))
    )
    instructions = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog { unsigned short len; struct sock_filter *filter; }
    header = ctypes.create_string_buffer(
        struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))
    )
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.argtypes = [ctypes.c_long, ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p]
    made = syscall(architecture.seccomp, _SET_MODE_FILTER, _ALL_THREADS, ctypes.addressof(header))
    return bool(made == 0)


def _begin(audit: int) -> Iterable[_Instruction]:
    """Refuse calls by the rules of another architecture; load the number of all others."""
    return (
        (_LOAD_WORD, 0, 0, _ARCHITECTURE_OFFSET),
        (_IF_EQUAL, 1, 0, audit),
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD_WORD, 0, 0, _NUMBER_OFFSET),
        (_IF_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _REFUSE),
    )


def _list_rules(column: int, *, opens_files: bool, runs_programs: bool) -> list[_Instruction]:
    """Return the rules one after another; each either answers or leaves the number to the next."""
    rules = [rule for numbers in _REFUSED.values() for rule in _answer(numbers[column], _REFUSE)]
    rules += _answer(_OPENAT2[column], _UNKNOWN)
    if opens_files:
        rules += _refuse_bits(_OPEN[column], 1, _WRITING)
        rules += _refuse_bits(_OPENAT[column], 2, _WRITING)
    else:
        rules += _answer(_OPEN[column], _REFUSE) + _answer(_OPENAT[column], _REFUSE)
    if not runs_programs:
        rules += [r for n in _RUNNING_PROGRAMS.values() for r in _answer(n[column], _REFUSE)]
        rules += _answer(_CLONE3[column], _UNKNOWN)
        rules += _require_bits(_CLONE[column], 0, _A_THREAD)
    # Its own limits can be lowered, nobody else's changed.
    rules += _refuse_bits(_PRLIMIT[column], 0, 0xFFFFFFFF)
    rules += _refuse_values(_FCNTL[column], 1, (_SET_OWNER, _SET_SIGNAL, _SET_OWNER_EX))
    rules += _refuse_values(
        _IOCTL[column], 1, (_SET_OWNER_OF_SOCKET, _SET_GROUP_OF_SOCKET, _TYPE_INTO_TERMINAL)
    )
    return rules


def _answer(number: int | None, verdict: int) -> list[_Instruction]:
    if number is None:
        return []
    return [(_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, verdict)]


def _refuse_bits(number: int | None, argument: int, bits: int) -> list[_Instruction]:
    return _decide(number, argument, [(_IF_ANY_BIT, 0, 1, bits), (_RETURN, 0, 0, _REFUSE)])


def _require_bits(number: int | None, argument: int, bits: int) -> list[_Instruction]:
    return _decide(number, argument, [(_IF_ANY_BIT, 1, 0, bits), (_RETURN, 0, 0, _REFUSE)])


def _refuse_values(number: int | None, argument: int, values: Iterable[int]) -> list[_Instruction]:
    return _decide(number, argument, [rule for value in values for rule in _answer(value, _REFUSE)])


def _decide(number: int | None, argument: int, tests: list[_Instruction]) -> list[_Instruction]:
    """Return a rule on the lower word of an argument; what no test refuses is allowed."""
    if number is None:
        return []
    return [
        (_IF_EQUAL, 0, len(tests) + 2, number),
        (_LOAD_WORD, 0, 0, _ARGUMENTS_OFFSET + 8 * argument),
        *tests,
        (_RETURN, 0, 0, _ALLOW),
    ]
