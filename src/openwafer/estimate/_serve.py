"""A replica in steady state: prompts that start between the tokens of those that run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openwafer.estimate._constants import GpuConstants
from openwafer.estimate._facts import ModelFacts, kv_bytes
from openwafer.estimate._gpu import GpuFacts, Step, decode_step, matrix_flop, prefill_s
from openwafer.estimate._num import Num, where


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Speculative decoding: `drafted` tokens a round are proposed, each right with probability `accepted`; a
    proposal costs `cost` of a step."""

    drafted: Num = 0.0
    accepted: Num = 0.0
    cost: Num = 0.0

    @property
    def positions(self) -> Num:
        """Tokens that a step checks."""
        return 1.0 + self.drafted

    @property
    def time_part(self) -> Num:
        """Time a token over that of a round's step: (1 + d cost) over 1 + a + a² + … + a^d tokens."""
        tokens = (1 - self.accepted ** (self.drafted + 1)) / (1 - self.accepted)
        return (1 + self.drafted * self.cost) / tokens


NO_DRAFT = Draft()


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A replica in steady state. `token_s` is the mean time between a user's tokens, `first_s` to the first
    one; `prompt_chips`: chips that only read its prompts, over the replica's own."""

    token_s: Num
    first_s: Num
    prompt_s: Num
    prompt_chips: Num
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
    draft: Draft = NO_DRAFT,
    split: Num = 0.0,
) -> Served:
    """`batch` sequences in flight; `closed` is 1 when as many clients as that start together, as in
    benchmarks; with `split` = 1 other chips read the prompts (disaggregation) and hand their caches over."""
    step = decode_step(model, gpu, chips, batch, tokens_in + tokens_out / 2, c, draft.positions)
    prompt = prefill_s(model, gpu, chips, tokens_in, c)
    generated_s, share = step.total * draft.time_part, batch / tokens_out
    token_s = generated_s + where(split > 0, 0.0, share * prompt)
    busy = where(split > 0, c.prompt_busy, np.minimum(share * prompt / token_s, 0.95))
    queue = c.first_queue * busy / (1 - busy) * prompt
    wait = c.first_steps + where(step.spread, c.spread_steps, 0.0)
    handed = split * kv_bytes(model, tokens_in) / (chips * gpu.out_bytes_per_s * c.link)
    first = c.first_s + wait * token_s + prompt + queue + closed * c.first_closed * batch * prompt + handed
    prompt_chips = split * share / token_s * prompt / c.prompt_busy
    low, sixteen = matrix_flop(model)
    prompt_peak_s = tokens_in * (low / gpu.peak_low + sixteen / gpu.peak_16) / chips
    all_s = token_s * (1 + prompt_chips)
    return Served(
        token_s=token_s,
        first_s=first,
        prompt_s=prompt,
        prompt_chips=prompt_chips,
        step=step,
        memory_use=step.memory_use * step.total / all_s,
        compute_use=(step.compute_use * step.total + share * prompt_peak_s) / all_s,
    )
