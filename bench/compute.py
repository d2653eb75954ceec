"""What a forward pass computes, by a formula, so that models can be compared at equal compute."""

import json
from collections.abc import Iterable
from pathlib import Path


def count_flops(checkpoint: Path, lengths: Iterable[int]) -> float:
    """Return the FLOPs of an encoder of the BERT family over rows of so many tokens.

    Two for each weight and token in the matrices of the layers, and four for each hidden dimension
    of a layer and pair of tokens (scores, and their weighted sum). Norms and the lookup of words
    are left out.
    """
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    layers, hidden = config["num_hidden_layers"], config["hidden_size"]
    weights = layers * (4 * hidden**2 + 2 * hidden * config["intermediate_size"])
    return float(sum(2 * weights * n + 4 * layers * hidden * n**2 for n in lengths))
