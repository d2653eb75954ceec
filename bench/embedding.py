"""Measures how fast the configured model embeds: tokens a second by length, and one question.

    python bench/embedding.py

The engine is the one that the service loads. Texts are English words drawn at random, each counted
by the model's tokenizer: speed does not depend on what they say.
"""

import argparse
import random
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import Settings
from app.domain import Item, Task
from app.embedding.checkpoint import open_checkpoint
from app.embedding.engine import Engine, load_engine
from bench.report import describe_machine, print_table

LENGTHS = (512, 2048, 8192)
_WORDS = ("tea", "milk", "water", "button", "machine", "error", "screen", "reset", "page", "lamp")
_QUESTION_TOKENS = 16


def make_text(engine: Engine, task: Task, tokens: int) -> str:
    """Return a text that the model reads as `tokens` tokens; each of the words is one."""
    words = tokens - engine.overhead("", task)
    chance = random.Random(tokens)
    text = " ".join(chance.choice(_WORDS) for _ in range(words))
    if (counted := engine.count_tokens(Item(text, task))) != tokens:
        raise SystemExit(f"{engine.max_tokens=}: {counted} tokens where {tokens} were meant")
    return text


def median_seconds(run: Callable[[], object], rounds: int) -> float:
    """Return the median time of `run`, which is called once more before."""
    run()
    seconds = []
    for _ in range(rounds):
        started = perf_counter()
        run()
        seconds.append(perf_counter() - started)
    return median(seconds)


def main() -> None:
    """Print tokens/s at each length and the latency of one question."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=8192, help="tokens in one measurement")
    arguments = parser.parse_args()
    settings = Settings()
    engine = load_engine(open_checkpoint(settings), settings)
    print(f"{open_checkpoint(settings).name}, {engine.name} {engine.dtype}; {describe_machine()}")
    rows = []
    for length in LENGTHS:
        if length > engine.max_tokens:
            continue
        count = max(1, arguments.tokens // length)
        items = [Item(make_text(engine, Task.PASSAGE, length), Task.PASSAGE)] * count
        seconds = median_seconds(partial(engine.embed, items), arguments.rounds)
        rows.append((f"{length:,}", f"{count}", f"{count * length / seconds:,.0f}"))
    print_table(("tokens a document", "documents", "tokens/s"), rows)
    question = Item(make_text(engine, Task.QUERY, _QUESTION_TOKENS), Task.QUERY)
    seconds = median_seconds(partial(engine.embed, [question]), 10 * arguments.rounds)
    print_table(("one question", "ms"), [(f"{_QUESTION_TOKENS} tokens", f"{1000 * seconds:.1f}")])


if __name__ == "__main__":
    main()
