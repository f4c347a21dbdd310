"""A model on a fixed layout of a fixed number of systems: what a service looks up while it runs.

`estimate` chooses a layout for its traffic and tells steady states; a service keeps its layout while the
number of requests changes, so prompts and tokens are apart here, by the same formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwafer.diag import DiagnosticError, error
from openwafer.estimate._bands import Kind
from openwafer.estimate._config import ModelConfig
from openwafer.estimate._constants import Constants, constants
from openwafer.estimate._estimate import precision_of
from openwafer.estimate._facts import ModelFacts, kv_bytes, model_facts
from openwafer.estimate._gpu import GpuFacts, decode_step, gpu_facts, matrix_flop, max_batch, prefill_s
from openwafer.estimate._known import load_model
from openwafer.estimate._power import gpu_watts, server_watts
from openwafer.estimate._wafer import (
    WaferFacts,
    prompt_time,
    serve_on_wafers,
    stages,
    wafer_facts,
    wafers_needed,
)
from openwafer.machine.systems import Format, GpuSystem, System, WaferSystem, load_system

Grid = NDArray[np.float64]
MOST_USERS = 4096
"""Sequences of a replica: engines are not built for more."""
_GROUPS = 2.0 ** np.arange(0, 8)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Deployment:
    """`replicas` equal ones. All that follows is of one replica; watts are IT power.

    `token_s`, `watts`: of a step of `users[i]` sequences that hold `contexts[j]` tokens each, without
    prompts. `prompt_s`, `busy_s`: of a prompt of `prompts[k]` tokens alone: until it is read, and how long
    others wait for it. A first token takes `first_s` and `first_steps` steps more. `kv_tokens`: tokens that
    its caches hold. `assumed`: facts of the system without proof.
    """

    model: str
    system: str
    kind: Kind
    precision: Format
    layout: str
    replicas: int
    users: Grid
    contexts: Grid
    prompts: Grid
    token_s: Grid
    watts: Grid
    prompt_s: Grid
    busy_s: Grid
    prompt_watts: float
    idle_watts: float
    first_s: float
    first_steps: float
    kv_tokens: float
    kv_bytes_per_token: float
    context: int
    usd_per_hour: float | None
    pue: float
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Ask:
    model: ModelConfig
    facts: ModelFacts
    form: Format
    count: int
    context: float
    least: float
    users: Grid
    contexts: Grid
    prompts: Grid
    c: Constants

    @property
    def mesh(self) -> tuple[Grid, Grid]:
        """Users down, contexts across."""
        return self.users[:, None] + 0 * self.contexts, self.contexts + 0 * self.users[:, None]


def deploy(
    model: str | ModelConfig,
    system: str | System,
    systems: int = 1,
    *,
    context: float = 2048,
    tokens_per_second_per_user: float = 0,
    precision: Format | None = None,
    engine: str = "trtllm",
    c: Constants | None = None,
) -> Deployment:
    """The layout of `systems` systems with most tokens a second for sequences of `context` tokens, among
    those that give each user so many tokens a second; prompts and tokens share the chips.

    Diagnostics: deployment-does-not-fit, target-out-of-reach, traffic-out-of-range, and those of
    `load_model`, `load_system` and `estimate`'s `precision`.
    """
    for name, value in (("systems", systems), ("context", context)):
        if not 1 <= value <= 1e6:
            raise error("traffic-out-of-range", f"`{name}` must be from 1 to 1e6, found {value:g}")
    config = load_model(model) if isinstance(model, str) else model
    on = load_system(system) if isinstance(system, str) else system
    form = precision_of(config, on, precision)
    longest = float(max(config.context, 2))
    ask = _Ask(
        config, model_facts(config, form), form, systems, min(context, longest), tokens_per_second_per_user,
        np.geomspace(1, MOST_USERS, 13), _spread(16, longest), _spread(1, longest), c or constants(),
    )  # fmt: skip
    return _on_gpus(ask, on, engine) if isinstance(on, GpuSystem) else _on_wafers(ask, on)


def _spread(low: float, high: float) -> Grid:
    return np.unique(np.geomspace(min(low, high), high, 25).round())


def _best(
    ask: _Ask, system: System, sizes: Iterator[float], room: Callable[[float], float],
    step_s: Callable[[float, Grid], Grid],
) -> tuple[float, float]:  # fmt: skip
    """Size of the group (chips or wafers) with most tokens a second of each, and its room for users."""
    best, found, fastest = -1.0, (0.0, 0.0), 0.0
    for size in sizes:
        users = np.array([n for n in ask.users if n <= max(room(size), 0.0)])
        if not users.size:
            continue
        seconds = step_s(size, users)
        fastest = max(fastest, float(1 / seconds.min()))
        rates = np.where(1 / seconds >= ask.least, users / seconds / size, -1.0)
        if rates.max() > best:
            best, found = float(rates.max()), (float(size), float(min(room(size), MOST_USERS)))
    if best < 0:
        raise _nowhere(ask, system, fastest)
    return found


def _nowhere(ask: _Ask, system: System, fastest: float) -> DiagnosticError:
    name = f"{ask.count} × `{system.name}`"
    if fastest == 0:
        text = f"`{ask.model.name}` in {ask.form} does not fit on {name}"
        return error("deployment-does-not-fit", text, help="more systems, or store it smaller (`precision`)")
    text = f"{name} give no user {ask.least:g} tokens/s"
    return error("target-out-of-reach", text, help=f"they reach {fastest:.4g} tokens/s")


# --- GPUs ---


def _on_gpus(ask: _Ask, system: GpuSystem, engine: str) -> Deployment:
    """One tensor-parallel group a replica; no pipelines."""
    gpu, model, c = gpu_facts(system, ask.form, engine, ask.c.gpu), ask.facts, ask.c.gpu
    chips = ask.count * system.server.chips
    sizes = iter([g for g in _GROUPS if g <= min(chips, float(gpu.domain))])
    group, room = _best(
        ask, system, sizes, lambda g: float(max_batch(model, gpu, g, ask.context)),
        lambda g, n: decode_step(model, gpu, g, n, ask.context, c).total,
    )  # fmt: skip
    users, contexts = ask.mesh
    step = decode_step(model, gpu, group, users, contexts, c)
    part = group / system.server.chips
    prompt_s = prefill_s(model, gpu, group, ask.prompts, c)

    def watts(memory: Grid, compute: Grid) -> Grid:
        return server_watts(gpu_watts(system, memory, compute, ask.c.power), system, ask.c.power) * part

    idle = server_watts(np.float64(system.chip.power_idle_w), system, ask.c.power)
    hour = system.usd_per_hour
    return Deployment(
        model=ask.model.name, system=system.name, kind="gpu", precision=ask.form,
        layout=f"{int(chips // group)} × TP{int(group)}", replicas=int(chips // group),
        users=ask.users, contexts=ask.contexts, prompts=ask.prompts, token_s=step.total,
        watts=watts(step.memory_use, step.compute_use), prompt_s=prompt_s, busy_s=prompt_s,
        prompt_watts=float(watts(np.zeros(1), _prompt_use(ask, gpu, group))[0]),
        idle_watts=float(idle * part), first_s=c.first_s, first_steps=c.first_steps,
        kv_tokens=room * ask.context, kv_bytes_per_token=_kv_bytes(ask), context=ask.model.context,
        usd_per_hour=None if hour is None else hour * part, pue=ask.c.site.pue, assumed=_assumed(system),
    )  # fmt: skip


def _prompt_use(ask: _Ask, gpu: GpuFacts, group: float) -> Grid:
    """Part of the peak that reading a prompt of the usual length uses."""
    low, sixteen = matrix_flop(ask.facts)
    peak_s = ask.context * (low / gpu.peak_low + sixteen / gpu.peak_16) / group
    return np.array([peak_s / float(prefill_s(ask.facts, gpu, group, ask.context, ask.c.gpu))])


# --- wafers ---


def _on_wafers(ask: _Ask, system: WaferSystem) -> Deployment:
    wafer, model = wafer_facts(system), ask.facts
    total = ask.count * int(system.wafers.per_system)
    sizes = (float(n) for n in sorted({total // r for r in range(1, total + 1)}))
    group, room = _best(
        ask, system, sizes, lambda g: _wafer_room(ask, wafer, g), lambda g, n: _tokens(ask, wafer, g, n)[0]
    )
    token_s, busy = _tokens(ask, wafer, group, *ask.mesh)
    pes = group * wafer.pes / stages(model)
    prompt_s, busy_s = prompt_time(model, wafer, group, pes, ask.prompts, ask.c.wafer, 1.0)
    part = group / wafer.per_system
    hour = system.usd_per_hour
    return Deployment(
        model=ask.model.name, system=system.name, kind="wafer", precision=ask.form,
        layout=f"{int(total // group)} × {int(group)} wafer{'s' if group > 1 else ''}",
        replicas=int(total // group), users=ask.users, contexts=ask.contexts, prompts=ask.prompts,
        token_s=token_s, watts=(wafer.idle_w + (wafer.busy_w - wafer.idle_w) * busy) * part,
        prompt_s=prompt_s, busy_s=np.minimum(busy_s, prompt_s), prompt_watts=float(wafer.busy_w * part),
        idle_watts=float(wafer.idle_w * part), first_s=float(wafer.user_s), first_steps=0.0,
        kv_tokens=room * ask.context, kv_bytes_per_token=_kv_bytes(ask), context=ask.model.context,
        usd_per_hour=None if hour is None else hour * part, pue=ask.c.site.pue, assumed=_assumed(system),
    )  # fmt: skip


def _tokens(
    ask: _Ask, wafer: WaferFacts, wafers: float, users: Grid, contexts: Grid | float | None = None
) -> tuple[Grid, Grid]:
    """Seconds of a step and the part of them that PEs work, of sequences whose prompts are long past."""
    seen = np.asarray(ask.context if contexts is None else contexts, np.float64) + 0 * users
    served = serve_on_wafers(ask.facts, wafer, wafers, users, 1.0, 2 * np.maximum(seen - 1, 1), ask.c.wafer)
    return served.token_s - served.prompts, served.busy


def _wafer_room(ask: _Ask, wafer: WaferFacts, wafers: float) -> float:
    """The most users of `ask.context` tokens that fit on `wafers` wafers; 0 where none does."""
    users = np.arange(0, MOST_USERS + 1, dtype=np.float64)
    fit = wafers_needed(ask.facts, wafer, users, ask.context) <= wafers
    return float(users[fit].max(initial=0.0))


def _kv_bytes(ask: _Ask) -> float:
    """Of one more token at the usual length."""
    return float(kv_bytes(ask.facts, ask.context)) / ask.context


def _assumed(system: System) -> tuple[str, ...]:
    return tuple(fact.name for fact in system.by_name.values() if fact.status == "assumed")
