"""How a model is trained."""

from __future__ import annotations

import math

import msgspec


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """AdamW with a learning rate that rises over `warmup` steps to `learning_rate` and falls along a cosine
    to `final` of it; `batch` texts of `context` tokens a step."""

    steps: int = 1000
    batch: int = 1
    context: int = 32
    learning_rate: float = 3e-3
    warmup: int = 20
    final: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.0
    seed: int = 0

    @property
    def step_tokens(self) -> int:
        return self.batch * self.context

    def rate(self, step: int) -> float:
        """The learning rate of a step, from 1."""
        if step <= self.warmup:
            return self.learning_rate * step / self.warmup
        done = (step - self.warmup) / max(self.steps - self.warmup, 1)
        return self.learning_rate * (self.final + (1 - self.final) * (1 + math.cos(math.pi * done)) / 2)
