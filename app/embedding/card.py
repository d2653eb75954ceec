"""The card of a model: what its README.md declares before its text."""

from pathlib import Path
from typing import Any

import yaml

_CARD = "README.md"
_FENCE = "---"
# A card names it in place of languages.
_EVERY = {"multilingual", "mul"}


def read_languages(folder: Path) -> frozenset[str]:
    """Return the languages that a card declares, in ISO 639-1; empty where it does not limit them.

    A card without a declaration, or one that cannot be read, limits nothing: it is not the model.
    """
    declared = _read_front_matter(folder / _CARD).get("language")
    named = [declared] if isinstance(declared, str) else declared
    if not isinstance(named, list):
        return frozenset()
    # YAML 1.1 reads Norwegian as false.
    languages = {"no" if name is False else str(name).lower().split("-")[0] for name in named}
    return frozenset() if languages & _EVERY else frozenset(languages)


def _read_front_matter(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    start, fence, rest = text.partition(f"{_FENCE}\n")
    if start or not fence:
        return {}
    try:
        content = yaml.safe_load(rest.partition(f"\n{_FENCE}")[0])
    # A date that there is not, as 2024-02-30, is a plain ValueError.
    except (yaml.YAMLError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
