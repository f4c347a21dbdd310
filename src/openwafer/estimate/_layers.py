"""What each layer of a model costs, exactly: parameters, bytes, floating point operations, KV cache."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from openwafer.estimate._config import Layer, ModelConfig
from openwafer.estimate._count import (
    attention_matrices,
    layer_parameters,
    mlp_matrices,
    router_matrix,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCost:
    """One layer, or the head. A multiply-add is two operations; norms and the like are not counted.

    decode_flop: one token that sees `context` tokens; prefill_flop: a prompt of `context` tokens.
    """

    name: str
    parameters: int
    active_matrices: int
    prefill_flop: int
    decode_flop: int
    kv_elements_per_token: int
    kv_elements: int


def layer_costs(model: ModelConfig, context: int) -> Iterator[LayerCost]:
    """Every layer in order, then the head, which a prompt uses for its last token only."""
    for index, layer in enumerate(model.layers):
        kind = "experts" if layer.experts else "dense"
        yield _layer_cost(model, layer, context, f"{index} {kind}{' windowed' if layer.window else ''}")
    head = model.vocab * model.hidden
    yield LayerCost(
        name="head",
        parameters=0 if model.tied else head,
        active_matrices=head,
        prefill_flop=2 * head,
        decode_flop=2 * head,
        kv_elements_per_token=0,
        kv_elements=0,
    )


def _layer_cost(model: ModelConfig, layer: Layer, context: int, name: str) -> LayerCost:
    active, kv = active_matrices(model, layer), kv_elements(model)
    seen = min(context, layer.window) if layer.window else context
    prompt = int(pairs(context, layer.window or context))
    return LayerCost(
        name=name,
        parameters=layer_parameters(model, layer),
        active_matrices=active,
        prefill_flop=2 * active * context + score_flop_of(model, absorbed=False) * prompt,
        decode_flop=2 * active + score_flop_of(model, absorbed=True) * seen,
        kv_elements_per_token=kv,
        kv_elements=kv * seen,
    )


def pairs(tokens: Any, window: Any) -> Any:
    """Queries and keys that see each other: the sum over i ≤ tokens of min(i, window). Takes arrays too."""
    seen = np.minimum(tokens, window)
    return seen * (seen + 1) / 2 + (tokens - seen) * seen


def active_matrices(model: ModelConfig, layer: Layer) -> int:
    """Elements of the matrices that one token uses."""
    if not layer.experts:
        return attention_matrices(model) + mlp_matrices(model, model.mlp)
    experts = model.experts_per_token * mlp_matrices(model, model.expert_mlp)
    shared = mlp_matrices(model, model.shared_mlp)
    return attention_matrices(model) + experts + shared + router_matrix(model, layer)


def kv_elements(model: ModelConfig) -> int:
    """Cached numbers of a token in one layer."""
    if model.attention == "latent":
        return model.kv_rank + model.rope_dim
    return 2 * model.kv_heads * model.head_dim


def score_flop_of(model: ModelConfig, absorbed: bool) -> int:
    """Operations of a query and a key in all heads: the score and its part of the sum.

    `absorbed`: latent attention on the cached numbers themselves, as decoding does.
    """
    if model.attention != "latent":
        return 4 * model.heads * model.head_dim
    if absorbed:
        return 2 * model.heads * (2 * model.kv_rank + model.rope_dim)
    return 2 * model.heads * (model.head_dim + model.value_dim)
