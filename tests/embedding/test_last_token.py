"""Models whose last token says it all: jina-embeddings-v5-text, and Qwen3 as published."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pytest
import torch
from peft import LoraConfig
from transformers import (
    AutoTokenizer,
    EuroBertConfig,
    EuroBertModel,
    PreTrainedModel,
    Qwen3Config,
    Qwen3Model,
)

from app.domain import Item, Matrix, Span, Task
from app.embedding.checkpoint import read_checkpoint
from app.embedding.layout import list_weights
from app.embedding.torch.engine import TorchEngine
from app.errors import UnsupportedCheckpoint
from tests.checkpoints import make_tokenizer
from tests.embedding.reference import encode_with_sentence_transformers, normalize

Family: TypeAlias = Literal["nano", "small"]

TEXTS = ("tea", "Hold the button for eight seconds.", "ÄÖÜ é ñ 漢字かな", "hot " * 12)
TASKS = ("retrieval", "text-matching", "classification", "clustering")
FOLDERS = {
    Task.QUERY: ("retrieval", "Query: "),
    Task.PASSAGE: ("retrieval", "Document: "),
    Task.TEXT_MATCHING: ("text-matching", "Document: "),
    Task.CLASSIFICATION: ("classification", "Document: "),
    Task.SEPARATION: ("clustering", "Document: "),
}
_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@pytest.fixture(scope="module", params=["nano", "small"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_jina_v5(tmp_path_factory.mktemp("v5"), request.param)


@pytest.mark.parametrize("task", list(Task))
def test_vectors_are_those_of_transformers_with_the_adapter_of_the_task(
    folder: Path, task: Task
) -> None:
    adapter, prompt = FOLDERS[task]
    engine = TorchEngine(read_checkpoint(folder), device="cpu")
    embeddings = engine.embed([Item(text, task) for text in TEXTS])
    expected = embed_by_peft(folder, [prompt + text for text in TEXTS], adapter)
    np.testing.assert_allclose(np.stack([e.vector for e in embeddings]), expected, atol=1e-5)
    assert [e.tokens for e in embeddings] == [engine.count_tokens(Item(t, task)) for t in TEXTS]


def test_passage_is_a_text_of_its_own_under_the_title(folder: Path) -> None:
    engine = TorchEngine(read_checkpoint(folder), device="cpu")
    text, spans = "Tea is hot. Milk is cold.", (Span(0, 11), Span(12, 25))
    whole, bare = engine.embed(
        [Item(text, Task.PASSAGE, "Drinks", spans), Item(text, Task.PASSAGE, "Drinks")]
    )
    parts = ["Document: Drinks\n\nTea is hot.", "Document: Drinks\n\nMilk is cold."]
    np.testing.assert_allclose(whole.passages, embed_by_peft(folder, parts, "retrieval"), atol=1e-5)
    np.testing.assert_allclose(whole.vector, bare.vector, atol=1e-6)
    assert (whole.tokens, bare.passages.shape) == (bare.tokens, (0, 32))
    assert not engine.late_chunking


def test_dimensions_are_cut_freely_and_questions_share_the_adapter_of_articles(
    folder: Path,
) -> None:
    checkpoint = read_checkpoint(folder)
    assert checkpoint.check_dimensions(16) == 16
    assert not checkpoint.has_query_adapter


def test_folder_without_the_adapter_of_retrieval_is_refused(tmp_path: Path) -> None:
    made = make_jina_v5(tmp_path, "small")
    (made / "adapters" / "retrieval" / "adapter_config.json").unlink()
    with pytest.raises(UnsupportedCheckpoint, match="lacks the adapters adapters/retrieval"):
        read_checkpoint(made)


@pytest.mark.parametrize("family", ["nano", "small"])
def test_merged_folder_gives_the_vectors_of_sentence_transformers(
    tmp_path: Path, family: Family
) -> None:
    make_base(family).save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    write_layout(tmp_path)
    engine = TorchEngine(read_checkpoint(tmp_path), device="cpu")
    for task, prompt in ((Task.QUERY, "Query: "), (Task.PASSAGE, "Document: ")):
        ours = np.stack([e.vector for e in engine.embed([Item(t, task) for t in TEXTS])])
        theirs = encode_with_sentence_transformers(tmp_path, TEXTS, prompt=prompt)
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def make_base(family: Family) -> PreTrainedModel:
    torch.manual_seed(5)
    sizes: dict[str, Any] = {
        "vocab_size": len(make_tokenizer()),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "head_dim": 8,
        "max_position_embeddings": 256,
        "initializer_range": 0.3,
        "pad_token_id": 1,
    }
    if family == "nano":
        return EuroBertModel(EuroBertConfig(num_key_value_heads=4, **sizes))
    return Qwen3Model(Qwen3Config(num_key_value_heads=2, **sizes))


def make_jina_v5(folder: Path, family: Family) -> Path:
    """Write a random jina-embeddings-v5-text in the published layout; returns `folder`."""
    base = make_base(family)
    base.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {
        "model_type": "jina_embeddings_v5",
        "architectures": ["JinaEmbeddingsV5Model"],
        "auto_map": {"AutoModel": "modeling_jina_embeddings_v5.JinaEmbeddingsV5Model"},
        "task_names": TASKS,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for name in TASKS:
        adapter = LoraConfig(r=4, lora_alpha=4, target_modules=_TARGETS, init_lora_weights=False)
        adapted: Any = make_base(family)
        adapted.add_adapter(adapter)
        adapted.save_pretrained(folder / "adapters" / name)
    return folder


def write_layout(folder: Path) -> None:
    """Write what the published folders of one task declare beside weights and tokenizer."""
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds.items())
    ]
    contents = {
        "modules.json": modules,
        "1_Pooling/config.json": {"word_embedding_dimension": 32, "pooling_mode_lasttoken": True},
        "config_sentence_transformers.json": {
            "prompts": {"query": "Query: ", "document": "Document: "}
        },
    }
    for name, content in contents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content), encoding="utf-8")


def embed_by_peft(folder: Path, texts: Sequence[str], adapter: str) -> Matrix:
    """Run the base and one adapter, text by text, and take the state of the last token."""
    family: Family = "small" if "q_norm" in str(list_weights(folder)) else "nano"
    model: Any = make_base(family)
    model.load_adapter(str(folder / "adapters" / adapter), adapter_name="one")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        states = [
            model.eval()(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, -1]
            for text in texts
        ]
    return np.stack([normalize(state.numpy()) for state in states])
