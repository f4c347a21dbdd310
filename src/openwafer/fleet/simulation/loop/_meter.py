# pyright: basic
"""What is counted by pool and period: busy time, energy, tokens."""

from __future__ import annotations

from openwafer.fleet.simulation.loop._kernel import kernel
from openwafer.fleet.simulation.loop._state import (
    BUSY_S,
    ENERGY_J,
    OUTPUT_TOKENS,
    PROMPT_TOKENS,
    REUSED_TOKENS,
)


@kernel
def measure_block(s, r, now):
    """Adds the time since the start of the block, and its energy, to the periods in which it lies."""
    replica, world = s.replicas[r], s.world[0]
    watts = s.steps[replica.pool, 2, replica.batch]
    duration = now - replica.start_s
    if duration <= 0:
        return
    power = watts
    if replica.prompt_s > 0:
        part = min(replica.prompt_s / duration, 1.0)
        power = watts * (1 - part) + s.pools[replica.pool].prompt_w * part
    world.steps += replica.block
    world.blocks += 1
    at, period = replica.start_s, int(replica.start_s / world.period_s)
    while at < now and period < s.meter.shape[1]:
        until = min(now, (period + 1) * world.period_s)
        s.meter[replica.pool, period, BUSY_S] += until - at
        s.meter[replica.pool, period, ENERGY_J] += (until - at) * power
        at = until
        period += 1


@kernel
def advance(s, r, count, now):
    """`count` steps of the block are over: context and KV cache have grown."""
    replica = s.replicas[r]
    replica.step += count
    made = replica.batch * count
    replica.context += made
    if not s.pools[replica.pool].reserves:
        replica.kv += made
    count_tokens(s, replica.pool, now, OUTPUT_TOKENS, made)


@kernel
def count_tokens(s, pool, now, what, tokens):
    period = int(now / s.world[0].period_s)
    if period < s.meter.shape[1]:
        s.meter[pool, period, what] += tokens


@kernel
def count_prompt(s, replica, request, now):
    """At the end of a prompt: what was read, and what was there already."""
    count_tokens(s, replica.pool, now, PROMPT_TOKENS, request.prompt + request.done - request.reused)
    count_tokens(s, replica.pool, now, REUSED_TOKENS, request.reused)
    count_tokens(s, replica.pool, now, OUTPUT_TOKENS, 1)
