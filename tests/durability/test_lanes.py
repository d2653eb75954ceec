"""The short forms of the lanes that end servers, flip bits and fill disks."""

import signal
from pathlib import Path

import pytest

from tests.durability import flips, full_disk, mixed, second, server

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_server_that_is_ended_amid_writes_loses_nothing(
    tmp_path: Path, how: signal.Signals
) -> None:
    counts = server.run(tmp_path, how=how, rounds=2, seed=1)
    assert counts.pop("ended") == 2
    assert counts.pop("acknowledged") > 0
    assert counts == dict.fromkeys(counts, 0)


def test_flipped_bit_is_refused_by_name_or_does_no_harm(tmp_path: Path) -> None:
    counts = flips.run(tmp_path, flips=20, seed=1)
    assert counts["flips"] == 20
    assert counts["refused"] > 0
    assert (counts["wrong"], counts["lost"], counts["uncoded"]) == (0, 0, 0)


@pytest.mark.skipif(not full_disk.can_mount(), reason="a small disk has to be mounted")
def test_full_disk_is_said_loses_nothing_and_ends_with_room(tmp_path: Path) -> None:
    counts = full_disk.run(tmp_path, sizes=1)
    assert counts["refused with 507"] == 1
    assert counts["acknowledged"] > 0
    assert (counts["lost"], counts["other codes"], counts["not resumed"]) == (0, 0, 0)


def test_everything_at_once_loses_and_mixes_up_nothing(tmp_path: Path) -> None:
    load = mixed.run(tmp_path, seconds=5.0)
    assert min(load.counts[name] for name in ("searches", "written", "synced")) > 0
    bad = {name: load.counts[name] for name in ("lost", "wrong", "foreign", "errors")}
    assert bad == dict.fromkeys(bad, 0)


def test_second_process_at_the_worst_moment_is_refused_or_does_no_harm(tmp_path: Path) -> None:
    ended = second.run(tmp_path, rounds=1)
    assert [outcome for outcome in ended if "BAD" in outcome] == []
    assert sum(count for outcome, count in ended.items() if "served" in outcome) >= 5
