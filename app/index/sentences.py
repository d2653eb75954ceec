"""Where sentences and clauses end, in every script."""

from itertools import pairwise

import regex

# Full stops of these scripts only abbreviate: spaces part what is said.
_SPACED_CLAUSES = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
# Signs of repetition and of abbreviation, after and before a space that parts nothing.
_REPEATED = "ๆฯໆຯៗ"
# Signs that end a sentence without a space after them.
_STOP = r"[\p{STerm}--[.!?]]"
# The number of an item begins a sentence: "12. Rinse the tank."
_ITEM = r"(?:^|\n)[ \t>*+-]*[0-9]{1,3}"

# Latin signs need a space after them, or a script that has none. The others stand for themselves,
# but for `．` in a number, and where 「…。」と goes on with what was said.
# A run of signs is tried once, from its first one: from each, a line of them takes minutes.
SENTENCE_END = regex.compile(
    rf"""
    \n+
    | (?:(?<![{_SPACED_CLAUSES}])(?<!{_ITEM})\.|[!?…]) [\p{{Pe}}\p{{Pf}}\p{{Pi}}"']*+ \s+
    | (?<![!?])[!?]++ [\p{{Pe}}\p{{Pf}}]*+ (?=[\p{{Han}}\p{{Hiragana}}\p{{Katakana}}])
    | (?:[\p{{STerm}}--[.!?．]]|．(?!\p{{N}})) (?<!{_STOP} [.!?…]*+ {_STOP})
      [\p{{STerm}}…]*+ [\p{{Pe}}\p{{Pf}}]*+ \s*+ (?![とっ、，])
    """,
    regex.VERSION1 | regex.VERBOSE,
)
# A sentence that is too long by itself is cut here.
CLAUSE_END = regex.compile(
    rf"""
    [,;:،؛၊]\s+
    | [、，；：](?!\p{{N}}) [\p{{Pe}}\p{{Pf}}]*+ \s*+
    | (?<=[[{_SPACED_CLAUSES}]--[{_REPEATED}]])\ +(?=[[{_SPACED_CLAUSES}]--[{_REPEATED}]])
    """,
    regex.VERSION1 | regex.VERBOSE,
)
_ENDS = regex.compile(
    r"""[\p{STerm}…][\p{Pe}\p{Pf}\p{Pi}"']*\s*$""", regex.VERSION1 | regex.VERBOSE
)


def split_sentences(text: str) -> list[str]:
    """Return the sentences and lines of a text, without the spaces around them."""
    edges = [0, *(end.end() for end in SENTENCE_END.finditer(text)), len(text)]
    parts = (text[start:end].strip() for start, end in pairwise(edges))
    return [part for part in parts if part]


def ends_sentence(text: str) -> bool:
    """Return whether a text ends as a sentence does."""
    return _ENDS.search(text, max(0, len(text) - 40)) is not None
