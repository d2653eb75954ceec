"""Which language an article is written in, told by its letters."""

from functools import lru_cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

_CHARACTERS = 4000
"""Read from the beginning: more of them changes no answer, and costs time."""
_MIN_PROBABILITY = 0.5
# What the model calls text that is in no language.
_NO_LANGUAGE = "zxx"


def detect_language(text: str) -> str | None:
    """Return the ISO 639-1 code of a text's language; None where it is unsure."""
    code, probability = _identifier().classify(text[:_CHARACTERS])
    return None if probability < _MIN_PROBABILITY or code == _NO_LANGUAGE else str(code)


@lru_cache(maxsize=1)
def _identifier() -> LanguageIdentifier:
    # Read at the first document: it takes half a second and 20 MB.
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
