"""Serving on GPUs: one replica of `chips` accelerators with a batch, in closed form.

A decode step is matrices (memory or arithmetic, whichever binds), KV cache, collectives, launches and the host. While
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
    Num,
    distinct_experts,
    kv_bytes,
    prefill_score_flop,
    score_flop,
    token_flop,
)
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
    step_s: Num
    sequence_s: Num
    power_max_w: Num
    power_idle_w: Num


def gpu_facts(system: GpuSystem, form: Format, engine: str, c: GpuConstants) -> GpuFacts:
    """`engine` is "vllm" or any other; the peak must exist."""
    peak, sixteen = system.peak_flop_per_s(form), system.peak_flop_per_s("f16")
    assert peak is not None and sixteen is not None
    chip, link = system.chip, system.link
    maker = c.amd if is_amd(system) else 1.0
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
        step_s=c.vllm_step_s if vllm else c.step_s,
        sequence_s=c.vllm_sequence_s if vllm else c.sequence_s,
        power_max_w=chip.power_max_w,
        power_idle_w=chip.power_idle_w,
    )


def is_amd(system: GpuSystem) -> bool:
    """Whether the chip is an Instinct: its software reaches another part of the peak."""
    return system.name.startswith("mi") or "AMD" in system.by_name["chip.memory_gb"].source


def stack_gpus(facts: Sequence[GpuFacts], index: NDArray[np.intp]) -> GpuFacts:
    """`facts[index]` as one `GpuFacts` of arrays."""
    names = [field.name for field in dataclasses.fields(GpuFacts)]
    return GpuFacts(**{n: np.array([getattr(f, n) for f in facts], dtype=np.float64)[index] for n in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Seconds of one decode step by part; `memory_use` and `compute_use` are parts of the step at the peaks."""

    total: Num
    matrices: Num
    arithmetic: Num
    cache: Num
    collectives: Num
    launches: Num
    memory_use: Num
    compute_use: Num


def max_batch(model: ModelFacts, gpu: GpuFacts, chips: Num, context: Num) -> Num:
    """Sequences of `context` tokens whose KV cache fits beside the weights; below 1 when the model does not fit."""
    free = chips * gpu.memory_bytes * USABLE_MEMORY - model.stored_bytes
    return free / np.maximum(kv_bytes(model, context) * _copies(model, chips), 1.0)


def _copies(model: ModelFacts, chips: Num) -> Num:
    """Chips over KV heads hold the same heads; latent attention is spread by sequence instead."""
    return np.where(model.latent > 0, 1.0, np.maximum(chips / model.kv_heads, 1.0))


def decode_step(model: ModelFacts, gpu: GpuFacts, chips: Num, batch: Num, context: Num, c: GpuConstants) -> Step:
    """One token for each of `batch` sequences that have `context` tokens."""
    touched = distinct_experts(model, batch)
    experts_bytes = model.moe_layers * touched * model.expert * model.expert_bytes
    part = expert_part(model, chips, c)
    dense_bytes = model.attention * model.attention_bytes + model.mlp * model.mlp_bytes + 2 * model.head
    bandwidth = chips * gpu.bytes_per_s
    weights_s = (dense_bytes + experts_bytes / part) / (bandwidth * c.memory)
    cached = batch * kv_bytes(model, context) * _copies(model, chips)
    low, sixteen = matrix_flop(model)
    scores = batch * score_flop(model, context)
    arithmetic_s = batch * _arithmetic_s(model, gpu, chips, low, sixteen, c)
    cache_s = np.maximum(cached / (bandwidth * c.cache), scores / (chips * gpu.peak_16 * gpu.part_16))
    matrices_s = (weights_s**_SHARPNESS + arithmetic_s**_SHARPNESS) ** (1 / _SHARPNESS)
    collectives_s = collectives(model, gpu, chips, batch, c)
    routed_s = model.moe_layers * (c.expert_layer_s + batch / chips * c.expert_token_s)
    launches_s = model.layers * c.layer_s + routed_s + gpu.step_s + batch * gpu.sequence_s
    total = matrices_s + cache_s + collectives_s + launches_s
    peak_s = batch * (low / gpu.peak_low + sixteen / gpu.peak_16) / chips + scores / (chips * gpu.peak_16)
    return Step(
        total=total,
        matrices=matrices_s,
        arithmetic=arithmetic_s,
        cache=cache_s,
        collectives=collectives_s,
        launches=launches_s,
        memory_use=(dense_bytes + experts_bytes + cached) / bandwidth / total,
        compute_use=peak_s / total,
    )


def expert_part(model: ModelFacts, chips: Num, c: GpuConstants) -> Num:
    """Of the bandwidth that expert matrices reach when each is cut over the chips: small pieces are slow."""
    piece = model.expert / chips
    return np.where(model.expert > 0, piece / (piece + c.expert_half), 1.0)


def matrix_flop(model: ModelFacts) -> tuple[Num, Num]:
    """Of one token: in the weights' format, and in 16 bits."""
    in_16 = model.attention_in_16 * 2 * model.attention
    return token_flop(model) - in_16, in_16 + 2 * model.head


def _arithmetic_s(
    model: ModelFacts, gpu: GpuFacts, chips: Num, low: Num, sixteen: Num, c: GpuConstants
) -> Num:
    """Experts get fewer tokens each than a dense layer, so their part of the peak is smaller."""
    routed = 2 * model.moe_layers * model.chosen * model.expert
    weighted = low - routed + routed / expert_part(model, chips, c)
    return weighted / (chips * gpu.peak_low * gpu.part_low) + sixteen / (chips * gpu.peak_16 * gpu.part_16)


def collectives(model: ModelFacts, gpu: GpuFacts, chips: Num, tokens: Num, c: GpuConstants) -> Num:
    """Two all-reduces a layer: a latency, and 2 (n - 1)/n of the activations over the link."""
    inside = chips <= gpu.domain
    link = np.where(inside, gpu.link_bytes_per_s, gpu.out_bytes_per_s) * c.link
    moved = 2 * (chips - 1) / chips * tokens * model.hidden * 2
    each = c.reduce_s * np.log2(np.maximum(chips, 1)) ** 0.5 * np.where(inside, 1.0, 5.0) + moved / link
    return np.where(chips > 1, 2 * model.layers * each, 0.0)


def prefill_s(model: ModelFacts, gpu: GpuFacts, chips: Num, tokens: Num, c: GpuConstants) -> Num:
    """Arithmetic and collectives of one prompt; the weights are read with those of the decode step."""
    low, sixteen = matrix_flop(model)
    per_token = _arithmetic_s(model, gpu, chips, low, sixteen - 2 * model.head, c)
    scores = prefill_score_flop(model, tokens) / (chips * gpu.peak_16 * gpu.part_16)
    moved = collectives(model, gpu, chips, tokens, c) - collectives(model, gpu, chips, 0.0, c)
    return tokens * per_token + scores + moved


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A replica in steady state. `token_s` is the mean time between a user's tokens, `first_s` to the first one."""

    token_s: Num
    first_s: Num
    prompt_s: Num
    step: Step
    memory_use: Num
    compute_use: Num


def serve(
    model: ModelFacts,
    gpu: GpuFacts,
    chips: Num,
    batch: Num,
    tokens_in: Num,
    tokens_out: Num,
    c: GpuConstants,
    closed: Num = 0.0,
) -> Served:
    """`batch` sequences in flight; `closed` is 1 when a fixed number of clients start together, as benchmarks do."""
    step = decode_step(model, gpu, chips, batch, tokens_in + tokens_out / 2, c)
    prompt = prefill_s(model, gpu, chips, tokens_in, c)
    token_s = step.total + batch / tokens_out * prompt
    busy = np.minimum(batch / tokens_out * prompt / token_s, 0.95)
    queue = c.first_queue * busy / (1 - busy) * prompt
    first = c.first_s + c.first_steps * token_s + prompt + queue + closed * c.first_closed * batch * prompt
    low, sixteen = matrix_flop(model)
    prompt_peak_s = tokens_in * (low / gpu.peak_low + sixteen / gpu.peak_16) / chips
    return Served(
        token_s=token_s,
        first_s=first,
        prompt_s=prompt,
        step=step,
        memory_use=step.memory_use * step.total / token_s,
        compute_use=(step.compute_use * step.total + batch / tokens_out * prompt_peak_s) / token_s,
    )
