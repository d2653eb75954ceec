"""A filter that keeps few articles: as many hits as are asked for, those of brute force."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain import Condition, Mode
from app.runtime.resources import Resources
from app.services.articles.documents import Upload
from app.services.search.scoring import log_odds
from ingest.sandbox import Sandbox
from tests.named import put_documents, search_documents
from tests.services.knowledge import open_with, work

ARTICLES = 500
LIMIT = 4
WORDS = ("tea", "milk", "sugar", "coffee", "button", "reset", "dog", "fox", "hot", "cold")


@pytest.fixture(scope="module")
def many(
    tmp_path_factory: pytest.TempPathFactory, jina_v3: Path, sandbox: Sandbox
) -> Iterator[Resources]:
    """ARTICLES of some of the WORDS, numbered; 1% of them share the number modulo 100."""
    with open_with(tmp_path_factory.mktemp("many"), jina_v3) as resources:
        put_documents(
            resources,
            "help",
            [
                Upload(
                    f"{n}",
                    " ".join([*(WORDS[n * i % 10] for i in range(1, 2 + n % 7)), f"{n}"]).encode(),
                    "text/plain",
                    attributes={"percent": n % 100},
                )
                for n in range(ARTICLES)
            ],
        )
        work(resources, sandbox)
        yield resources


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("percent", [0, 7, 42])
def test_filter_that_keeps_one_percent_finds_what_brute_force_finds(
    many: Resources, mode: Mode, percent: int
) -> None:
    query = "hot tea with milk and sugar from the button"
    every = search_documents(many, "help", query, mode=mode, limit=ARTICLES, passages=0).results
    kept = [hit for hit in every if hit.attributes["percent"] == percent]
    condition = Condition("eq", "percent", percent)
    found = search_documents(
        many, "help", query, mode=mode, filters=condition, limit=LIMIT, passages=0
    ).results
    assert [hit.document_id for hit in found] == [hit.document_id for hit in kept[:LIMIT]]
    # How near the nearest of them is says how sure a hybrid search is of all of them alike, and how
    # far the first one is ahead of the second how sure it is of the first.
    moved = [log_odds(a.score) - log_odds(b.score) for a, b in zip(found, kept, strict=False)]
    if mode is not Mode.HYBRID:
        assert moved == pytest.approx([0.0] * len(found), abs=1e-5)
    alike = moved[1:] if mode is Mode.HYBRID else moved
    assert alike == pytest.approx(alike[:1] * len(alike), abs=1e-4)
    if mode is not Mode.LEXICAL:
        assert len(found) == LIMIT
