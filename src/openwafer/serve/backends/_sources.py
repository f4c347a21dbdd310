"""Tokens for estimated backends, whose large model is not there: from a small model, or from a fixed rule."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np


class Source(Protocol):
    """Logits [vocabulary] behind a text. `is_slow`: they are computed outside the event loop."""

    is_slow: bool

    def logits(self, ids: Sequence[int]) -> np.ndarray: ...


class FixedRule:
    """Words of lower case letters that depend on the text only: the same text gives the same answer.

    `letters` and `space` are tokens; `end` is the token that ends an answer, which becomes likelier with its
    length."""

    is_slow = False

    def __init__(self, vocabulary: int, letters: Sequence[int], space: int, end: int | None) -> None:
        self.vocabulary, self._letters, self._space, self._end = vocabulary, list(letters), space, end

    def logits(self, ids: Sequence[int]) -> np.ndarray:
        tail = np.asarray(ids[-8:], np.int64).tobytes() + len(ids).to_bytes(8, "little")
        seed = int.from_bytes(hashlib.blake2b(tail, digest_size=8).digest(), "little")
        found = np.full(self.vocabulary, -8.0, np.float32)
        letters = self._letters
        for i in range(4):
            found[letters[(seed >> (8 * i)) % len(letters)]] = 2.0 - 0.5 * i
        if seed >> 60 == 0 or (seed >> 40) % 5 == 0:
            found[self._space] = 3.0
        if self._end is not None and (seed >> 48) % 64 == 0:
            found[self._end] = 4.0
        return found


class SmallModel:
    """A `torch` model `ids [1, tokens] → logits [1, tokens, vocabulary]`, run on this machine.

    Texts longer than its `context` are seen from behind."""

    is_slow = True

    def __init__(self, model: Any, context: int) -> None:
        self._model, self._context = model, context

    def logits(self, ids: Sequence[int]) -> np.ndarray:
        import torch

        with torch.inference_mode():
            found = self._model(torch.tensor([list(ids[-self._context :])]))
        return found[0, -1].float().numpy()
