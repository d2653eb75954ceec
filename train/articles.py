"""Steps 3 and 4: which articles and questions are read together, and what learns from them."""

import math
import multiprocessing
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import bm25s
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812  the name that the field uses
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from train.contrast import (
    CONTRASTED,
    Queue,
    Read,
    embed_alone,
    embed_texts,
    losses,
    read_alone,
    read_articles,
    token_loss,
    total,
)
from train.data import Example, Reader, Source
from train.encoder import (
    HEAD,
    HEADS,
    LAYERS,
    WORDS,
    Weights,
    adapted,
    cast,
    fastest_dtype,
    new_adapter,
    place,
)
from train.state import Run, State

WINDOW = 8192
TEACHER_WINDOW = 512
QUEUE_ARTICLES = {"cpu": 1024, "cuda": 4096}
STEP_TOKENS = {"cpu": 5000, "cuda": 60_000}
REHEARSED = 4
"""One passage of so many is read alone as well."""
NEAR_PAIRS = range(7, 12)
NEAR_STRENGTH = 1.5
QUESTION_TOKENS = 512
HARD_NEGATIVES = 2
NEIGHBOURS = 12
RANK = 16
TASKS = ("query", "passage")
_BASE = "base/"


@dataclass(frozen=True, slots=True)
class Course:
    """What a step learns as its budget is spent: `share`, 0 to 1.

    The first `taught_share` only follows the teacher, on units that grow from the teacher's window
    to the model's: attention unlearns far text a little at a time, and short units are cheap. Only
    then are articles told apart, by vectors that read far text.
    """

    weights: Mapping[str, float]
    taught_share: float = 0.0

    def max_tokens(self, share: float) -> int:
        """Return the tokens of the longest unit."""
        grown = min(1.0, share / self.taught_share) if self.taught_share else 1.0
        return round(TEACHER_WINDOW * math.pow(WINDOW / TEACHER_WINDOW, grown))

    def weights_at(self, share: float) -> dict[str, float]:
        """Return the weights of the losses by name."""
        taught_only = share < self.taught_share
        return {
            name: 0.0 if taught_only and name in CONTRASTED else weight
            for name, weight in self.weights.items()
        }


STRETCH = Course(
    {
        "token": 2.0,
        "alone": 1.5,
        "passage": 8.0,
        "question": 6.0,
        "article_nce": 0.6,
        "article_kl": 0.6,
        "passage_nce": 0.3,
        "both_nce": 0.3,
    },
    taught_share=0.55,
)
ADAPT = {
    "follow": Course({**STRETCH.weights, "article_nce": 1.0}),
    "apart": Course(
        {
            "token": 1.0,
            "alone": 1.5,
            "passage": 4.0,
            "question": 3.0,
            "article_nce": 2.0,
            "article_kl": 1.0,
            "passage_nce": 0.6,
            "both_nce": 0.6,
        }
    ),
}
"""How much step 4 follows the teacher, and how much it tells articles apart."""


def find_neighbours(sources: Sequence[Source], count: int = NEIGHBOURS) -> npt.NDArray[np.int64]:
    """Return for each article the ones that BM25 confuses it with: shape (articles, count)."""
    texts = [f"{source.article.title} {source.article.text[:2000]}" for source in sources]
    index = bm25s.BM25(method="lucene")
    index.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)
    queries = [
        " ".join([source.article.title, *(q.text for q in source.questions[:2])])
        for source in sources
    ]
    found, _ = index.retrieve(
        bm25s.tokenize(queries, stopwords="en", show_progress=False),
        k=count + 1,
        show_progress=False,
    )
    return np.stack([[row for row in rows if row != own][:count] for own, rows in enumerate(found)])


class Steps(IterableDataset[list[Example]]):
    """The articles of one step after another, each with some that look like it.

    A data set, so that several processes can read ahead: a GPU learns faster than one process cuts
    and tokenizes articles. `max_tokens.value` bounds the units in all of them, and can be changed.
    """

    def __init__(
        self, sources: Sequence[Source], reader: Reader, seed: int, step_tokens: int
    ) -> None:
        self._sources = sources
        self._neighbours = find_neighbours(sources)
        self._reader = reader
        self._seed = seed
        self._step_tokens = step_tokens
        self.max_tokens = multiprocessing.Value("l", TEACHER_WINDOW)

    def __iter__(self) -> Iterator[list[Example]]:
        worker = get_worker_info()
        chance = random.Random(f"{self._seed} {worker.id if worker else 0}")
        while True:
            order = list(range(len(self._sources)))
            chance.shuffle(order)
            chosen: dict[int, Example] = {}
            cost = 0.0
            for seed in order:
                similar = chance.sample(self._neighbours[seed].tolist(), HARD_NEGATIVES)
                for row in (seed, *similar):
                    if row in chosen:
                        continue
                    example = self._reader.read(
                        self._sources[row], max_tokens=self.max_tokens.value, chance=chance
                    )
                    if example is not None and example.questions:
                        chosen[row] = example
                        # Attention makes a long article dearer than its tokens.
                        cost += len(example.ids) * (1 + len(example.ids) / 4000)
                if cost >= self._step_tokens:
                    # Longest last, equal lengths side by side.
                    yield sorted(chosen.values(), key=lambda example: len(example.ids))
                    chosen, cost = {}, 0.0


def stretch(
    base: Weights, teacher: Weights, sources: Sequence[Source], reader: Reader, run: Run
) -> dict[str, torch.Tensor]:
    """Train the whole model on whole articles of growing length (step 3); returns it."""
    state = run.start(prefer_near(base))
    dtype = fastest_dtype(base[WORDS].device)

    def merge() -> tuple[Weights, Weights]:
        weights = cast(state.learned, dtype)
        return weights, weights

    _train(state, merge, cast(teacher, dtype), sources, reader, STRETCH)
    return state.finish()


def prefer_near(weights: Weights) -> dict[str, torch.Tensor]:
    """Return `weights` in which a token attends rather to its neighbours than to what is far.

    The teacher never saw more than 512 tokens; among 8,192 its attention drowns in text that is far
    away. A constant in some rotary pairs of queries and keys adds the sum of the pairs'
    cos(frequency x distance) to every logit, NEAR_STRENGTH at distance 0 and about 0 far away. With
    the rates of training, biases of this size would take longer to learn than the run lasts.
    """
    changed = dict(weights)
    constant = (NEAR_STRENGTH * HEAD**0.5 / len(NEAR_PAIRS)) ** 0.5
    for layer in range(LAYERS):
        for part in "qk":
            name = f"layers.{layer}.self_attn.{part}_proj.bias"
            bias = weights[name].clone().view(HEADS, HEAD)
            bias[:, NEAR_PAIRS.start : NEAR_PAIRS.stop] += constant
            changed[name] = bias.flatten()
    return changed


def adapt(
    start: Weights,
    teacher: Weights,
    sources: Sequence[Source],
    reader: Reader,
    run: Run,
    course: Course,
) -> dict[str, torch.Tensor]:
    """Train both adapters, and slowly the base below them (step 4); returns all three.

    `start` is what step 3 learned, or a model of this step that is to go on.
    """
    torch.manual_seed(0)
    state = run.start(start if is_adapted(start) else _add_adapters(start))
    dtype = fastest_dtype(teacher[WORDS].device)

    def merge() -> tuple[Weights, Weights]:
        base, adapters = split_model(cast(state.learned, dtype))
        return adapted(base, adapters["query"]), adapted(base, adapters["passage"])

    _train(state, merge, cast(teacher, dtype), sources, reader, course)
    return state.finish()


def is_adapted(learned: Weights) -> bool:
    """Whether step 4 learned it: base and adapters, not a base alone."""
    return _BASE + WORDS in learned


def _add_adapters(base: Weights) -> dict[str, torch.Tensor]:
    model = {_BASE + name: weight for name, weight in base.items()}
    for task in TASKS:
        adapter = new_adapter(base, RANK)
        model |= {f"{task}/{name}": weight for name, weight in adapter.items()}
    return model


def split_model(learned: Weights) -> tuple[dict[str, torch.Tensor], dict[str, Weights]]:
    """Return base and adapters by task, query first, of what step 4 learned."""
    return _take(learned, _BASE), {task: _take(learned, f"{task}/") for task in TASKS}


def _take(learned: Weights, prefix: str) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): weight
        for name, weight in learned.items()
        if name.startswith(prefix)
    }


def _train(
    state: State,
    merge: Callable[[], tuple[Weights, Weights]],
    teacher: Weights,
    sources: Sequence[Source],
    reader: Reader,
    course: Course,
) -> None:
    device = teacher[WORDS].device
    queue = Queue(QUEUE_ARTICLES[device.type])
    tokens = 0
    chance = random.Random(state.step)
    steps = Steps(sources, reader, state.step, STEP_TOKENS[device.type])
    # A CPU has no cores to spare.
    readers = max(1, (os.cpu_count() or 1) - 2) if device.type == "cuda" else 0
    if readers:
        # The threads of torch would wait for one another behind the readers.
        torch.set_num_threads(1)
    drawn = iter(DataLoader(steps, batch_size=None, num_workers=readers))
    while state.advance():
        steps.max_tokens.value = course.max_tokens(state.share)
        examples = next(drawn)
        of_query, of_passage = merge()
        questions = [_tokenize(reader, q, QUESTION_TOKENS) for e in examples for q in e.questions]
        owners = [row for row, example in enumerate(examples) for _ in example.passages]
        articles, passages, states = read_articles(of_passage, examples)
        alone = [text for example in examples for text in example.alone]
        sizes = [end - start for example in examples for start, end in example.passages]
        with torch.no_grad():
            taught, taught_states = read_alone(teacher, alone, sizes)
        read = Read(articles, passages, taught, place(torch.tensor(owners), device))
        parts = losses(
            read,
            queue,
            embed_texts(of_query, questions),
            embed_alone(teacher, questions),
            examples,
        )
        parts["token"] = token_loss(states, taught_states)
        again = sorted(chance.sample(range(len(alone)), -(-len(alone) // REHEARSED)))
        vectors, states = read_alone(
            of_passage, [alone[i] for i in again], [sizes[i] for i in again]
        )
        of_passages = torch.split(torch.arange(sum(sizes)), sizes)
        rows = place(torch.cat([of_passages[i] for i in again]), device)
        same = taught[place(torch.tensor(again), device)]
        distance = 1 - F.cosine_similarity(vectors, same).mean()
        parts["alone"] = token_loss(states, [state[rows] for state in taught_states]) + distance
        queue.push(read)
        tokens += sum(len(example.ids) for example in examples)
        state.learn(total(parts, course.weights_at(state.share)), tokens=tokens, **parts)


def _tokenize(reader: Reader, text: str, limit: int) -> list[int]:
    ids: list[int] = reader.tokenizer.encode(text).ids
    return ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]]
