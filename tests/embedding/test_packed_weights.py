"""Weights of four bits, and the bundled model that is made of them, against transformers."""

import json
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.numpy import load_file, save_file
from transformers import AutoTokenizer, BertConfig, BertModel

from app.config import Settings
from app.domain import Item, Task
from app.embedding.engine import Engine
from app.embedding.loader import BUNDLED, load_engine, open_checkpoint
from app.embedding.torch.q4_0 import PackedRows, unpack
from app.errors import ModelUnavailable, TextTooLong
from ingest.parse_and_cut import count_text_tokens

NAME = "multilingual-e5-small"
FOLDER = BUNDLED[NAME]
TEXTS = (
    "How do I descale the machine?",
    "Die Maschine wird mit Zitronensäure entkalkt.\n\nDanach  zweimal spülen.",
    "コーヒーメーカーはクエン酸で掃除します。",
    "يتم تنظيف الآلة بحمض الستريك.",
    "เครื่องชงกาแฟทำความสะอาดด้วยกรดซิตริก 42 %",
)


def test_block_is_a_scale_and_thirty_two_numbers() -> None:
    scale = np.array([0.5], np.float16).view(np.uint8)
    # Byte j holds number j in its low half and number j + 16 in its high half.
    numbers = np.array([j | (15 - j) << 4 for j in range(16)], np.uint8)
    block = torch.from_numpy(np.concatenate([scale, numbers]))[None, None]
    expected = [(j - 8) * 0.5 for j in range(16)] + [(7 - j) * 0.5 for j in range(16)]
    assert unpack(block).tolist() == [expected]


def test_row_that_is_looked_up_is_the_row_of_the_table() -> None:
    blocks = torch.from_numpy(np.random.default_rng(0).integers(0, 60, (7, 2, 18), dtype=np.uint8))
    rows, ids = PackedRows(blocks), torch.tensor([6, 0, 6])
    assert rows.shape == (7, 64)
    assert torch.equal(rows.look_up(ids), unpack(blocks)[ids])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("task", [Task.QUERY, Task.PASSAGE])
def test_vectors_are_those_of_transformers_with_the_weights_unpacked(
    dtype: Literal["float32", "bfloat16"], task: Task
) -> None:
    prompt = {Task.QUERY: "query: ", Task.PASSAGE: "passage: "}[task]
    embeddings = load(dtype).embed([Item(text, task) for text in TEXTS])
    ours = np.stack([embedding.vector for embedding in embeddings])
    theirs = embed_by_transformers([prompt + text for text in TEXTS])
    if dtype == "float32":
        np.testing.assert_allclose(ours, theirs, atol=2e-5)
    assert (ours * theirs).sum(axis=1).min() > 0.9995


def test_question_is_nearest_to_its_answer_in_any_language() -> None:
    (question,) = load("float32").embed([Item(TEXTS[0], Task.QUERY)])
    others = ["Beutel werden dienstags verschickt.", "袋は火曜日に発送されます。"]
    answers = load("float32").embed([Item(t, Task.PASSAGE) for t in [*TEXTS[1:4], *others]])
    near = [float(question.vector @ answer.vector) for answer in answers]
    assert min(near[:3]) > max(near[3:])


def test_it_reads_512_tokens_and_articles_in_windows_of_256() -> None:
    engine = load("float32")
    assert (engine.max_tokens, engine.unit_tokens, engine.dimensions) == (512, 256, 384)
    with pytest.raises(TextTooLong):
        engine.embed([Item("tea " * 600, Task.QUERY)])


def test_checkpoint_without_some_of_its_weights_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(FOLDER, folder)
    weights = load_file(folder / "model.safetensors")
    weights.pop("encoder.layer.3.output.dense.weight.q4_0")
    save_file(weights, folder / "model.safetensors")
    settings = Settings(model=str(folder))
    with pytest.raises(ModelUnavailable, match=r"lacks 1 weights, such as .*layer\.3"):
        load_engine(open_checkpoint(settings), settings)


@cache
def load(dtype: Literal["float32", "bfloat16"]) -> Engine:
    settings = Settings(model=NAME, dtype=dtype, runtime="torch", device="cpu")
    return load_engine(open_checkpoint(settings), settings)


@cache
def load_reference() -> Any:
    """transformers' model; its weights are unpacked here by numpy."""
    stored = load_file(FOLDER / "model.safetensors") | load_file(FOLDER / "words.safetensors")
    weights = {
        name.removesuffix(".q4_0"): torch.from_numpy(unpack_by_numpy(w) if w.ndim == 3 else w)
        for name, w in stored.items()
    }
    config = BertConfig(**json.loads((FOLDER / "config.json").read_text(encoding="utf-8")))
    with torch.device("meta"):
        model: Any = BertModel(config, add_pooling_layer=False)
    model.load_state_dict(weights, assign=True)
    model.embeddings.position_ids = torch.arange(512)[None]
    model.embeddings.token_type_ids = torch.zeros(1, 512, dtype=torch.long)
    return model.eval()


def unpack_by_numpy(blocks: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    scales = blocks[:, :, :2].copy().view(np.float16).astype(np.float32)
    low, high = blocks[:, :, 2:] & 0x0F, blocks[:, :, 2:] >> 4
    numbers = np.concatenate([low, high], axis=2).astype(np.float32) - 8
    unpacked: npt.NDArray[np.float32] = (numbers * scales).reshape(len(blocks), -1)
    return unpacked


def embed_by_transformers(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    rows = []
    with torch.inference_mode():
        for text in texts:
            read = tokenizer(text, return_tensors="pt")
            hidden = load_reference()(**read).last_hidden_state[0].mean(dim=0)
            rows.append(torch.nn.functional.normalize(hidden, dim=0).numpy())
    return np.stack(rows)


@pytest.mark.parametrize("title", ["", "Tea"])
@pytest.mark.parametrize("text", ["x", "hello", "가나다"])
def test_receipt_counts_the_tokens_of_the_text_alone(title: str, text: str) -> None:
    engine = load("float32")
    read = engine.count_tokens(Item(text, Task.PASSAGE, title))
    assert count_text_tokens(engine, title, [read]) == len(engine.token_starts(text))
