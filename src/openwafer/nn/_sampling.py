"""How a token is chosen from logits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from openwafer.diag import error
from openwafer.nn._checks import check_whole

Logits = NDArray[np.float32]
Sampler = Callable[[Logits], int]


def greedy(logits: Logits) -> int:
    return int(logits.argmax())


def sampling(
    temperature: float, top_k: int | None = None, top_p: float | None = None, seed: int = 0
) -> Sampler:
    """Chooses by softmax(logits / temperature) among the `top_k` most likely, of these among the fewest that
    have a probability of `top_p` together. Diagnostics: host-argument."""
    if not temperature > 0:
        raise error("host-argument", f"the temperature is above 0, not {temperature}", help="`greedy` for 0")
    if top_k is not None:
        check_whole("top_k", top_k, least=1)
    if top_p is not None and not 0 < top_p <= 1:
        raise error("host-argument", f"`top_p` is above 0 and at most 1, not {top_p}")
    random = np.random.default_rng(seed)

    def choose(logits: Logits) -> int:
        scaled: NDArray[np.float64] = logits.astype(np.float64) / temperature
        if top_k is not None and top_k < scaled.size:
            scaled[scaled < np.partition(scaled, -top_k)[-top_k]] = -np.inf
        weights: NDArray[np.float64] = np.exp(scaled - scaled.max())
        weights /= weights.sum()
        if top_p is not None:
            weights[_unlikely(weights, top_p)] = 0
        return int(random.choice(weights.size, p=weights / weights.sum()))

    return choose


def _unlikely(weights: NDArray[np.float64], top_p: float) -> NDArray[np.int64]:
    """Indices of those that are not needed for a probability of `top_p`."""
    order = np.argsort(-weights, kind="stable")
    before = np.cumsum(weights[order]) - weights[order]
    return order[before >= top_p]
