"""Rich text as tokens: groups, control words, bytes and text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,9})?[ ]?"
    r"|\\'(?P<hex>[0-9a-fA-F]{2})|\\(?P<sign>\r\n|[^a-zA-Z])|(?P<brace>[{}])"
    r"|(?P<text>[^\\{}\r\n]+)|[\r\n]+|\\",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is `word`, `sign`, `brace`, `hex` or `text`; a word may have a number."""

    kind: str
    text: str
    number: int | None = None


def tokenize(source: str) -> Iterator[Token]:
    """Yield the tokens of rich text, read as Latin-1; binary data is passed over."""
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        # The pattern takes any character; so this does not happen.
        assert match is not None
        at = match.end()
        kind = match.lastgroup
        if kind == "number" or kind == "word":
            number = int(match["number"]) if match["number"] else None
            if match["word"] == "bin":
                at += max(0, number or 0)
            else:
                yield Token("word", match["word"], number)
        elif kind is not None:
            yield Token(kind, match[kind])
