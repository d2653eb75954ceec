"""The questions of examples/ are what their README says."""

import json
from pathlib import Path

import pytest

from app.index.analysis import count_terms
from app.index.hashing import hash_term
from app.index.query import parse_query, spell_words
from app.index.stemming import PLAIN
from bench.sets import read_questions

EXAMPLES = Path(__file__).parents[2] / "examples"
# HTML and PDF are left to the parsers' tests.
PLAIN_TEXT = {".md", ".txt"}


def test_paraphrases_share_no_word_with_the_article_that_answers() -> None:
    labelled, unanswered = read_questions(EXAMPLES / "paraphrases.jsonl")
    assert (len(labelled.queries), unanswered) == (60, ())
    seen = 0
    for query in labelled.queries:
        ((document_id, _),) = labelled.grades[query.id].items()
        path = EXAMPLES / "articles" / document_id
        assert path.is_file()
        if path.suffix not in PLAIN_TEXT:
            continue
        held = count_terms(path.read_text(encoding="utf-8"))
        shared = [
            word.name
            for word in parse_query(query.text).words
            for spelling in spell_words([word], [PLAIN])[0]
            if all(hash_term(term) in held for term in spelling.terms)
        ]
        assert not shared, (query.text, shared)
        seen += 1
    assert seen > 40


@pytest.mark.parametrize("name", ["near", "far"])
def test_questions_without_an_answer_name_none(name: str) -> None:
    labelled, unanswered = read_questions(EXAMPLES / f"unanswered_{name}.jsonl")
    assert not labelled.queries
    assert len({query.text for query in unanswered}) == 50


def test_no_question_is_asked_twice() -> None:
    asked = [
        json.loads(line)["query"]
        for path in sorted(EXAMPLES.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert len(set(asked)) == len(asked) == 180
