"""Item 14: a server that is stopped amid its start ends in order."""

from pathlib import Path

import pytest

from tests.abuse.terminations import draw_moments, terminate_servers


def test_each_part_of_the_start_has_its_moment() -> None:
    moments = sorted(draw_moments(20, 10.0))
    assert [int(moment / 0.5) for moment in moments] == list(range(20))


@pytest.mark.slow
def test_server_that_is_stopped_amid_its_start_ends_without_complaint(
    tmp_path: Path, jina_v3: Path
) -> None:
    ended = terminate_servers(str(jina_v3), tmp_path, 4)
    assert ended.ends.total() == 4
    assert [how for how in ended.ends if "BAD" in how] == []
