"""Marks inside a line: raised and lowered characters, and links, written so that they stay true."""

import re

# What stands raised without changing the value before it.
_ORDINAL = re.compile(r"(?:st|nd|rd|th|ers?|[èe]?re|e|ème|[oa]s?|tm|sm|[®™©ºª])", re.IGNORECASE)
_SIMPLE = re.compile(r"[-+−]?\w+")


def raise_words(before: str, words: str, after: str = "") -> str:
    """Return raised words so that 10⁶ does not read as 106; ordinals stay as they are."""
    raised = words.strip()
    if not raised or not before or before[-1].isspace() or _ORDINAL.fullmatch(raised):
        return words
    if raised.startswith(("[", "^")):
        return words
    if not _SIMPLE.fullmatch(raised):
        return f"^({raised.strip('()')})" + words[len(words.rstrip()) :]
    return f"^{raised}" + _end_mark(words, after)


def lower_words(before: str, words: str, after: str = "") -> str:
    """Return lowered words, set apart where digits would run together."""
    lowered = words.strip()
    apart = lowered[:1].isdigit() and (before[-1:].isdigit() or after[:1].isdigit())
    return f"_{lowered}{_end_mark(words, after)}" if apart else words


def _end_mark(words: str, after: str) -> str:
    """Return what parts marked words from those after them: log₂8 is not log₂₈."""
    return words[len(words.rstrip()) :] or (" " if after[:1].isalnum() else "")


def write_link(words: str, target: str) -> str:
    """Return words with the target of their link; alone where they are the target themselves."""
    label = " ".join(words.split())
    target = target.strip()
    plain = target.removeprefix("mailto:").removeprefix("tel:").partition("?")[0]
    if not label or not target or label.rstrip("/") in (target.rstrip("/"), plain):
        return words
    target = f"<{target}>" if re.search(r"[\s()<>]", target) else target
    before = " " if words[:1].isspace() else ""
    after = " " if words[-1:].isspace() else ""
    return f"{before}[{label}]({target}){after}"
