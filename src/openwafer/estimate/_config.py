"""The shape of a decoder-only transformer, one for all families."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Attention: TypeAlias = Literal["grouped", "latent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What differs from layer to layer: experts (0: a dense MLP), and the attention window (0: all)."""

    experts: int
    window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """A decoder-only transformer. `mlp_matrices` is 3 for a gated MLP, 2 for a plain one.

    `attention = "latent"` is DeepSeek's multi-head latent attention: it caches `kv_rank + rope_dim` numbers
    a token.
    """

    name: str
    family: str
    hidden: int
    vocab: int
    heads: int
    kv_heads: int
    head_dim: int
    layers: tuple[Layer, ...]
    mlp: int
    mlp_matrices: int
    tied: bool
    context: int
    expert_mlp: int = 0
    experts_per_token: int = 0
    shared_mlp: int = 0
    attention: Attention = "grouped"
    q_rank: int = 0
    kv_rank: int = 0
    rope_dim: int = 0
    value_dim: int = 0
    positions: int = 0
    qkv_bias: bool = False
    out_bias: bool = False
    mlp_bias: bool = False
    router_bias: bool = False
    head_norms: bool = False
    sinks: bool = False
    norm_weights: int = 1
    stored: str = "f16"
