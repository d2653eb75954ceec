"""Threads by what the process may use, and not by what the machine has."""

import os
from pathlib import Path

import pytest

from app.embedding.processors import count_processors

ALL = len(os.sched_getaffinity(0))


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, ALL),
        ({"proc/self/cgroup": "0::/\n"}, ALL),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, ALL),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "20000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "9900000 100000\n"}, ALL),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "nonsense\n"}, ALL),
        (
            {
                "proc/self/cgroup": "0::/kube/pod/app\n",
                "sys/fs/cgroup/kube/pod/app/cpu.max": "max 100000\n",
                "sys/fs/cgroup/kube/cpu.max": "100000 100000\n",
            },
            1,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/docker/f00\n3:cpu,cpuacct:/docker/f00\n0::/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            1,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu,cpuacct:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            ALL,
        ),
    ],
    ids=[
        *("no cgroups", "no limit", "max", "one", "a fifth", "more than there are", "unreadable"),
        *("of a parent", "version 1 in a container", "version 1 without a limit"),
    ],
)
def test_processors_are_those_of_the_quota(
    tmp_path: Path, files: dict[str, str], expected: int
) -> None:
    assert count_processors(write(tmp_path, files)) == expected
