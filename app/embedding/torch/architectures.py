"""Reads encoders off transformers' and PEFT's own modules: which weight is where, by model type."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  the name that the field uses
from transformers.activations import ACT2FN

from app.embedding.torch.layers import Layer, Linear, Network, Norm
from app.errors import UnsupportedCheckpoint


def read_network(model: Any, adapters: Sequence[str]) -> Network | None:
    """Read a model of transformers with its PEFT adapters; None for an unknown architecture."""
    read = _READERS.get(model.config.model_type)
    return None if read is None else read(model, adapters)


def _read_jina_v3(model: Any, adapters: Sequence[str]) -> Network | None:
    config = model.config
    if config.rope_parameters["rope_type"] != "default":
        return None
    layers = tuple(
        Layer(
            _join([layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj]),
            _read_linear(layer.self_attn.o_proj),
            _read_norm(layer.post_attention_layernorm),
            _read_linear(layer.mlp.fc1),
            _read_linear(layer.mlp.fc2),
            _read_norm(layer.post_mlp_layernorm),
            ACT2FN[config.hidden_act],
        )
        for layer in model.layers
    )
    words = model.embeddings.word_embeddings
    word_lora = {}
    for name in adapters if hasattr(words, "lora_embedding_A") else ():
        a, b = words.lora_embedding_A[name].data, words.lora_embedding_B[name].data
        word_lora[name] = (a.t().contiguous(), b * words.scaling[name])
    return Network(
        getattr(words, "base_layer", words).weight.data,
        word_lora,
        model.embeddings.token_type_embeddings.weight.data[0],
        None,
        0,
        _read_norm(model.embeddings.LayerNorm),
        layers,
        config.num_attention_heads,
        rope_theta=config.rope_parameters["rope_theta"],
    )


def _read_bert(model: Any, adapters: Sequence[str]) -> Network | None:
    config = model.config
    if adapters or getattr(config, "is_decoder", False):
        return None
    layers = tuple(
        Layer(
            _join(
                [layer.attention.self.query, layer.attention.self.key, layer.attention.self.value]
            ),
            _read_linear(layer.attention.output.dense),
            _read_norm(layer.attention.output.LayerNorm),
            _read_linear(layer.intermediate.dense),
            _read_linear(layer.output.dense),
            _read_norm(layer.output.LayerNorm),
            ACT2FN[config.hidden_act],
        )
        for layer in model.encoder.layer
    )
    return Network(
        model.embeddings.word_embeddings.weight.data,
        {},
        model.embeddings.token_type_embeddings.weight.data[0],
        model.embeddings.position_embeddings.weight.data,
        # RoBERTa's table keeps its first rows for padding.
        0 if config.model_type == "bert" else config.pad_token_id + 1,
        _read_norm(model.embeddings.LayerNorm),
        layers,
        config.num_attention_heads,
    )


def _read_mpnet(model: Any, adapters: Sequence[str]) -> Network | None:
    if adapters:
        return None
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    config = model.config
    table = model.encoder.relative_attention_bias.weight.data

    def bias(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        distance = keys[None, :] - queries[:, None]
        bucket: torch.Tensor = MPNetEncoder.relative_position_bucket(  # type: ignore[no-untyped-call]
            distance, num_buckets=config.relative_attention_num_buckets
        )
        return F.embedding(bucket, table.to(bucket.device)).permute(2, 0, 1)

    layers = tuple(
        Layer(
            _join([layer.attention.attn.q, layer.attention.attn.k, layer.attention.attn.v]),
            _read_linear(layer.attention.attn.o),
            _read_norm(layer.attention.LayerNorm),
            _read_linear(layer.intermediate.dense),
            _read_linear(layer.output.dense),
            _read_norm(layer.output.LayerNorm),
            ACT2FN[config.hidden_act],
        )
        for layer in model.encoder.layer
    )
    return Network(
        model.embeddings.word_embeddings.weight.data,
        {},
        None,
        model.embeddings.position_embeddings.weight.data,
        model.embeddings.padding_idx + 1,
        _read_norm(model.embeddings.LayerNorm),
        layers,
        config.num_attention_heads,
        bias=bias,
    )


_READERS: Mapping[str, Callable[[Any, Sequence[str]], Network | None]] = {
    "jina_embeddings_v3": _read_jina_v3,
    "bert": _read_bert,
    "xlm-roberta": _read_bert,
    "roberta": _read_bert,
    "mpnet": _read_mpnet,
}


def _read_linear(module: Any) -> Linear:
    base = getattr(module, "base_layer", module)
    lora = {}
    for name, a in getattr(module, "lora_A", {}).items():
        b = module.lora_B[name]
        if b.bias is not None or getattr(module, "lora_magnitude_vector", None):
            raise UnsupportedCheckpoint(f"the adapter {name} is more than two low-rank matrices")
        lora[name] = (a.weight.data, b.weight.data * module.scaling[name])
    bias = None if base.bias is None else base.bias.data
    return Linear(base.weight.data, bias, lora)


def _join(modules: Sequence[Any]) -> Linear:
    """Return several projections of one input as one, one under the other."""
    linears = [_read_linear(module) for module in modules]
    names = {name for linear in linears for name in linear.lora}
    lora = {}
    for name in names:
        parts = [
            linear.lora.get(
                name,
                (
                    linear.weight.new_zeros(0, linear.weight.shape[1]),
                    linear.weight.new_zeros(linear.weight.shape[0], 0),
                ),
            )
            for linear in linears
        ]
        joined: torch.Tensor = torch.block_diag(*(b for _, b in parts))  # type: ignore[no-untyped-call]
        lora[name] = (torch.cat([a for a, _ in parts]), joined)
    biases = [linear.bias for linear in linears if linear.bias is not None]
    return Linear(
        torch.cat([linear.weight for linear in linears]),
        torch.cat(biases) if biases else None,
        lora,
    )


def _read_norm(module: Any) -> Norm:
    return Norm(module.weight.data, module.bias.data, module.eps)
