"""bge-reranker-v2-m3's layout: an XLM-RoBERTa with one class, a question and a text as a pair."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import processors
from transformers import (
    AutoTokenizer,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from app.embedding.cross_encoder import CrossEncoder
from tests.checkpoints import make_tokenizer

QUERY = "How hot is tea?"
TEXTS = ["Tea is hot.", "Milk is cold, sugar is not.", "漢字かな"]


def test_scores_are_the_logits_of_the_pair_as_flagembedding_computes_them(tmp_path: Path) -> None:
    make_reranker(tmp_path)
    ours = CrossEncoder(tmp_path, device="cpu")
    model: Any = XLMRobertaForSequenceClassification.from_pretrained(tmp_path)
    model.eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    with torch.inference_mode():
        expected = [
            float(model(**tokenizer(QUERY, text, return_tensors="pt")).logits[0, 0])
            for text in TEXTS
        ]
    assert ours.score(QUERY, TEXTS, seconds=60) == pytest.approx(expected, abs=1e-5)
    # Positions begin after the row for padding.
    assert ours.max_tokens == 128


def make_reranker(folder: Path) -> None:
    torch.manual_seed(4)
    tokenizer = make_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=130,
        type_vocab_size=1,
        pad_token_id=1,
        initializer_range=0.3,
    )
    config.num_labels = 1
    XLMRobertaForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
