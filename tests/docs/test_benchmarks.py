"""The page of the benchmarks names every script, and options that it has."""

import re

from tests.docs.reference import ROOT

PAGE = (ROOT / "bench/README.md").read_text(encoding="utf-8")
SCRIPTS = {
    path.stem: source
    for path in ROOT.glob("bench/*.py")
    if "__main__" in (source := path.read_text(encoding="utf-8"))
}
# Run by another one, with an interpreter that has what it needs.
RUN_BY_OTHERS = {"whole_peers"}
# Where the options of several scripts are.
SHARED = {"thresholds": "scores"}


def test_every_script_is_in_the_table() -> None:
    listed = re.findall(r"^\| `bench/([a-z_]+)\.py` \|", PAGE, re.MULTILINE)
    assert sorted(listed) == sorted(SCRIPTS.keys() - RUN_BY_OTHERS)


def test_every_command_has_the_options_that_it_is_given() -> None:
    commands = re.findall(r"python (?:-m )?bench[./]([a-z_]+)(?:\.py)?((?: [^`\n#]+)?)", PAGE)
    assert len(commands) > 30
    for name, given in commands:
        options = set(re.findall(r"--[a-z-]+", SCRIPTS[name] + SCRIPTS[SHARED.get(name, name)]))
        assert set(re.findall(r"(?<= )--[a-z-]+", given)) <= options, (name, given)
