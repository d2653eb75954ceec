"""From bytes to an article in units, and what the model makes of it: no database, no claims.

Everything here is a function of its arguments, so that the worker, a preflight and a bulk run share
it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from app.domain import Article, Embedding, Item, Receipt, Span, Task, Unit
from app.embedding.engine import Engine
from app.errors import UnreadableDocument
from app.index.language import detect_language
from ingest.sandbox import Sandbox
from ingest.units import split_article

_MIN_UNIT_TOKENS = 16


@dataclass(frozen=True, slots=True)
class CutArticle:
    """An article with its units, and the tokens of each, counted without truncation."""

    article: Article
    units: tuple[Unit, ...]
    tokens: tuple[int, ...]

    @property
    def items(self) -> list[Item]:
        """What the model is to read, one item a unit."""
        return [
            replace(
                _as_item(self.article, unit.span),
                spans=tuple(passage.span.shifted(-unit.span.start) for passage in unit.passages),
            )
            for unit in self.units
        ]


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
    passage_tokens: int,
) -> tuple[Article, CutArticle]:
    """Return what the parser makes of a file, and that with the caller's metadata, cut into units.

    Raises UnreadableDocument, and what the sandbox raises.
    """
    parsed = sandbox.parse(media_type, data)
    article = apply_declared(parsed, declared, filename)
    return parsed, cut_article(engine, article, passage_tokens=passage_tokens)


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
    embeddings = engine.embed(cut.items)
    return join_embeddings(engine, cut, embeddings, source_bytes=source_bytes, took_ms={})


def cut_article(engine: Engine, article: Article, *, passage_tokens: int) -> CutArticle:
    """Cut an article into units that the engine can read whole.

    Raises UnreadableDocument when title or words are too long for that.
    """
    room = engine.max_tokens - engine.overhead(article.title, Task.PASSAGE)
    if room < _MIN_UNIT_TOKENS:
        raise UnreadableDocument(
            f"the title leaves {max(room, 0)} of {engine.max_tokens} tokens for text",
            code="title_too_long",
        )

    @cache
    def count(span: Span) -> int:
        return engine.count_tokens(_as_item(article, span))

    units = split_article(
        article,
        engine.token_starts(article.text),
        unit_tokens=room,
        passage_tokens=passage_tokens,
        fits=lambda span: count(span) <= engine.max_tokens,
    )
    return CutArticle(article, units, tuple(count(unit.span) for unit in units))


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
    article, units = cut.article, cut.units
    read = [embedding.tokens for embedding in embeddings]
    counted = count_text_tokens(engine, article.title, cut.tokens)
    unknown = engine.count_unknown(article.text)
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
        warnings=(*article.warnings, *warn_of_unknown(unknown, counted)),
        took_ms={stage: round(ms, 3) for stage, ms in took_ms.items()},
        language=detect_language(article.text),
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
    if unknown > counted / 2:
        yield (
            f"most of the text ({unknown} of {counted} tokens) is unknown to the model: "
            "only its words find it"
        )
    elif unknown:
        yield f"{unknown} of {counted} tokens are unknown to the model"


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
    return sum(unit_tokens) - len(unit_tokens) * engine.overhead(title, Task.PASSAGE)


def _as_item(article: Article, span: Span) -> Item:
    return Item(article.text[span.start : span.end], Task.PASSAGE, article.title)


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
