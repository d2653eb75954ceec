"""The generated pages of the documentation say what the program does."""

import re

import pytest

from app.config import Settings
from tests.docs.reference import FOLDER, PAGES


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
