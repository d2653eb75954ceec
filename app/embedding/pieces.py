"""Pieces of a long text that are tokenized by themselves."""

from collections.abc import Iterator

PIECE_CHARACTERS = 1 << 16


def cut_pieces(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the pieces of a text begin and end that are tokenized by themselves.

    What a tokenizer says of a text takes 150 bytes a token: of a table of 22 MB it was gigabytes.
    """
    begin = 0
    while len(text) - begin > PIECE_CHARACTERS:
        limit = begin + PIECE_CHARACTERS
        # White space begins the next piece: many tokenizers have it as a part of the word after it.
        breaks = (text.rfind(sign, begin + 1, limit) for sign in "\n ")
        end = next((place for place in breaks if place > 0), limit)
        yield begin, end
        begin = end
    yield begin, len(text)
