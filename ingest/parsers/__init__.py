"""Parsers: one module a format, each a function from bytes and a declared charset to an Article."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pkgutil import iter_modules

from app.domain import Article
from app.errors import UnreadableDocument
from ingest.formats import INVALID_LINE, INVALID_NAME, MEDIA_TYPES
from ingest.parsers.inspection import inspect_text
from ingest.parsers.limits import limit_article

Parser = Callable[[bytes, str], Article]

# Imported when first needed: a library that no document asks for costs neither time nor memory.
PARSERS: dict[str, tuple[str, str]] = {
    "text/plain": ("text", "parse_text"),
    "text/markdown": ("markdown", "parse_markdown"),
    "text/html": ("html", "parse_html"),
    "application/xhtml+xml": ("html", "parse_html"),
    "application/pdf": ("pdf", "parse_pdf"),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": (
        "docx",
        "parse_docx",
    ),
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": (
        "pptx",
        "parse_pptx",
    ),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": (
        "spreadsheet",
        "parse_spreadsheet",
    ),
    "application/vnd.ms-excel": ("spreadsheet", "parse_spreadsheet"),
    "application/vnd.oasis.opendocument.spreadsheet": ("odf", "parse_ods"),
    "application/vnd.oasis.opendocument.text": ("odf", "parse_odt"),
    "application/vnd.oasis.opendocument.presentation": ("odf", "parse_odp"),
    "application/epub+zip": ("epub", "parse_epub"),
    "application/rtf": ("rtf", "parse_rtf"),
    "message/rfc822": ("eml", "parse_eml"),
    "application/json": ("json", "parse_json"),
    INVALID_LINE: ("json", "refuse_line"),
    INVALID_NAME: ("json", "refuse_name"),
    "application/x-ipynb+json": ("notebook", "parse_notebook"),
    "text/x-rst": ("rst", "parse_rst"),
    "text/csv": ("csv", "parse_csv"),
    "text/tab-separated-values": ("csv", "parse_tsv"),
}

# What the parsers' libraries import in the middle of a document; with a star, all of a package.
_IMPORTED_LATE = (
    "docutils.languages.en",
    "docutils.parsers.rst.directives.*",
    "docutils.parsers.rst.languages.en",
    "docutils.readers.standalone",
    "docutils.transforms.*",
    "docutils.utils.*",
    "docutils.utils.math.*",
    "docutils.writers.html5_polyglot",
    "encodings.*",
    "numpy",
    "pypdf._codecs.*",
    "pypdf.filters",
    "pypdfium2",
    "zoneinfo",
)

_UNNAMED_SHEET = re.compile(
    r"(?:sheet|tabelle|feuil|foglio|hoja|planilha|blad|ark|arkusz|list|munka|taul|лист|工作表|시트)\s?\d*",
    re.IGNORECASE,
)
_MAX_LINE = 10 * 2**20
_NOT_UNICODE = re.compile(r"[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def parse_document(media_type: str, data: bytes) -> Article:
    """Parse `data`; raises UnreadableDocument with a code when no article comes of it."""
    kind, _, charset = media_type.partition("; charset=")
    article = limit_article(find_parser(kind)(data, charset))
    if "\x00" in article.text:
        raise UnreadableDocument("the text holds NUL characters", code="nul_character")
    if not article.text.strip():
        raise UnreadableDocument("the document holds no text", code="empty_document")
    if (longest := max(map(len, article.text.split("\n")))) >= _MAX_LINE:
        raise UnreadableDocument(
            f"a line has {longest} characters; at most {_MAX_LINE} are read",
            code="line_too_long",
        )
    # Lone surrogates are not characters: no database and no JSON can hold them.
    broken = len(_NOT_UNICODE.findall(article.text))
    replaced = (f"{broken} invalid characters replaced",) if broken else ()
    warnings = (*article.warnings, *replaced, *inspect_text(article.text))
    return replace(
        article,
        text=_NOT_UNICODE.sub("\ufffd", article.text),
        title=" ".join(_CONTROL.sub(" ", article.title or _first_heading(article)).split()),
        headings=tuple(replace(h, text=_CONTROL.sub(" ", h.text)) for h in article.headings),
        # They quote what the file calls its parts.
        warnings=tuple(_CONTROL.sub("\ufffd", warning) for warning in warnings),
    )


def _first_heading(article: Article) -> str:
    """Return the first heading of the first level, else the first of all; "" without any.

    What a program named a sheet by itself is none: the name of the file says more.
    """
    first = [heading.text for heading in article.headings if heading.level == 1]
    named = (h.text for h in article.headings if not _UNNAMED_SHEET.fullmatch(h.text))
    return next(iter([*first, *named]), "")


def preload_parsers() -> None:
    """Import what any document may need, for a process that can open no file afterwards."""
    for module, _ in PARSERS.values():
        import_module(f"ingest.parsers.{module}")
    # What is read only when it is first needed: lists of words, and names of months.
    import_module("trafilatura.external").jt_stoplist_init()
    import_module("ingest.parsers.number_formats").preload_languages()
    for pattern in _IMPORTED_LATE:
        name = pattern.removesuffix(".*")
        # Some are of extras, and some codecs are Windows' own.
        with suppress(ImportError):
            package = import_module(name)
            if pattern != name:
                for inner in iter_modules(package.__path__):
                    with suppress(ImportError):
                        import_module(f"{name}.{inner.name}")


def find_parser(media_type: str) -> Parser:
    """Return the parser of a media type; raises UnreadableDocument (`unsupported_media_type`)."""
    try:
        module, function = PARSERS[media_type]
    except KeyError:
        raise UnreadableDocument(
            f"{media_type} is not supported; supported types: {', '.join(MEDIA_TYPES)}",
            code="unsupported_media_type",
        ) from None
    parser: Parser = getattr(import_module(f"ingest.parsers.{module}"), function)
    return parser
