"""What reading the first articles finds, against looking closely at every passage."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from app.config import Settings
from app.domain import Mode
from app.index.analysis import count_terms
from app.index.lookup import FoundWord
from app.index.query import parse_query
from app.runtime.resources import Resources
from app.services.search.passages import RankedArticle
from app.services.search.pipeline import ask
from app.services.search.ranking import rank_articles
from app.services.search.scoring import score
from app.services.search.snapshot import snapshots
from ingest.sandbox import Sandbox
from tests.conftest import article
from tests.named import put_documents, ref_of, search_documents
from tests.services.knowledge import open_with, work

QUERIES = ("reset the tea machine", "ERR_42 in put_object", "crème for the milk", "who are they")
TEXTS = (
    "Tea is hot.\n\nReset the machine with the button behind the tea tray.\n\nMilk is cold.",
    "The machine has a tray.\n\nTea with crème.\n\nPutObject fails with err-42, reset it.",
    "Nothing of it.\n\nThey are batteries. " + "\n\n".join(f"Milk number {n}." for n in range(40)),
)


@pytest.fixture(scope="module")
def shelf(
    tmp_path_factory: pytest.TempPathFactory, jina_v3: Path, sandbox: Sandbox
) -> Iterator[Resources]:
    with open_with(tmp_path_factory.mktemp("shelf"), jina_v3) as resources:
        uploads = [article(f"a{n}", text, title="Tea machines") for n, text in enumerate(TEXTS)]
        uploads += [article(f"b{n}", f"Tea number {n}.") for n in range(30)]
        put_documents(resources, "help", uploads)
        work(resources, sandbox)
        yield resources


def read_first(
    resources: Resources, query: str, mode: Mode
) -> tuple[Sequence[RankedArticle], Sequence[FoundWord]]:
    """Return the first articles, and the words of the query as the collection writes them."""
    generation = resources.generations.live()
    question = ask(generation, query, mode)
    attempt = next(snapshots(resources, generation))
    with attempt as snapshot:
        collection = ref_of(resources, "help")
        ranked = rank_articles(snapshot, question, [collection], limit=20)
        articles = ranked.read(snapshot, question, ranked.candidates[:20])
        weights = snapshot.indexes.terms.weigh(parse_query(query), collection.id)
    return articles, weights


def share(article: RankedArticle, n: int, words: Sequence[FoundWord]) -> float:
    """Return the share of a query's weight that a passage holds under its title."""
    text = f"{article.candidate.version.title}\n{article.quote(article.passages[n])}"
    counts = count_terms(text, article.candidate.version.language)
    held = sum(word.weight for word in words if word.count(counts))
    return held / sum(word.weight for word in words)


@pytest.mark.parametrize("query", QUERIES)
def test_match_is_the_best_passage_near_in_meaning_and_in_words(
    shelf: Resources, query: str
) -> None:
    articles, weights = read_first(shelf, query, Mode.HYBRID)
    assert len(articles) == 20
    for one in articles:
        scale = one.candidate.scale
        shares = [share(one, n, weights) for n in range(len(one.passages))]
        products = map(scale.match, one.nearness, shares)
        assert one.candidate.stages["match"] == pytest.approx(max(products))
    scores = [one.candidate.score for one in articles]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("query", QUERIES)
def test_passages_come_in_the_order_of_looking_at_each(
    shelf: Resources, query: str, mode: Mode
) -> None:
    articles, weights = read_first(shelf, query, mode)
    assert max(len(one.passages) for one in articles) > 1
    for one in articles:
        shares = [share(one, n, weights) for n in range(len(one.passages))]
        stages, scale = one.candidate.stages, one.candidate.scale
        expected = [
            score(
                {
                    Mode.DENSE: {**stages, "passage": near},
                    Mode.LEXICAL: {
                        "lexical": stages.get("lexical", 0) * (held / (max(shares) or 1)) ** 0.5
                    },
                    Mode.HYBRID: {**stages, "passage": near, "match": scale.match(near, held)},
                }[mode],
                mode,
                scale,
            )
            for near, held in zip(one.nearness, shares, strict=True)
        ]
        ranked = list(one.rank_passages())
        assert [p.score for p in ranked] == pytest.approx(sorted(expected, reverse=True))
        assert {p.passage.span for p in ranked} == {p.span for p in one.passages}


def test_words_of_a_question_in_one_passage_beat_the_same_words_far_apart(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    weather = "The weather was mild, with wind from the west and a few clouds over the hills. " * 3
    apart = (f"{weather}The valve is blue.", f"Pressure drops. {weather}", f"{weather}It leaks.")
    near = (weather, f"{weather}The blue valve leaks when pressure drops.", weather)
    with open_with(tmp_path, Settings().model, passage_tokens=64) as resources:
        put_documents(
            resources,
            "help",
            [article("apart", "\n\n".join(apart)), article("near", "\n\n".join(near))],
        )
        work(resources, sandbox)
        hits = search_documents(resources, "help", "blue valve leaks pressure drops").results
        assert [hit.document_id for hit in hits] == ["near", "apart"]
        assert "blue valve leaks" in hits[0].passages[0].text


@pytest.mark.parametrize("query", QUERIES)
def test_reading_those_that_can_be_shown_is_reading_all(shelf: Resources, query: str) -> None:
    generation, collections = shelf.generations.live(), [ref_of(shelf, "help")]
    question = ask(generation, query, Mode.HYBRID)
    attempt = next(snapshots(shelf, generation))
    with attempt as snapshot:
        every = rank_articles(snapshot, question, collections, limit=1, reads_all=True)
        for limit in (1, 3, 17):
            some = rank_articles(snapshot, question, collections, limit=limit)
            assert [(c.version.external_id, c.score) for c in some.candidates[:limit]] == [
                (c.version.external_id, c.score) for c in every.candidates[:limit]
            ]
