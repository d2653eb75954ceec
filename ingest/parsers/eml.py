"""E-mails (EML, RFC 5322 and MIME): subject, people, date and the body."""

import re
from collections import Counter
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage, Message
from email.parser import BytesParser

from app.domain import Article, AttributeValue
from app.errors import UnreadableDocument
from ingest.formats import find_page_charset
from ingest.parsers.html import read_page
from ingest.parsers.markdown import find_headings
from ingest.parsers.text import decode_text

_PEOPLE = ("From", "To", "Cc")
_TEXTS = ("text/plain", "text/html")
_WORD = re.compile(r"\w+")
# By such a share of its words may the HTML of a text say more before that is worth a warning.
_MAX_MORE = 0.1


def parse_eml(data: bytes, charset: str = "") -> Article:
    """Read a message; the subject is the title, sender, recipients and date are attributes.

    Raises UnreadableDocument (`unreadable_email`).
    """
    try:
        message = BytesParser(_class=EmailMessage, policy=policy.default).parsebytes(data)
        headers = {name: str(message[name] or "") for name in (*_PEOPLE, "Subject", "Date")}
        counts: Counter[str] = Counter()
        parts = list(_list_parts(message, counts))
        blocks = [_read_part(part, charset) for part in parts]
        counts["{} attachments were left out: upload them as files"] = _count_attachments(message)
    except (UnreadableDocument, MemoryError):
        raise
    # The standard library's parser of headers meets broken ones with errors of many kinds.
    except Exception as error:
        raise UnreadableDocument(
            f"the e-mail is damaged ({type(error).__name__})", code="unreadable_email"
        ) from error
    text = "\n\n".join(block for block, _ in blocks if block)
    warnings = tuple(dict.fromkeys(warning for _, warned in blocks for warning in warned))
    warnings += tuple(words.format(count) for words, count in counts.items() if count)
    attributes: dict[str, AttributeValue] = {
        name.lower(): value for name in (*_PEOPLE, "Date") if (value := headers[name].strip())
    }
    return Article(
        text,
        title=headers["Subject"].strip(),
        attributes=attributes,
        headings=find_headings(text) if any(map(_is_html, parts)) else (),
        warnings=warnings,
    )


def _list_parts(message: Message, counts: Counter[str]) -> Iterator[Message]:
    """Yield the texts of a message in order, messages that it forwards among them.

    Of alternatives it is the plain one, unless that says less than half of what the HTML says;
    what the HTML says more is counted by the words of its warning.
    """
    kind = message.get_content_type()
    if kind == "multipart/alternative":
        parts = [part for child in _children(message) for part in _list_parts(child, counts)]
        plain = [part for part in parts if not _is_html(part)]
        rich = [part for part in parts if _is_html(part)]
        said, more = (
            sum(len(_WORD.findall(_read_part(p, "")[0])) for p in some) for some in (plain, rich)
        )
        if said and 2 * said >= more:
            if more - said > _MAX_MORE * more:
                counts["{} words that only the HTML has were left out"] += more - said
            yield from plain
        else:
            yield from rich or plain
    elif kind == "message/rfc822":
        for inner in _children(message):
            yield _write_head(inner)
            yield from _list_parts(inner, counts)
    elif kind == "message/delivery-status":
        fields = ("\n".join(map(": ".join, part.items())) for part in _children(message))
        yield _make_text("\n\n".join(fields))
    elif message.is_multipart():
        for child in _children(message):
            yield from _list_parts(child, counts)
    elif kind in _TEXTS and message.get_content_disposition() != "attachment":
        yield message


def _children(message: Message) -> list[Message]:
    content = message.get_payload()
    parts = content if isinstance(content, list) else []
    return [part for part in parts if isinstance(part, Message)]


def _write_head(message: Message) -> Message:
    """Return as a text who wrote a forwarded message, to whom, when and about what."""
    names = (*_PEOPLE, "Date", "Subject")
    lines = [f"{name}: {message[name]}" for name in names if message[name]]
    return _make_text("\n".join(["Forwarded message", *lines]))


def _make_text(words: str) -> Message:
    part = EmailMessage()
    part.set_content(words)
    return part


def _count_attachments(message: Message) -> int:
    kind, children = message.get_content_type(), _children(message)
    if children:
        return sum(map(_count_attachments, children))
    return kind not in _TEXTS or message.get_content_disposition() == "attachment"


def _read_part(part: Message, charset: str) -> tuple[str, tuple[str, ...]]:
    content = part.get_payload(decode=True)
    data = content if isinstance(content, bytes) else b""
    declared = part.get_content_charset() or (find_page_charset(data) if _is_html(part) else "")
    source, warnings = decode_text(data, declared or charset)
    if _is_html(part):
        text, left_out = read_page(source)
        return text, warnings + tuple(w.format(count) for w, count in left_out.items() if count)
    if str(part.get_param("format", "")).lower() == "flowed":
        source = _join_flowed(source, is_spaced=str(part.get_param("delsp", "")).lower() != "yes")
    return source.strip(), warnings


def _join_flowed(text: str, *, is_spaced: bool) -> str:
    """Return text with its lines joined where a space at the end says so (RFC 3676)."""
    written: list[str] = []
    # How deep the line is quoted that goes on in the next one.
    open_at = -1
    for line in text.split("\n"):
        words = line.lstrip(">")
        depth = len(line) - len(words)
        words = words.removeprefix(" ")
        is_soft = words.endswith(" ") and words != "-- "
        if is_soft and not is_spaced:
            words = words[:-1]
        if depth != open_at:
            written.append(f"\n{'>' * depth}{' ' if depth and words else ''}")
        written.append(words)
        open_at = depth if is_soft else -1
    return "".join(written).removeprefix("\n")


def _is_html(body: Message) -> bool:
    return body.get_content_type() == "text/html"
