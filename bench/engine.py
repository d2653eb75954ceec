"""Compares the engine with sentence-transformers on the same random jina-embeddings-v3.

    python -m bench.engine --layers 24 --hidden 1024 --parts queries,mix,tasks,lanes,spans,long

Speed does not depend on the values of weights, so the script makes a checkpoint in the published
layout with all five adapters; its vocabulary is small, as a lookup costs the same in a large one.
Both sides run in one process, in turn; a ratio is the median of the rounds' own ratios.
"""

import argparse
import random
import resource
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import perf_counter
from typing import Any

import numpy as np
from peft import LoraConfig
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import JinaEmbeddingsV3Config, JinaEmbeddingsV3Model, PreTrainedTokenizerFast

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.domain import Item, Span, Task
from app.embedding.checkpoint import read_checkpoint
from app.embedding.torch_engine import TorchEngine
from bench.report import describe_machine, print_table

_WORDS = [f"w{i}" for i in range(5000)]
_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "fc1", "fc2", "word_embeddings"]
_GB = 2**30


def make_checkpoint(folder: Path, *, layers: int, hidden: int) -> None:
    """Write a random jina-embeddings-v3 with five adapters of rank 4; a word is a token."""
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    core = Tokenizer(
        models.WordLevel({w: i for i, w in enumerate(special + _WORDS)}, unk_token="<unk>")
    )
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core, pad_token="<pad>", unk_token="<unk>", model_max_length=8192
    )
    tokenizer.save_pretrained(folder)
    config = JinaEmbeddingsV3Config(
        vocab_size=len(special) + len(_WORDS),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        intermediate_size=4 * hidden,
    )
    JinaEmbeddingsV3Model(config).save_pretrained(folder)
    for task in Task:
        name = task.value.replace(".", "_").replace("-", "_")
        model = JinaEmbeddingsV3Model.from_pretrained(folder)
        lora = LoraConfig(r=4, lora_alpha=1, init_lora_weights=False, target_modules=_TARGETS)
        model.add_adapter(lora, adapter_name=name)
        model.save_pretrained(folder / name)
        nested = folder / name / name
        for file in nested.iterdir() if nested.is_dir() else ():
            file.rename(folder / name / file.name)


def compare(
    ours: Callable[[], object], theirs: Callable[[], object], rounds: int
) -> tuple[float, float, float]:
    """Return the median seconds of both and the median of the rounds' ratios theirs / ours."""
    ours(), theirs()
    pairs = [(seconds_of(ours), seconds_of(theirs)) for _ in range(rounds)]
    return (
        median(a for a, _ in pairs),
        median(b for _, b in pairs),
        median(b / a for a, b in pairs),
    )


def seconds_of(run: Callable[[], object]) -> float:
    started = perf_counter()
    run()
    return perf_counter() - started


def text_of(chance: random.Random, tokens: int) -> str:
    """Return a text that the model reads as so many tokens."""
    return " ".join(chance.choices(_WORDS, k=tokens - 2))


class Peer:
    """sentence-transformers with its defaults: fp32, unmerged adapters."""

    def __init__(self, folder: Path) -> None:
        self.model: Any = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name in ("retrieval_query", "retrieval_passage"):
                self.model.load_adapter(
                    str(folder), adapter_name=name, adapter_kwargs={"subfolder": name}
                )

    def encode(self, texts: Sequence[str], adapter: str) -> object:
        self.model.set_adapter(adapter)
        return self.model.encode(list(texts), show_progress_bar=False)


def compare_with_peer(
    engine: TorchEngine, peer: Peer, parts: set[str], documents: int, rounds: int
) -> None:
    """Print queries, a mix of lengths and one long document beside sentence-transformers."""
    chance = random.Random(1)
    lengths = [int(min(8192, max(16, chance.lognormvariate(6.4, 1.0)))) for _ in range(documents)]
    loads = {
        "queries": ("one query of 16 tokens", [16], Task.QUERY),
        "many": ("64 queries of 8 to 24 tokens", [8 + i % 17 for i in range(64)], Task.QUERY),
        "mix": (
            f"{documents} documents, {sum(lengths):,} tokens",
            lengths,
            Task.PASSAGE,
        ),
        "long": ("one document of 8,192 tokens", [8192], Task.PASSAGE),
    }
    rows = []
    chosen = parts | ({"many"} if "queries" in parts else set())
    for part in [part for part in loads if part in chosen]:
        name, sizes, task = loads[part]
        texts = [text_of(chance, size) for size in sizes]
        items = [Item(text, task) for text in texts]
        a, b, ratio = compare(
            partial(engine.embed, items),
            partial(peer.encode, texts, task.replace(".", "_")),
            rounds if part != "long" else 1,
        )
        rows.append((name, f"{sum(sizes) / a:,.0f}", f"{sum(sizes) / b:,.0f}", f"{ratio:.2f}"))
    print_table(("load", "Folio, tokens/s", "sentence-transformers", "ratio"), rows)


def compare_tasks(folder: Path, rounds: int) -> None:
    """Print five interleaved tasks beside one, grouped and merged."""
    chance = random.Random(2)
    grouped = TorchEngine(read_checkpoint(folder), device="cpu")
    merged = TorchEngine(read_checkpoint(folder), device="cpu", merge_bytes=64 * _GB)
    rows = []
    for tokens, count in ((16, 1), (16, 64), (512, 5)):
        texts = [text_of(chance, tokens) for _ in range(count)]
        one = [Item(text, Task.PASSAGE) for text in texts]
        five = [Item(text, list(Task)[i % 5]) for i, text in enumerate(texts)]
        _, _, mixed = compare(partial(grouped.embed, one), partial(grouped.embed, five), rounds)
        _, _, gain = compare(partial(merged.embed, one), partial(grouped.embed, one), rounds)
        _, _, against = compare(partial(merged.embed, one), partial(merged.embed, five), rounds)
        rows.append((f"{count} of {tokens} tokens", *(f"{x:.2f}" for x in (mixed, gain, against))))
    print_table(
        (
            "time of",
            "five tasks / one, grouped",
            "one task, grouped / merged",
            "five tasks / one merged",
        ),
        rows,
    )


def measure_lanes(engine: TorchEngine, asked: int) -> None:
    """Print how long a query takes while nothing and while documents are embedded."""
    chance = random.Random(3)
    documents = [Item(text_of(chance, 1024), Task.PASSAGE) for _ in range(4)]
    query = [Item(text_of(chance, 16), Task.QUERY)]
    engine.embed(query)
    idle = [seconds_of(lambda: engine.embed(query)) for _ in range(asked)]
    stop = Event()

    def stream() -> None:
        while not stop.is_set():
            engine.embed(documents)

    thread = Thread(target=stream)
    thread.start()
    busy = [seconds_of(lambda: engine.embed(query)) for _ in range(asked)]
    stop.set()
    thread.join()
    rows = [
        (name, *(f"{1000 * float(np.quantile(times, q)):.0f}" for q in (0.5, 0.95)))
        for name, times in (("idle", idle), ("beside documents", busy))
    ]
    print_table(("one query, ms", "p50", "p95"), rows)


def measure_spans(engine: TorchEngine, rounds: int) -> None:
    """Print what passages cost in the pass of their document, and what the memory came to."""
    chance = random.Random(4)
    text = text_of(chance, 2048)
    spans = tuple(Span(i, min(len(text), i + 700)) for i in range(0, len(text), 700))
    whole, cut = [Item(text, Task.PASSAGE)], [Item(text, Task.PASSAGE, spans=spans)]
    _, _, ratio = compare(lambda: engine.embed(whole), lambda: engine.embed(cut), rounds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\n{len(spans)} passages of a document of 2,048 tokens: time x {ratio:.3f}")
    print(f"peak memory of the process so far: {peak:.1f} GiB")


def main() -> None:
    """Make a checkpoint, compare, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--hidden", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--documents", type=int, default=16)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--parts", default="queries,mix,tasks,lanes,spans,long")
    arguments = parser.parse_args()
    parts = set(arguments.parts.split(","))
    with TemporaryDirectory(prefix="folio-bench-") as name:
        folder = Path(name)
        make_checkpoint(folder, layers=arguments.layers, hidden=arguments.hidden)
        engine = TorchEngine(
            read_checkpoint(folder), device="cpu", dtype=arguments.dtype, merge_bytes=2 * _GB
        )
        print(f"{arguments.layers} layers of {arguments.hidden}, {engine.dtype}")
        print(describe_machine())
        if parts & {"queries", "mix", "long"}:
            compare_with_peer(engine, Peer(folder), parts, arguments.documents, arguments.rounds)
        if "spans" in parts:
            measure_spans(engine, arguments.rounds)
        if "lanes" in parts:
            measure_lanes(engine, 8 * arguments.rounds)
        if "tasks" in parts:
            compare_tasks(folder, arguments.rounds)


if __name__ == "__main__":
    main()
