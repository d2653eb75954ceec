"""Steps 3 and 4: whole articles, by distillation into passages and by contrastive learning.

Each step reads a few whole articles in one forward pass. Four things are asked of it at once:

- a passage pooled from the long pass stays close to the teacher's embedding of the same passage
  read alone with its title (late chunking that a chunk pipeline would recognise), and so does each
  of its tokens in the last layers, which says far more than the mean does; some are read alone as
  well, so that short texts are not forgotten;
- a question's vector stays close to the teacher's;
- InfoNCE (van den Oord et al. 2018): among the articles of the step and those of a queue of recent
  ones (Wang et al. 2020, cross-batch memory) a question picks its own article, by the article's one
  vector, by its best passage, and by the mean of both scores; the vector also when it is cut to
  its first 64, 128 or 256 dimensions (Kusupati et al. 2022);
- the article's vector ranks the articles as the teacher's best passages do (Kullback-Leibler).

An article that the teacher scores as high as the positive is no negative: it may well answer too.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  the name that the field uses

from train.data import Example
from train.encoder import HIDDEN, LAYERS, WORDS, Weights, encode, place, pool, rows_of

TEMPERATURE = 0.05
DIMENSIONS = {HIDDEN: 1.0, 256: 0.5, 128: 0.5, 64: 0.25}
FALSE_NEGATIVE_MARGIN = 0.02
TAUGHT_LAYERS = {LAYERS - 2: 0.3, LAYERS - 1: 0.5, LAYERS: 1.0}
"""Layers whose tokens are taught. Below them much of a state is the teacher's absolute position."""
CONTRASTED = frozenset({"article_nce", "article_kl", "passage_nce", "both_nce"})
"""The losses that tell articles apart; the others follow the teacher."""

Losses = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Read:
    """Articles as vectors: one each, and one a passage; `owners` are the passages' articles."""

    articles: torch.Tensor
    passages: torch.Tensor
    teacher_passages: torch.Tensor
    owners: torch.Tensor

    def detach(self) -> "Read":
        return Read(
            self.articles.detach(), self.passages.detach(), self.teacher_passages, self.owners
        )


class Queue:
    """The most recent articles of earlier steps, as further negatives."""

    def __init__(self, size: int) -> None:
        self._steps: deque[Read] = deque()
        self._size = size

    def push(self, read: Read) -> None:
        self._steps.append(read.detach())
        while sum(len(step.articles) for step in self._steps) > self._size:
            self._steps.popleft()

    def after(self, read: Read) -> Read:
        """Return `read` followed by what the queue holds."""
        owners, shift = [read.owners], len(read.articles)
        for step in self._steps:
            owners.append(step.owners + shift)
            shift += len(step.articles)
        steps = [read, *self._steps]
        return Read(
            torch.cat([step.articles for step in steps]),
            torch.cat([step.passages for step in steps]),
            torch.cat([step.teacher_passages for step in steps]),
            torch.cat(owners),
        )


@torch.no_grad()
def embed_alone(weights: Weights, texts: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return the unit vectors of texts that are read one by one: shape (len(texts), HIDDEN)."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    vectors = torch.empty(len(texts), HIDDEN, device=weights[WORDS].device)
    for first in range(0, len(order), 128):
        rows = order[first : first + 128]
        vectors[rows] = embed_texts(weights, [texts[i] for i in rows])
    return vectors


def embed_texts(weights: Weights, texts: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return the pooled unit vectors of tokenized texts in one pass."""
    lengths = [len(text) for text in texts]
    return pool(encode(weights, _join(weights, texts), lengths)[-1], _bounds(lengths))


def read_articles(
    weights: Weights, examples: Sequence[Example]
) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    """Return article vectors, late-chunk passage vectors and states, from one forward pass.

    The states are those of the passages' tokens, one tensor for each of TAUGHT_LAYERS.
    """
    lengths = [len(example.ids) for example in examples]
    ids = _join(weights, [example.ids for example in examples])
    states = encode(weights, ids, lengths)
    bounds = _bounds(lengths)
    spans = [
        (first + start, first + end)
        for (first, _), example in zip(bounds, examples, strict=True)
        for start, end in example.passages
    ]
    rows = place(rows_of(spans), ids.device)
    taught = [states[layer][rows] for layer in TAUGHT_LAYERS]
    return pool(states[-1], bounds), pool(states[-1], spans), taught


def read_alone(
    weights: Weights, texts: Sequence[Sequence[int]], sizes: Sequence[int]
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return the vectors of texts read one by one, and the states of their last tokens.

    `sizes` says how many tokens of each text are its passage's own, before [SEP]; their states come
    in the order of the texts, one tensor for each of TAUGHT_LAYERS.
    """
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    lengths = [len(texts[i]) for i in order]
    ids = _join(weights, [texts[i] for i in order])
    states = encode(weights, ids, lengths)
    bounds = _bounds(lengths)
    ends = {i: end - 1 for i, (_, end) in zip(order, bounds, strict=True)}
    rows = place(rows_of([(ends[i] - size, ends[i]) for i, size in enumerate(sizes)]), ids.device)
    back = place(torch.tensor(order).argsort(), ids.device)
    return pool(states[-1], bounds)[back], [states[layer][rows] for layer in TAUGHT_LAYERS]


def token_loss(ours: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the squared distance of tokens' states as a share of the variance, over layers."""
    shares = [
        weight * F.mse_loss(a.float(), b.float()) / b.float().var()
        for weight, a, b in zip(TAUGHT_LAYERS.values(), ours, theirs, strict=True)
    ]
    return torch.stack(shares).sum() / sum(TAUGHT_LAYERS.values())


def losses(
    read: Read,
    queue: Queue,
    questions: torch.Tensor,
    teacher_questions: torch.Tensor,
    examples: Sequence[Example],
) -> Losses:
    """Return the losses by name; question rows follow the articles' order."""
    everything = queue.after(read)
    count = len(everything.articles)
    asked = [(row, numbers) for row, example in enumerate(examples) for numbers in example.answers]
    device = questions.device
    positive = place(torch.tensor([row for row, _ in asked]), device)
    first_passage = [0]
    for example in examples:
        first_passage.append(first_passage[-1] + len(example.passages))
    answers = [
        (i, first_passage[row] + answer)
        for i, (row, numbers) in enumerate(asked)
        for answer in numbers
    ]

    teacher_sims = teacher_questions @ everything.teacher_passages.T
    teacher = _best(teacher_sims, everything.owners, count)
    rows = torch.arange(len(asked), device=device)
    near = teacher > teacher[rows, positive][:, None] - FALSE_NEGATIVE_MARGIN
    near[rows, positive] = False
    ranking = F.log_softmax(teacher / TEMPERATURE, dim=1)

    sims = questions @ everything.passages.T
    best = _best(sims, everything.owners, count)
    # The passage that answers must be the one that is found, not just any of the right article.
    of_question, of_passage = place(torch.tensor(answers).T, device)
    answered = sims.new_full((len(asked),), -2.0).scatter_reduce(
        0, of_question, sims[of_question, of_passage], "amax"
    )
    best = best.scatter(1, positive[:, None], answered[:, None])

    found = questions.new_zeros(())
    distilled = questions.new_zeros(())
    for dimensions, weight in DIMENSIONS.items():
        scores = _cut(questions, dimensions) @ _cut(everything.articles, dimensions).T
        found = found + weight * _info_nce(scores, positive, near)
        distilled = distilled + weight * F.kl_div(
            F.log_softmax(scores / TEMPERATURE, dim=1),
            ranking,
            log_target=True,
            reduction="batchmean",
        )
    total = sum(DIMENSIONS.values())
    whole = questions @ everything.articles.T
    return {
        "passage": 1 - F.cosine_similarity(read.passages, read.teacher_passages).mean(),
        "question": 1 - F.cosine_similarity(questions, teacher_questions).mean(),
        "article_nce": found / total,
        "article_kl": distilled / total,
        "passage_nce": _info_nce(best, positive, near),
        "both_nce": _info_nce((whole + best) / 2, positive, near),
    }


def total(parts: Mapping[str, torch.Tensor], weights: Mapping[str, float]) -> torch.Tensor:
    """Return the weighted sum of the losses."""
    return torch.stack([weights[name] * part for name, part in parts.items()]).sum()


def _best(sims: torch.Tensor, owners: torch.Tensor, count: int) -> torch.Tensor:
    """Return each article's best passage score: (questions, passages) to (questions, articles)."""
    start = sims.new_full((len(sims), count), -2.0)
    return start.scatter_reduce(1, owners.expand(len(sims), -1), sims, "amax")


def _info_nce(scores: torch.Tensor, positive: torch.Tensor, near: torch.Tensor) -> torch.Tensor:
    logits = (scores / TEMPERATURE).masked_fill(near, float("-inf"))
    return F.cross_entropy(logits, positive)


def _cut(vectors: torch.Tensor, dimensions: int) -> torch.Tensor:
    return vectors if dimensions == HIDDEN else F.normalize(vectors[:, :dimensions], dim=1)


def _join(weights: Weights, texts: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return the tokens of all texts as one row, where the weights lie."""
    return place(torch.tensor([token for text in texts for token in text]), weights[WORDS].device)


def _bounds(lengths: Sequence[int]) -> list[tuple[int, int]]:
    bounds, at = [], 0
    for length in lengths:
        bounds.append((at, at + length))
        at += length
    return bounds
