"""A training run that a kill does not lose: budget, optimizer, progress lines, checkpoints."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

SAVE_EVERY_S = 240.0
PRINT_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class Run:
    """How long to train, how fast, and where the state goes; a run whose file exists goes on."""

    out: Path
    minutes: float
    rate: float
    shares: Mapping[str, float] = field(default_factory=dict)
    """Weights whose names end so learn at this multiple of the rate; with 0 they stay."""

    def start(self, learned: Mapping[str, torch.Tensor]) -> "State":
        """Return the state to train in, read from `out` where that is there."""
        return State(self, {name: weight.detach().clone() for name, weight in learned.items()})


@dataclass(slots=True)
class State:
    """Weights that learn, and what it takes to go on after a kill."""

    run: Run
    learned: dict[str, torch.Tensor]
    step: int = 0
    spent_s: float = 0.0
    _optimizer: torch.optim.Optimizer = field(init=False)
    _resumed_at: float = field(init=False)
    _saved_s: float = field(init=False)
    _printed_s: float = field(init=False)
    _shown: dict[str, torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        groups: dict[float, list[torch.Tensor]] = {}
        for name, weight in self.learned.items():
            shares = [share for end, share in self.run.shares.items() if name.endswith(end)]
            groups.setdefault(shares[0] if shares else 1.0, []).append(weight)
        groups.pop(0.0, None)
        self._optimizer = torch.optim.AdamW(
            [{"params": weights, "share": share} for share, weights in groups.items()],
            lr=self.run.rate,
            betas=(0.9, 0.98),
            weight_decay=0.0,
            fused=True,
        )
        if self.run.out.exists():
            saved = torch.load(self.run.out, map_location="cpu", weights_only=True)
            for name, weight in self.learned.items():
                weight.copy_(saved["learned"][name])
            self._optimizer.load_state_dict(saved["optimizer"])
            self.step, self.spent_s = saved["step"], saved["spent_s"]
        for weights in groups.values():
            for weight in weights:
                weight.requires_grad_()
        self._saved_s = self._printed_s = self.spent_s
        self._resumed_at = time.monotonic() - self.spent_s

    @property
    def share(self) -> float:
        """How much of the budget is spent, 0 to 1."""
        return min(1.0, self.spent_s / (60 * self.run.minutes))

    def advance(self) -> bool:
        """Set the learning rate of the next step; False when the budget is spent."""
        self.spent_s = time.monotonic() - self._resumed_at
        for group in self._optimizer.param_groups:
            group["lr"] = self.run.rate * learning_rate(self.share) * group["share"]
        return self.share < 1

    def learn(self, loss: torch.Tensor, *, tokens: int, **shown: torch.Tensor) -> None:
        """Take one step down `loss`; `shown` are averaged for the progress line."""
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.learned.values(), 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1
        for name, part in shown.items():
            # As tensors: their values would have to be waited for.
            value = part.detach()
            self._shown[name] = 0.95 * self._shown.get(name, value) + 0.05 * value
        self.spent_s = time.monotonic() - self._resumed_at
        if self.spent_s - self._printed_s > PRINT_EVERY_S:
            self._printed_s = self.spent_s
            means = "  ".join(f"{name} {value:.4f}" for name, value in self._shown.items())
            print(
                f"{self.spent_s:5.0f} s  step {self.step}  {tokens / 1e6:.2f} M tokens  {means}",
                flush=True,
            )
        if self.spent_s - self._saved_s > SAVE_EVERY_S:
            self._saved_s = self.spent_s
            self._save()

    def finish(self) -> dict[str, torch.Tensor]:
        """Save and return what was learned."""
        self._save()
        return {name: weight.detach() for name, weight in self.learned.items()}

    def _save(self) -> None:
        part = self.run.out.with_suffix(".part")
        torch.save(
            {
                "learned": {name: weight.detach() for name, weight in self.learned.items()},
                "optimizer": self._optimizer.state_dict(),
                "step": self.step,
                "spent_s": self.spent_s,
            },
            part,
        )
        part.replace(self.run.out)


def learning_rate(share: float, warm_up: float = 0.04) -> float:
    """Return the factor at `share` of the budget: linear warm-up, then a cosine to 2 %."""
    return min(1.0, share / warm_up) * (0.02 + 0.98 * (1 + math.cos(math.pi * share)) / 2)


def load_learned(path: Path) -> dict[str, torch.Tensor]:
    """Return what a run learned, from its file."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    learned: dict[str, torch.Tensor] = saved["learned"]
    return learned


def average(paths: Sequence[Path], out: Path) -> None:
    """Write the mean of what several runs learned from the same start (Wortsman et al. 2022)."""
    models = [load_learned(path) for path in paths]
    mean = {name: torch.stack([m[name] for m in models]).mean(dim=0) for name in models[0]}
    torch.save({"learned": mean}, out)
