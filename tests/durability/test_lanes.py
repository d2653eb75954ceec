"""The short forms of the lanes that end servers, flip bits and fill disks."""

import signal
import sqlite3
from collections import Counter
from contextlib import closing, nullcontext
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from app.index.flat import FlatIndex
from bench import scale
from tests.api.service import find_free_port, open_service, poll
from tests.checkpoints import make_jina_v3
from tests.durability import (
    consistency,
    corpus,
    flips,
    folder,
    full_disk,
    mixed,
    second,
    server,
    upkeep,
)
from tests.durability.consistency import compare_vectors, count_drift

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_server_that_is_ended_amid_writes_loses_nothing(
    tmp_path: Path, how: signal.Signals
) -> None:
    counts = server.run(tmp_path, how=how, rounds=2, seed=1)
    assert counts.pop("ended") == 2
    assert counts.pop("acknowledged") > 0
    assert counts == dict.fromkeys(counts, 0)


@pytest.mark.parametrize("what", ["units.passage_vectors", "originals.data"])
def test_flipped_bit_is_seen_in_what_only_one_kind_of_question_reads(
    tmp_path: Path, what: str
) -> None:
    model = str(make_jina_v3(tmp_path / "model"))
    settings = Settings(data=tmp_path / "data", model=model, passage_tokens=32)
    flips.fill(settings)
    assert flips.examine(settings) == "harmless"
    table, _, column = what.partition(".")
    with closing(sqlite3.connect(settings.data / "folio.db")) as database, database:
        ((row_id, data),) = database.execute(f"SELECT rowid, {column} FROM {table} LIMIT 1")  # noqa: S608
        damaged = bytes([data[0] ^ 0x40]) + data[1:]
        database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (damaged, row_id))  # noqa: S608
    assert flips.examine(settings) == "refused"


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
    bad = {name: load.counts[name] for name in ("lost", "wrong", "drift", "foreign", "errors")}
    assert bad == dict.fromkeys(bad, 0)


def test_second_process_at_the_worst_moment_is_refused_or_does_no_harm(tmp_path: Path) -> None:
    ended = second.run(tmp_path, rounds=1)
    assert [outcome for outcome in ended if "BAD" in outcome] == []
    # Amid a restore, and at an end, the second one may be refused.
    assert sum(count for outcome, count in ended.items() if "served" in outcome) >= 4


# What a lane counts


def test_what_the_index_of_a_running_server_lacks_is_drift(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data=tmp_path / "data", model=str(make_jina_v3(tmp_path / "model")))
    with open_service(settings) as service:
        collection = service.new_collection("help")
        collection.add({"id": "first", "text": "Warm the pot."})
        assert count_drift(service.http, collection.path, {"first"}) == 0
        monkeypatch.setattr(FlatIndex, "apply", lambda *_, **__: None)
        collection.add({"id": "later", "text": "Steep the tea."})
        assert count_drift(service.http, collection.path, {"first", "later"}) == 1
        assert count_drift(service.http, collection.path, set()) == 1
        # Built anew of the rows that it is compared with.
        monkeypatch.undo()
        service.resources.generations.live().follower.forget()
        assert compare_vectors(service.resources).drift == 0


def test_search_that_nobody_answers_is_counted_and_the_next_one_is_sent() -> None:
    searches = corpus.Searches(f"http://127.0.0.1:{find_free_port()}")
    with searches.running():
        poll(lambda: len(searches.took_ms), lambda sent: sent >= 3)
    assert searches.failed == {"ConnectError": len(searches.took_ms)}


@pytest.mark.parametrize(
    ("counts", "ends"),
    [({"ready": 999, "queued": 0, "processing": 0}, True), ({"queued": 7, "processing": 1}, False)],
)
def test_benchmark_waits_neither_for_a_lost_document_nor_for_one_that_is_stuck(
    monkeypatch: pytest.MonkeyPatch, counts: dict[str, int], ends: bool
) -> None:
    monkeypatch.setattr(consistency, "_PATIENCE_SECONDS", 0.0)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"documents": counts}))
    with (
        httpx.Client(base_url="http://folio", transport=transport) as http,
        nullcontext() if ends else pytest.raises(SystemExit, match="queue"),
    ):
        scale.wait_until_read(http, "/v1/collections/help")


def test_upkeep_says_nothing_of_full_disks_that_were_not_there() -> None:
    row = upkeep.describe(Counter(kills=8))
    assert row.held
    assert "disk" not in row.promise + row.injected
    assert not upkeep.describe(Counter(kills=8, disks=4, twice=1)).held


def test_search_without_an_answer_counts_before_the_bad_files_too() -> None:
    codes = corpus.expected_codes()
    quiet, failing = corpus.Searches(""), corpus.Searches("")
    quiet.took_ms, failing.took_ms = [30.0], [30.0]
    failing.failed["ReadTimeout"] += 1
    assert corpus.describe(codes, quiet, quiet, same_process=True).held
    assert not corpus.describe(codes, failing, quiet, same_process=True).held
    assert not corpus.describe(codes, quiet, failing, same_process=True).held
    assert not corpus.describe(codes, quiet, corpus.Searches(""), same_process=True).held


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
