"""E-mails (EML, RFC 5322 and MIME): subject, people, date and the body."""

from email import policy
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser

from app.domain import Article, AttributeValue
from app.errors import UnreadableDocument
from ingest.parsers.html import read_fragment
from ingest.parsers.markdown import find_headings
from ingest.parsers.text import decode_text

_PEOPLE = ("From", "To", "Cc")


def parse_eml(data: bytes, charset: str = "") -> Article:
    """Read a message; the subject is the title, sender, recipients and date are attributes.

    Plain text is preferred to HTML. Raises UnreadableDocument (`unreadable_email`).
    """
    try:
        message = BytesParser(_class=EmailMessage, policy=policy.default).parsebytes(data)
        body = message.get_body(preferencelist=("plain", "html"))
        attachments = sum(1 for _ in message.iter_attachments())
        headers = {name: str(message[name] or "") for name in (*_PEOPLE, "Subject", "Date")}
        text, warnings = _read_body(body, charset) if body is not None else ("", ())
    except UnreadableDocument:
        raise
    # The standard library's parser of headers meets broken ones with errors of many kinds.
    except Exception as error:
        raise UnreadableDocument(
            f"the e-mail is damaged ({type(error).__name__})", code="unreadable_email"
        ) from error
    if attachments:
        warnings += (f"{attachments} attachments were left out: upload them as files",)
    attributes: dict[str, AttributeValue] = {
        name.lower(): value for name in (*_PEOPLE, "Date") if (value := headers[name].strip())
    }
    return Article(
        text,
        title=headers["Subject"].strip(),
        attributes=attributes,
        headings=find_headings(text) if body is not None and _is_html(body) else (),
        warnings=warnings,
    )


def _read_body(body: MIMEPart, charset: str) -> tuple[str, tuple[str, ...]]:
    content = body.get_payload(decode=True)
    source, warnings = decode_text(
        content if isinstance(content, bytes) else b"", body.get_content_charset() or charset
    )
    return (read_fragment(source) if _is_html(body) else source.strip()), warnings


def _is_html(body: MIMEPart) -> bool:
    return body.get_content_type() == "text/html"
