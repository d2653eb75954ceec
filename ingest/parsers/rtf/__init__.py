"""Rich text (RTF): read group by group, as a reader sees it."""

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.parsers.blocks import join_blocks
from ingest.parsers.rtf.reader import read_rich_text


def parse_rtf(data: bytes, charset: str = "") -> Article:
    """Read rich text; hidden text is left out.

    Raises UnreadableDocument (`unreadable_rtf`) when it is none, or nests too deep.
    """
    del charset  # RTF is ASCII and says what its escapes stand for.
    source = data.decode("latin-1")
    if not source.lstrip().startswith("{\\rtf"):
        raise UnreadableDocument("the file does not begin as RTF", code="unreadable_rtf")
    try:
        read = read_rich_text(source)
    except ValueError as error:
        raise UnreadableDocument(f"the RTF is damaged ({error})", code="unreadable_rtf") from error
    text, headings = join_blocks(read.blocks)
    first = next((h for h in headings if h.level == 1), headings[0] if headings else None)
    return Article(
        text,
        title=read.title or (first.text if first is not None else ""),
        headings=headings,
        warnings=tuple(words.format(count) for words, count in read.counts.items()),
    )
