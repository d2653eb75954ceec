"""What a document's score is made of: its evidence, and that of the documents beside it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.domain import Mode
from app.index.samples import PassageSample, PassageSamples, Spread
from app.services.search.candidates import Candidate
from app.services.search.pipeline import ask
from app.services.search.ranking import rank_articles
from app.services.search.scales import weigh_words
from app.services.search.scoring import TYPICAL, Scale, evidence, score
from app.services.search.snapshot import snapshots
from ingest.sandbox import Sandbox
from tests.conftest import article
from tests.named import put_documents, ref_of
from tests.services.knowledge import open_with, work

STAGES = {"unit": 0.5, "passage": 0.6, "lexical": 0.4, "match": 0.3}
OWN = evidence(STAGES, Mode.HYBRID, Scale(Spread(0.1, 0.2, 100.0)))
SCALE = Scale(Spread(0.1, 0.2, 100.0), nearest=0.6, best=OWN, second=OWN)


def of(scale: Scale) -> float:
    return score(STAGES, Mode.HYBRID, scale)


def test_article_that_is_far_ahead_of_the_second_is_surer() -> None:
    assert of(replace(SCALE, second=OWN - 1)) > of(replace(SCALE, second=OWN - 0.2)) > of(SCALE)


def test_words_count_by_their_share_and_by_how_many_they_are() -> None:
    # What one article holds whole counts in full, also a name alone.
    assert weigh_words(1.0, 1) == weigh_words(1.0, 12) == 1
    assert weigh_words(0.0, 0) == weigh_words(0.0, 12) == 0
    # One word of four, shared by chance, and six of a claim in twelve.
    assert weigh_words(0.25, 4) < 0.15
    assert weigh_words(0.5, 12) > 0.8
    shares = [n / 20 for n in range(21)]
    for words in range(1, 20):
        weights = [weigh_words(share, words) for share in shares]
        assert weights == sorted(weights)
        assert all(weigh_words(s, words) <= weigh_words(s, words + 1) for s in shares)


def test_article_that_is_alone_is_ahead_of_what_answers_nothing() -> None:
    assert of(replace(SCALE, second=None)) == of(replace(SCALE, second=TYPICAL.null_evidence))


def test_scores_behind_the_best_fall_with_how_far_they_are() -> None:
    assert of(SCALE) > of(replace(SCALE, best=OWN + 0.2)) > of(replace(SCALE, best=OWN + 1))


def test_samples_of_collections_without_end_are_not_all_kept() -> None:
    samples = PassageSamples()
    for number in range(100):
        vectors = np.zeros((1024, 1024), dtype=np.float32)
        samples.keep(number, PassageSample(np.arange(128), 1000, 8000.0, vectors))
    kept = [number for number in range(100) if samples.find(number, 1000) is not None]
    assert 4 < len(kept) <= 16
    assert 99 in kept


COPIES = 20
"""More than a search reads at once."""


@pytest.mark.parametrize("limit", [1, COPIES + 2])
def test_copies_do_not_make_the_best_article_doubtful(
    tmp_path: Path, jina_v3: Path, sandbox: Sandbox, limit: int
) -> None:
    with open_with(tmp_path, jina_v3) as resources:
        copies = [article(f"copy-{n}", "Tea is hot. Reset it.", title="Tea") for n in range(COPIES)]
        others = [article(name, f"{name} is cold.", title=name) for name in ("Milk", "Juice")]
        put_documents(resources, "help", [*others, *copies])
        work(resources, sandbox)
        generation = resources.generations.live()
        found: list[Candidate] = []
        for attempt in snapshots(resources, generation):
            with attempt as snapshot:
                question = ask(generation, "how is tea reset", Mode.HYBRID)
                refs = [ref_of(resources, "help")]
                found = list(rank_articles(snapshot, question, refs, limit=limit).candidates)
        assert len({one.evidence for one in found[:COPIES]}) == 1
        assert found[0].scale.second == found[COPIES].evidence < found[0].evidence
