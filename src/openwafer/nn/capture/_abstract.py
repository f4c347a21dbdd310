"""What a node of PyTorch's graph stands for while it is captured.

Constants are PyTorch tensors; `Param` is a parameter or a rearrangement of one; `View` (`_view.py`) is an
activation. The others are parts of a pattern that is not complete yet: they become an operator when it is.
"""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from openwafer.nn.capture._view import View

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter: `index[i, j, …]` is the place of the element in the flat parameter."""

    name: str
    index: torch.Tensor


@dataclass(frozen=True, slots=True)
class Shifted:
    """A parameter + a number, of norms that scale by 1 + w."""

    param: Param
    offset: float


@dataclass(frozen=True, slots=True)
class Negated:
    """-x, of a part of a matrix."""

    view: View


@dataclass(frozen=True, slots=True)
class Rotated:
    """rotate_half(x): the last dimension's second half negated, then its first half."""

    view: View


@dataclass(frozen=True, slots=True)
class RotatedTimes:
    """rotate_half(x) · table."""

    view: View
    table: torch.Tensor


@dataclass(frozen=True, slots=True)
class Times:
    """Part of a matrix · table: of a rotary embedding that turns pairs one by one."""

    view: View
    table: torch.Tensor


@dataclass(frozen=True, slots=True)
class Turned:
    """plus + sign · other: one number of each pair."""

    plus: Times
    other: Times
    sign: int


@dataclass(frozen=True, slots=True)
class Complex:
    """Pairs in the last dimension as complex numbers."""

    view: View


@dataclass(frozen=True, slots=True)
class Squares:
    """x² of a matrix."""

    view: View


@dataclass(frozen=True, slots=True)
class MeanSquare:
    """mean(x²) + eps over the last dimension; with `root` √ of it, with `inverse` 1 / √ of it."""

    view: View
    eps: float = 0.0
    inverse: bool = False
    root: bool = False


@dataclass(frozen=True, slots=True)
class Mask:
    """Which keys a token sees: those up to its own, with `window` only so many; or, if it is another mask,
    those of its row of `visible`."""

    window: int = 0
    visible: bytes = b""


@dataclass(frozen=True, slots=True)
class Scores:
    """q · kᵀ · scale [+ mask], with `cap` cap · tanh(q · kᵀ · scale) [+ mask]; after `softmax` the weights of
    attention, of which `share` are dropped by the dropout number `layer`. `q`, `k` are [batch, heads,
    tokens, dim]."""

    q: View
    k: View
    scale: float = 1.0
    cap: float = 0.0
    mask: Mask | None = None
    softmax: bool = False
    share: float = 0.0
    layer: int = 0


Pending = (
    Shifted | Negated | Rotated | RotatedTimes | Times | Turned | Complex | Squares | MeanSquare | Scores
)
