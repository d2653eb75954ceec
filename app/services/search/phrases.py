"""Quoted phrases and excluded words: which documents a query allows at all."""

import numpy as np
import regex
from sqlalchemy.orm import Session

from app.db import queries
from app.index.bm25 import LexicalIndex
from app.index.flat import Ids
from app.index.folding import clean, fold, fold_text
from app.index.query import WordQuery, literal_words
from app.index.words import find_words, is_unspaced

MAX_READ = 1000
"""Documents that hold all words of a phrase and are read to see whether they hold the phrase."""


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


def holds_phrase(text: str, phrase: str) -> bool:
    """Return whether the words of a phrase stand in a text, one after another."""
    return _pattern(phrase).search(fold_text(text)) is not None


def _find_holders(
    session: Session, index: LexicalIndex, phrase: str, collection_id: int, among: Ids
) -> Ids:
    """Return which documents hold a phrase."""
    asked = literal_words(phrase)
    holders = index.find_holders(asked, collection_id, among)
    if len(find_words(clean(phrase))) == 1 and not is_unspaced(phrase):
        return holders
    if len(holders) > MAX_READ:
        best = index.score(asked, collection_id).best(MAX_READ, holders)
        holders = np.array([document_id for document_id, _ in best], dtype=np.int64)
    versions = queries.find_live(session, holders.tolist())
    texts = queries.find_texts(session, [version.version_id for version in versions.values()])
    held = [
        document_id
        for document_id, version in versions.items()
        if holds_phrase(f"{version.title}\n{texts[version.version_id].text or ''}", phrase)
    ]
    return np.array(held, dtype=np.int64)


def _pattern(phrase: str) -> regex.Pattern[str]:
    words = [fold(word) for word in find_words(clean(phrase))]
    joined = r"[^\w]+".join(map(regex.escape, words))
    first = "" if is_unspaced(words[0]) else r"(?<!\w)"
    last = "" if is_unspaced(words[-1]) else r"(?!\w|#|\+\+)"
    return regex.compile(f"{first}{joined}{last}")
