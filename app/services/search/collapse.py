"""Articles that say the same become one: what they say is compared, not their ids."""

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass

from app.index.analysis import count_terms
from app.index.folding import clean, fold
from app.index.words import find_words
from app.runtime.deadline import check_time
from app.services.search.passages import RankedArticle

SAME = 0.9
"""Shared words as a share of all words of both: from it on, two articles say the same."""


@dataclass(frozen=True, slots=True)
class _Content:
    terms: Counter[int]
    size: int
    asked: Set[int]
    """The words of the question that it holds."""
    numbers: Set[str]
    """Its words with digits: where they differ, so does what is said."""


def collapse(articles: Sequence[RankedArticle]) -> list[RankedArticle]:
    """Return the first article of each that say the same; its `same_as` names the others.

    They share nine words of ten, hold the same words of the question and the same numbers.
    """
    kept: list[tuple[RankedArticle, _Content]] = []
    for article in articles:
        check_time()
        content = _read_content(article)
        first = next((one for one, other in kept if _is_same(content, other)), None)
        if first is None:
            kept.append((article, content))
        else:
            first.same_as = (*first.same_as, _name(article, beside=first))
    return [article for article, _ in kept]


def _name(article: RankedArticle, *, beside: RankedArticle) -> str:
    """Return the id of an article, with its collection where that is another one's."""
    own, document_id = article.stored.collection, article.candidate.version.external_id
    return document_id if own == beside.stored.collection else f"{own}/{document_id}"


def _read_content(article: RankedArticle) -> _Content:
    version = article.candidate.version
    text = f"{version.title}\n{article.text}"
    terms = count_terms(article.text, version.language)
    words = set(find_words(clean(text)))
    return _Content(
        terms,
        terms.total(),
        article.matcher.find(text, version.language),
        {fold(word) for word in words if any(map(str.isdigit, word))},
    )


def _is_same(one: _Content, other: _Content) -> bool:
    if min(one.size, other.size) < SAME * max(one.size, other.size):
        return False
    if one.asked != other.asked or one.numbers != other.numbers:
        return False
    shared = (one.terms & other.terms).total()
    return shared >= SAME * (one.size + other.size - shared)
