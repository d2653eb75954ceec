"""Steps 1 and 2: all-MiniLM-L6-v2 with rotary positions, and taught to agree with itself again.

The teacher adds a learned vector to each of its 512 positions; the student turns queries and keys
by an angle for each position. Everything else corresponds one to one, so the teacher's weights are
the start, and the student learns to give the teacher's hidden states back.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812  the name that the field uses

from train.data import FIRST_WORD, SUBSTITUTED, SUBSTITUTED_EVERY
from train.encoder import HEAD, HEADS, LAYERS, WORDS, Weights, cast, encode, fastest_dtype, place
from train.state import Run

LENGTHS = (48, 96, 160, 256, 384, 512)
SHARES = (0.1, 0.15, 0.2, 0.2, 0.15, 0.2)
STEP_TOKENS = {"cpu": 2560, "cuda": 24_576}
MEASURED_LENGTHS = (32, 64, 160, 320, 512)
LAYER_WEIGHTS = (1.0, 1.0, 1.0, 1.0, 1.5, 3.0)
POOLED_WEIGHT = 2.0

_MEAN_OF_POSITIONS = 128

Tokens = npt.NDArray[np.uint16]


def make_student(teacher: Weights, sample: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the teacher with rotary instead of absolute positions (step 1).

    The mean of the first 128 positions goes into the word embeddings. Queries and keys of each head
    get a basis of their own, in which they have the same products as before and in which the
    largest directions are turned the slowest. `sample` are token ids, shape (sequences, tokens),
    that say which directions are large.
    """
    student = {name: weight.clone() for name, weight in teacher.items()}
    positions = student.pop("embeddings.position_embeddings.weight")
    types = student["embeddings.token_type_embeddings.weight"][:1]
    student[WORDS] += positions[:_MEAN_OF_POSITIONS].mean(0) + types[0]
    student["embeddings.token_type_embeddings.weight"] = torch.zeros_like(types)
    with torch.no_grad():
        states = encode(teacher, sample.flatten(), [sample.shape[1]] * len(sample))
    for layer in range(LAYERS):
        _slow_large_directions(student, f"layers.{layer}.self_attn", states[layer])
    return student


def _slow_large_directions(student: dict[str, torch.Tensor], name: str, x: torch.Tensor) -> None:
    q_weight, q_bias = student[f"{name}.q_proj.weight"], student[f"{name}.q_proj.bias"]
    k_weight, k_bias = student[f"{name}.k_proj.weight"], student[f"{name}.k_proj.bias"]
    for head in range(HEADS):
        rows = slice(head * HEAD, (head + 1) * HEAD)
        q = F.linear(x, q_weight[rows], q_bias[rows]).double()
        k = F.linear(x, k_weight[rows], k_bias[rows]).double()
        # Cholesky factors of the second moments, then the singular vectors of their product: the
        # basis in which both moments are diagonal and equal.
        of_q, of_k = (
            torch.linalg.cholesky(m.T @ m / len(x) + 1e-9 * torch.eye(HEAD)) for m in (q, k)
        )
        left, sizes, right = torch.linalg.svd(of_k.T @ of_q)
        scale = torch.diag(sizes**-0.5)
        to_q, to_k = scale @ left.T @ of_k.T, scale @ right @ of_q.T
        # Rotary pairs are (i, i + HEAD / 2), the last pair the slowest.
        order = torch.empty(HEAD, dtype=torch.long)
        for rank in range(HEAD):
            order[HEAD // 2 - 1 - rank // 2 + (HEAD // 2 if rank % 2 else 0)] = rank
        for weight, bias, basis in (
            (q_weight, q_bias, to_q[order]),
            (k_weight, k_bias, to_k[order]),
        ):
            weight[rows] = (basis @ weight[rows].double()).float()
            bias[rows] = (basis @ bias[rows].double()).float()


def draw_crops(
    tokens: Tokens, length: int, count: int, chance: np.random.Generator, *, first: int, last: int
) -> torch.Tensor:
    """Return `count` crops of running text with [CLS] and [SEP]: shape (count, length)."""
    starts = chance.integers(first, last - length, size=count)
    rows = [np.concatenate([[101], tokens[at : at + length - 2], [102]]) for at in starts]
    return torch.from_numpy(np.stack(rows).astype(np.int64))


def measure(student: Weights, teacher: Weights, tokens: Tokens, first: int) -> dict[int, float]:
    """Return the mean cosine of pooled vectors by length, in fp32, on text from `first` on."""
    chance = np.random.default_rng(5)
    cosines = {}
    for length in MEASURED_LENGTHS:
        ids = draw_crops(
            tokens, length, max(4, 2048 // length), chance, first=first, last=len(tokens)
        )
        ids = place(ids, student[WORDS].device)
        with torch.no_grad():
            ours, theirs = (_pooled(weights, ids)[1] for weights in (student, teacher))
        cosines[length] = F.cosine_similarity(ours, theirs).mean().item()
    return cosines


def distil(
    student: dict[str, torch.Tensor],
    teacher: Weights,
    tokens: Tokens,
    *,
    held_out: int,
    run: Run,
) -> dict[str, torch.Tensor]:
    """Train `student` on crops of `tokens` before `held_out`; returns it (step 2)."""
    device = student[WORDS].device
    dtype = fastest_dtype(device)
    step_tokens = STEP_TOKENS[device.type]
    fast_teacher = cast(teacher, dtype)
    state = run.start(student)
    chance = np.random.default_rng(state.step)
    with torch.no_grad():
        ids = place(draw_crops(tokens, 160, 16, chance, first=0, last=held_out), device)
        variances = [state.float().var() for state in _pooled(fast_teacher, ids)[0]]
    vocabulary = len(student[WORDS])
    seen = 0
    while state.advance():
        length = int(chance.choice(LENGTHS, p=SHARES))
        ids = draw_crops(
            tokens, length, max(5, step_tokens // length), chance, first=0, last=held_out
        )
        if state.step % SUBSTITUTED_EVERY == 0:
            ids = _substitute(ids, chance, vocabulary)
        ids = place(ids, device)
        with torch.no_grad():
            targets, target = _pooled(fast_teacher, ids)
        states, pooled = _pooled(cast(state.learned, dtype), ids)
        hidden = torch.stack(
            [
                weight * F.mse_loss(ours.float(), theirs.float()) / variance
                for weight, ours, theirs, variance in zip(
                    LAYER_WEIGHTS, states, targets, variances, strict=True
                )
            ]
        ).sum() / sum(LAYER_WEIGHTS)
        distance = 1 - F.cosine_similarity(pooled, target).mean()
        seen += ids.numel()
        state.learn(
            hidden + POOLED_WEIGHT * distance, tokens=seen, hidden=hidden, distance=distance
        )
    return state.finish()


def _substitute(ids: torch.Tensor, chance: np.random.Generator, vocabulary: int) -> torch.Tensor:
    words = torch.from_numpy(chance.integers(FIRST_WORD, vocabulary, size=ids.shape))
    replaced = torch.from_numpy(chance.random(ids.shape) < SUBSTITUTED)
    replaced[:, [0, -1]] = False
    return torch.where(replaced, words, ids)


def _pooled(weights: Weights, ids: torch.Tensor) -> tuple[Sequence[torch.Tensor], torch.Tensor]:
    count, length = ids.shape
    states = encode(weights, ids.flatten(), [length] * count)[1:]
    return states, states[-1].float().view(count, length, -1).mean(dim=1)
