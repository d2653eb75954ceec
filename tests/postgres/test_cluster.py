"""The short form of the lane that kills processes that share a database."""

from pathlib import Path

import pytest

from tests.postgres import cluster

pytestmark = pytest.mark.slow


def test_processes_and_database_that_are_killed_amid_writes_lose_nothing(tmp_path: Path) -> None:
    counts = cluster.run(tmp_path, servers=2, workers=2, documents=30, kills=1, outages=1, seed=1)
    assert counts["kills"] == 4
    assert counts["acknowledged"] >= 30
    assert {name: counts[name] for name in cluster.FAULTS} == dict.fromkeys(cluster.FAULTS, 0)


def test_lane_in_which_nothing_was_killed_or_nothing_acknowledged_does_not_hold() -> None:
    counts = dict.fromkeys(cluster.FAULTS, 0) | {"kills": 4, "outages": 0, "acknowledged": 30}
    assert cluster.has_held(counts)
    assert not cluster.has_held(counts | {"kills": 0})
    assert not cluster.has_held(counts | {"acknowledged": 0})
    assert not cluster.has_held(counts | {"drift": 1})
