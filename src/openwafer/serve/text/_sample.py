"""How a token is chosen from logits: by place and seed alone, so that an answer can go on elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from openwafer.diag import error

Logits = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sampling:
    """`temperature` 0 takes the likeliest. `bias`: added to logits by token; penalties are subtracted from
    those of tokens that the answer has (`presence`), times how often (`frequency`)."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int | None = None
    seed: int = 0
    bias: Mapping[int, float] = field(default_factory=dict[int, float])
    presence: float = 0.0
    frequency: float = 0.0


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """Natural logarithm of a token's probability by the model, before temperature, bias and grammar; `top`:
    the likeliest tokens and theirs."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


def choose(
    logits: Logits,
    sampling: Sampling,
    place: int,
    counts: Mapping[int, int],
    allowed: NDArray[np.bool_] | None,
) -> int:
    """The token at `place` of a text. `allowed`: by a grammar.

    Diagnostics: logits-not-finite."""
    scores: Floats = logits.astype(np.float64)
    if not np.isfinite(scores.max()):
        raise error("logits-not-finite", "the model gave logits that are no numbers")
    for token, value in sampling.bias.items():
        scores[token] += value
    if sampling.presence or sampling.frequency:
        for token, count in counts.items():
            scores[token] -= sampling.presence + count * sampling.frequency
    if allowed is not None:
        scores[: allowed.size][~allowed[: scores.size]] = -np.inf
        scores[allowed.size :] = -np.inf
    if sampling.temperature <= 0:
        return int(scores.argmax())
    return _drawn(scores / sampling.temperature, sampling, place)


def _drawn(scores: Floats, sampling: Sampling, place: int) -> int:
    if sampling.top_k is not None and sampling.top_k < scores.size:
        scores[scores < np.partition(scores, -sampling.top_k)[-sampling.top_k]] = -np.inf
    weights: Floats = np.exp(scores - scores.max())
    weights /= weights.sum()
    if sampling.top_p < 1:
        order = np.argsort(-weights, kind="stable")
        before = np.cumsum(weights[order]) - weights[order]
        weights[order[(before >= sampling.top_p) & (before > 0)]] = 0
    sums = np.cumsum(weights)
    drawn = uniform(sampling.seed, place) * sums[-1]
    return min(int(np.count_nonzero(sums <= drawn)), sums.size - 1)


def uniform(seed: int, place: int) -> float:
    """From 0 to below 1, of a seed and a place: a hash, since a generator would have to be there from the
    first token on."""
    words = seed.to_bytes(8, "little") + place.to_bytes(8, "little")
    return (int.from_bytes(hashlib.blake2b(words, digest_size=8).digest(), "little") >> 11) * 2.0**-53


def logprob(logits: Logits, token: int, top: int) -> TokenLogprob:
    """Of a token, and of the `top` likeliest."""
    scores: Floats = logits.astype(np.float64)
    scores -= scores.max()
    scores -= np.log(np.exp(scores).sum())
    if not top:
        return TokenLogprob(token, float(scores[token]))
    order = np.argsort(-scores, kind="stable")[:top]
    return TokenLogprob(token, float(scores[token]), tuple((int(i), float(scores[i])) for i in order))
