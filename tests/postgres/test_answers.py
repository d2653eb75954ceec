"""The same articles have the same answers on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.domain import Mode
from app.services.operations.move import move_to
from tests.api.service import Collection, Service, open_service, poll
from tests.databases import on_test_database

EXAMPLES = Path(__file__).parents[2] / "examples"
QUESTIONS = (EXAMPLES / "questions.txt").read_text(encoding="utf-8").splitlines()
FILTERS: list[dict[str, Any] | None] = [
    None,
    {"type": "eq", "key": "folder", "value": "brewing"},
    {"type": "starts_with", "key": "$id", "value": "account/"},
    {"type": "ne", "key": "folder", "value": "brewing"},
    {"type": "contains", "key": "folder", "value": "ä"},
    {"type": "gte", "key": "size", "value": 3000},
    {"type": "lt", "key": "$created_at", "value": "2020-01-01T00:00:00Z"},
]
# Ids that sort otherwise by the rules of a language, and texts with what SQL treats specially.
AWKWARD = {
    "Z": "Upper case before lower.",
    "a": r"A back\slash, 'quotes', 100 % and _ under.",
    "ä": "Umlauts: äöü, and 茶 and 🫖.",
    "z": "Last of the plain letters.",
    "É": "An accent.",
}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collection, Collection]]:
    """The sample articles behind a service on each database: embedded once, and copied."""
    # Each times by itself which format is faster, and under load they can differ.
    settings = Settings(data=tmp_path_factory.mktemp("both"), dtype="float32")
    copy = on_test_database(settings)
    assert copy.database_url is not None
    # Opened without the background, which measures what scores mean whenever it finds the time.
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("FOLIO_TEST_DATABASE")
            with open_service(settings) as filled:
                _fill(filled)
                # What goes on when it closes would come into the one and not into the other.
                poll(
                    lambda: filled.http.get("/v1/collections/help/calibration").json(),
                    lambda calibration: not calibration["is_due"],
                )
            move_to(settings, copy.database_url.get_secret_value(), lambda *_: None)
            on_sqlite = stack.enter_context(open_service(settings, works=False))
        on_postgresql = stack.enter_context(open_service(copy, works=False))
        assert on_postgresql.resources.database.is_shared
        assert not on_sqlite.resources.database.is_shared
        yield Collection(on_sqlite.http, "help"), Collection(on_postgresql.http, "help")


def _fill(service: Service) -> None:
    collection = service.new_collection("help")
    for path in sorted(EXAMPLES.glob("articles/**/*.*")):
        name = str(path.relative_to(EXAMPLES / "articles"))
        answer = service.http.post(
            f"{collection.path}/documents",
            files={"files": (path.name, path.read_bytes())},
            data={"id": name},
        )
        collection.finish(answer)
    collection.add(
        *(
            {
                "id": document_id,
                "text": text,
                "attributes": {"folder": "brewing", "size": 1000.5 * number},
            }
            for number, (document_id, text) in enumerate(AWKWARD.items())
        )
    )


def comparable(answer: Any) -> Any:
    """Return an answer without what no two runs have in common."""
    if isinstance(answer, dict):
        leave_out = {"took_ms", "created_at", "updated_at", "ready_at", "query_id", "job_id"}
        return {key: comparable(value) for key, value in answer.items() if key not in leave_out}
    return [comparable(value) for value in answer] if isinstance(answer, list) else answer


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("condition", FILTERS, ids=str)
def test_every_question_has_the_same_answer(
    both: tuple[Collection, Collection], mode: Mode, condition: dict[str, Any] | None
) -> None:
    options = {} if condition is None else {"filters": condition}
    found = 0
    for question in [*QUESTIONS, "backslash", "茶", "umlauts äöü"]:
        expected, actual = (each.search(question, mode=mode, limit=20, **options) for each in both)
        assert comparable(actual) == comparable(expected)
        found += len(actual["results"])
    assert found > 0 or condition in FILTERS[4:]


def test_pages_of_a_list_come_in_the_same_order(both: tuple[Collection, Collection]) -> None:
    expected, actual = (
        [document["id"] for document in each.page(limit=1000)["documents"]] for each in both
    )
    assert actual == expected
    assert [document_id for document_id in actual if document_id in AWKWARD] == sorted(
        AWKWARD, key=str.encode
    )


def test_documents_read_the_same(both: tuple[Collection, Collection]) -> None:
    for document in both[0].page(limit=1000)["documents"]:
        expected, actual = (
            comparable(each.get(document["id"], include="text,versions")) for each in both
        )
        for each in (expected, actual):
            # How long the stages took.
            each["receipt"].pop("took_ms", None)
        assert actual == expected
