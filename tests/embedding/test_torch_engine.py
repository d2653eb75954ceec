"""Vectors are those of the published implementation, whatever shares their batch or their turn."""

import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  the name that the field uses
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch.profiler import profile
from transformers import AutoModel, ViTConfig, ViTModel

from app.config import Settings
from app.domain import Embedding, Item, Span, Task
from app.embedding.checkpoint import Checkpoint, read_checkpoint
from app.embedding.loader import load_engine, open_checkpoint
from app.embedding.torch.engine import TorchEngine
from app.embedding.torch.layers import Groups, Linear
from app.embedding.torch.packed import (
    PackedEncoder,
    attend_by_products,
    can_prepack,
    pick_dtype,
)
from app.errors import InvalidRequest, ModelUnavailable, TextTooLong
from tests.checkpoints import PROMPTS, make_jina_v3, make_plain
from tests.embedding.reference import (
    encode_with_sentence_transformers,
    normalize,
    read_hidden_states,
)
from train.teacher import find_teacher

TEXTS = [
    "tea",
    "How do I reset the machine?",
    "Hold the button for eight seconds, then wait until it is cold.",
    "ÄÖÜ é ñ 漢字かな кириллица 🙂 ½",
    "hot " * 12,
    "two\n\nparagraphs\tand a tab",
    "(milk)",
    "",
]
TEXT = "Tea is hot. Milk is cold, sugar is not. Coffee without sugar: é 漢字. The end"
SPANS = (Span(0, 11), Span(12, 39), Span(40, 69), Span(63, 65), Span(70, 77), Span(4, 6))


@pytest.fixture(scope="module")
def engine(jina_v3: Path) -> TorchEngine:
    """The jina-embeddings-v3 with prompts."""
    return TorchEngine(read_checkpoint(jina_v3), device="cpu")


@pytest.fixture(scope="module")
def short_engine(short_jina_v3: Path) -> TorchEngine:
    """The same weights without prompts, 64 tokens."""
    return TorchEngine(read_checkpoint(short_jina_v3), device="cpu")


@pytest.fixture(scope="module")
def bundled() -> TorchEngine:
    """The model that comes with the installation: folio-mini."""
    return TorchEngine(open_checkpoint(Settings()), device="cpu")


@pytest.fixture(scope="module")
def minilm() -> TorchEngine:
    """The real all-MiniLM-L6-v2, a plain encoder with a short window."""
    return TorchEngine(read_checkpoint(find_teacher()), device="cpu")


def embed_texts(engine: TorchEngine, texts: Sequence[str], task: Task) -> Any:
    return np.stack([e.vector for e in engine.embed([Item(text, task) for text in texts])])


def assert_same(ours: object, theirs: object) -> None:
    np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=0)  # type: ignore[call-overload]


def assert_same_embeddings(ours: Sequence[Embedding], theirs: Sequence[Embedding]) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert_same(a.vector, b.vector)
        assert_same(a.passages, b.passages)
        assert (a.tokens, a.text_tokens) == (b.tokens, b.text_tokens)


def make_items(count: int = 24) -> list[Item]:
    """Return items of all tasks and many lengths, some with title and spans."""
    tasks = list(Task)
    return [
        Item(
            "tea with milk " * (i % 7) + f"and cup {i}.",
            tasks[i % len(tasks)],
            title="Hot tea" if i % 3 else "",
            spans=(Span(0, 5), Span(4, 9 + i)) if i % 2 else (),
        )
        for i in range(count)
    ]


# Fidelity


@pytest.mark.parametrize("task", Task)
@pytest.mark.parametrize("prompts", [True, False], ids=["prompts", "no prompts"])
def test_every_task_gives_the_vectors_of_sentence_transformers(
    engine: TorchEngine, short_engine: TorchEngine, task: Task, prompts: bool
) -> None:
    ours = engine if prompts else short_engine
    checkpoint = ours.checkpoint
    expected = encode_with_sentence_transformers(
        checkpoint.folder,
        TEXTS,
        adapter=checkpoint.adapters[task],
        prompt=PROMPTS.get(task, "") if prompts else "",
    )
    assert_same(embed_texts(ours, TEXTS, task), expected)


@pytest.mark.parametrize("task", Task)
def test_every_task_gives_the_vectors_of_its_adapter_alone(engine: TorchEngine, task: Task) -> None:
    """A model that was loaded with one adapter only knows nothing of the others."""
    expected = [
        normalize(
            read_hidden_states(
                engine.checkpoint.folder,
                PROMPTS.get(task, "") + text,
                adapter=engine.checkpoint.adapters[task],
            ).vectors.mean(axis=0)
        )
        for text in TEXTS
    ]
    assert_same(embed_texts(engine, TEXTS, task), expected)


def test_every_adapter_gives_other_vectors(short_engine: TorchEngine) -> None:
    vectors = [embed_texts(short_engine, ["hot tea"], task)[0] for task in Task]
    base = read_hidden_states(short_engine.checkpoint.folder, "hot tea").vectors.mean(axis=0)
    vectors.append(normalize(base))
    similarities = np.stack(vectors) @ np.stack(vectors).T
    assert (similarities - np.eye(len(vectors)) < 0.99).all()


@pytest.mark.parametrize("architecture", ["bert", "mpnet", "xlm-roberta"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_plain_encoder_gives_the_vectors_of_sentence_transformers(
    tmp_path: Path, architecture: str, pooling: str
) -> None:
    folder = make_plain(tmp_path, architecture, pooling=pooling, prompts={"query": "query: "})
    ours = TorchEngine(read_checkpoint(folder), device="cpu")
    for task, prompt in [(Task.PASSAGE, ""), (Task.QUERY, "query: ")]:
        expected = encode_with_sentence_transformers(folder, TEXTS, prompt=prompt)
        assert_same(embed_texts(ours, TEXTS, task), expected)


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_prompt_that_is_left_out_of_the_pooling_is_left_out(tmp_path: Path, pooling: str) -> None:
    folder = make_plain(tmp_path, "bert", max_tokens=128, prompts=PROMPTS)
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"embedding_dimension": 32, "pooling_mode": pooling, "include_prompt": False})
    )
    ours = TorchEngine(read_checkpoint(folder), device="cpu")
    texts = [text for text in TEXTS if text]
    for name, prompt in PROMPTS.items():
        expected = encode_with_sentence_transformers(folder, texts, prompt=prompt)
        assert_same(embed_texts(ours, texts, Task(name)), expected)


def test_model_that_lowercases_its_input_gives_the_vectors_of_sentence_transformers(
    tmp_path: Path,
) -> None:
    folder = make_plain(tmp_path, "bert")
    (folder / "sentence_bert_config.json").write_text(
        json.dumps({"max_seq_length": 64, "do_lower_case": True})
    )
    ours = TorchEngine(read_checkpoint(folder), device="cpu")
    expected = encode_with_sentence_transformers(folder, ["HOT Tea"])
    assert_same(embed_texts(ours, ["HOT Tea"], Task.PASSAGE), expected)


@pytest.mark.slow
def test_minilm_gives_the_vectors_of_sentence_transformers(minilm: TorchEngine) -> None:
    expected = encode_with_sentence_transformers(minilm.checkpoint.folder, TEXTS)
    for task in Task:
        assert_same(embed_texts(minilm, TEXTS, task), expected)


@pytest.mark.slow
@pytest.mark.parametrize("task", [Task.QUERY, Task.PASSAGE])
def test_bundled_model_gives_the_vectors_of_sentence_transformers(
    bundled: TorchEngine, task: Task
) -> None:
    checkpoint = bundled.checkpoint
    expected = encode_with_sentence_transformers(
        checkpoint.folder, TEXTS, adapter=checkpoint.adapters[task]
    )
    assert_same(embed_texts(bundled, TEXTS, task), expected)


@pytest.mark.slow
def test_bundled_model_knows_what_belongs_together(bundled: TorchEngine) -> None:
    (question,) = embed_texts(bundled, ["How do I descale it?"], Task.QUERY)
    answer, other = embed_texts(
        bundled, ["Remove limescale with citric acid.", "Bags ship on Tuesdays."], Task.PASSAGE
    )
    assert question @ answer > question @ other + 0.1


# Batches


@pytest.mark.parametrize("batch_tokens", [64, 256, 4096])
def test_row_in_a_batch_equals_the_row_alone(jina_v3: Path, batch_tokens: int) -> None:
    ours = TorchEngine(read_checkpoint(jina_v3), device="cpu", batch_tokens=batch_tokens)
    items = make_items()
    assert_same_embeddings(ours.embed(items), [ours.embed([item])[0] for item in items])


def test_tasks_in_one_call_equal_a_call_for_each_task(engine: TorchEngine) -> None:
    items = make_items()
    together = engine.embed(items)
    for task in Task:
        mine = [i for i, item in enumerate(items) if item.task is task]
        assert_same_embeddings([together[i] for i in mine], engine.embed([items[i] for i in mine]))


def test_no_items_give_no_embeddings(engine: TorchEngine) -> None:
    assert engine.embed([]) == []


@pytest.mark.parametrize("merge_bytes", [0, 2**30], ids=["grouped", "merged"])
def test_adapters_grouped_and_merged_give_the_vectors_of_one_task_at_a_time(
    jina_v3: Path, merge_bytes: int
) -> None:
    ours = TorchEngine(read_checkpoint(jina_v3), device="cpu", merge_bytes=merge_bytes)
    assert isinstance(ours._encoder, PackedEncoder)
    assert len(ours._encoder.merged) == (5 if merge_bytes else 0)
    items = make_items(40)
    together = ours.embed(items)
    for task in Task:
        mine = [i for i, item in enumerate(items) if item.task is task]
        assert_same_embeddings([together[i] for i in mine], ours.embed([items[i] for i in mine]))


@pytest.mark.parametrize("architecture", ["jina-v3", "bert", "mpnet", "xlm-roberta"])
def test_small_blocks_give_the_vectors_of_large_ones(
    tmp_path: Path, jina_v3: Path, architecture: str
) -> None:
    folder = jina_v3
    if architecture != "jina-v3":
        folder = make_plain(tmp_path, architecture, max_tokens=128)
    ours = TorchEngine(read_checkpoint(folder), device="cpu")
    items = [Item("tea with milk " * count, Task.PASSAGE) for count in (13, 13, 1, 10)]
    whole = ours.embed(items)
    encoder = ours._encoder
    assert isinstance(encoder, PackedEncoder)
    encoder._step_flops = 1.0
    assert_same_embeddings(ours.embed(items), whole)


@pytest.mark.parametrize("shape", [(1, 12, 1300, 32), (3, 2, 130, 16), (40, 2, 512, 8)])
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02)])
def test_attention_by_products_is_that_of_the_kernel(
    shape: tuple[int, int, int, int], dtype: torch.dtype, allowed: float
) -> None:
    """With more heads, queries and scores than stay in a block, from rows as they lie in a pass."""
    count, heads, length, width = shape
    chance = torch.Generator().manual_seed(0)
    packed = torch.randn(count, length, 3, heads, width, generator=chance).to(dtype)
    q, k, v = packed.permute(2, 0, 3, 1, 4)
    found = torch.empty(count, length, heads, width, dtype=dtype)

    steps = sum(1 for _ in attend_by_products(q, k, v, found.transpose(1, 2), step_flops=1e6))

    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)
    torch.testing.assert_close(found, expected, rtol=0, atol=allowed)
    assert steps > 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_passes_of_many_lengths_share_the_shapes_of_their_products(
    bundled: TorchEngine, dtype: torch.dtype
) -> None:
    """What oneDNN keeps for every shape must not grow with the lengths of what is read."""
    if not can_prepack("cpu", dtype):
        pytest.skip("this processor has no kernels of oneDNN for it")
    engine = TorchEngine(bundled.checkpoint, device="cpu", dtype=str(dtype).removeprefix("torch."))
    assert isinstance(engine._encoder, PackedEncoder)
    lengths = range(129, 257, 3)
    with torch.inference_mode(), profile(record_shapes=True) as recorded:
        for length in lengths:
            for _ in engine._encoder.run(torch.ones(length, dtype=torch.long), [length], [""]):
                pass

    products = {(event.name, str(event.input_shapes)) for event in recorded.events()}
    counts = Counter(name for name, _ in products)
    # Filled up to multiples of 16, and the four weights of a layer have four shapes.
    assert counts["mkldnn::_linear_pointwise"] == 4 * 8
    # Multiples of 32; in float32 attention is torch's kernel.
    for name in ("aten::baddbmm", "aten::bmm"):
        assert counts[name] == (4 if engine._encoder._multiplies else 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("tokens", [1, 7, 192, 500])
def test_prepacked_weight_gives_the_products_of_the_plain_one(
    tokens: int, dtype: torch.dtype
) -> None:
    if not can_prepack("cpu", dtype):
        pytest.skip("this processor has no kernels of oneDNN for it")
    torch.manual_seed(0)
    a, b = torch.randn(4, 96), torch.randn(160, 4)
    plain = Linear(torch.randn(160, 96), torch.randn(160), {"x": (a, b)}).moved("cpu", dtype)
    x = torch.randn(tokens, 96)
    for groups in (None, Groups(("x",), None)):
        ours, expected = (linear(x, groups).float() for linear in (plain.prepacked(), plain))
        torch.testing.assert_close(
            ours, expected, rtol=0, atol=1e-4 if dtype == torch.float32 else 0.5
        )


def test_architecture_without_a_packed_form_gives_the_vectors_of_sentence_transformers(
    jina_v3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.embedding.torch.engine.read_network", lambda *_: None)
    plain = make_plain(tmp_path, "bert")
    ours = TorchEngine(read_checkpoint(plain), device="cpu")
    assert not isinstance(ours._encoder, PackedEncoder)
    expected = encode_with_sentence_transformers(plain, TEXTS)
    assert_same(embed_texts(ours, TEXTS, Task.PASSAGE), expected)
    adapted = TorchEngine(read_checkpoint(jina_v3), device="cpu")
    packed_items = make_items()
    monkeypatch.undo()
    packed = TorchEngine(read_checkpoint(jina_v3), device="cpu")
    assert_same_embeddings(adapted.embed(packed_items), packed.embed(packed_items))


@pytest.mark.slow
def test_bfloat16_is_near_float32_where_values_are_real(bundled: TorchEngine) -> None:
    """The mean over the texts is taken away: it is in all vectors and hides differences."""
    half = TorchEngine(bundled.checkpoint, device="cpu", dtype="bfloat16")
    assert half.dtype == "bfloat16"
    texts = [text for text in TEXTS if text]
    ours, theirs = (embed_texts(e, texts, Task.PASSAGE) for e in (half, bundled))
    ours, theirs = ours - ours.mean(axis=0), theirs - theirs.mean(axis=0)
    cosines = (ours * theirs).sum(axis=1) / (
        np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    )
    assert cosines.min() > 0.999


# Shape


def test_vectors_are_float32_of_unit_length(engine: TorchEngine) -> None:
    for item, embedding in zip(make_items(), engine.embed(make_items()), strict=True):
        assert embedding.vector.shape == (32,)
        assert embedding.passages.shape == (len(item.spans), 32)
        for vector in (embedding.vector, *embedding.passages):
            assert vector.dtype == np.float32
            assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("dimensions", [1, 8, 31, 32])
def test_fewer_dimensions_are_the_first_ones_at_unit_length(
    engine: TorchEngine, jina_v3: Path, dimensions: int
) -> None:
    items = [Item(TEXT, Task.PASSAGE, "Tea", SPANS), Item("tea", Task.QUERY)]
    whole = engine.embed(items)
    asked = engine.embed(items, dimensions=dimensions)
    configured = TorchEngine(read_checkpoint(jina_v3, dimensions=dimensions), device="cpu")
    assert configured.dimensions == dimensions
    for full, *cuts in zip(whole, asked, configured.embed(items), strict=True):
        for cut in cuts:
            assert_same(cut.vector, normalize(full.vector[:dimensions]))
            lengths = np.linalg.norm(full.passages[:, :dimensions], axis=1, keepdims=True)
            assert_same(cut.passages, full.passages[:, :dimensions] / lengths)


@pytest.mark.parametrize("dimensions", [0, 33])
def test_dimensions_that_the_model_has_not_are_refused(
    engine: TorchEngine, dimensions: int
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        engine.embed([Item("tea", Task.QUERY)], dimensions=dimensions)
    assert caught.value.code == "unsupported_dimensions"


def test_model_without_matryoshka_training_is_not_cut(minilm: TorchEngine) -> None:
    with pytest.raises(InvalidRequest, match="384 dimensions"):
        minilm.embed([Item("tea", Task.QUERY)], dimensions=128)


def test_task_without_an_adapter_is_refused(tmp_path: Path) -> None:
    folder = make_jina_v3(tmp_path, adapters=("retrieval_query", "retrieval_passage"))
    ours = TorchEngine(read_checkpoint(folder), device="cpu")
    with pytest.raises(InvalidRequest, match="no adapter for the task separation"):
        ours.embed([Item("tea", Task.QUERY), Item("tea", Task.SEPARATION)])
    assert len(ours.embed([Item("tea", Task.QUERY)])) == 1


# The window


def make_text_of(engine: TorchEngine, tokens: int, task: Task, title: str = "") -> str:
    """Return a text with which an item has exactly `tokens` tokens."""
    text = ""
    while (count := engine.count_tokens(Item(text, task, title))) < tokens:
        text += " q" if tokens - count > 1 else "q"
    assert count == tokens
    return text


@pytest.mark.parametrize("title", ["", "Hot tea"])
@pytest.mark.parametrize(("task", "what"), [(Task.QUERY, "the query"), (Task.PASSAGE, "the text")])
@pytest.mark.parametrize("prompts", [True, False], ids=["prompts", "no prompts"])
def test_text_of_exactly_the_window_is_read_and_one_token_more_is_refused(
    jina_v3: Path, short_engine: TorchEngine, task: Task, what: str, title: str, prompts: bool
) -> None:
    ours = short_engine
    if prompts:
        ours = TorchEngine(replace(read_checkpoint(jina_v3), max_tokens=64), device="cpu")
    fitting = make_text_of(ours, 64, task, title)
    (embedding,) = ours.embed([Item(fitting, task, title)])
    assert embedding.tokens == 64
    longer = make_text_of(ours, 65, task, title)
    with pytest.raises(TextTooLong) as caught:
        ours.embed([Item("tea", task), Item(longer, task, title)])
    assert (caught.value.tokens, caught.value.max_tokens) == (65, 64)
    assert str(caught.value) == f"{what} has 65 tokens; the model reads at most 64"


def test_title_and_prompt_count_against_the_window(jina_v3: Path, engine: TorchEngine) -> None:
    text = make_text_of(engine, 64, Task.PASSAGE)
    ours = TorchEngine(replace(read_checkpoint(jina_v3), max_tokens=64), device="cpu")
    ours.embed([Item(text, Task.PASSAGE), Item(text, Task.TEXT_MATCHING)])
    # The prompt of a query is longer than that of a passage.
    for item in (Item(text, Task.PASSAGE, "Tea"), Item(text, Task.QUERY)):
        with pytest.raises(TextTooLong):
            ours.embed([item])


def test_nothing_is_cut_below_the_window(engine: TorchEngine) -> None:
    """The last word of a long text still changes its vector."""
    long = "tea with milk " * 100
    vectors = embed_texts(engine, [long + "hot", long + "cold"], Task.PASSAGE)
    assert not np.allclose(vectors[0], vectors[1], atol=1e-6)


@pytest.mark.slow
def test_minilm_reads_256_tokens(minilm: TorchEngine) -> None:
    (embedding,) = minilm.embed([Item("tea " * 254, Task.PASSAGE)])
    assert (embedding.tokens, embedding.text_tokens) == (256, 254)
    with pytest.raises(TextTooLong, match="has 257 tokens; the model reads at most 256"):
        minilm.embed([Item("tea " * 255, Task.PASSAGE)])


@pytest.mark.slow
def test_bundled_model_reads_8192_tokens(bundled: TorchEngine) -> None:
    (embedding,) = bundled.embed([Item("tea " * 8190, Task.PASSAGE)])
    assert (embedding.tokens, embedding.text_tokens) == (8192, 8190)
    with pytest.raises(TextTooLong, match="has 8193 tokens; the model reads at most 8192"):
        bundled.embed([Item("tea " * 8191, Task.PASSAGE)])


# Tokens


def tokenizer_of(checkpoint: Checkpoint) -> Tokenizer:
    return Tokenizer.from_file(str(checkpoint.folder / "tokenizer.json"))


@pytest.mark.parametrize("text", [*TEXTS, TEXT])
@pytest.mark.parametrize("title", ["", "Hot tea", "漢字"])
@pytest.mark.parametrize("task", [Task.QUERY, Task.PASSAGE, Task.SEPARATION])
def test_tokens_are_counted_as_the_tokenizer_does(
    engine: TorchEngine, text: str, title: str, task: Task
) -> None:
    tokenizer = tokenizer_of(engine.checkpoint)
    prefix = PROMPTS.get(task, "") + (f"{title}\n\n" if title else "")
    encoding = tokenizer.encode(prefix + text)
    (embedding,) = engine.embed([Item(text, task, title)])
    assert engine.count_tokens(Item(text, task, title)) == embedding.tokens == len(encoding.ids)
    assert engine.overhead(title, task) == len(tokenizer.encode(prefix).ids)
    own = [
        offsets
        for offsets, special in zip(encoding.offsets, encoding.special_tokens_mask, strict=True)
        if not special and offsets[1] > len(prefix)
    ]
    assert embedding.text_tokens == len(own)


@pytest.mark.parametrize("text", [*TEXTS, TEXT, "  leading and trailing  "])
def test_token_starts_are_the_ascending_offsets_of_the_tokenizer(
    engine: TorchEngine, minilm: TorchEngine, text: str
) -> None:
    for ours in (engine, minilm):
        tokenizer = tokenizer_of(ours.checkpoint)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        expected = [start for start, _ in tokenizer.encode(text, add_special_tokens=False).offsets]
        starts = ours.token_starts(text)
        assert starts.tolist() == expected == sorted(expected)


def test_tokens_are_counted_beyond_the_window(minilm: TorchEngine) -> None:
    """The tokenizer file of MiniLM asks for truncation and padding to 128 tokens."""
    assert minilm.count_tokens(Item("tea " * 1000, Task.PASSAGE)) == 1002
    assert len(minilm.token_starts("tea " * 1000)) == 1000
    assert minilm.count_tokens(Item("tea", Task.PASSAGE)) == 3


# Spans


@pytest.mark.parametrize("title", ["", "Hot tea"])
@pytest.mark.parametrize("task", [Task.PASSAGE, Task.QUERY, Task.SEPARATION])
def test_span_is_the_mean_of_exactly_its_tokens(
    engine: TorchEngine, title: str, task: Task
) -> None:
    prefix = PROMPTS.get(task, "") + (f"{title}\n\n" if title else "")
    states = read_hidden_states(
        engine.checkpoint.folder, prefix + TEXT, adapter=engine.checkpoint.adapters[task]
    )
    (embedding,) = engine.embed([Item(TEXT, task, title, SPANS)])
    expected = [states.pool(span.shifted(len(prefix))) for span in SPANS]
    assert_same(embedding.passages, expected)
    assert_same(embedding.vector, normalize(states.vectors.mean(axis=0)))


@pytest.mark.slow
def test_span_of_the_bundled_model_is_the_mean_of_exactly_its_tokens(bundled: TorchEngine) -> None:
    states = read_hidden_states(
        bundled.checkpoint.folder, f"Hot tea\n\n{TEXT}", adapter="retrieval_passage"
    )
    (embedding,) = bundled.embed([Item(TEXT, Task.PASSAGE, "Hot tea", SPANS)])
    assert_same(embedding.passages, [states.pool(span.shifted(9)) for span in SPANS])


@pytest.mark.parametrize("architecture", ["bert", "mpnet", "xlm-roberta"])
@pytest.mark.parametrize("pooling", ["cls", "max"])
def test_span_is_a_mean_whatever_pools_the_unit(
    tmp_path: Path, architecture: str, pooling: str
) -> None:
    folder = make_plain(tmp_path, architecture, pooling=pooling)
    states = read_hidden_states(folder, "tea with milk")
    ours = TorchEngine(read_checkpoint(folder), device="cpu")
    (embedding,) = ours.embed([Item("tea with milk", Task.PASSAGE, spans=(Span(4, 8),))])
    assert_same(embedding.passages[0], states.pool(Span(4, 8)))


def test_span_over_the_whole_text_leaves_out_the_special_tokens(short_engine: TorchEngine) -> None:
    text = "Tea is hot, milk is cold"
    folder = short_engine.checkpoint.folder
    states = read_hidden_states(folder, text, adapter="retrieval_passage")
    (embedding,) = short_engine.embed([Item(text, Task.PASSAGE, spans=(Span(0, len(text)),))])
    assert_same(embedding.vector, normalize(states.vectors.mean(axis=0)))
    assert_same(embedding.passages[0], normalize(states.vectors[1:-1].mean(axis=0)))
    assert not np.allclose(embedding.vector, embedding.passages[0], atol=1e-4)
    assert (embedding.tokens, embedding.text_tokens) == (
        len(states.special),
        len(states.special) - 2,
    )


@pytest.mark.slow
def test_span_without_tokens_reads_as_its_unit(bundled: TorchEngine) -> None:
    text = "tea   milk \u200b"
    (embedding,) = bundled.embed(
        [Item(text, Task.PASSAGE, "Title", spans=(Span(3, 6), Span(11, 12), Span(0, 3)))]
    )
    assert_same(embedding.passages[0], embedding.vector)
    assert_same(embedding.passages[1], embedding.vector)
    assert not np.allclose(embedding.passages[2], embedding.vector, atol=1e-3)


def test_same_span_in_another_text_has_another_vector(engine: TorchEngine) -> None:
    """What stands around a passage is in its vector: that is why one pass makes all of them."""
    first, second = engine.embed(
        [
            Item(f"The tea is hot. {rest}", Task.PASSAGE, spans=(Span(0, 15),))
            for rest in ("Add milk.", "The machine is cold and without sugar.")
        ]
    )
    assert not np.allclose(first.passages[0], second.passages[0], atol=1e-4)


# Threads


def test_many_threads_get_the_vectors_of_one(engine: TorchEngine) -> None:
    calls = [make_items(24)[start : start + 4] for start in range(0, 24, 4)] * 4
    serial = [engine.embed(call) for call in calls]
    with ThreadPoolExecutor(8) as threads:
        for ours, theirs in zip(threads.map(engine.embed, calls), serial, strict=True):
            assert_same_embeddings(ours, theirs)


# Loading


def test_engine_is_loaded_with_what_the_checkpoint_declares(jina_v3: Path) -> None:
    checkpoint = read_checkpoint(jina_v3, dimensions=8)
    engine = load_engine(checkpoint, Settings(device="cpu", dtype="float32", runtime="torch"))
    assert (engine.name, engine.dtype, engine.device) == ("torch", "float32", "cpu")
    assert (engine.max_tokens, engine.dimensions) == (8192, 8)
    engine.warm_up()


@pytest.mark.parametrize("late", [torch.float32, torch.bfloat16])
def test_number_format_is_the_same_however_long_a_processor_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, late: torch.dtype
) -> None:
    weight = torch.ones(1024, 512)
    chosen, threads, multiply = pick_dtype(weight), torch.get_num_threads(), F.linear

    def multiply_late(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        # As on a busy machine: others have the processor.
        Event().wait(0.02 if x.dtype == late else 0)
        return multiply(x, w)

    monkeypatch.setattr(F, "linear", multiply_late)
    assert pick_dtype(weight) == chosen
    assert torch.get_num_threads() == threads


def test_same_input_gives_the_same_vector(engine: TorchEngine) -> None:
    first, second = (engine.embed([Item(TEXT, Task.PASSAGE)])[0] for _ in range(2))
    assert np.array_equal(first.vector, second.vector)


def test_weights_in_half_precision_run_in_full(tmp_path: Path) -> None:
    folder = make_plain(tmp_path, "bert")
    AutoModel.from_pretrained(folder).half().save_pretrained(folder)
    engine = TorchEngine(read_checkpoint(folder), device="cpu")
    assert isinstance(engine._encoder, PackedEncoder)
    assert (engine.dtype, engine._encoder.dtype) == ("float32", torch.float32)
    assert_same(
        embed_texts(engine, TEXTS, Task.PASSAGE), encode_with_sentence_transformers(folder, TEXTS)
    )


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_damaged_file_makes_the_model_unavailable(tmp_path: Path, name: str) -> None:
    folder = make_plain(tmp_path, "bert")
    checkpoint = read_checkpoint(folder)
    (folder / name).write_bytes(b"damaged")
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        load_engine(checkpoint, Settings(device="cpu"))


def test_checkpoint_that_lacks_a_weight_is_refused_by_its_name(tmp_path: Path) -> None:
    folder = make_plain(tmp_path, "bert")
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelUnavailable, match=r"lacks 1 weights, such as encoder\.layer\.1\."):
        load_engine(read_checkpoint(folder), Settings(device="cpu"))


@pytest.mark.parametrize("adapter", ["retrieval_query", "retrieval_passage"])
def test_adapter_that_lacks_a_weight_is_refused_by_its_name(
    tmp_path: Path, jina_v3: Path, adapter: str
) -> None:
    folder = Path(copytree(jina_v3, tmp_path / "model"))
    file = folder / adapter / "adapter_model.safetensors"
    weights = load_file(file)
    lost = next(name for name in weights if "fc1.lora_B" in name)
    del weights[lost]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ModelUnavailable, match=rf"{adapter} lacks 1 weights, such as .*fc1"):
        load_engine(read_checkpoint(folder), Settings(device="cpu"))


def test_model_that_is_loaded_and_does_not_run_is_unavailable(tmp_path: Path) -> None:
    folder = make_plain(tmp_path, "bert")
    ViTModel(
        ViTConfig(
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=4,
            intermediate_size=64,
            image_size=8,
            patch_size=4,
        )
    ).save_pretrained(folder)
    engine = load_engine(read_checkpoint(folder), Settings(device="cpu"))
    with pytest.raises(ModelUnavailable, match="cannot be run on cpu"):
        engine.warm_up()


def test_unknown_device_makes_the_model_unavailable(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(make_plain(tmp_path, "bert"))
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        load_engine(checkpoint, Settings(device="no-such-device"))
