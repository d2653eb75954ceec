"""The page of what was counted names every lane that `make durability` runs."""

import re
from argparse import Namespace

from tests.docs.reference import ROOT
from tests.durability.__main__ import list_lanes

PAGE = (ROOT / "docs/operations.md").read_text(encoding="utf-8")


class _AnyNumber(Namespace):
    """Stands for the arguments of the command."""

    def __getattr__(self, name: str) -> int:
        return 1


def _without_numbers(lane: str) -> str:
    return re.sub(r" \d+", "", lane)


def test_every_lane_is_in_the_table_with_the_options_that_it_is_given() -> None:
    listed = re.findall(r"^\| `([a-z_]+(?: --[a-z]+(?: \d+)?)*)` \|", PAGE, re.MULTILINE)
    run = [" ".join(lane) for lane in list_lanes(_AnyNumber())]
    assert sorted(map(_without_numbers, listed)) == sorted(map(_without_numbers, run))
