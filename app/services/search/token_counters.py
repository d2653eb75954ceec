"""Tokenizers that a prompt may be counted with, beside the model's own."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer

from app.errors import InvalidRequest, ModelUnavailable

_KEPT = 8


def find_counter(folder: Path | None, name: str) -> Callable[[str], int]:
    """Return what counts the tokens of a text, without special ones, by `NAME.json` of a folder.

    Raises InvalidRequest for a name that is not there, ModelUnavailable for a file that is no
    tokenizer.
    """
    files = {} if folder is None else {path.stem: path for path in folder.glob("*.json")}
    path = files.get(name)
    if path is None:
        known = ", ".join(sorted(files)) or "none"
        raise InvalidRequest(f"no such tokenizer; available: {known}", code="unknown_tokenizer")
    tokenizer = _open(path)
    return lambda text: len(tokenizer.encode_batch_fast([text], add_special_tokens=False)[0])


@lru_cache(maxsize=_KEPT)
def _open(path: Path) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(path))
    # The library raises plain exceptions for whatever it meets in a file.
    except Exception as error:
        raise ModelUnavailable(f"the tokenizer {path.stem} cannot be loaded: {error}") from error
    # Counts are of whole texts.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
