"""How a model is trained."""

from __future__ import annotations

import math
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

Count: TypeAlias = Annotated[int, Meta(ge=1, le=10**9)]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Rate: TypeAlias = Annotated[float, Meta(ge=0, le=1e6)]


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """AdamW with a learning rate that rises over `warmup` steps to `learning_rate` and falls along a cosine
    to `final` of it; `batch` texts of `context` tokens a step."""

    steps: Count = 1000
    batch: Count = 1
    context: Count = 32
    learning_rate: Rate = 3e-3
    warmup: Annotated[int, Meta(ge=0, le=10**9)] = 20
    final: Share = 0.1
    betas: tuple[Share, Share] = (0.9, 0.95)
    weight_decay: Rate = 0.0
    seed: Annotated[int, Meta(ge=0)] = 0

    @property
    def step_tokens(self) -> int:
        return self.batch * self.context

    def rate(self, step: int) -> float:
        """The learning rate of a step, from 1."""
        if step <= self.warmup:
            return self.learning_rate * step / self.warmup
        done = (step - self.warmup) / max(self.steps - self.warmup, 1)
        return self.learning_rate * (self.final + (1 - self.final) * (1 + math.cos(math.pi * done)) / 2)
