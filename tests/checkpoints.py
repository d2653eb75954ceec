"""Random checkpoints in the published layouts, made with transformers and PEFT."""

import json
from math import log
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    JinaEmbeddingsV3Config,
    JinaEmbeddingsV3Model,
    MPNetConfig,
    MPNetModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaModel,
)

ADAPTERS = ("retrieval_query", "retrieval_passage", "text_matching", "classification", "separation")
PROMPTS = {
    "retrieval.query": "Represent the query for retrieving evidence documents: ",
    "retrieval.passage": "Represent the document for retrieval: ",
}
_HIDDEN = 32
_SMALL: dict[str, Any] = {
    "hidden_size": _HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
# What the tokenizer knows, frequent pieces first. Written down because training breaks ties by
# chance: it would draw another model in each process.
_PIECES = (
    "▁ e a s r th i t l g ▁fo d c : p и rese ▁ho h o f ? , R k y л ▁qu ▁with ▁do ▁retriev "
    "▁document ▁b ut nd in nt ▁co ▁m n er ow co u v _ ) ; [ - ! ( ] . { 0 1 2 3 4 5 6 7 8 9 } / "
    "\\ * # \" ' I Ä Ö Ü ä ö ü ß é è ñ x j z 漢 字 か な к р ц а evi um on w en b q m"
)


def make_jina_v3(
    folder: Path,
    *,
    seed: int = 0,
    max_tokens: int = 8192,
    prompts: dict[str, str] | None = None,
    adapters: tuple[str, ...] = ADAPTERS,
) -> Path:
    """Write a random jina-embeddings-v3 of 32 dimensions with its adapters; returns `folder`."""
    torch.manual_seed(seed)
    tokenizer = make_tokenizer()
    model = JinaEmbeddingsV3Model(
        JinaEmbeddingsV3Config(vocab_size=len(tokenizer), max_position_embeddings=8194, **_SMALL)
    )
    _spread(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for adapter in adapters:
        adapted = JinaEmbeddingsV3Model.from_pretrained(folder)
        adapted.add_adapter(
            LoraConfig(
                r=4,
                lora_alpha=16,
                # Random instead of the usual zeros, so that each adapter changes something.
                init_lora_weights=False,
                target_modules=[
                    "q_proj",
                    "k_proj",
                    "v_proj",
                    "o_proj",
                    "fc1",
                    "fc2",
                    "word_embeddings",
                ],
            ),
            adapter_name=adapter,
        )
        # save_pretrained puts a named adapter into a subfolder of its own name only at times.
        target = folder / adapter
        adapted.save_pretrained(target)
        nested = target / adapter
        if nested.is_dir():
            for file in nested.iterdir():
                file.rename(target / file.name)
            nested.rmdir()
    _write_modules(folder, pooling="mean", max_tokens=max_tokens, prompts=prompts)
    return folder


def make_plain(
    folder: Path,
    architecture: str,
    *,
    pooling: str = "mean",
    max_tokens: int | None = 64,
    prompts: dict[str, str] | None = None,
) -> Path:
    """Write a random `bert`, `mpnet` or `xlm-roberta` of 32 dimensions; returns `folder`."""
    torch.manual_seed(1)
    tokenizer = make_tokenizer()
    shape: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 130,
        "pad_token_id": 1,
        **_SMALL,
    }
    model: PreTrainedModel
    match architecture:
        case "bert":
            model = BertModel(BertConfig(**shape))
        case "mpnet":
            model = MPNetModel(MPNetConfig(**shape))
        case "xlm-roberta":
            model = XLMRobertaModel(XLMRobertaConfig(**shape))
        case _:
            raise ValueError(architecture)
    _spread(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _write_modules(folder, pooling=pooling, max_tokens=max_tokens, prompts=prompts)
    return folder


def make_jina_v2(folder: Path, *, heads: int = 4, max_tokens: int = 8192) -> Path:
    """Write a random jina-embeddings-v2 with the published weight names; returns `folder`."""
    torch.manual_seed(2)
    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(folder)
    hidden, inner = 8 * heads, 64
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(tokenizer), hidden),
        "embeddings.token_type_embeddings.weight": (2, hidden),
        "embeddings.LayerNorm.weight": (hidden,),
        "embeddings.LayerNorm.bias": (hidden,),
    }
    for number in range(2):
        layer = f"encoder.layer.{number}"
        for part in ("query", "key", "value"):
            shapes[f"{layer}.attention.self.{part}.weight"] = (hidden, hidden)
            shapes[f"{layer}.attention.self.{part}.bias"] = (hidden,)
        shapes |= {
            f"{layer}.attention.output.dense.weight": (hidden, hidden),
            f"{layer}.attention.output.dense.bias": (hidden,),
            f"{layer}.attention.output.LayerNorm.weight": (hidden,),
            f"{layer}.attention.output.LayerNorm.bias": (hidden,),
            f"{layer}.mlp.gated_layers.weight": (2 * inner, hidden),
            f"{layer}.mlp.wo.weight": (hidden, inner),
            f"{layer}.mlp.wo.bias": (hidden,),
            f"{layer}.mlp.layernorm.weight": (hidden,),
            f"{layer}.mlp.layernorm.bias": (hidden,),
        }
    save_file(
        {
            name: 0.3 * torch.randn(shape) + 1.0 * ("orm.weight" in name)
            for name, shape in shapes.items()
        },
        folder / "model.safetensors",
    )
    config = {
        "model_type": "bert",
        "auto_map": {"AutoModel": "jinaai/jina-bert-implementation--modeling_bert.JinaBertModel"},
        "position_embedding_type": "alibi",
        "feed_forward_type": "geglu",
        "hidden_size": hidden,
        "num_hidden_layers": 2,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 8192,
        "pad_token_id": 0,
        "vocab_size": len(tokenizer),
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    _write_modules(folder, pooling="mean", max_tokens=max_tokens, prompts=None)
    return folder


def make_cross_encoder(folder: Path, *, classes: int = 1, max_tokens: int = 128) -> Path:
    """Write a random BERT that classifies pairs; returns `folder`."""
    torch.manual_seed(3)
    tokenizer = make_tokenizer()
    tokenizer.model_max_length = max_tokens
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=len(tokenizer),
            max_position_embeddings=max_tokens + 2,
            **_SMALL | {"num_labels": classes},
        )
    )
    _spread(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _spread(model: PreTrainedModel) -> None:
    """Enlarge the random weights: as initialised, all texts come out nearly parallel."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2 and "LayerNorm" not in name:
                parameter.mul_(8.0)


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Return a Unigram tokenizer with XLM-R's special tokens: a pure function of this file."""
    special = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
    # As frequent as words are by Zipf's law.
    pieces = [(piece, -2 - 0.85 * log(1 + n)) for n, piece in enumerate(_PIECES.split())]
    core = Tokenizer(models.Unigram([*special, *pieces], unk_id=3))
    core.normalizer = normalizers.NFKC()
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=8192,
    )


def _write_modules(
    folder: Path, *, pooling: str, max_tokens: int | None, prompts: dict[str, str] | None
) -> None:
    def write(name: str, content: object) -> None:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")

    write(
        "modules.json",
        [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {
                "idx": 1,
                "name": "1",
                "path": "1_Pooling",
                "type": "sentence_transformers.models.Pooling",
            },
            {
                "idx": 2,
                "name": "2",
                "path": "2_Normalize",
                "type": "sentence_transformers.models.Normalize",
            },
        ],
    )
    write(
        "1_Pooling/config.json",
        {
            "word_embedding_dimension": _HIDDEN,
            "pooling_mode_cls_token": pooling == "cls",
            "pooling_mode_mean_tokens": pooling == "mean",
            "pooling_mode_max_tokens": pooling == "max",
            "pooling_mode_mean_sqrt_len_tokens": False,
        },
    )
    if max_tokens is not None:
        write("sentence_bert_config.json", {"max_seq_length": max_tokens, "do_lower_case": False})
    if prompts is not None:
        write(
            "config_sentence_transformers.json", {"prompts": prompts, "default_prompt_name": None}
        )
