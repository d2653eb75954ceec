"""The fields of an article as JSON, and how a misspelt one is noticed."""

from collections.abc import Iterable
from difflib import get_close_matches

ARTICLE_FIELDS = ("text", "html", "markdown", "title", "url", "attributes")

_MIN_LIKENESS = 0.8


def find_misspelt(names: Iterable[str]) -> dict[str, str]:
    """Return the names that look like a field of an article and are not one, with that field.

    Such a name is an attribute like any other: it is only worth a warning.
    """
    likely = {
        name: get_close_matches(name.strip().lower(), ARTICLE_FIELDS, n=1, cutoff=_MIN_LIKENESS)
        for name in names
        if name not in ARTICLE_FIELDS
    }
    return {name: fields[0] for name, fields in likely.items() if fields}
