"""What the cost models need of a model: numbers only, so that many models are arrays of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwafer.estimate._config import ModelConfig
from openwafer.estimate._count import attention_matrices, count_parameters, mlp_matrices, router_matrix
from openwafer.estimate._layers import kv_elements, pairs, score_flop_of
from openwafer.estimate._num import Num
from openwafer.machine.systems import Format

BYTES: dict[Format, float] = {"f16": 2, "fp8": 1, "fp4": 0.5625, "w8a16": 1, "w4a16": 0.53125}
"""A weight with its scales: NVFP4 has 8 bits for 16 elements, MXFP4 8 bits for 32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """Of a model in a format. Elements unless the name ends in a unit; sums over all layers.

    attention, mlp, head: matrices that each token uses; expert: one expert; kv_full and kv_window: cached
    numbers a
    token, in layers that see everything and in those that see `window` tokens; score_*: floating point
    operations a
    query and key.
    """

    layers: Num
    hidden: Num
    vocab: Num
    heads: Num
    kv_heads: Num
    attention: Num
    mlp: Num
    head: Num
    expert: Num
    experts: Num
    chosen: Num
    moe_layers: Num
    kv_full: Num
    kv_window: Num
    window: Num
    score_full_flop: Num
    score_window_flop: Num
    prefill_score_full_flop: Num
    latent: Num
    context: Num
    stored: Num
    active: Num
    attention_bytes: Num
    mlp_bytes: Num
    expert_bytes: Num
    stored_bytes: Num
    kv_element_bytes: Num
    attention_in_16: Num


def model_facts(model: ModelConfig, form: Format, kv_form: Format | None = None) -> ModelFacts:
    """The facts of a model in a format; the head and embeddings stay in 16 bits.

    In `fp4`/`w4a16`, gpt-oss keeps its attention in 16 bits and DeepSeek's kind in 8, as their published
    weights do.
    """
    counted = count_parameters(model)
    latent = model.attention == "latent"
    sparse = [layer for layer in model.layers if layer.experts]
    windows = [layer for layer in model.layers if layer.window]
    full = len(model.layers) - len(windows)
    kv, score = kv_elements(model), score_flop_of(model, absorbed=True)
    prefill = score_flop_of(model, absorbed=False)
    router = sum(router_matrix(model, layer) for layer in sparse)
    mlp = (len(model.layers) - len(sparse)) * mlp_matrices(model, model.mlp)
    mlp += len(sparse) * mlp_matrices(model, model.shared_mlp) + router
    small = form in ("fp4", "w4a16")
    in_16 = small and bool(sparse) and not latent
    attention_bytes = 2.0 if in_16 else 1.0 if small and latent else BYTES[form]
    expert = mlp_matrices(model, model.expert_mlp) if sparse else 0
    attention = len(model.layers) * attention_matrices(model)
    experts = sum(layer.experts for layer in sparse)
    sixteen = counted.total - attention - mlp - experts * expert
    stored_bytes = attention * attention_bytes + (mlp + experts * expert) * BYTES[form] + 2.0 * sixteen
    return ModelFacts(
        layers=len(model.layers),
        hidden=model.hidden,
        vocab=model.vocab,
        heads=model.heads,
        kv_heads=1 if latent else model.kv_heads,
        attention=attention,
        mlp=mlp,
        head=counted.head,
        expert=expert,
        experts=experts / len(sparse) if sparse else 1,
        chosen=model.experts_per_token if sparse else 0,
        moe_layers=len(sparse),
        kv_full=full * kv,
        kv_window=len(windows) * kv,
        window=max((layer.window for layer in windows), default=0),
        score_full_flop=full * score,
        score_window_flop=len(windows) * score,
        prefill_score_full_flop=full * prefill,
        latent=float(latent),
        context=model.context,
        stored=counted.total,
        active=counted.active,
        attention_bytes=attention_bytes,
        mlp_bytes=BYTES[form],
        expert_bytes=BYTES[form],
        stored_bytes=stored_bytes,
        kv_element_bytes=BYTES[kv_form or form] if (kv_form or form) in ("f16", "fp8") else kv_default(form),
        attention_in_16=float(in_16),
    )


def kv_default(form: Format) -> float:
    """Bytes of a cached number: 8 bits where arithmetic has 8 or fewer, else 16."""
    return 1.0 if form in ("fp8", "fp4") else 2.0


def stack(facts: Sequence[ModelFacts], index: NDArray[np.intp]) -> ModelFacts:
    """`facts[index]` as one `ModelFacts` of arrays."""
    names = [field.name for field in dataclasses.fields(ModelFacts)]
    columns = {n: np.array([getattr(f, n) for f in facts], dtype=np.float64)[index] for n in names}
    return ModelFacts(**columns)


def distinct_experts(model: ModelFacts, tokens: Num, even: Num = 1.0) -> Num:
    """Experts of a layer that a batch of tokens touches, k each: E (1 - (1 - k/E)^tokens) when they choose
    evenly and each for itself; of `tokens` after the first only the part `even` counts, for tokens that are
    alike choose alike."""
    choices = 1 + even * np.maximum(tokens - 1, 0.0)
    untouched = np.maximum(1 - model.chosen / model.experts, 0.0) ** choices
    return model.experts * (1 - untouched)


def kv_bytes(model: ModelFacts, context: Num) -> Num:
    """KV cache of one sequence of `context` tokens."""
    windowed = model.kv_window * np.minimum(context, model.window)
    return (model.kv_full * context + windowed) * model.kv_element_bytes


def token_flop(model: ModelFacts) -> Num:
    """Of one token in all matrices but the head."""
    return 2 * (model.attention + model.mlp + model.moe_layers * model.chosen * model.expert)


def score_flop(model: ModelFacts, context: Num) -> Num:
    """Attention scores and their sums for one query that sees `context` tokens."""
    seen = np.minimum(context, model.window)
    return model.score_full_flop * context + model.score_window_flop * seen


def prefill_score_flop(model: ModelFacts, tokens: Num) -> Num:
    """Attention of a whole prompt: each token sees itself and those before it, or its window of them."""
    full = model.prefill_score_full_flop * pairs(tokens, tokens)
    return full + model.score_window_flop * pairs(tokens, model.window)
