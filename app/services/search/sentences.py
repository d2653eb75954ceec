"""The sentence or table row of a passage that says most of a question.

By the question's words: a model would have to read each sentence by itself, which takes longer than
the search. A heading, and a question that the text answers, count for what follows them.
"""

import re
from collections.abc import Iterator, Set
from itertools import pairwise

from app.domain import Span
from app.index.sentences import SENTENCE_END
from app.index.tables import find_table, find_tables
from app.index.term_matcher import TermMatcher

# After these on the same line a full stop abbreviates: "no. 5".
_GOES_ON = re.compile(r"[a-z0-9]")
_ASKED = re.compile(r"""[?？]["'”’»)\]*_]*$""")
_LABEL = re.compile(r"#{1,6}\s|\*\*[^*\n]+\*\*$")


def find_sentence(text: str, matcher: TermMatcher, language: str | None) -> Span | None:
    """Return where the sentence or row stands in `text` that holds most of the question's words.

    Of equal ones the first; None where none holds any.
    """
    best, most = None, 0.0
    spellings = matcher.list_spellings(text, language)
    passed_on: Set[int] = frozenset()
    tables = find_tables(text)
    for span in split_sentences(text):
        sentence = text[span.start : span.end]
        held = matcher.find_in_part(sentence, spellings) | passed_on
        table = find_table(tables, span.start)
        if table is not None:
            if span.start < table.rows:
                continue
            held |= matcher.find(f"{table.caption}\n{table.head}", language)
        elif _LABEL.match(sentence) or _ASKED.search(sentence):
            passed_on = held
            continue
        passed_on = frozenset()
        coverage = matcher.coverage(held)
        if coverage > most:
            best, most = span, coverage
    return best


def split_sentences(text: str) -> Iterator[Span]:
    """Yield the sentences, lines and table rows of a text, in order."""
    ends = [
        found.end()
        for found in SENTENCE_END.finditer(text)
        if "\n" in found[0] or not _GOES_ON.match(text, found.end())
    ]
    for start, end in pairwise([0, *ends, len(text)]):
        part = text[start:end]
        if part.strip():
            yield Span(start + len(part) - len(part.lstrip()), start + len(part.rstrip()))
