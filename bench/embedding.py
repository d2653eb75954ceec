"""Measures the embedding engine, and its peers beside it in the same run.

    python bench/embedding.py --only speed,spans,memory
    python bench/embedding.py --only query,queries,mix,mix-bf16,long,tasks,lanes --jina FOLDER
    python bench/embedding.py --only infinity --infinity PYTHON
    python bench/embedding.py --only dtypes,ranking --data SETS

Sections of the real-size model run on a random jina-embeddings-v3 of 24 layers, which is written to
--jina once; the others on the model of the settings. Sides take turns, and a ratio is the median of
the rounds' own ratios: what else runs on the machine slows both.
"""

import argparse
import random
import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from threading import Event, Thread
from time import perf_counter

import numpy as np
import torch

if not __package__:
    # As a script this folder comes first, where `ingest` would be bench/ingest.py.
    sys.path[0] = str(Path(__file__).parents[1])

from app.config import Settings
from app.domain import Item, Matrix, Span, Task
from app.embedding.checkpoint import Checkpoint, read_checkpoint
from app.embedding.engine import Engine
from app.embedding.loader import open_checkpoint
from app.embedding.torch.engine import TorchEngine
from app.embedding.torch.packed import can_quantize
from bench.embedding_peers import Infinity, SentenceTransformers
from bench.random_jina import adapter_of, draw_lengths, make_checkpoint, make_texts
from bench.report import describe_machine, print_table, resident_bytes
from bench.sets import read_set
from train.teacher import find_teacher

LENGTHS = (512, 2048, 8192)
QUESTION_TOKENS = 16
_WORDS = ("tea", "milk", "water", "button", "machine", "error", "screen", "reset", "page", "lamp")
_GIB = 2**30
_MERGED = 2 * _GIB
_DEPTH = 10


@dataclass(slots=True)
class Bench:
    """What the sections share: the arguments, models that are loaded once, and the rows."""

    arguments: argparse.Namespace
    rows: list[tuple[str, str, str, str]] = field(default_factory=list)

    @property
    def rounds(self) -> int:
        return int(self.arguments.rounds)

    @property
    def jina(self) -> Path:
        """The folder of the random jina-embeddings-v3, made where it is not there."""
        folder: Path = self.arguments.jina
        if not (folder / "separation").exists():
            make_checkpoint(folder, layers=self.arguments.layers, hidden=self.arguments.hidden)
        return folder

    def report(self, what: str, figures: str, value: float, goal: str) -> None:
        """Add a row of the table, and print it at once."""
        self.rows.append((what, figures, f"{value:.4g}", goal))
        print(f"{what}: {figures}: {value:.4g}{goal and f' (goal {goal})'}", flush=True)


def load(
    bench: Bench, checkpoint: Checkpoint, *, dtype: str | None = None, merge_bytes: int = _MERGED
) -> TorchEngine:
    """Return an engine on the processor, in the dtype and runtime that the arguments name."""
    return TorchEngine(
        checkpoint,
        device="cpu",
        runtime=bench.arguments.runtime,
        dtype=dtype or bench.arguments.dtype,
        merge_bytes=merge_bytes,
    )


def seconds_of(run: Callable[[], object]) -> float:
    started = perf_counter()
    run()
    return perf_counter() - started


def compare(
    ours: Callable[[], float], theirs: Callable[[], float], rounds: int
) -> tuple[float, float, float]:
    """Return the median seconds of both and the median of the rounds' ratios, theirs over ours."""
    ours(), theirs()
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    return (
        median(a for a, _ in pairs),
        median(b for _, b in pairs),
        median(b / a for a, b in pairs),
    )


def timed(run: Callable[[], object]) -> Callable[[], float]:
    return partial(seconds_of, run)


def measure_speed(bench: Bench) -> None:
    """Tokens a second by length and one question, of the model of the settings."""
    checkpoint = open_checkpoint(Settings())
    engine = load(bench, checkpoint)
    print(f"{checkpoint.name}, {engine.name} {engine.dtype}")
    for length in LENGTHS:
        if length > engine.max_tokens:
            continue
        count = max(1, LENGTHS[-1] // length)
        items = [Item(make_text(engine, Task.PASSAGE, length), Task.PASSAGE)] * count
        engine.embed(items)
        seconds = median(seconds_of(partial(engine.embed, items)) for _ in range(bench.rounds))
        bench.report("tokens/s", f"documents of {length:,}", count * length / seconds, "")
    question = [Item(make_text(engine, Task.QUERY, QUESTION_TOKENS), Task.QUERY)]
    engine.embed(question)
    seconds = median(seconds_of(partial(engine.embed, question)) for _ in range(50))
    bench.report("ms a question", f"{QUESTION_TOKENS} tokens", 1000 * seconds, "")


def make_text(engine: Engine, task: Task, tokens: int) -> str:
    """Return a text that the model reads as `tokens` tokens; each of the words is one."""
    words = tokens - engine.overhead("", task)
    chance = random.Random(tokens)
    text = " ".join(chance.choice(_WORDS) for _ in range(words))
    if (counted := engine.count_tokens(Item(text, task))) != tokens:
        raise SystemExit(f"{engine.max_tokens=}: {counted} tokens where {tokens} were meant")
    return text


def compare_with_sentence_transformers(bench: Bench, sections: Sequence[str]) -> None:
    """Questions, a mix of lengths and one long document, the peer in float32 and in bfloat16."""
    if not set(sections) & set(BESIDE_SENTENCE_TRANSFORMERS):
        return
    folder = bench.jina
    mix = draw_lengths(bench.arguments.documents)
    loads = {
        "query": ("one question of 16 tokens", [QUESTION_TOKENS], Task.QUERY, ">= 4"),
        "queries": (
            "64 questions of 8 to 24 tokens",
            [8 + i % 17 for i in range(64)],
            Task.QUERY,
            ">= 5",
        ),
        "mix": (f"{len(mix)} documents, {sum(mix):,} tokens", mix, Task.PASSAGE, ">= 4"),
        "long": ("one document of 8,192 tokens", [8192], Task.PASSAGE, ">= 1.8"),
        "mix-bf16": (
            f"{len(mix)} documents, peer in bfloat16, sorted, 8 a batch",
            mix,
            Task.PASSAGE,
            ">= 1.5",
        ),
    }
    chosen = [section for section in loads if section in sections]
    engine = load(bench, read_checkpoint(folder))
    print(
        f"random jina-embeddings-v3: {engine.name} {engine.dtype}, "
        f"merged {_MERGED / _GIB:.0f} GiB at most"
    )
    adapters = [adapter_of(task) for task in (Task.QUERY, Task.PASSAGE)]
    peer: SentenceTransformers | None = None
    for section in chosen:
        name, lengths, task, goal = loads[section]
        is_bf16 = section == "mix-bf16"
        if peer is None or is_bf16:
            dtype = torch.bfloat16 if is_bf16 else torch.float32
            peer = None
            peer = SentenceTransformers(folder, adapters, dtype=dtype)
        texts = make_texts(lengths, seed=len(lengths))
        items = [Item(text, task) for text in texts]
        encode = partial(peer.encode, texts, adapter_of(task), batch_size=8 if is_bf16 else 32)
        is_short = sum(lengths) < 2000
        rounds = 3 * bench.rounds if is_short else max(1, bench.rounds // 2)
        a, b, ratio = compare(timed(partial(engine.embed, items)), timed(encode), rounds)
        figures = f"{name}: {sum(lengths) / a:,.0f} and {sum(lengths) / b:,.0f} tokens/s"
        bench.report("times sentence-transformers", figures, ratio, goal)


def compare_with_infinity(bench: Bench) -> None:
    """Questions and a mix within the 256 tokens of all-MiniLM-L6-v2, which both load."""
    folder = find_teacher()
    engine = load(bench, read_checkpoint(folder))
    chance = random.Random(2)
    lengths = draw_lengths(256, longest=250, middle=80)
    loads = {
        "one question": ([" ".join(chance.choices(_WORDS, k=14))], Task.QUERY, 30),
        "mix of 256 texts, 16 to 250 tokens": (
            [" ".join(chance.choices(_WORDS, k=length - 2)) for length in lengths],
            Task.PASSAGE,
            bench.rounds,
        ),
    }
    with Infinity(bench.arguments.infinity, folder) as peer:
        for name, (texts, task, rounds) in loads.items():
            items = [Item(text, task) for text in texts]
            a, b, ratio = compare(
                timed(partial(engine.embed, items)), partial(peer.seconds, texts), rounds
            )
            figures = f"{name}: {1000 * a:,.1f} and {1000 * b:,.1f} ms"
            bench.report("times infinity-emb", figures, ratio, ">= 1.5")


def compare_tasks(bench: Bench) -> None:
    """Five tasks in one batch beside one task, and their vectors beside those of one task alone."""
    checkpoint = read_checkpoint(bench.jina)
    # Without merged copies: of one task alone these save the product of its adapter.
    alone = load(bench, checkpoint, dtype="float32", merge_bytes=0)
    engines = {"float32": alone, "bfloat16": load(bench, checkpoint, dtype="bfloat16")}
    tasks = list(Task)
    for count, tokens in ((65, QUESTION_TOKENS), (10, 512)):
        texts = make_texts([tokens] * count, seed=count)
        one = [Item(text, Task.PASSAGE) for text in texts]
        five = [Item(text, tasks[i % len(tasks)]) for i, text in enumerate(texts)]
        _, _, ratio = compare(
            timed(partial(alone.embed, five)), timed(partial(alone.embed, one)), bench.rounds
        )
        figures = f"{count} texts of {tokens} tokens, five tasks interleaved"
        bench.report("times one task", figures, ratio, ">= 0.95")
        expected = np.stack([alone.embed([item])[0].vector for item in five])
        for dtype, engine in engines.items():
            mixed = np.stack([embedding.vector for embedding in engine.embed(five)])
            least = float((mixed * expected).sum(axis=1).min())
            goal = ">= 0.9999" if dtype == "float32" else ">= 0.999"
            bench.report("least cosine to one task alone", f"{figures}, {dtype}", least, goal)


def compare_dtypes(bench: Bench) -> None:
    """Documents in fewer bits beside float32, of the model of the settings."""
    checkpoint = open_checkpoint(Settings())
    plain = load(bench, checkpoint, dtype="float32")
    for dtype in ("bfloat16", *(("int8",) if can_quantize("cpu") else ())):
        engine = load(bench, checkpoint, dtype=dtype)
        for length in (128, *LENGTHS):
            if length > engine.max_tokens:
                continue
            count = max(1, LENGTHS[-1] // length)
            items = [Item(make_text(engine, Task.PASSAGE, length), Task.PASSAGE)] * count
            ours, theirs, ratio = compare(
                timed(partial(engine.embed, items)),
                timed(partial(plain.embed, items)),
                bench.rounds,
            )
            tokens = count * length
            figures = (
                f"{count} of {length:,}: {tokens / ours:,.0f} and {tokens / theirs:,.0f} tokens/s"
            )
            bench.report(f"times float32, {dtype}", figures, ratio, "")


def compare_rankings(bench: Bench) -> None:
    """Ten first documents and centred cosines in fewer bits and merged, beside plain float32."""
    labelled = read_set(bench.arguments.data / "aws_docs_small")
    wanted = {document for grades in labelled.grades.values() for document in grades}
    documents = [d for d in labelled.documents if d.id in wanted]
    others = [d for d in labelled.documents if d.id not in wanted and len(d.text) < 30_000]
    random.Random(0).shuffle(others)
    documents = [d for d in (*documents, *others) if d.text.strip()][: bench.arguments.ranked]
    items = [Item(d.text[:20_000], Task.PASSAGE, d.title) for d in documents]
    asked = [Item(query.text, Task.QUERY) for query in labelled.queries]
    what = f"{len(documents)} pages, {len(asked)} questions"

    def read(dtype: str, merge_bytes: int) -> tuple[Matrix, Matrix, list[list[int]]]:
        engine = load(bench, open_checkpoint(Settings()), dtype=dtype, merge_bytes=merge_bytes)
        units = np.stack([engine.embed([item])[0].vector for item in items])
        queries = np.stack([e.vector for e in engine.embed(asked)])
        return units, queries, np.argsort(-queries @ units.T, axis=1)[:, :_DEPTH].tolist()

    units, queries, plain = read("float32", 0)
    goals = {"bfloat16": (">= 0.99", ">= 0.999")}
    if can_quantize("cpu"):
        goals["int8"] = ("", "")
    for dtype, (kept, near) in goals.items():
        fast_units, fast_queries, fast = read(dtype, _MERGED)
        shared = [len(set(a) & set(b)) / _DEPTH for a, b in zip(plain, fast, strict=True)]
        bench.report(f"top-10 kept in {dtype}", what, float(np.mean(shared)), kept)
        for name, a, b in (("documents", units, fast_units), ("questions", queries, fast_queries)):
            bench.report(f"least centred cosine, {name}, {dtype}", what, _centred(a, b), near)


def _centred(a: Matrix, b: Matrix) -> float:
    """Return the least cosine of rows once the mean of each side is removed."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    cosines = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return float(cosines.min())


def measure_lanes(bench: Bench) -> None:
    """A question while nothing and while documents are embedded without pause."""
    models = {
        "folio-mini": (open_checkpoint(Settings()), 400),
        "random jina-embeddings-v3": (read_checkpoint(bench.jina), 60),
    }
    for name, (checkpoint, asked) in models.items():
        engine = load(bench, checkpoint)
        chance = random.Random(3)
        documents = [Item(" ".join(chance.choices(_WORDS, k=1000)), Task.PASSAGE)] * 4
        query = [Item(" ".join(chance.choices(_WORDS, k=14)), Task.QUERY)]
        engine.embed(query)
        idle = [seconds_of(partial(engine.embed, query)) for _ in range(asked)]
        busy = _ask_beside(engine, documents, query, asked)
        before, beside = (1000 * float(np.quantile(times, 0.95)) for times in (idle, busy))
        figures = f"{name}: {before:.1f} ms idle, {beside:.1f} ms beside documents"
        bench.report("p95 of a question, beside over idle", figures, beside / before, "<= 2.5")


def _ask_beside(
    engine: TorchEngine, documents: list[Item], query: list[Item], asked: int
) -> list[float]:
    stop, runs = Event(), Event()

    def stream() -> None:
        while not stop.is_set():
            runs.set()
            engine.embed(documents)

    thread = Thread(target=stream)
    thread.start()
    runs.wait()
    try:
        return [seconds_of(partial(engine.embed, query)) for _ in range(asked)]
    finally:
        stop.set()
        thread.join()


def measure_spans(bench: Bench) -> None:
    """What the passages of a document cost in its own pass."""
    engine = load(bench, open_checkpoint(Settings()))
    for tokens in (512, 2048, 8192):
        text = make_text(engine, Task.PASSAGE, tokens)
        step = max(1, len(text) // (tokens // 160))
        spans = tuple(Span(i, min(len(text), i + step)) for i in range(0, len(text), step))
        whole, cut = [Item(text, Task.PASSAGE)], [Item(text, Task.PASSAGE, spans=spans)]
        _, _, ratio = compare(
            timed(partial(engine.embed, whole)), timed(partial(engine.embed, cut)), 2 * bench.rounds
        )
        figures = f"{len(spans)} passages of {tokens:,} tokens"
        bench.report("time with passages over without", figures, ratio, "<= 1.05")


def measure_memory(bench: Bench) -> None:
    """Resident memory over very many texts of mixed lengths, and the peak at 8,192 tokens."""
    engine = load(bench, open_checkpoint(Settings()))
    total, batch = bench.arguments.embeddings, 100
    chance = random.Random(4)
    sizes: list[tuple[int, float]] = []
    for done in range(0, total, batch):
        lengths = draw_lengths(batch, longest=400, middle=12, seed=done)
        if done % 10_000 == 0:
            lengths[0] = 8000
        items = [
            Item(" ".join(chance.choices(_WORDS, k=length)), Task.PASSAGE) for length in lengths
        ]
        engine.embed(items)
        if done % (total // 20) == 0:
            sizes.append((done, _resident_mib()))
    # The first fifth warms up: the allocator's pools have to have seen every length.
    warm = [(done, size) for done, size in sizes if done >= total // 5]
    counts, resident = zip(*warm, strict=True)
    slope = float(np.polyfit(counts, resident, 1)[0]) * 100_000
    figures = f"{warm[0][1]:.0f} to {warm[-1][1]:.0f} MiB over {total:,} embeddings"
    bench.report("MiB more for 100,000 embeddings", figures, slope, "about 0")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    bench.report("peak MiB of the process", "documents of 8,192 tokens among them", peak, "")


def _resident_mib() -> float:
    return resident_bytes() / 2**20


SECTIONS: dict[str, Callable[[Bench], None]] = {
    "speed": measure_speed,
    "spans": measure_spans,
    "memory": measure_memory,
    "lanes": measure_lanes,
    "tasks": compare_tasks,
    "dtypes": compare_dtypes,
    "ranking": compare_rankings,
    "infinity": compare_with_infinity,
}
BESIDE_SENTENCE_TRANSFORMERS = ("query", "queries", "mix", "long", "mix-bf16")


def main() -> None:
    """Run the chosen sections and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    every = (*SECTIONS, *BESIDE_SENTENCE_TRANSFORMERS)
    parser.add_argument("--only", default="speed,spans", help=f"of {','.join(every)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--runtime", default="auto", help="auto, torch or openvino")
    parser.add_argument("--documents", type=int, default=16, help="of the mix")
    parser.add_argument("--embeddings", type=int, default=100_000, help="of memory")
    parser.add_argument("--ranked", type=int, default=356, help="pages of ranking")
    parser.add_argument("--jina", type=Path, help="folder for the random jina-embeddings-v3")
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--hidden", type=int, default=1024)
    parser.add_argument("--infinity", type=Path, help="a Python that has infinity-emb")
    parser.add_argument("--data", type=Path, help="folder of the labelled sets")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",")
    if unknown := set(chosen) - set(every):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    needs = {"jina": {"lanes", "tasks", *BESIDE_SENTENCE_TRANSFORMERS}}
    needs |= {"infinity": {"infinity"}, "data": {"ranking"}}
    for option, sections in needs.items():
        if getattr(arguments, option) is None and sections & set(chosen):
            parser.error(f"--{option} is needed")
    bench = Bench(arguments)
    print(describe_machine(), flush=True)
    for name in chosen:
        if name in SECTIONS:
            SECTIONS[name](bench)
    compare_with_sentence_transformers(bench, chosen)
    print_table(("measure", "of", "value", "goal"), bench.rows, names=2)


if __name__ == "__main__":
    main()
