"""How many processors this process may use, by its affinity and the quota of its control group.

https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu (cpu.max) and
https://docs.kernel.org/scheduler/sched-bwc.html (cpu.cfs_quota_us, of cgroup v1).
"""

import os
from collections.abc import Iterator
from math import ceil
from pathlib import Path

_CONTROLLER = "cpu"


def count_processors(root: Path = Path("/")) -> int:
    """Return the processors that may run this process at once, at least 1.

    A container that may use one of 32 processors sees all of them in its affinity: 32 threads would
    use up its share of a period in a moment and then wait for the next one. A broken number counts
    as a whole one.
    """
    quotas = [quota for quota in map(_read_quota, _find_groups(root)) if quota is not None]
    return max(1, min([len(os.sched_getaffinity(0)), *map(ceil, quotas)]))


def _find_groups(root: Path) -> Iterator[Path]:
    """Yield the folders of the process's control groups, and those that they are in."""
    mount = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            top = mount
        elif _CONTROLLER in controllers.split(","):
            top = mount / _CONTROLLER
        else:
            continue
        group = top / path.lstrip("/")
        # In a container the path is often the host's, and the mount is the group itself.
        yield from (group, *(parent for parent in group.parents if parent.is_relative_to(top)))


def _read_quota(group: Path) -> float | None:
    """Return the quota of a group in processors; None where it has none."""
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text(encoding="utf-8").split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text(encoding="utf-8").strip()
            period = (group / "cpu.cfs_period_us").read_text(encoding="utf-8").strip()
        # No quota is "max" there and -1 here.
        return int(quota) / int(period) if quota.isdigit() else None
    except (OSError, ValueError):
        return None
