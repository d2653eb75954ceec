"""The short forms of the lanes that end servers, flip bits and fill disks."""

import signal
from pathlib import Path

import pytest

from bench import scale
from tests.api.service import find_free_port, open_service, poll
from tests.durability import corpus, flips, folder, full_disk, mixed, second, server, upkeep

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
    # Amid a restore, and at an end, the second one may be refused.
    assert sum(count for outcome, count in ended.items() if "served" in outcome) >= 4


# What a lane counts


def test_search_that_nobody_answers_is_counted_and_the_next_one_is_sent() -> None:
    searches = corpus.Searches(f"http://127.0.0.1:{find_free_port()}")
    with searches.running():
        poll(lambda: len(searches.took_ms), lambda sent: sent >= 3)
    assert searches.failed == {"ConnectError": len(searches.took_ms)}


def test_counted_search_of_a_benchmark_that_nobody_answers_failed() -> None:
    searches = scale.Searches(f"http://127.0.0.1:{find_free_port()}", ["tea"])
    searches.kind = searches.idle_ms
    with searches.running():
        poll(lambda: searches.failed, bool)
    assert searches.idle_ms == []


@pytest.mark.parametrize(
    ("code", "outcome", "judged"),
    [
        (0, "served", "restored"),
        (0, "refused", "restored"),
        (3, "served", "restore refused"),
        (3, "refused", "BAD: neither restored nor served"),
        (1, "served", "BAD: restore ended with 1"),
        (None, "served", "BAD: restore ended with None"),
    ],
)
def test_restore_that_breaks_or_hangs_is_not_taken_for_one_that_ended(
    code: int | None, outcome: str, judged: str
) -> None:
    assert second.judge_restore(code, outcome) == judged


def test_second_process_that_is_not_refused_is_counted_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "_SECONDS", 0.01)
    assert not folder.count_refusals(tmp_path, attempts=1).held


def test_error_of_what_loads_a_server_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(*_: object) -> None:
        raise KeyError("results")

    monkeypatch.setattr(mixed.Load, "change_folder", break_off)
    with pytest.raises(KeyError):
        mixed.run(tmp_path, seconds=30.0)


def test_each_time_there_is_something_to_embed_anew(tmp_path: Path) -> None:
    lane = upkeep.make_lane(tmp_path, tmp_path / "data")
    with open_service(lane.settings.model_copy(update={"sync_folder": None})) as service:
        service.new_collection("help").add({"id": "a", "text": "Tea."})
        for number in range(3):
            assert lane.begin("embedding anew", service.http, number)
            poll(lambda: upkeep._is_building(service.http), lambda building: not building)
        assert not lane.begin("embedding anew", service.http, number)
