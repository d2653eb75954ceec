"""A random jina-embeddings-v3 in the published layout: speed does not depend on the values."""

import random
from collections.abc import Sequence
from pathlib import Path

from peft import LoraConfig
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import JinaEmbeddingsV3Config, JinaEmbeddingsV3Model, PreTrainedTokenizerFast

from app.domain import Task

WORDS = tuple(f"w{i}" for i in range(5000))
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "fc1", "fc2", "word_embeddings"]


def make_checkpoint(folder: Path, *, layers: int = 24, hidden: int = 1024) -> None:
    """Write the checkpoint with its five adapters of rank 4; each of WORDS is one token.

    The defaults are the published sizes but for the vocabulary: a lookup costs the same in a large
    one.
    """
    _make_tokenizer().save_pretrained(folder)
    config = JinaEmbeddingsV3Config(
        vocab_size=len(_SPECIAL) + len(WORDS),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        intermediate_size=4 * hidden,
    )
    JinaEmbeddingsV3Model(config).save_pretrained(folder)
    for task in Task:
        name = adapter_of(task)
        model = JinaEmbeddingsV3Model.from_pretrained(folder)
        lora = LoraConfig(r=4, lora_alpha=1, init_lora_weights=False, target_modules=_TARGETS)
        model.add_adapter(lora, adapter_name=name)
        model.save_pretrained(folder / name)
        nested = folder / name / name
        for file in nested.iterdir() if nested.is_dir() else ():
            file.rename(folder / name / file.name)


def adapter_of(task: Task) -> str:
    """Return the name of the folder that holds the adapter of a task."""
    return task.value.replace(".", "_").replace("-", "_")


def make_texts(lengths: Sequence[int], seed: int) -> list[str]:
    """Return texts that the checkpoint reads as so many tokens."""
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=length - 2)) for length in lengths]


def draw_lengths(count: int, *, longest: int = 8192, middle: int = 600, seed: int = 1) -> list[int]:
    """Return lengths as articles have them: lognormal around `middle`, 16 to `longest`."""
    chance = random.Random(seed)
    return [int(min(longest, max(16, middle * chance.lognormvariate(0, 1)))) for _ in range(count)]


def _make_tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {word: i for i, word in enumerate((*_SPECIAL, *WORDS))}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core, pad_token="<pad>", unk_token="<unk>", model_max_length=8192
    )
