"""Serving on GPUs: one replica of `chips` accelerators with a batch, in closed form.

A decode step is matrices (memory or arithmetic, whichever binds), KV cache, collectives, launches and the
host. While
requests come and go, each step also carries the prompts of those that start: `batch / output` prompts a step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwafer.estimate._constants import GpuConstants
from openwafer.estimate._facts import (
    ModelFacts,
    distinct_experts,
    kv_bytes,
    prefill_score_flop,
    score_flop,
    token_flop,
)
from openwafer.estimate._num import Num, where
from openwafer.machine.systems import Format, GpuSystem

_SHARPNESS = 3.0
"""Of the soft maximum of memory and arithmetic time: they overlap, but not perfectly."""
USABLE_MEMORY = 0.9
"""Of a chip's memory, for weights and KV cache: the default of serving engines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuFacts:
    """What the formulas need of one chip, its links and its serving software."""

    memory_bytes: Num
    bytes_per_s: Num
    peak_low: Num
    peak_16: Num
    part_low: Num
    part_16: Num
    link_bytes_per_s: Num
    out_bytes_per_s: Num
    domain: Num
    layer_s: Num
    expert_layer_s: Num
    reduce_s: Num
    step_s: Num
    sequence_s: Num
    cuts_experts: Num
    power_max_w: Num
    power_idle_w: Num


def gpu_facts(system: GpuSystem, form: Format, engine: str, c: GpuConstants) -> GpuFacts:
    """`engine` is "vllm" or any other; the peak must exist."""
    peak, sixteen = system.peak_flop_per_s(form), system.peak_flop_per_s("f16")
    assert peak is not None and sixteen is not None
    chip, link = system.chip, system.link
    maker, slower = (c.amd, c.amd_layer) if system.vendor == "amd" else (1.0, 1.0)
    vllm = engine == "vllm"
    part = {"fp8": c.compute_fp8, "fp4": c.compute_fp4}.get(form, c.compute_f16)
    return GpuFacts(
        memory_bytes=chip.memory_gb * 1e9,
        bytes_per_s=chip.memory_tb_per_s * 1e12,
        peak_low=peak,
        peak_16=sixteen,
        part_low=part * maker,
        part_16=c.compute_f16 * maker,
        link_bytes_per_s=link.gb_per_s * 1e9,
        out_bytes_per_s=link.scale_out_gb_per_s * 1e9,
        domain=link.chips,
        layer_s=c.layer_s * slower,
        expert_layer_s=c.expert_layer_s * slower,
        reduce_s=c.reduce_s * slower,
        step_s=c.vllm_step_s if vllm else c.step_s,
        sequence_s=c.vllm_sequence_s if vllm else c.sequence_s,
        cuts_experts=float(vllm),
        power_max_w=chip.power_max_w,
        power_idle_w=chip.power_idle_w,
    )


def stack_gpus(facts: Sequence[GpuFacts], index: NDArray[np.intp]) -> GpuFacts:
    """`facts[index]` as one `GpuFacts` of arrays."""
    names = [field.name for field in dataclasses.fields(GpuFacts)]
    return GpuFacts(**{n: np.array([getattr(f, n) for f in facts], dtype=np.float64)[index] for n in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Seconds of one decode step by part; `memory_use` and `compute_use` are parts of the step at the
    peaks."""

    total: Num
    matrices: Num
    arithmetic: Num
    cache: Num
    collectives: Num
    launches: Num
    memory_use: Num
    compute_use: Num
    spread: Num


def max_batch(model: ModelFacts, gpu: GpuFacts, chips: Num, context: Num) -> Num:
    """Sequences of `context` tokens whose KV cache fits beside the weights; below 1: the model does not
    fit."""
    spread = model.latent * (chips - 1) * model.attention * model.attention_bytes
    free = chips * gpu.memory_bytes * USABLE_MEMORY - model.stored_bytes - spread
    return free / np.maximum(kv_bytes(model, context) * _copies(model, chips), 1.0)


def _copies(model: ModelFacts, chips: Num) -> Num:
    """Chips over KV heads hold the same heads; latent attention is spread by sequence instead."""
    return where(model.latent > 0, 1.0, np.maximum(chips / model.kv_heads, 1.0))


def decode_step(
    model: ModelFacts, gpu: GpuFacts, chips: Num, batch: Num, context: Num, c: GpuConstants,
    positions: Num = 1.0,
) -> Step:  # fmt: skip
    """`positions` tokens (speculation checks several at once) of `batch` sequences that have `context`
    tokens."""
    bandwidth = chips * gpu.bytes_per_s
    low, sixteen = matrix_flop(model)
    tokens = batch * positions
    scores = tokens * score_flop(model, context)
    cached = batch * kv_bytes(model, context)
    spread = is_spread(model, gpu, chips, cached, c)
    cached = cached * where(model.latent > 0, where(spread, 1.0, chips), _copies(model, chips))
    read, effective = _weights_read(model, gpu, chips, tokens, spread, c)
    weights_s = effective / (bandwidth * c.memory)
    slowest = where(spread, c.uneven, 1.0)
    arithmetic_s = slowest * tokens * _arithmetic_s(model, gpu, chips, low, sixteen, c)
    cache_s = slowest * np.maximum(
        cached / (bandwidth * c.cache), scores / (chips * gpu.peak_16 * gpu.part_16)
    )
    matrices_s = (weights_s**_SHARPNESS + arithmetic_s**_SHARPNESS) ** (1 / _SHARPNESS)
    collectives_s = collectives(model, gpu, chips, tokens, spread, c)
    launches_s = model.layers * gpu.layer_s + model.moe_layers * gpu.expert_layer_s
    launches_s = launches_s + gpu.step_s + batch / where(spread, chips, 1.0) * gpu.sequence_s
    total = matrices_s + cache_s + collectives_s + launches_s
    peak_s = tokens * (low / gpu.peak_low + sixteen / gpu.peak_16) / chips + scores / (chips * gpu.peak_16)
    return Step(
        total=total,
        matrices=matrices_s,
        arithmetic=arithmetic_s,
        cache=cache_s,
        collectives=collectives_s,
        launches=launches_s,
        memory_use=(read + cached) / bandwidth / total,
        compute_use=peak_s / total,
        spread=spread,
    )


def is_spread(model: ModelFacts, gpu: GpuFacts, chips: Num, cached: Num, c: GpuConstants) -> Num:
    """Whether latent attention runs each sequence on one chip, with its matrices on all of them.

    Cut by heads instead, every chip would read the cache of every sequence. The faster way is taken.
    """
    bandwidth = chips * gpu.bytes_per_s
    matrices = model.attention * model.attention_bytes
    extra = (chips - 1) * matrices / (bandwidth * c.memory)
    saved = (chips - 1) * cached / (bandwidth * c.cache)
    return (model.latent > 0) & (chips > 1) & (saved > extra)


def _weights_read(
    model: ModelFacts, gpu: GpuFacts, chips: Num, batch: Num, spread: Num, c: GpuConstants
) -> tuple[Num, Num]:
    """Bytes of weights that a step reads, and as many with what slow small pieces cost on top."""
    touched = distinct_experts(model, batch, c.even)
    experts = model.moe_layers * touched * model.expert * model.expert_bytes
    attention = model.attention * model.attention_bytes * where(spread, chips, 1.0)
    dense = attention + model.mlp * model.mlp_bytes + 2 * model.head
    return dense + experts, dense + experts / expert_part(model, gpu, chips, c)


def expert_part(model: ModelFacts, gpu: GpuFacts, chips: Num, c: GpuConstants) -> Num:
    """Of the speed that experts reach where each is cut over the chips: small pieces are slow."""
    piece = model.expert / where(gpu.cuts_experts > 0, chips, 1.0)
    return where(model.expert > 0, piece / (piece + c.expert_half), 1.0)


def matrix_flop(model: ModelFacts) -> tuple[Num, Num]:
    """Of one token: in the weights' format, and in 16 bits."""
    in_16 = model.attention_in_16 * 2 * model.attention
    return token_flop(model) - in_16, in_16 + 2 * model.head


def _arithmetic_s(
    model: ModelFacts, gpu: GpuFacts, chips: Num, low: Num, sixteen: Num, c: GpuConstants
) -> Num:
    """Experts get fewer tokens each than a dense layer, so their part of the peak is smaller."""
    routed = 2 * model.moe_layers * model.chosen * model.expert
    weighted = low - routed + routed / expert_part(model, gpu, chips, c)
    return weighted / (chips * gpu.peak_low * gpu.part_low) + sixteen / (chips * gpu.peak_16 * gpu.part_16)


def collectives(
    model: ModelFacts, gpu: GpuFacts, chips: Num, tokens: Num, spread: Num, c: GpuConstants
) -> Num:
    """Two a layer: all-reduces, or there and back to the experts' chips where attention is spread.

    An all-reduce moves 2 (n - 1)/n of the activations over each chip's link; there and back move each token's
    activations to as many chips as it has experts, in 8 bits there and 16 back.
    """
    inside = chips <= gpu.domain
    link = where(inside, gpu.link_bytes_per_s, gpu.out_bytes_per_s) * c.link
    latency = gpu.reduce_s * np.log2(np.maximum(chips, 1)) ** 0.5 * where(inside, 1.0, 5.0)
    reduce = 2 * (latency + 2 * (chips - 1) / chips * tokens * model.hidden * 2 / link)
    sent = tokens / chips * np.minimum(model.chosen, chips - 1) * model.hidden * 3
    there_and_back = 2 * latency + sent / link
    each = where(spread, there_and_back, reduce)
    return where(chips > 1, model.layers * each, 0.0)


def prefill_s(model: ModelFacts, gpu: GpuFacts, chips: Num, tokens: Num, c: GpuConstants) -> Num:
    """Arithmetic and collectives of one prompt; the weights are read with those of the decode step."""
    low, sixteen = matrix_flop(model)
    per_token = _arithmetic_s(model, gpu, chips, low, sixteen - 2 * model.head, c)
    scores = prefill_score_flop(model, tokens) / (chips * gpu.peak_16 * gpu.part_16)
    spread = (model.latent > 0) & (chips > 1)
    moved = collectives(model, gpu, chips, tokens, spread, c) - collectives(model, gpu, chips, 0.0, spread, c)
    return tokens * per_token + scores + moved
