"""The prediction equals what then happens."""

import re
from pathlib import Path
from random import Random

import pytest

from app.domain import Article, Heading, Passage, Receipt, Span, Unit
from app.errors import UnreadableDocument
from app.evaluation.golden import GoldenQuery
from app.runtime.resources import Resources
from app.services.articles.documents import Upload
from app.services.quality.preflight import find_uncovered
from app.services.quality.rehearsal import make_probes, rank_probes
from ingest.parse_and_cut import EmbeddedArticle
from ingest.sandbox import Sandbox
from tests.conftest import Ingest, article, markdown
from tests.named import delete_document, preflight, put_documents, ref_of, search_documents
from tests.services.knowledge import open_with, read_live, work

WORDS = re.findall(
    r"\w+",
    "tea milk sugar coffee cold hot dog fox lazy quick brown button reset machine hold eight "
    "seconds query document evidence retrieval without over jumps the is and with",
)


def write(random: Random, words: int) -> str:
    return " ".join(random.choice(WORDS) for _ in range(words))


def ranking(resources: Resources, query: str) -> list[str]:
    hits = search_documents(resources, "help", query, limit=10, passages=0).results
    return [hit.document_id for hit in hits]


def test_prediction_equals_what_then_happens_for_100_articles(
    resources: Resources, sandbox: Sandbox
) -> None:
    random = Random(11)
    existing = [article(f"a{n}", write(random, 30), title=write(random, 3)) for n in range(12)]
    put_documents(resources, "help", existing)
    work(resources, sandbox)
    golden = [GoldenQuery(str(n), write(random, 4), {f"a{n}": 1}) for n in range(4)]
    winners_changed = 0
    for number in range(100):
        # Every fifth takes the place of an article that is there.
        name = f"a{number % 12}" if number % 5 == 0 else f"new{number}"
        upload = article(name, write(random, 40), title=write(random, 2))
        before = {query.text: ranking(resources, query.text) for query in golden}
        predicted = preflight(resources, sandbox, "help", upload, golden)
        assert {query.text: ranking(resources, query.text) for query in golden} == before
        put_documents(resources, "help", [upload])
        work(resources, sandbox)
        by_query = {change.query: change for change in predicted.changes if change.golden}
        for query in golden:
            after = ranking(resources, query.text)
            change = by_query.get(query.text)
            if change is None:
                assert (after[0], name in after) == (before[query.text][0], False)
                continue
            winners_changed += change.before != change.after
            assert (change.before, change.after) == (before[query.text][0], after[0])
            assert change.rank == (after.index(name) + 1 if name in after else None)
            if change.rank is not None:
                assert not set(change.overtaken) & set(after[: change.rank])
        if name.startswith("new"):
            delete_document(resources, "help", name)
    # Else nothing was predicted that could have been wrong.
    assert winners_changed > 10


def test_questions_are_asked_as_a_search_asks_them(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox
) -> None:
    """Without slips where these are not forgiven, and without what a question excludes."""
    with open_with(tmp_path, jina_v3, typo_tolerance=False) as resources:
        random = Random(3)
        put_documents(resources, "help", [article(f"a{n}", write(random, 30)) for n in range(20)])
        work(resources, sandbox)
        texts = ("machnie buton", "tea -milk", "hot tea -sugar -milk")
        golden = [GoldenQuery(text, text, {"a1": 1}) for text in texts]
        probes = make_probes(resources.generations.live(), golden, ())
        with resources.database.write() as session:
            ref = ref_of(resources, "help")
            found = rank_probes(session, probes, ref, corrects_spelling=False)
        assert found == [ranking(resources, text) for text in texts]


def test_preflight_changes_nothing(resources: Resources, ingest: Ingest, sandbox: Sandbox) -> None:
    ingest(article("a", "Tea with milk."))
    before = read_live(resources)
    found = preflight(resources, sandbox, "help", article("b", "Tea without milk."))
    assert (found.id, found.replaces, found.units) == ("b", False, 1)
    assert preflight(resources, sandbox, "help", article("a", "Coffee.")).replaces
    assert read_live(resources) == before
    assert set(ranking(resources, "tea")) == {"a"}


def test_planted_near_duplicates_are_found(
    resources: Resources, ingest: Ingest, sandbox: Sandbox
) -> None:
    random = Random(5)
    texts = {f"a{n}": write(random, 80) for n in range(15)}
    ingest(*(article(name, text) for name, text in texts.items()))
    for name, text in texts.items():
        words = text.split()
        # One word in ten is another.
        for place in range(0, len(words), 10):
            words[place] = "kettle"
        near_duplicates = preflight(
            resources, sandbox, "help", article("copy", " ".join(words))
        ).near_duplicates
        assert near_duplicates[0].document_id == name
        assert near_duplicates[0].similarity < 1
    assert (
        preflight(
            resources, sandbox, "help", article("other", "Wholly different subject.")
        ).near_duplicates
        == ()
    )


def test_article_that_would_fail_fails_now(resources: Resources, sandbox: Sandbox) -> None:
    with pytest.raises(UnreadableDocument):
        preflight(resources, sandbox, "help", Upload("a", b"no PDF", "application/pdf"))


def test_section_that_no_passage_covers_is_named() -> None:
    text = "# One\n\nTea.\n\n# Two\n\nMilk.\n"
    article_read = Article(text, headings=(Heading(0, 1, "One"), Heading(13, 1, "Two")))
    passage = Passage(Span(0, 11))
    unit = Unit(Span(0, len(text)), (passage,))
    receipt = Receipt(0, 0, None, None, 0, 0, 0, 1, 1, (), {})
    (found,) = find_uncovered(article_read, EmbeddedArticle((unit,), (), receipt))
    assert found.heading == "Two"


def test_every_section_of_a_stored_article_is_covered(
    resources: Resources, sandbox: Sandbox
) -> None:
    text = "\n\n".join(f"## Part {n}\n\nTea number {n}." for n in range(9))
    assert preflight(resources, sandbox, "help", markdown("a", f"# All\n\n{text}")).uncovered == ()
