"""The model's prediction for a published case."""

from __future__ import annotations

import numpy as np

from openwafer.estimate._cases import Case
from openwafer.estimate._constants import Constants
from openwafer.estimate._facts import model_facts
from openwafer.estimate._gpu import gpu_facts, max_batch
from openwafer.estimate._known import load_model
from openwafer.estimate._plan import Plan, Traffic, densest, fastest
from openwafer.estimate._power import gpu_watts, server_watts
from openwafer.machine.systems import GpuSystem, load_system

TOKEN_LIMITS = {
    ("llama-2-70b", "Server"): 0.2,
    ("llama-3.1-405b", "Server"): 0.175,
    ("llama-3.1-8b", "Server"): 0.1,
    ("deepseek-r1", "Server"): 0.08,
}
"""MLPerf's bounds on the 99th percentile of the time between tokens, in seconds."""
_MEAN_OF_P99 = 0.75
"""What the mean reaches where the 99th percentile is bound: the median of the published pairs."""


def predict(case: Case, c: Constants) -> float | None:
    """In the unit of the case; None where the system cannot hold the model."""
    system = load_system(case.system)
    if not isinstance(system, GpuSystem):
        from openwafer.estimate._predict_wafer import predict_wafer

        return predict_wafer(case, system, c)
    if case.group.startswith("training"):
        from openwafer.estimate._train import predict_training

        return predict_training(case, system, c.train)
    plan = _plan(case, system, c)
    if not plan.fits:
        return None
    match case.group:
        case "offline throughput":
            return float(plan.tokens_per_s)
        case "time to first token":
            return float(plan.first_s) * 1e3
        case "energy, GPU":
            return float(gpu_watts(system, plan.memory_use, plan.compute_use, c.power) * case.chips / plan.tokens_per_s)
        case "energy, wall":
            chip = gpu_watts(system, plan.memory_use, plan.compute_use, c.power)
            return float(server_watts(chip, system, c.power) * case.chips / system.server.chips / plan.tokens_per_s)
        case _:
            return float(plan.token_s) * 1e3


def _plan(case: Case, system: GpuSystem, c: Constants) -> Plan:
    """Throughput cases take the best batch; the others have their users given."""
    model = model_facts(load_model(case.model), case.form, case.kv_form)
    gpu = gpu_facts(system, case.form, case.engine, c.gpu)
    one = case.scenario == "one replica"
    traffic = Traffic(
        tokens_in=case.tokens_in, tokens_out=case.tokens_out, users=case.users, closed=float(one)
    )
    if case.group in ("offline throughput", "energy, wall"):
        limit = TOKEN_LIMITS.get((case.model, case.scenario))
        least = 1 / (limit * _MEAN_OF_P99) if limit else 0.0
        plan = densest(model, gpu, traffic, c.gpu, least, most_chips=case.chips)
        replicas = np.floor(case.chips / (plan.group * plan.pipes))
        return Plan(**{n: getattr(plan, n) for n in Plan.__slots__} | {"tokens_per_s": plan.tokens_per_s * replicas})
    if case.group == "energy, GPU":
        room = float(max_batch(model, gpu, case.chips, traffic.mean_context))
        traffic = Traffic(
            tokens_in=case.tokens_in, tokens_out=case.tokens_out, users=max(min(case.users, room), 1.0)
        )
    return fastest(model, gpu, traffic, float(case.chips), c.gpu, one)
