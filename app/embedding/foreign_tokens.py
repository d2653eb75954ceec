"""Token ids of OpenAI's `cl100k_base` into text: its clients send ids in place of strings."""

import lzma
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from app.errors import InvalidRequest

MAX_IDS = 8192
"""Of one text, as in OpenAI's contract."""


def decode_ids(ids: Sequence[int]) -> str:
    """Return the text of cl100k_base ids; raises InvalidRequest for an id that stands for none.

    A client that cuts its ids may cut a character in two: what is left of one is dropped, and reads
    as a space where there is nothing else.
    """
    tokens = _load_tokens()
    unknown = next((id_ for id_ in ids if not 0 <= id_ < len(tokens)), None)
    if unknown is not None:
        raise InvalidRequest(
            f"{unknown} is not a token of cl100k_base, which has {len(tokens)}; send strings for "
            "any other tokenizer",
            code="unknown_token",
        )
    return b"".join(tokens[id_] for id_ in ids).decode("utf-8", "ignore") or " "


@cache
def _load_tokens() -> tuple[bytes, ...]:
    """Return the tokens in the order of their ids; read when the first ids come."""
    stored = lzma.decompress(files("app.embedding").joinpath("cl100k_base/tokens.xz").read_bytes())
    tokens = []
    place = 0
    while place < len(stored):
        end = place + 1 + stored[place]
        tokens.append(stored[place + 1 : end])
        place = end
    return tuple(tokens)
