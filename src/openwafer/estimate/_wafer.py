"""A model on wafers, in closed form: each layer in its own rectangle of PEs, layers over wafers in order.

A token passes the layers one after another; other users' tokens are in the other layers meanwhile. A layer
takes
its matrix products (PEs and their memory banks), its collectives (fabric), and what real kernels add to both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwafer.estimate._constants import WaferConstants
from openwafer.estimate._facts import ModelFacts, kv_bytes, prefill_score_flop, score_flop
from openwafer.estimate._mesh import Mesh, all_reduce_cycles, mesh_of
from openwafer.estimate._num import Num, where
from openwafer.machine.systems import WaferSystem

_PRODUCTS = 4
"""Matrix products of a dense layer: query, key and value; output; gate and up; down."""
_ALL_REDUCES, _ROUTER, _LATENT = 9, 2, 3
"""Two norms, four products, and the maximum, sum and values of the scores; a router adds two, latent
attention the norms of its ranks and one product."""
FILLS = (1.0, 0.5, 0.25, 0.125, 0.0625)
"""Parts of the wafers' PEs that are tried: a small model is faster on fewer."""
BATCHES = 2.0 ** np.arange(9)
CHUNKS = 4.0 ** np.arange(6)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaferFacts:
    """What the formulas need of one wafer and its system."""

    clock_hz: Num
    pes: Num
    hop: Num
    through: Num
    turn: Num
    start: Num
    rate: Num
    usable_bytes: Num
    io_bytes_per_s: Num
    wafer_to_wafer_s: Num
    user_s: Num
    per_system: Num
    idle_w: Num
    busy_w: Num
    max_w: Num
    peak: Num

    @property
    def mesh(self) -> Mesh:
        return Mesh(hop=self.hop, through=self.through, turn=self.turn, start=self.start, rate=self.rate)


def wafer_facts(system: WaferSystem) -> WaferFacts:
    """Power is a system's, hosts included; all else a wafer's."""
    mesh = mesh_of(system.machine, system.wafers.fma_per_cycle)
    peak = system.peak_flop_per_s("f16")
    assert peak is not None
    return WaferFacts(
        clock_hz=system.clock_hz,
        pes=system.machine.wafer.max_width * system.machine.wafer.max_height,
        hop=mesh.hop,
        through=mesh.through,
        turn=mesh.turn,
        start=mesh.start,
        rate=mesh.rate,
        usable_bytes=system.usable_bytes,
        io_bytes_per_s=system.io_bytes_per_s,
        wafer_to_wafer_s=system.wafer_to_wafer_s,
        user_s=system.io.user_us * 1e-6,
        per_system=system.wafers.per_system,
        idle_w=system.idle_w * system.power.with_hosts,
        busy_w=system.busy_w * system.power.with_hosts,
        max_w=system.max_w * system.power.with_hosts,
        peak=peak,
    )


def stack_wafers(facts: Sequence[WaferFacts], index: NDArray[np.intp]) -> WaferFacts:
    """`facts[index]` as one `WaferFacts` of arrays."""
    names = [field.name for field in dataclasses.fields(WaferFacts)]
    return WaferFacts(**{n: np.array([getattr(f, n) for f in facts], dtype=np.float64)[index] for n in names})


def wafers_needed(model: ModelFacts, wafer: WaferFacts, users: Num, context: Num) -> Num:
    """Wafers that hold the weights and the KV cache of `users` sequences; layers are cut only at their ends
    while at least one fits on a wafer."""
    total = model.stored_bytes + users * kv_bytes(model, context)
    layer = total / model.layers
    fitting = np.floor(wafer.usable_bytes / layer)
    whole = np.ceil(model.layers / np.maximum(fitting, 1))
    return where(fitting >= 1, whole, np.ceil(total / wafer.usable_bytes))


def replica_wafers(model: ModelFacts, wafer: WaferFacts, replicas: Num, users: Num, context: Num) -> Num:
    """Wafers of so many replicas together; infinite where a replica would have no user, or would not hold a
    layer and its part of the caches on one wafer (a single user's may lie on several)."""
    share = np.maximum(users / replicas, 1.0)
    layer = (model.stored_bytes + share * kv_bytes(model, context)) / model.layers
    wanted = (replicas <= np.maximum(users, 1.0)) & ((layer <= wafer.usable_bytes) | (share <= 1))
    last = replicas >= np.max(replicas)
    return where(wanted | last, replicas * wafers_needed(model, wafer, share, context), np.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Seconds of one layer for a batch of tokens, by what they are spent on."""

    arithmetic: Num
    fabric: Num

    @property
    def total(self) -> Num:
        return self.arithmetic + self.fabric


def stages(model: ModelFacts) -> Num:
    """Rectangles that a token passes: the layers, and the head as as many as it has bytes."""
    layer = (model.stored_bytes - 2 * model.head) / model.layers
    return model.layers + 2 * model.head / np.maximum(layer, 1.0)


def stage_time(
    model: ModelFacts, wafer: WaferFacts, pes: Num, tokens: Num, scores_flop: Num, c: WaferConstants
) -> Stage:
    """A layer on `pes` PEs for `tokens` tokens, whose attention takes `scores_flop` in all layers together.

    What real kernels add is control, an operation's and not a token's: (slowdown - 1) times one token's time.
    """
    closed = _closed_form(model, wafer, pes, tokens, scores_flop)
    single = _closed_form(model, wafer, pes, 1.0, scores_flop / tokens)
    return Stage(
        arithmetic=closed.arithmetic + (c.slowdown - 1) * single.arithmetic,
        fabric=closed.fabric + (c.slowdown - 1) * single.fabric,
    )


def _closed_form(model: ModelFacts, wafer: WaferFacts, pes: Num, tokens: Num, scores_flop: Num) -> Stage:
    """A product on a PE's rows and columns is a loop of vector operations, over its rows when there are few
    tokens, else over the tokens (as in `nn/kernels/linear.csl`)."""
    routed = model.chosen > 0
    active = (model.attention + model.mlp + model.moe_layers * model.chosen * model.expert) / model.layers
    side = np.sqrt(pes)
    products = _PRODUCTS + where(routed, 2 * np.maximum(model.chosen - 1, 0), 0)
    multiplied = tokens * active / pes + scores_flop / 2 / model.layers / pes
    columns = np.maximum(model.hidden / side, 1.0)
    rows = np.maximum(active / products / model.hidden / side, 1.0)
    turns = products * columns * np.minimum(tokens, rows)
    collectives = _ALL_REDUCES + _ROUTER * routed + _LATENT * (model.latent > 0)
    wavelets = tokens * (active / model.hidden + model.hidden) / side / 2 / collectives
    return Stage(
        arithmetic=(multiplied / wafer.rate + turns * wafer.turn) / wafer.clock_hz,
        fabric=collectives * all_reduce_cycles(wafer.mesh, side, np.maximum(wavelets, 1.0)) / wafer.clock_hz,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WaferServed:
    """One replica on `wafers` wafers with its users in steady state; `busy`: part of the time that PEs
    work."""

    wafers: Num
    token_s: Num
    first_s: Num
    arithmetic: Num
    fabric: Num
    io: Num
    prompts: Num
    busy: Num


def serve_on_wafers(
    model: ModelFacts, wafer: WaferFacts, wafers: Num, users: Num, tokens_in: Num, tokens_out: Num,
    c: WaferConstants, positions: Num = 1.0, whole: bool = False,
) -> WaferServed:  # fmt: skip
    """`users` sequences in flight; `positions`: tokens of a sequence in one pass (speculation checks
    several):
    they follow each other through the layers.

    The batch that travels together and the part of the PEs (all, with `whole`) are those that give the
    shortest time.
    """
    best: WaferServed | None = None
    for fill in FILLS[: 1 if whole else None]:
        served = _served(model, wafer, wafers, users, tokens_in, tokens_out, c, positions, fill)
        best = served if best is None else _sooner(best, served)
    assert best is not None
    return best


def _sooner(a: WaferServed, b: WaferServed) -> WaferServed:
    take = b.token_s < a.token_s
    return WaferServed(**{n: where(take, getattr(b, n), getattr(a, n)) for n in WaferServed.__slots__})


def _served(
    model: ModelFacts, wafer: WaferFacts, wafers: Num, users: Num, tokens_in: Num, tokens_out: Num,
    c: WaferConstants, positions: Num, fill: float,
) -> WaferServed:  # fmt: skip
    passed = stages(model)
    pes = wafers * wafer.pes * fill / passed
    others = np.maximum(users - 1, 0.0)
    prompt_s, chunk_s = prompt_time(model, wafer, wafers, pes, tokens_in, c, others)
    shape = (-1, *([1] * np.ndim(users + tokens_in + tokens_out + pes)))
    batch = np.minimum(BATCHES.reshape(shape), np.maximum(users, 1.0))
    seen = batch * score_flop(model, tokens_in + tokens_out / 2)
    stage = stage_time(model, wafer, pes, batch, seen, c)
    io = wafers * (wafer.wafer_to_wafer_s + batch * model.hidden * 2 / wafer.io_bytes_per_s)
    through = (passed + positions - 1) * stage.total + io
    work = users / batch * positions * stage.total
    waiting = np.maximum(work - through, 0.0)
    prompts = others / tokens_out * chunk_s
    token_s = through + waiting + prompts
    at = np.argmin(token_s, axis=0)[None]

    def take(values: Num) -> Num:
        return np.take_along_axis(np.broadcast_to(values, token_s.shape), at, axis=0)[0]

    total = take(token_s)
    return WaferServed(
        wafers=wafers,
        token_s=total,
        first_s=wafer.user_s + prompt_s,
        arithmetic=take(passed * stage.arithmetic + waiting),
        fabric=take(passed * stage.fabric),
        io=take(io),
        prompts=take(prompts),
        busy=np.minimum(take(work + prompts) / total, 1.0),
    )


def prompt_time(
    model: ModelFacts, wafer: WaferFacts, wafers: Num, pes: Num, tokens: Num, c: WaferConstants,
    others: Num = 0.0,
) -> tuple[Num, Num]:  # fmt: skip
    """Seconds of a prompt in chunks that follow each other through the layers, and what it keeps a layer
    busy. Small chunks are through sooner, large ones keep `others` waiting less: the sum of both is least."""
    shape = (-1, *([1] * np.ndim(tokens + pes + others)))
    chunk = np.minimum(CHUNKS.reshape(shape), np.maximum(tokens, 1.0))
    scores = prefill_score_flop(model, tokens) * chunk / np.maximum(tokens, 1.0)
    stage = stage_time(model, wafer, pes, chunk, scores, c).total
    move = chunk * model.hidden * 2 / wafer.io_bytes_per_s
    pace = np.maximum(stage, move)
    hops = wafers * (wafer.wafer_to_wafer_s + move)
    whole = stages(model) * stage + hops + (np.maximum(tokens / chunk, 1.0) - 1) * pace
    busy = tokens / chunk * pace
    whole, busy, delay = np.broadcast_arrays(whole, busy, whole + others * busy)
    at = np.argmin(delay, axis=0)[None]
    return np.take_along_axis(whole, at, axis=0)[0], np.take_along_axis(busy, at, axis=0)[0]
