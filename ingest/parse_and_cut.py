"""From bytes to an article in units, and what the model makes of it: no database, no claims.

Everything here is a function of its arguments, so that the worker, a preflight and a bulk run share
it; a long text ends between two steps once nobody waits for it (app/runtime/deadline.py).
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from app.config import Settings
from app.domain import Article, Embedding, Item, Receipt, Span, Task, Unit
from app.embedding.engine import Engine
from app.embedding.pieces import cut_pieces
from app.errors import UnreadableDocument
from app.index.language import detect_language
from app.index.tables import Table, find_table, find_tables, table_head
from app.runtime.deadline import check_between, embed_in_time, tokenize_in_time
from ingest.sandbox import Sandbox
from ingest.units import TokenStarts, count_tokens, split_article

_MIN_UNIT_TOKENS = 16
_MIN_NORM = 1e-12


@dataclass(frozen=True, slots=True)
class CutArticle:
    """An article with its units, and the tokens of each, counted without truncation."""

    article: Article
    units: tuple[Unit, ...]
    tokens: tuple[int, ...]
    heads: tuple[str, ...]
    """What the model reads before a unit that begins amid the rows of a table: the table's head."""
    headed: tuple[tuple["Headed", ...], ...]
    """For each unit, its passages that are rows of a table without the head."""

    @property
    def items(self) -> list[Item]:
        """What the model is to read, one item a unit."""
        return [
            _as_item(
                self.article,
                unit.span,
                head,
                [passage.span for passage in unit.passages] + [rows.head for rows in headed],
            )
            for unit, head, headed in zip(self.units, self.heads, self.headed, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Headed:
    """A passage of a unit, by its number, and the head of its table: where the model read it."""

    passage: int
    head: Span
    """In offsets of the article; before the unit where its text has the head before it."""
    share: float
    """Of the tokens of head and passage together, those of the head."""


@dataclass(frozen=True, slots=True)
class EmbeddedArticle:
    """An article cut into units, each with its embedding, and the receipt of all of it."""

    units: tuple[Unit, ...]
    embeddings: tuple[Embedding, ...]
    receipt: Receipt


def parse_and_cut(
    sandbox: Sandbox,
    engine: Engine,
    media_type: str,
    data: bytes,
    declared: Mapping[str, Any],
    *,
    filename: str,
    settings: Settings,
) -> tuple[Article, CutArticle]:
    """Return what the parser makes of a file, and that with the caller's metadata, cut into units.

    Raises UnreadableDocument, and what the sandbox raises.
    """
    parsed = sandbox.parse(media_type, data)
    article = apply_declared(parsed, declared, filename)
    return parsed, cut_known_article(engine, article, settings)


def cut_known_article(engine: Engine, article: Article, settings: Settings) -> CutArticle:
    """Cut an article; raises UnreadableDocument for one that the settings refuse as unknown."""
    cut = cut_article(engine, article, passage_tokens=settings.passage_tokens)
    if settings.unknown_text == "fail":
        require_known(engine, cut)
    return cut


def apply_declared(parsed: Article, declared: Mapping[str, Any], filename: str) -> Article:
    """Return the article with the caller's title, url and attributes over the file's own.

    Without any title it is the file's name, without its folder and suffix.
    """
    return replace(
        parsed,
        title=declared.get("title") or parsed.title or PurePosixPath(filename).stem,
        url=declared.get("url") or parsed.url,
        attributes={**(parsed.attributes or {}), **declared.get("attributes", {})},
    )


def embed_article(
    engine: Engine, article: Article, *, passage_tokens: int, source_bytes: int
) -> EmbeddedArticle:
    """Cut an article to the engine's window and embed every unit with its passages.

    Raises UnreadableDocument when it cannot be done without losing text.
    """
    cut = cut_article(engine, article, passage_tokens=passage_tokens)
    return embed_cut(engine, cut, source_bytes=source_bytes)


def embed_cut(engine: Engine, cut: CutArticle, *, source_bytes: int) -> EmbeddedArticle:
    """Embed every unit of an article with its passages; raises UnreadableDocument."""
    embeddings = embed_in_time(engine, cut.items)
    return join_embeddings(engine, cut, embeddings, source_bytes=source_bytes, took_ms={})


def cut_article(engine: Engine, article: Article, *, passage_tokens: int) -> CutArticle:
    """Cut an article into units that the engine can read whole.

    Raises UnreadableDocument when title or words are too long for that.
    """
    room = engine.unit_tokens - engine.overhead(article.title, Task.PASSAGE)
    if room < _MIN_UNIT_TOKENS:
        raise UnreadableDocument(
            f"the title leaves {max(room, 0)} of {engine.unit_tokens} tokens for text",
            code="title_too_long",
        )

    tables = find_tables(article.text)

    def head_of(span: Span) -> str:
        head = table_head(tables, span.start)
        # One that would fill much of a window is left out: its rows have it by their offsets.
        return head if len(head) <= room else ""

    @cache
    def count(span: Span) -> int:
        return engine.count_tokens(_as_item(article, span, head_of(span)))

    starts = np.concatenate(list(tokenize_in_time(engine, article.text)))
    units = split_article(
        article,
        starts,
        unit_tokens=room,
        passage_tokens=passage_tokens,
        fits=lambda span: count(span) <= engine.unit_tokens,
    )
    spans = [unit.span for unit in units]
    heads = tuple(map(head_of, spans))
    headed = tuple(
        tuple(_list_headed(unit, head, tables, starts))
        for unit, head in zip(units, heads, strict=True)
    )
    return CutArticle(article, units, tuple(map(count, spans)), heads, headed)


def count_unknown(engine: Engine, text: str) -> int:
    """Return how many tokens of a text, which may be long, the model does not know."""
    pieces = check_between(cut_pieces(text), at_once=1)
    return sum(engine.count_unknown(text[begin:end]) for begin, end in pieces)


def _list_headed(
    unit: Unit, head: str, tables: Sequence[Table], token_starts: TokenStarts
) -> Iterator[Headed]:
    """Yield the passages of a unit that are rows whose head the model read elsewhere in it."""
    for number, passage in enumerate(unit.passages):
        table = find_table(tables, passage.span.start)
        if table is None or passage.span.start < table.rows:
            continue
        written = Span(table.start, table.rows)
        tokens = count_tokens(token_starts, written)
        share = tokens / max(1, tokens + count_tokens(token_starts, passage.span))
        if table.start >= unit.span.start:
            yield Headed(number, written, share)
        elif head:
            yield Headed(number, Span(unit.span.start - len(head), unit.span.start), share)


def pool_heads(embedding: Embedding, headed: Sequence[Headed]) -> Embedding:
    """Return an embedding whose passages of rows are pooled with the tokens of their heads.

    The vectors of the heads are its last ones. A mean of two means by their numbers of tokens is
    the mean of all.
    """
    if not headed:
        return embedding
    count = len(embedding.passages) - len(headed)
    means = embedding.passages * embedding.passage_norms[:, np.newaxis]
    pooled = means[:count].copy()
    for rows, mean in zip(headed, means[count:], strict=True):
        pooled[rows.passage] = rows.share * mean + (1 - rows.share) * pooled[rows.passage]
    norms = np.linalg.norm(pooled, axis=1).astype(np.float32)
    vectors = (pooled / np.maximum(norms, _MIN_NORM)[:, np.newaxis]).astype(np.float32)
    return replace(embedding, passages=vectors, passage_norms=norms)


def join_embeddings(
    engine: Engine,
    cut: CutArticle,
    embeddings: Sequence[Embedding],
    *,
    source_bytes: int,
    took_ms: dict[str, float],
) -> EmbeddedArticle:
    """Return the embedded article with its receipt; raises UnreadableDocument unless it adds up."""
    for embedding in embeddings:
        _check_vectors(embedding, engine.dimensions)
    embeddings = [
        pool_heads(embedding, headed)
        for embedding, headed in zip(embeddings, cut.headed, strict=True)
    ]
    article, units = cut.article, cut.units
    read = [embedding.tokens for embedding in embeddings]
    counted = count_text_tokens(engine, article.title, cut.tokens)
    unknown = count_unknown(engine, article.text)
    language = detect_language(article.text)
    receipt = Receipt(
        bytes=source_bytes,
        characters=len(article.text),
        pages=len(article.pages) or None,
        pages_with_text=_share_of_pages_with_text(article),
        tokens_counted=counted,
        tokens_embedded=count_text_tokens(engine, article.title, read),
        tokens_processed=sum(read),
        units=len(units),
        passages=sum(len(unit.passages) for unit in units),
        warnings=(
            *article.warnings,
            *warn_of_unknown(unknown, counted),
            *warn_of_language(language, engine.languages),
        ),
        took_ms={stage: round(ms, 3) for stage, ms in took_ms.items()},
        language=language,
        tokens_unknown=unknown,
    )
    if receipt.tokens_embedded < receipt.tokens_counted:
        raise UnreadableDocument(
            f"of {receipt.tokens_counted} tokens only {receipt.tokens_embedded} were embedded",
            code="tokens_lost",
        )
    check_tiling(cut, embeddings)
    return EmbeddedArticle(units, tuple(embeddings), receipt)


def warn_of_unknown(unknown: int, counted: int) -> Iterator[str]:
    """Yield what is to be said of a text, some of whose tokens the model does not know."""
    if is_mostly_unknown(unknown, counted):
        yield (
            f"most of the text ({unknown} of {counted} tokens) is unknown to the model: "
            "only its words find it"
        )
    elif unknown:
        yield f"{unknown} of {counted} tokens are unknown to the model"


def is_mostly_unknown(unknown: int, counted: int) -> bool:
    """Return whether a vector says nothing of a text: its words alone find it."""
    return unknown > counted / 2


def require_known(engine: Engine, cut: CutArticle) -> None:
    """Raise UnreadableDocument for a text of which the model does not know most."""
    unknown = count_unknown(engine, cut.article.text)
    counted = count_text_tokens(engine, cut.article.title, cut.tokens)
    if is_mostly_unknown(unknown, counted):
        raise UnreadableDocument(
            f"the model does not know {unknown} of the {counted} tokens of the text",
            code="unknown_text",
        )


def warn_of_language(language: str | None, known: Set[str]) -> Iterator[str]:
    """Yield what is to be said of a text in a language that the model does not know."""
    if known and language is not None and language not in known:
        yield f"the model does not know the language of the text ({language})"


def check_tiling(cut: CutArticle, embeddings: Sequence[Embedding]) -> None:
    """Raise UnreadableDocument unless units cover the text and each passage has its vector."""
    edges = [0, *(unit.span.end for unit in cut.units)]
    starts = [unit.span.start for unit in cut.units]
    covers = edges[-1] == len(cut.article.text) and edges[:-1] == starts
    if not covers or any(end < start for start, end in pairwise(edges)):
        raise UnreadableDocument(
            f"the {len(cut.units)} units do not cover the text", code="text_lost"
        )
    passages = [len(unit.passages) for unit in cut.units]
    if passages != [len(embedding.passages) for embedding in embeddings]:
        raise UnreadableDocument("a passage has no vector", code="passages_lost")


def count_text_tokens(engine: Engine, title: str, unit_tokens: Sequence[int]) -> int:
    """Return the tokens of an article's text, given those that the model reads for each unit.

    What title, prompt and special tokens cost comes off every unit.
    """
    # Before a text, the space that a prefix ends with may be a part of its first word.
    before_text = engine.count_tokens(Item("a", Task.PASSAGE, title)) - 1
    overhead = min(before_text, engine.overhead(title, Task.PASSAGE))
    return sum(unit_tokens) - len(unit_tokens) * overhead


def _as_item(article: Article, span: Span, head: str, passages: Sequence[Span] = ()) -> Item:
    """Return what the model reads of a unit: spans of passages shift by the head before it."""
    text = head + article.text[span.start : span.end]
    shift = len(head) - span.start
    return Item(text, Task.PASSAGE, article.title, tuple(p.shifted(shift) for p in passages))


def _share_of_pages_with_text(article: Article) -> float | None:
    """Return which share of the pages holds text; None for what has no pages."""
    if not article.pages or article.pages_with_text is None:
        return None
    return article.pages_with_text / len(article.pages)


def _check_vectors(embedding: Embedding, dimensions: int) -> None:
    for vectors in (embedding.vector[np.newaxis], embedding.passages):
        lengths = np.linalg.norm(vectors, axis=1)
        if vectors.shape[1] != dimensions or not np.allclose(lengths, 1.0, atol=1e-3):
            raise UnreadableDocument(
                "the model gave a vector that is not finite or not of unit length",
                code="invalid_vector",
            )
