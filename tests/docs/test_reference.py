"""The generated pages of the documentation say what the program does."""

import re

import pytest

from app.config import Settings
from tests.docs.reference import FOLDER, PAGES, ROOT

# Numbers that say what Folio does, not what it may cost.
_NOT_LIMITS = {"model_max_tokens", "dimensions", "passage_tokens", "sync_minutes"}


@pytest.mark.parametrize("name", PAGES)
def test_generated_page_is_what_the_program_says(name: str) -> None:
    """`make docs` writes it anew."""
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name]()


def test_every_setting_is_described() -> None:
    fields = Settings.model_fields
    assert [name for name, field in fields.items() if not field.description] == []


def test_codes_that_callers_meet_are_in_the_table() -> None:
    page = (FOLDER / "errors.md").read_text(encoding="utf-8")
    codes = set(re.findall(r"^\| `([a-z_]+)`", page, re.MULTILINE))
    assert {"collection_not_found", "queue_full", "unreadable_pdf", "too_large"} <= codes


def test_every_code_that_is_written_down_is_in_the_table_with_a_sentence() -> None:
    page = (FOLDER / "errors.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| \d* \| (.*) \|$", page, re.MULTILINE))
    sources = [*ROOT.glob("app/**/*.py"), *ROOT.glob("ingest/**/*.py")]
    # code="…", "code": "…", and a class that has the code.
    code = re.compile(r"(?:\bcode=|\"code\": |^    code = )\"([a-z_]+)\"", re.MULTILINE)
    written = {one for path in sources for one in code.findall(path.read_text(encoding="utf-8"))}
    assert written - rows.keys() == set()
    assert [code for code, sentence in rows.items() if not sentence] == []


def test_every_limit_is_listed_with_its_default() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    limits = {
        name: field.default
        for name, field in Settings.model_fields.items()
        if field.annotation in {int, float, int | None} and name not in _NOT_LIMITS
    }
    listed = [
        f"`FOLIO_{name.upper()}` {_as_written(name, value)}" for name, value in limits.items()
    ]
    assert [
        entry for entry in listed if not re.search(re.escape(entry) + r"(?![\d,.]\d)", page)
    ] == []


def _as_written(name: str, value: float | None) -> str:
    """Return a default as the page has it: 1,024, 64 MiB, .05, off."""
    if value is None:
        return "off"
    if name.endswith("_bytes"):
        for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
            if value >= size:
                return f"{value / size:g} {unit}"
    return f"{value:,g}".removeprefix("0") if 0 < value < 1 else f"{value:,.10g}"
