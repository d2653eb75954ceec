"""Quoted phrases and excluded words: which documents a query allows at all."""

from itertools import pairwise

import numpy as np
import regex
from sqlalchemy.orm import Session

from app.db import queries
from app.index.bm25 import LexicalIndex
from app.index.flat import Ids
from app.index.folding import clean, fold_text
from app.index.query import WordQuery, literal_words
from app.index.words import SPACED_LETTER, find_words, is_unspaced
from app.runtime.deadline import check_time

MAX_READ = 1000
"""Documents that hold all words of a phrase and are read to see whether they hold the phrase."""
_READ_AT_ONCE = 32


def restrict(
    session: Session,
    index: LexicalIndex,
    words: WordQuery,
    collection_id: int,
    allowed: Ids | None,
) -> Ids | None:
    """Return those of the allowed documents that hold every phrase and nothing excluded.

    None, for `allowed` too, stands for all documents. Of a phrase whose words stand in more than
    MAX_READ documents, those are read that score best for them.
    """
    if not words.phrases and not words.excluded:
        return allowed
    kept = index.ids_of(collection_id) if allowed is None else allowed
    for phrase in words.phrases:
        kept = np.intersect1d(kept, _find_holders(session, index, phrase, collection_id, kept))
    for phrase in words.excluded:
        kept = np.setdiff1d(kept, _find_holders(session, index, phrase, collection_id, kept))
    return kept


def holds_phrase(text: str, phrase: regex.Pattern[str]) -> bool:
    """Return whether the words of a phrase stand in a text, one after another."""
    return phrase.search(_fold(text)) is not None


def compile_phrase(phrase: str) -> regex.Pattern[str]:
    """Return what finds the words of a phrase, which are not none, in a text."""
    words = [_fold(word) for word in find_words(clean(phrase))]
    pattern = "" if is_unspaced(words[0]) else rf"(?<!{SPACED_LETTER})"
    for word, following in pairwise(words):
        # Between scripts, of which one puts no space between words, there may be none.
        count = "+" if is_unspaced(word) == is_unspaced(following) else "*"
        pattern += rf"{regex.escape(word)}[^\w]{count}"
    pattern += regex.escape(words[-1])
    pattern += "" if is_unspaced(words[-1]) else rf"(?!{SPACED_LETTER}|#|\+\+)"
    # Else hundreds are kept, of up to 32 KB each.
    return regex.compile(pattern, regex.VERSION1, cache_pattern=False)


def _find_holders(
    session: Session, index: LexicalIndex, phrase: str, collection_id: int, among: Ids
) -> Ids:
    """Return which documents hold a phrase."""
    check_time()
    asked = literal_words(phrase)
    holders = index.find_holders(asked, collection_id, among)
    words = find_words(clean(phrase))
    if len(words) == 1 and not is_unspaced(words[0]):
        return holders
    if len(holders) > MAX_READ:
        best = index.score(asked, collection_id).best(MAX_READ, holders)
        holders = np.array([document_id for document_id, _ in best], dtype=np.int64)
    pattern = compile_phrase(phrase)
    held: list[int] = []
    for first in range(0, len(holders), _READ_AT_ONCE):
        versions = queries.find_live(session, holders[first : first + _READ_AT_ONCE].tolist())
        texts = queries.find_texts(session, [one.version_id for one in versions.values()])
        for document_id, version in versions.items():
            check_time()
            if holds_phrase(f"{version.title}\n{texts[version.version_id].text or ''}", pattern):
                held.append(document_id)
    return np.array(held, dtype=np.int64)


def _fold(text: str) -> str:
    """Return a text folded, with the apostrophe that keyboards have for both that are written."""
    return fold_text(text).replace("\u2019", "'")
