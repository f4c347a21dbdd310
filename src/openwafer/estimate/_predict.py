"""The model's prediction for a published case, in the unit of the case; None where the system cannot do
it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeAlias

from openwafer.estimate._cases import Case
from openwafer.estimate._constants import Constants
from openwafer.estimate._facts import ModelFacts, model_facts
from openwafer.estimate._gpu import GpuFacts, gpu_facts, max_batch
from openwafer.estimate._known import load_model
from openwafer.estimate._mesh import ALGORITHMS, mesh_of, reduce_cycles
from openwafer.estimate._plan import Plan, Traffic, densest, fastest
from openwafer.estimate._power import gpu_watts, server_watts
from openwafer.estimate._train import gpu_part, train_on_gpus
from openwafer.estimate._wafer import serve_on_wafers, stages, wafer_facts, wafers_needed
from openwafer.machine import load_machine
from openwafer.machine.systems import GpuSystem, WaferSystem, load_system

Predictor: TypeAlias = Callable[[Case, Constants], float | None]
PREDICTORS: dict[str, Predictor] = {}

TOKEN_LIMITS = {
    ("llama-2-70b", "Server"): 0.2,
    ("llama-3.1-405b", "Server"): 0.175,
    ("llama-3.1-8b", "Server"): 0.1,
    ("deepseek-r1", "Server"): 0.08,
}
"""MLPerf's bounds on the 99th percentile of the time between tokens, in seconds."""
_MEAN_OF_P99 = 0.75
"""What the mean reaches where the 99th percentile is bound: the median of the published pairs."""


def _group(*names: str) -> Callable[[Predictor], Predictor]:
    def add(function: Predictor) -> Predictor:
        PREDICTORS.update(dict.fromkeys(names, function))
        return function

    return add


def predict(case: Case, c: Constants) -> float | None:
    return PREDICTORS[case.group](case, c)


@_group("time per token", "time to first token", "time per token under load")
def _times(case: Case, c: Constants) -> float | None:
    system = _gpu(case)
    plan = _fastest(case, system, case.users, c)
    if not plan.fits:
        return None
    return float(plan.first_s if case.group == "time to first token" else plan.token_s) * 1e3


@_group("offline throughput", "energy, wall")
def _throughput(case: Case, c: Constants) -> float | None:
    """The best batch; MLPerf's Server scenario bounds the time between tokens."""
    system = _gpu(case)
    model, gpu = _facts(case, system, c)
    limit = TOKEN_LIMITS.get((case.model, case.scenario))
    plan = densest(
        model, gpu, _traffic(case, 0.0), c.gpu, 1 / (limit * _MEAN_OF_P99) if limit else 0.0, case.chips
    )
    if not plan.fits:
        return None
    rate = float(plan.tokens_per_s) * (case.chips // int(plan.group * plan.pipes))
    if case.group == "offline throughput":
        return float(rate)
    chip = gpu_watts(system, plan.memory_use, plan.compute_use, c.power)
    return float(server_watts(chip, system, c.power) * case.chips / system.server.chips / rate)


@_group("energy, GPU")
def _gpu_energy(case: Case, c: Constants) -> float | None:
    """As many sequences in flight as were allowed, or as fit."""
    system = _gpu(case)
    model, gpu = _facts(case, system, c)
    room = float(max_batch(model, gpu, case.chips, _traffic(case, 1.0).mean_context))
    plan = _fastest(case, system, max(min(case.users, room), 1.0), c)
    if not plan.fits:
        return None
    watts = gpu_watts(system, plan.memory_use, plan.compute_use, c.power)
    return float(watts * case.chips / plan.tokens_per_s)


@_group("throughput at a speed, InferenceX")
def _at_speed(case: Case, c: Constants) -> float | None:
    """Tokens a second and chip of the best layout that is fast enough."""
    system = _gpu(case)
    model, gpu = _facts(case, system, c)
    most = min(system.link.chips, 64)
    plan = densest(model, gpu, _traffic(case, 0.0), c.gpu, case.extra["speed"], most_chips=most)
    return float(plan.tokens_per_s / (plan.group * plan.pipes)) if plan.fits else None


@_group("training throughput", "fine-tuning throughput")
def _training(case: Case, c: Constants) -> float | None:
    system = _gpu(case)
    sequence = case.extra["sequence"]
    batch = case.extra.get("batch", _usual_batch(case.chips))
    peak, part = gpu_part(system, case.form, c.train)
    trained = train_on_gpus(
        model_facts(load_model(case.model), "f16"), peak, part, case.chips, sequence, batch * sequence,
        c.train, case.extra.get("flop_part", 1.0),
    )  # fmt: skip
    return float(trained.tokens_per_s) / case.chips


def _usual_batch(chips: int) -> float:
    """Sequences of a step where none are told: two a chip, 128 at least."""
    return max(2.0 * chips, 128.0)


@_group("wafer speed a user", "wafer speed a user, speculation not told")
def _wafer_speed(case: Case, c: Constants) -> float | None:
    system = load_system(case.system)
    assert isinstance(system, WaferSystem)
    model, wafer = model_facts(load_model(case.model), case.form), wafer_facts(system)
    wafers = wafers_needed(model, wafer, case.users, case.tokens_in + case.tokens_out)
    if "side" in case.extra:
        pes = case.extra["side"] ** 2 * float(stages(model)) / float(wafers)
        wafer = dataclasses.replace(wafer, pes=pes, wafer_to_wafer_s=0.0)
    served = serve_on_wafers(
        model, wafer, wafers, case.users, case.tokens_in, case.tokens_out, c.wafer, whole="side" in case.extra
    )
    return 1 / float(served.token_s)


@_group("reduction on the mesh")
def _reduction(case: Case, c: Constants) -> float | None:
    mesh = mesh_of(load_machine(case.system), 1.0)
    step = case.extra.get("step", 1.0)
    algorithm = ALGORITHMS[[str(a) for a in ALGORITHMS].index(case.scenario)]
    return float(reduce_cycles(mesh, algorithm, case.extra["pes"], case.extra["wavelets"], step))


def _gpu(case: Case) -> GpuSystem:
    system = load_system(case.system)
    assert isinstance(system, GpuSystem)
    return system


def _facts(case: Case, system: GpuSystem, c: Constants) -> tuple[ModelFacts, GpuFacts]:
    model = model_facts(load_model(case.model), case.form, case.kv_form)
    return model, gpu_facts(system, case.form, case.engine, c.gpu)


def _traffic(case: Case, users: float) -> Traffic:
    closed = float(case.scenario == "one replica")
    return Traffic(tokens_in=case.tokens_in, tokens_out=case.tokens_out, users=users, closed=closed)


def _fastest(case: Case, system: GpuSystem, users: float, c: Constants) -> Plan:
    model, gpu = _facts(case, system, c)
    one = case.scenario == "one replica"
    return fastest(model, gpu, _traffic(case, users), float(case.chips), c.gpu, one)
