"""Writes a model as a checkpoint folder in the layout of jina-embeddings-v3-hf."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from train.encoder import (
    HEADS,
    HIDDEN,
    INTERMEDIATE,
    LAYER_NORM_EPS,
    LAYERS,
    LINEARS,
    ROPE_THETA,
    Weights,
)

MAX_TOKENS = 8192
ADAPTER_FOLDERS = {"query": "retrieval_query", "passage": "retrieval_passage"}

_ADAPTER_PREFIX = "base_model.model."


def write_checkpoint(
    folder: Path, base: Weights, adapters: Mapping[str, Weights], tokenizer: Tokenizer
) -> None:
    """Write base and adapters (`query`, `passage`) in fp16; what stands there is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    words = base["embeddings.word_embeddings.weight"]
    _write_json(
        folder / "config.json",
        {
            "architectures": ["JinaEmbeddingsV3Model"],
            "model_type": "jina_embeddings_v3",
            "vocab_size": len(words),
            "hidden_size": HIDDEN,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "intermediate_size": INTERMEDIATE,
            "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1,
            "max_position_embeddings": MAX_TOKENS + 2,
            "type_vocab_size": 1,
            "layer_norm_eps": LAYER_NORM_EPS,
            "rope_parameters": {"rope_theta": ROPE_THETA, "rope_type": "default"},
            "pad_token_id": 0,
            "bos_token_id": 101,
            "eos_token_id": 102,
            "matryoshka_dimensions": [64, 128, 256, 384],
            # What to compute in: the files hold halves.
            "dtype": "float32",
        },
    )
    _save(folder / "model.safetensors", base)
    for name, adapter in adapters.items():
        _write_adapter(folder / ADAPTER_FOLDERS[name], adapter)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": True,
            "model_max_length": MAX_TOKENS,
            "cls_token": "[CLS]",
            "sep_token": "[SEP]",
            "pad_token": "[PAD]",
            "unk_token": "[UNK]",
            "mask_token": "[MASK]",
        },
    )
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    _write_json(
        folder / "modules.json",
        [
            {
                "idx": index,
                "name": str(index),
                "path": path,
                "type": f"sentence_transformers.models.{kind}",
            }
            for index, (path, kind) in enumerate(kinds.items())
        ],
    )
    _write_json(
        folder / "1_Pooling" / "config.json",
        {
            "word_embedding_dimension": HIDDEN,
            "pooling_mode_cls_token": False,
            "pooling_mode_mean_tokens": True,
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        },
    )
    _write_json(
        folder / "sentence_bert_config.json",
        {"max_seq_length": MAX_TOKENS, "do_lower_case": False},
    )


def read_weights(
    folder: Path,
) -> tuple[dict[str, torch.Tensor], dict[str, Weights]]:
    """Return base and adapters (`query`, `passage`) of a folder that `write_checkpoint` wrote."""
    adapters: dict[str, Weights] = {
        name: {
            key.removeprefix(_ADAPTER_PREFIX).removesuffix(".weight"): weight
            for key, weight in _load(folder / subfolder / "adapter_model.safetensors").items()
        }
        for name, subfolder in ADAPTER_FOLDERS.items()
    }
    return _load(folder / "model.safetensors"), adapters


def _write_adapter(folder: Path, adapter: Weights) -> None:
    rank = adapter[f"{LINEARS[0]}.lora_A"].shape[0]
    modules = sorted({name.rpartition(".")[2] for name in LINEARS})
    config = LoraConfig(
        r=rank,
        # PEFT scales by alpha / rank: by 1.
        lora_alpha=rank,
        target_modules=modules,
        base_model_name_or_path="..",
        inference_mode=True,
    )
    # PEFT keeps the modules as a set, whose order is another one in each process.
    content = {**config.to_dict(), "target_modules": modules}  # type: ignore[no-untyped-call]
    _write_json(folder / "adapter_config.json", content)
    _save(
        folder / "adapter_model.safetensors",
        {f"{_ADAPTER_PREFIX}{name}.weight": weight for name, weight in adapter.items()},
    )


def _save(path: Path, weights: Weights) -> None:
    halves = {name: weight.to(torch.float16).contiguous() for name, weight in weights.items()}
    if not all(weight.isfinite().all() for weight in halves.values()):
        raise ValueError(f"a weight of {path} has no value in fp16")
    save_file(halves, path, metadata={"format": "pt"})


def _load(path: Path) -> dict[str, torch.Tensor]:
    return {name: weight.float() for name, weight in load_file(path).items()}


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
