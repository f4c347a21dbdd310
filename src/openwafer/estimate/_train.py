"""Training: operations of a token, what of the peak is reached, and on wafers the streaming of weights.

On GPUs the parts reached are published utilisations: larger matrices reach more, few tokens a chip and step
less
(pipelines fill, gradients are reduced). On wafers a step streams every weight in and every gradient out of
each
system, while the compute of a layer overlaps the streaming of others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openwafer.estimate._constants import TrainConstants
from openwafer.estimate._facts import ModelFacts, model_facts, prefill_score_flop, token_flop
from openwafer.estimate._known import load_model
from openwafer.estimate._num import Num
from openwafer.machine.systems import Format, GpuSystem, WaferSystem

STREAMED_BYTES = 4
"""Of a parameter, in each direction and step (published.csv B012)."""

TRAINING_MEMORY_USE = 0.5
"""Of the memory's bandwidth while a chip trains, assumed: what its power is estimated with."""


def train_flop(model: ModelFacts, sequence: Num) -> Num:
    """Of one token, forward and twice backward, in sequences of so many; attention is causal."""
    scores = prefill_score_flop(model, sequence) / sequence
    return 3 * (token_flop(model) + 2 * model.head + scores)


def token_train_flop(name: str, sequence: float) -> float:
    return float(train_flop(model_facts(load_model(name), "f16"), sequence))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """`tokens_per_s` of all chips or systems; `use`: part of the dense peak; `stream`: part of a step that
    waits for weights and gradients."""

    tokens_per_s: Num
    use: Num
    stream: Num


def gpu_part(system: GpuSystem, form: Format, c: TrainConstants) -> tuple[float, float]:
    """Peak in FLOP/s, and the part of it that large matrices reach. FP4 counts at most as twice FP8: what is
    not a matrix product does not get faster."""
    peak, eight = system.peak_flop_per_s(form), system.peak_flop_per_s("fp8")
    assert peak is not None
    part = {"fp8": c.fp8, "fp4": c.fp4}.get(form, c.f16)
    if form == "fp4" and eight is not None:
        peak = min(peak, 2 * eight)
    blackwell = system.peak_flop_per_s("fp4") is not None and system.vendor == "nvidia"
    return peak, part * (c.amd if system.vendor == "amd" else 1.0) * (c.blackwell if blackwell else 1.0)


def train_on_gpus(
    model: ModelFacts, peak: Num, part: Num, chips: Num, sequence: Num, batch_tokens: Num, c: TrainConstants,
    flop_part: Num = 1.0,
) -> Trained:  # fmt: skip
    """`batch_tokens`: of a step of all chips."""
    wide = model.hidden / (model.hidden + c.half_width)
    full = 1 / (1 + c.few_tokens * chips / batch_tokens)
    use = part * wide * full
    rate = chips * peak * use / (train_flop(model, sequence) * flop_part)
    return Trained(tokens_per_s=rate, use=use, stream=0.0 * rate)


def train_on_wafers(
    model: ModelFacts, system: WaferSystem, wafers: Num, sequence: Num, batch_tokens: Num, c: TrainConstants
) -> Trained:
    """Data parallel over wafers; each sees every weight once forward and once backward and sends its
    gradients."""
    peak = system.peak_flop_per_s("f16")
    assert peak is not None
    each = batch_tokens / wafers
    compute = each * train_flop(model, sequence) / (peak * c.wafer)
    stream = 2 * model.stored * STREAMED_BYTES / system.io_bytes_per_s
    step = np.maximum(compute, stream) / c.doubling ** np.log2(np.maximum(wafers, 1))
    use = each * train_flop(model, sequence) / (peak * step)
    return Trained(tokens_per_s=batch_tokens / step, use=use, stream=np.maximum(1 - compute / stream, 0.0))
