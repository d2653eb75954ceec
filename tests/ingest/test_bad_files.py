"""Bad input: each file ends with its code, and the parsing process goes on or is replaced."""

from collections.abc import Iterator

import pytest

from app.config import Settings
from app.errors import UnreadableDocument
from ingest.bundles import expand_bundle
from ingest.formats import ZIP
from ingest.sandbox import Sandbox
from tests.ingest.bad_files import BAD_ARCHIVES, BAD_FILES


@pytest.fixture(scope="module")
def patient_sandbox() -> Iterator[Sandbox]:
    """A sandbox that lets a busy machine take its time: each of these files ends by its code."""
    opened = Sandbox(Settings(parse_seconds=300))
    yield opened
    opened.close()


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_file_ends_with_its_code_and_the_next_file_is_read(
    name: str, patient_sandbox: Sandbox
) -> None:
    media_type, make, code = BAD_FILES[name]
    with pytest.raises(UnreadableDocument) as caught:
        patient_sandbox.parse(media_type, make())
    assert caught.value.code == code
    assert patient_sandbox.parse("text/plain", b"Milk").text == "Milk"


@pytest.mark.parametrize("name", BAD_ARCHIVES)
def test_bad_archive_is_refused_as_a_whole(name: str) -> None:
    make, code = BAD_ARCHIVES[name]
    with pytest.raises(UnreadableDocument) as caught:
        expand_bundle("a.zip", ZIP, make(), max_bytes=2**20, max_members=1000)
    assert caught.value.code == code
