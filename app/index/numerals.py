"""Numbers as numbers: 1250, 1,250, 1.250 and 1 250 are one, 2.1.13 and 2.11.3 are two."""

import re

_PIECE = re.compile(r"[0-9]+")
_SEPARATED = re.compile(r"[0-9]+(?:[-.,'’_ ][0-9]+)+")
_GROUP = 3
LONG_NUMBER = 7
"""A number of so many digits in groups is one of a telephone, an account or a date."""


def number_terms(word: str) -> tuple[str, ...] | None:
    """Return what a number with separators inside is compared by; None for any other word."""
    if not _SEPARATED.fullmatch(word):
        return None
    pieces = _PIECE.findall(word)
    separators = _PIECE.sub("", word)
    kinds = set(separators)
    if kinds <= {" "}:
        return (*pieces, "".join(pieces))
    if kinds == {"-"}:
        whole = "".join(pieces)
        return (*pieces, whole if len(whole) >= LONG_NUMBER else word)
    if len(kinds) == 1:
        return _evenly_separated(word, pieces, separators[0])
    fraction = separators[-1]
    ends = kinds <= set(".,'’_ ") and fraction in ".," and separators.count(fraction) == 1
    # 1,250.50, 1.250,50 and 1 250,50
    if ends and _is_grouped(pieces[:-1]):
        terms = _with_fraction("".join(pieces[:-1]), pieces[-1])
        # Between spaces they may be numbers of their own.
        return (*pieces, *terms) if " " in kinds else terms
    return (*pieces, word)


def _evenly_separated(word: str, pieces: list[str], separator: str) -> tuple[str, ...]:
    whole = "".join(pieces)
    if separator != ".":
        if _is_grouped(pieces):
            return (whole,)
        return (*pieces, ".".join(pieces)) if separator == "," and len(pieces) == 2 else (*pieces,)
    if _is_grouped(pieces):
        # 1.250 is 1250 or one and a quarter.
        return (whole, word)
    return (*pieces, word)


def _is_grouped(pieces: list[str]) -> bool:
    """Return whether these are the groups of one number: thousands, or lakhs and crores."""
    first, *others = pieces
    if not others or len(others[-1]) != _GROUP or not 1 <= len(first) <= _GROUP or first[0] == "0":
        return not others
    sizes = {len(piece) for piece in others[:-1]}
    return sizes <= {_GROUP} or (sizes == {2} and len(first) <= 2)


def _with_fraction(whole: str, fraction: str) -> tuple[str, ...]:
    exact = f"{whole}.{fraction}"
    shorter = fraction.rstrip("0")
    return tuple(dict.fromkeys([exact, f"{whole}.{shorter}" if shorter else whole, whole]))
