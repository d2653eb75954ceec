"""Item 10: what a parser cannot do, with and without Landlock, and that it still does its work."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from app.config import Settings
from app.errors import UnreadableDocument
from ingest import landlock
from ingest.confinement import can_be_read, list_readable
from ingest.parsers import PARSERS, parse_document
from ingest.sandbox import Sandbox
from tests.ingest.bad_files import BAD_FILES, make_docx, word_paragraph
from tests.ingest.office_files import make_book
from tests.ingest.pdf_files import make_pdf
from tests.ingest.test_office import make_epub, make_odt, make_pptx

_MIN_ACTS = 30
_RST = """
Tea
===

:Author: nobody

Steep ``it`` for |time| [#note]_ and :math:`x^2`.

.. |time| replace:: two minutes
.. [#note] Or three.
.. code:: python

   print("tea")
.. csv-table::

   a, b
.. note:: Hot.
.. list-table::

   * - a
     - b
"""


def _find_extension(media_type: str) -> str:
    return media_type.rpartition(".")[2]


SAMPLES: dict[str, Callable[[], bytes]] = {
    "text/plain": lambda: "Grüße aus Köln, schöne Straße, für alle Äpfel".encode("cp1250"),
    "text/markdown": lambda: (
        b"---\ntags: [a]\ndate: 2024-01-02\n---\n# Tea\n\n| a |\n|--|\n| b |\n"
    ),
    "text/html": lambda: b"<html><title>Tea</title><body><h1>Tea</h1><p>Hot tea.</p></body></html>",
    "application/pdf": lambda: make_pdf([["Hot tea", "and milk"]]),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": lambda: make_docx(
        word_paragraph("Hot tea")
    ),
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": make_pptx,
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": lambda: make_book(
        {
            "Tea": '<x:sheetData><x:row r="1"><x:c r="A1" s="1"><x:v>46090</x:v></x:c></x:row>'
            "</x:sheetData>"
        },
        formats=("[$-407]d. mmmm yyyy",),
    ),
    "application/vnd.oasis.opendocument.text": make_odt,
    "application/epub+zip": make_epub,
    "application/rtf": lambda: rb"{\rtf1\ansi\ansicpg1251 Hot \'f2\'e5\'e0 {\b tea}}",
    "message/rfc822": lambda: (
        b"Subject: =?iso-8859-2?Q?T=E9a?=\nDate: Tue, 2 Jan 2024 10:00:00 +0100\n"
        b"Content-Type: text/plain; charset=iso-8859-2\n\nHot tea\n"
    ),
    "application/json": lambda: b'{"html": "<h1>Tea</h1><p>Hot</p>", "attributes": {"a": 1}}',
    "application/x-ipynb+json": lambda: json.dumps(
        {"cells": [{"cell_type": "markdown", "source": ["# Tea"]}], "metadata": {}}
    ).encode(),
    "text/x-rst": _RST.encode,
    "text/csv": lambda: b"name,price\ntea,2\n",
    "text/tab-separated-values": lambda: b"name\tprice\ntea\t2\n",
}


@pytest.fixture(scope="module", params=["landlock", "no-landlock"])
def mode(request: pytest.FixtureRequest) -> str:
    if request.param == "landlock" and landlock.find_version() == 0:
        pytest.skip("this kernel has no Landlock")
    return str(request.param)


@pytest.fixture(scope="module")
def confined(mode: str) -> Iterator[Sandbox]:
    with closing(Sandbox(Settings(), uses_landlock=mode == "landlock")) as opened:
        yield opened


@pytest.fixture(scope="module")
def unlocked() -> Iterator[Sandbox]:
    with closing(Sandbox(Settings(), uses_landlock=False)) as opened:
        yield opened


def try_acts(folder: Path, mode: str) -> dict[str, str]:
    """Return what came of each act on files in `folder` and on a process of this user."""
    folder.mkdir()
    for name in ("folio.db", "to-truncate", "to-rename", "to-unlink"):
        (folder / name).write_bytes(b"tea")
    (folder / "to-remove").mkdir()
    waiting = "print(flush=True); import time; time.sleep(300)"
    with subprocess.Popen([sys.executable, "-c", waiting], stdout=subprocess.PIPE) as victim:
        assert victim.stdout is not None
        victim.stdout.readline()
        try:
            command = [sys.executable, "-m", "tests.abuse.acts", str(folder), str(victim.pid), mode]
            # A pipe: a confined process can write to no file, its own output included.
            ran = subprocess.run(command, stdout=subprocess.PIPE, timeout=300, check=True)
        finally:
            victim.kill()
    outcomes: dict[str, str] = json.loads(ran.stdout)
    return outcomes


def test_parser_can_do_none_of_what_it_has_no_need_of(tmp_path: Path, mode: str) -> None:
    outcomes = try_acts(tmp_path / "data", mode)
    assert len(outcomes) >= _MIN_ACTS
    assert outcomes == dict.fromkeys(outcomes, "PermissionError")
    assert (tmp_path / "data" / "folio.db").read_bytes() == b"tea"


def test_the_same_acts_succeed_where_nothing_is_confined(tmp_path: Path) -> None:
    outcomes = try_acts(tmp_path / "data", "free")
    done = [name for name, outcome in outcomes.items() if outcome == "done"]
    # Some machines let nobody trace, or make namespaces.
    assert len(done) >= _MIN_ACTS, outcomes


def test_child_says_what_holds_it(confined: Sandbox, mode: str) -> None:
    confined.start()
    confinement = confined.confinement
    assert confinement is not None
    assert confinement.seccomp
    assert (confinement.landlock > 0) == (mode == "landlock")
    assert ("Landlock (version" in confinement.describe()) == (mode == "landlock")


def test_samples_are_of_every_format_but_aliases() -> None:
    # The same parser as another format's, or none: a line of JSON that is none at all, a bad name.
    others = {
        "application/vnd.ms-excel",
        "application/vnd.oasis.opendocument.spreadsheet",
        "application/vnd.oasis.opendocument.presentation",
        "application/x-invalid-json-line",
        "application/x-invalid-name",
        "application/xhtml+xml",
    }
    assert PARSERS.keys() - SAMPLES.keys() == others


@pytest.mark.parametrize("media_type", SAMPLES, ids=_find_extension)
def test_confined_parser_reads_what_a_free_one_reads(confined: Sandbox, media_type: str) -> None:
    data = SAMPLES[media_type]()
    free = parse_document(media_type, data)
    assert confined.parse(media_type, data) == replace(free, attributes=free.attributes or {})


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_file_ends_with_its_code_without_landlock_too(name: str, unlocked: Sandbox) -> None:
    media_type, make, code = BAD_FILES[name]
    with pytest.raises(UnreadableDocument) as caught:
        unlocked.parse(media_type, make())
    assert caught.value.code == code


def test_small_file_that_computes_for_ever_is_ended_soon() -> None:
    # Each name stands for ten of the next: 10^30 words of 600 bytes.
    names = "".join(f".. |{i}| replace:: {f'|{i + 1}| ' * 10}\n" for i in range(30))
    settings = Settings(parse_small_seconds=1, parse_seconds_per_mib=1, parse_seconds=600)
    before = measure_children()
    with (
        closing(Sandbox(settings)) as opened,
        pytest.raises(UnreadableDocument) as caught,
    ):
        opened.parse("text/x-rst", f"Tea |0|\n\n{names}".encode())
    assert caught.value.code in {"parser_timeout", "unreadable_rst"}
    # Most of it is the start of the child.
    assert measure_children() - before < 20


def measure_children() -> float:
    """Return the seconds of processor time of the processes that this one started and ended."""
    times = os.times()
    return times.children_user + times.children_system


def test_checkout_is_not_readable_only_its_packages_are(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    assert root not in list_readable()
    assert can_be_read(root / "ingest" / "parsers")
    assert not can_be_read(tmp_path)
    assert not can_be_read(root / "var" / "demo")


def test_server_s_memory_can_be_read_by_nobody_else() -> None:
    program = (
        "import ctypes\n"
        "from ingest.confinement import forbid_tracing\n"
        "forbid_tracing()\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    # PR_GET_DUMPABLE
    assert ran.stdout == b"0\n"
