"""A text as tokens, and the batches that training takes from it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from openwafer.diag import error
from openwafer.files import MIB, decode, read_bytes

Ids = NDArray[np.int64]
MOST_BYTES = 128 * MIB
"""Of a text."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Tokens `[length]` of a text."""

    tokens: Ids

    def batch(self, step: int, batch: int, context: int, seed: int) -> tuple[Ids, Ids]:
        """Inputs and next tokens, `[batch, context]` each, from random places: a function of its arguments,
        so that a run that is resumed goes on as if it had never stopped.

        Diagnostics: text-short."""
        most = len(self.tokens) - context
        if most < 1:
            raise error(
                "text-short", f"the text has {len(self.tokens)} tokens, a context of {context} needs more",
                help="a longer text, or a smaller context",
            )  # fmt: skip
        starts = np.random.default_rng((seed, step)).integers(0, most, batch)
        places = starts[:, None] + np.arange(context)
        return self.tokens[places], self.tokens[places + 1]

    @property
    def digest(self) -> str:
        """Tells one text from another."""
        return hashlib.sha256(np.ascontiguousarray(self.tokens).tobytes()).hexdigest()[:16]


def read_text(path: Path) -> str:
    """Diagnostics: text-unreadable, text-encoding, text-empty."""
    text = decode(read_bytes(path, "text", "text-unreadable", MOST_BYTES), str(path), "text-encoding")
    if not text.strip():
        raise error("text-empty", f"{path} has no text")
    return text


def documentation(*names: str) -> str:
    """The text that every CPython carries: pages of the language's documentation, all by default, without the
    ruled lines of headings and tables."""
    from pydoc_data.topics import topics  # pyright: ignore[reportUnknownVariableType]

    text: str = "\n".join(topics[name] for name in names or sorted(topics))  # pyright: ignore
    return "\n".join(line for line in text.split("\n") if not line or set(line) - set("*=-~^+| "))
