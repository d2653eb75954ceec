"""E-mails (EML, RFC 5322 and MIME): subject, people, date and the body."""

from collections.abc import Iterator
from email import policy
from email.message import EmailMessage, Message
from email.parser import BytesParser

from app.domain import Article, AttributeValue
from app.errors import UnreadableDocument
from ingest.parsers.html import read_fragment
from ingest.parsers.markdown import find_headings
from ingest.parsers.text import decode_text

_PEOPLE = ("From", "To", "Cc")
_TEXTS = ("text/plain", "text/html")


def parse_eml(data: bytes, charset: str = "") -> Article:
    """Read a message; the subject is the title, sender, recipients and date are attributes.

    Raises UnreadableDocument (`unreadable_email`).
    """
    try:
        message = BytesParser(_class=EmailMessage, policy=policy.default).parsebytes(data)
        headers = {name: str(message[name] or "") for name in (*_PEOPLE, "Subject", "Date")}
        parts = list(_list_parts(message))
        blocks = [_read_part(part, charset) for part in parts]
        attachments = _count_attachments(message)
    except UnreadableDocument:
        raise
    # The standard library's parser of headers meets broken ones with errors of many kinds.
    except Exception as error:
        raise UnreadableDocument(
            f"the e-mail is damaged ({type(error).__name__})", code="unreadable_email"
        ) from error
    text = "\n\n".join(block for block, _ in blocks if block)
    warnings = tuple(dict.fromkeys(warning for _, warned in blocks for warning in warned))
    if attachments:
        warnings += (f"{attachments} attachments were left out: upload them as files",)
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


def _list_parts(message: Message) -> Iterator[Message]:
    """Yield the texts of a message in order, messages that it forwards among them.

    Of alternatives it is the plain one, unless that says less than half of what the HTML says.
    """
    kind = message.get_content_type()
    if kind == "multipart/alternative":
        parts = [part for child in _children(message) for part in _list_parts(child)]
        plain = [part for part in parts if not _is_html(part)]
        rich = [part for part in parts if _is_html(part)]
        words = [sum(len(_read_part(p, "")[0].split()) for p in some) for some in (plain, rich)]
        yield from plain if words[0] and 2 * words[0] >= words[1] else rich or plain
    elif kind == "message/rfc822":
        for inner in _children(message):
            yield _write_head(inner)
            yield from _list_parts(inner)
    elif message.is_multipart():
        for child in _children(message):
            yield from _list_parts(child)
    elif kind in _TEXTS and message.get_content_disposition() != "attachment":
        yield message


def _children(message: Message) -> list[Message]:
    content = message.get_payload()
    parts = content if isinstance(content, list) else []
    return [part for part in parts if isinstance(part, Message)]


def _write_head(message: Message) -> Message:
    """Return as a text who wrote a forwarded message, when and about what."""
    lines = [f"{name}: {message[name]}" for name in ("From", "Date", "Subject") if message[name]]
    head = EmailMessage()
    head.set_content("\n".join(["Forwarded message", *lines]))
    return head


def _count_attachments(message: Message) -> int:
    kind, children = message.get_content_type(), _children(message)
    if children:
        return sum(map(_count_attachments, children))
    return kind not in _TEXTS or message.get_content_disposition() == "attachment"


def _read_part(part: Message, charset: str) -> tuple[str, tuple[str, ...]]:
    content = part.get_payload(decode=True)
    source, warnings = decode_text(
        content if isinstance(content, bytes) else b"", part.get_content_charset() or charset
    )
    if _is_html(part):
        return read_fragment(source), warnings
    if str(part.get_param("format", "")).lower() == "flowed":
        source = _join_flowed(source, is_spaced=str(part.get_param("delsp", "")).lower() != "yes")
    return source.strip(), warnings


def _join_flowed(text: str, *, is_spaced: bool) -> str:
    """Return text with its lines joined where a space at the end says so (RFC 3676)."""
    joined = ""
    for line in text.split("\n"):
        line = line.removeprefix(" ")
        is_soft = line.endswith(" ") and line != "-- "
        joined += (line if is_spaced else line[:-1]) if is_soft else f"{line}\n"
    return joined


def _is_html(body: Message) -> bool:
    return body.get_content_type() == "text/html"
