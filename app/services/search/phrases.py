"""Quoted phrases and excluded words: which documents a query allows at all."""

from collections.abc import Mapping, Sequence
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

    None, for `allowed` too, stands for all documents. Where more than MAX_READ hold the words of
    the phrases, or of those excluded, those are read that score best for them.
    """
    if not words.phrases and not words.excluded:
        return allowed
    kept = index.ids_of(collection_id) if allowed is None else allowed
    for phrase in words.phrases:
        kept = _find_holders(index, phrase, collection_id, kept)
    if read := list(filter(_has_order, words.phrases)):
        kept = _choose(index, read, collection_id, kept)
        held = _read_held(session, kept, read)
        kept = np.array([i for i, some in held.items() if len(some) == len(read)], dtype=np.int64)
    if words.excluded:
        kept = _leave_out(session, index, words.excluded, collection_id, kept)
    return kept


def _leave_out(
    session: Session,
    index: LexicalIndex,
    excluded: Sequence[str],
    collection_id: int,
    among: Ids,
) -> Ids:
    """Return the documents that hold none of these words and phrases."""
    read = list(filter(_has_order, excluded))
    holders = {phrase: _find_holders(index, phrase, collection_id, among) for phrase in excluded}
    for phrase in holders.keys() - read:
        among = np.setdiff1d(among, holders[phrase])
    doubtful = [np.empty(0, np.int64), *(np.intersect1d(holders[one], among) for one in read)]
    chosen = _choose(index, read, collection_id, np.unique(np.concatenate(doubtful)))
    held = _read_held(session, chosen, read)
    return np.setdiff1d(among, [i for i, some in held.items() if some])


def list_held(text: str, phrases: Mapping[str, regex.Pattern[str]]) -> list[str]:
    """Return those of some phrases whose words stand in a text, one after another."""
    folded = _fold(text)
    return [phrase for phrase, pattern in phrases.items() if pattern.search(folded)]


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


def _has_order(phrase: str) -> bool:
    """Return whether the index cannot say where a phrase stands: of one word it can."""
    words = find_words(clean(phrase))
    return len(words) > 1 or is_unspaced(words[0])


def _find_holders(index: LexicalIndex, phrase: str, collection_id: int, among: Ids) -> Ids:
    """Return which documents hold all words of a phrase."""
    check_time()
    return index.find_holders(literal_words(phrase), collection_id, among)


def _choose(index: LexicalIndex, phrases: Sequence[str], collection_id: int, holders: Ids) -> Ids:
    """Return the MAX_READ of some documents that score best for the words of phrases."""
    if len(holders) <= MAX_READ:
        return holders
    asked = WordQuery(tuple(word for phrase in phrases for word in literal_words(phrase).words))
    best = index.score(asked, collection_id).best(MAX_READ, holders)
    return np.array([document_id for document_id, _ in best], dtype=np.int64)


def _read_held(session: Session, document_ids: Ids, phrases: Sequence[str]) -> dict[int, list[str]]:
    """Return which of some phrases documents hold, by document id."""
    patterns = {phrase: compile_phrase(phrase) for phrase in phrases}
    held: dict[int, list[str]] = {}
    for first in range(0, len(document_ids), _READ_AT_ONCE):
        some = document_ids[first : first + _READ_AT_ONCE].tolist()
        versions = queries.find_live(session, some)
        texts = queries.find_texts(session, [one.version_id for one in versions.values()])
        for document_id, version in versions.items():
            check_time()
            # No phrase goes on from the title to the text.
            parts = (version.title, texts[version.version_id].text or "")
            found = {phrase for part in parts for phrase in list_held(part, patterns)}
            held[document_id] = list(filter(found.__contains__, phrases))
    return held


def _fold(text: str) -> str:
    """Return a text folded, with the apostrophe that keyboards have for both that are written."""
    return fold_text(text).replace("\u2019", "'")
