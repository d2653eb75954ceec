"""Training text: whole articles with their sections, and the questions that they answer."""

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from app.domain import Article, Heading, Span, Unit
from app.embedding.checkpoint import TITLE_SEPARATOR
from app.errors import UnreadableDocument
from ingest.units import split_article

PASSAGE_TOKENS = 160
MAX_TITLE_TOKENS = 64

SUBSTITUTED = 0.1
"""The share of tokens that random words replace in one example of SUBSTITUTED_EVERY. A corpus has
few of the words of other fields, but the teacher can be asked about any word."""
SUBSTITUTED_EVERY = 4
FIRST_WORD = 1996
"""Below it the teacher's vocabulary holds special tokens, unused rows and single characters."""

_SENTENCE = re.compile(r"[A-Z][^.!?\n|<>{}\[\]`]{30,220}[.!?](?=\s)")
_TITLE_LINE = re.compile(r"\A#[^\n]*\n+")
# Headings that name a kind of section, not its subject.
_VAGUE = re.compile(
    r"(?i)(overview|introduction|see also|examples?|notes?|next steps|related .*|summary|syntax|"
    r"parameters?|remarks|prerequisites|additional resources|what do you need to know.*|"
    r"access requirements|description|usage|references?|troubleshooting|solution|issue|cause)"
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the characters that answer it; no span means the article as a whole."""

    text: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """An article of the corpus with everything that can be asked of it."""

    id: str
    article: Article
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """One unit of an article, tokenized as the service does it, and questions that it answers.

    `passages` are token spans in `ids`; `alone` are each passage's tokens with the title before
    them, as a chunk pipeline would embed it. The answers of a question are indexes into `passages`.
    """

    ids: list[int]
    passages: list[tuple[int, int]]
    alone: list[list[int]]
    questions: list[str] = field(default_factory=list)
    answers: list[list[int]] = field(default_factory=list)


def read_sources(corpora: Sequence[Path], questions: Path | None = None) -> list[Source]:
    """Read articles and their questions; headings become questions as well."""
    asked: dict[str, list[tuple[str, int]]] = {}
    if questions is not None:
        for line in _read_lines(questions):
            asked.setdefault(line["doc_id"], []).append((line["query"], line["section_index"]))
    return [
        _read_source(line, asked.get(line["id"], []))
        for path in corpora
        for line in _read_lines(path)
    ]


def _read_source(line: Mapping[str, Any], asked: Sequence[tuple[str, int]]) -> Source:
    title, whole = line["title"], line["text"]
    title_line = _TITLE_LINE.match(whole)
    shift = title_line.end() if title_line else 0
    sections = [
        (
            Heading(section["start"] - shift, min(6, section["level"]), section["heading"]),
            Span(section["start"] - shift, section["end"] - shift),
        )
        for section in line["sections"]
    ]
    found = [Question(query, sections[at][1] if at >= 0 else None) for query, at in asked]
    known = {question.text for question in found}
    for heading, span in sections:
        words = heading.text.strip()
        if words not in known and len(words) > 8 and not _VAGUE.fullmatch(words):
            found.append(Question(f"{title}: {words}", span))
    headings = tuple(heading for heading, _ in sections if heading.start >= 0)
    return Source(line["id"], Article(whole[shift:], title=title, headings=headings), tuple(found))


class Reader:
    """Turns articles into examples with the tokenizer of the model and the cutting of Folio."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """`tokenizer` neither truncates nor pads."""
        self.tokenizer = tokenizer

    def read(self, source: Source, *, max_tokens: int, chance: random.Random) -> Example | None:
        """Return one unit of `source` of at most `max_tokens` tokens, with up to three questions.

        One question comes from the article's own, one is its title or a heading, one a sentence
        of its text, which is a claim to be found. None for an article without text.
        """
        article = source.article
        starts = self.token_starts(article.text)
        prefix = article.title + TITLE_SEPARATOR if chance.random() < 0.9 else ""
        overhead = len(self.tokenizer.encode(prefix).ids)
        try:
            units = split_article(
                article,
                starts,
                unit_tokens=max(64, max_tokens - overhead - 8),
                passage_tokens=PASSAGE_TOKENS,
            )
        except UnreadableDocument:
            return None
        units = tuple(unit for unit in units if unit.passages)
        if not units:
            return None
        question = chance.choice(source.questions) if source.questions else None
        unit = chance.choice(units)
        if question is not None and question.span is not None:
            at = question.span.start
            unit = next((u for u in units if u.span.start <= at < u.span.end), unit)
        example, spans = as_example(article, unit, prefix, self.tokenizer)
        if example is None:
            return None
        if chance.randrange(SUBSTITUTED_EVERY) == 0:
            example = substitute(example, self.tokenizer.get_vocab_size(), chance)
        whole = list(range(len(spans)))
        for asked in (
            question,
            _pick_heading(source, chance),
            _pick_sentence(article, spans, chance),
        ):
            if asked is None or asked.text in example.questions:
                continue
            answers = whole
            if asked.span is not None:
                answers = [
                    i
                    for i, span in enumerate(spans)
                    if span.start < asked.span.end and asked.span.start < span.end
                ]
            if answers:
                example.questions.append(asked.text)
                example.answers.append(answers)
        return example

    def token_starts(self, text: str) -> npt.NDArray[np.int64]:
        """Return the offset of the first character of each token of `text`."""
        offsets = self.tokenizer.encode(text, add_special_tokens=False).offsets
        return np.array([start for start, _ in offsets], dtype=np.int64)


def as_example(
    article: Article, unit: Unit, prefix: str, tokenizer: Tokenizer
) -> tuple[Example | None, list[Span]]:
    """Tokenize a unit; returns also where its passages stand in the article's text.

    None for a unit whose passages have no tokens of their own.
    """
    text = article.text[unit.span.start : unit.span.end]
    encoding = tokenizer.encode(prefix + text)
    offsets = np.array(encoding.offsets[1:-1], dtype=np.int64).reshape(-1, 2)
    example = Example(encoding.ids, [], [])
    spans = []
    title = tokenizer.encode(article.title + TITLE_SEPARATOR, add_special_tokens=False).ids
    lead = [encoding.ids[0], *title[:MAX_TITLE_TOKENS]]
    for passage in unit.passages:
        start = passage.span.start - unit.span.start + len(prefix)
        end = passage.span.end - unit.span.start + len(prefix)
        first = 1 + int(np.searchsorted(offsets[:, 1], start, side="right"))
        last = 1 + int(np.searchsorted(offsets[:, 0], end, side="left"))
        if last > first and (not example.passages or first >= example.passages[-1][1]):
            example.passages.append((first, last))
            example.alone.append([*lead, *encoding.ids[first:last], encoding.ids[-1]])
            spans.append(passage.span)
    return (example if spans else None), spans


def substitute(example: Example, vocabulary: int, chance: random.Random) -> Example:
    """Return `example` with random words in its passages, the same ones where they stand alone."""
    ids, alone = list(example.ids), []
    for (start, end), text in zip(example.passages, example.alone, strict=True):
        for at in range(start, end):
            if chance.random() < SUBSTITUTED:
                ids[at] = chance.randrange(FIRST_WORD, vocabulary)
        lead = text[: -(end - start) - 1]
        alone.append([*lead, *ids[start:end], text[-1]])
    return replace(example, ids=ids, alone=alone)


def _pick_heading(source: Source, chance: random.Random) -> Question | None:
    if not source.questions or chance.random() < 0.3:
        return Question(source.article.title)
    question = chance.choice(source.questions)
    if question.span is not None and chance.random() < 0.5 and ": " not in question.text:
        return Question(f"{question.text} {source.article.title}", question.span)
    return question


def _pick_sentence(
    article: Article, spans: Sequence[Span], chance: random.Random
) -> Question | None:
    """Return a sentence of a passage drawn evenly over the unit, so that half are deep inside."""
    span = chance.choice(spans)
    sentences = list(_SENTENCE.finditer(article.text, span.start, span.end))
    if not sentences:
        return None
    sentence = chance.choice(sentences)
    return Question(sentence.group(), Span(sentence.start(), sentence.end()))


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
