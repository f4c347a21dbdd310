"""The model's prediction for a published case, in the unit of the case; None where the system cannot do
it."""

from __future__ import annotations

import dataclasses

from openwafer.estimate._constants import Constants
from openwafer.estimate._facts import ModelFacts, model_facts
from openwafer.estimate._gpu import GpuFacts, gpu_facts, max_batch
from openwafer.estimate._known import load_model
from openwafer.estimate._plan import Plan, Traffic, densest, fastest
from openwafer.estimate._power import gpu_watts, server_watts
from openwafer.estimate._train import (
    TRAINING_MEMORY_USE,
    Trained,
    gpu_part,
    train_on_gpus,
    train_on_wafers,
)
from openwafer.estimate._wafer import serve_on_wafers, stages, wafer_facts, wafers_needed
from openwafer.estimate.validation import _predict_mesh as mesh
from openwafer.estimate.validation._case import Case, Predictor
from openwafer.machine.systems import GpuSystem, WaferSystem, load_system

TOKEN_LIMITS = {
    ("llama-2-70b", "Server"): 0.2,
    ("llama-3.1-405b", "Server"): 0.175,
    ("llama-3.1-8b", "Server"): 0.1,
    ("deepseek-r1", "Server"): 0.08,
}
"""MLPerf's bounds on the 99th percentile of the time between tokens, in seconds."""
_MEAN_OF_P99 = 0.75
"""What the mean reaches where the 99th percentile is bound: the median of the published pairs."""


def _times(case: Case, c: Constants) -> float | None:
    system = _gpu(case)
    plan = _fastest(case, system, case.users, c)
    if not plan.fits:
        return None
    return float(plan.first_s if case.group == "time to first token" else plan.token_s) * 1e3


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


def _at_speed(case: Case, c: Constants) -> float | None:
    """Tokens a second and chip of the best layout that is fast enough."""
    system = _gpu(case)
    model, gpu = _facts(case, system, c)
    plan = densest(model, gpu, _traffic(case, 0.0), c.gpu, case.extra["speed"], most_chips=64, may_split=True)
    return float(plan.per_chip) if plan.fits else None


def _training(case: Case, c: Constants) -> float | None:
    return float(_trained(case, c).tokens_per_s) / case.chips


def _training_energy(case: Case, c: Constants) -> float | None:
    """Megajoules for `tokens_in` tokens."""
    system, trained = _gpu(case), _trained(case, c)
    watts = server_watts(gpu_watts(system, TRAINING_MEMORY_USE, trained.use, c.power), system, c.power)
    seconds = case.tokens_in / float(trained.tokens_per_s)
    return float(watts) * case.chips / system.server.chips * seconds / 1e6


def _trained(case: Case, c: Constants) -> Trained:
    system = _gpu(case)
    sequence = case.extra["sequence"]
    batch = case.extra.get("batch", _usual_batch(case.chips))
    peak, part = gpu_part(system, case.form, c.train)
    return train_on_gpus(
        model_facts(load_model(case.model), "f16"), peak, part, case.chips, sequence, batch * sequence,
        c.train, case.extra.get("flop_part", 1.0),
    )  # fmt: skip


def _scaling(case: Case, c: Constants) -> float | None:
    system = load_system(case.system)
    assert isinstance(system, WaferSystem)
    model, tokens = model_facts(load_model(case.model), "f16"), case.extra["batch_tokens"]
    one, many = (
        train_on_wafers(model, system, n, case.extra["sequence"], tokens * n, c.train).tokens_per_s
        for n in (1, case.chips)
    )
    return float(many / one)


def _wafers(case: Case, c: Constants) -> float | None:
    system = load_system(case.system)
    assert isinstance(system, WaferSystem)
    model = model_facts(load_model(case.model), case.form)
    return float(wafers_needed(model, wafer_facts(system), case.users, case.tokens_in + case.tokens_out))


def _usual_batch(chips: int) -> float:
    """Sequences of a step where none are told: two a chip, 128 at least."""
    return max(2.0 * chips, 128.0)


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


PREDICTORS: dict[str, Predictor] = {
    "time per token": _times,
    "time to first token": _times,
    "time per token under load": _times,
    "offline throughput": _throughput,
    "energy, wall": _throughput,
    "energy, GPU": _gpu_energy,
    "throughput at a speed": _at_speed,
    "training throughput": _training,
    "fine-tuning throughput": _training,
    "training energy, wall": _training_energy,
    "scaling of training on wafers": _scaling,
    "wafers needed": _wafers,
    "wafer speed a user": _wafer_speed,
    "wafer speed, speculation untold": _wafer_speed,
    **mesh.PREDICTORS,
}
"""By group of cases."""


def predict(case: Case, c: Constants) -> float | None:
    """The value of a case, in its unit."""
    return PREDICTORS[case.group](case, c)
