"""What must hold for any model, system and traffic: more of a good thing is never worse."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from openwafer.diag import DiagnosticError
from openwafer.estimate import Estimate, estimate, load_model
from openwafer.estimate._constants import constants
from openwafer.estimate._facts import model_facts
from openwafer.estimate._gpu import gpu_facts, max_batch
from openwafer.estimate._plan import Traffic, evaluate
from openwafer.estimate._wafer import serve_on_wafers, wafer_facts, wafers_needed
from openwafer.machine.systems import GpuSystem, System, WaferSystem, load_system, vary_system

C = constants()
MODELS = st.sampled_from(
    [
        "llama-3.2-1b",
        "llama-3.1-8b",
        "llama-3.1-70b",
        "qwen3-235b-a22b",
        "gpt-oss-120b",
        "deepseek-v3",
        "gpt2",
    ]
)
GPUS = st.sampled_from(["a100", "h100", "h200", "b200", "gb200", "mi300x", "mi355x"])
WAFERS = st.sampled_from(["cs2", "cs3", "cs4"])
TOKENS = st.integers(1, 32_768)
USERS = st.integers(1, 4096)
RELATIVE = 1e-9
QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much]
MODERATE = settings(max_examples=25, suppress_health_check=QUIET)


def gpu(name: str) -> GpuSystem:
    found = load_system(name)
    assert isinstance(found, GpuSystem)
    return found


def wafer(name: str) -> WaferSystem:
    found = load_system(name)
    assert isinstance(found, WaferSystem)
    return found


def one(model: str, system: str | System, **traffic: Any) -> Estimate:
    """The estimate of a system; what fits nowhere or is too slow is not looked at."""
    try:
        (found,) = estimate(model, [system], **traffic)
    except DiagnosticError as failure:
        assert failure.diagnostics[0].id in ("model-fits-nowhere", "target-out-of-reach")
        assume(False)
        raise
    return found


@given(
    MODELS, GPUS, TOKENS, TOKENS, st.sampled_from([1, 2, 4, 8]), st.sampled_from([1, 2, 4]), st.floats(0, 1)
)
@MODERATE
def test_a_larger_batch_is_slower_a_user_and_never_slower_together(
    name: str, on: str, tokens_in: int, tokens_out: int, group: int, pipes: int, split: float
) -> None:
    model, chip = model_facts(load_model(name), "f16"), gpu_facts(gpu(on), "f16", "trtllm", C.gpu)
    traffic = Traffic(tokens_in=float(tokens_in), tokens_out=float(tokens_out), users=1.0)
    batch = 2.0 ** np.arange(12)
    plan = evaluate(model, chip, traffic, group, pipes, batch, C.gpu, float(round(split)))
    assert (np.diff(plan.token_s) >= -RELATIVE * plan.token_s[1:]).all()
    if not model.latent:
        assert (np.diff(plan.tokens_per_s) >= -RELATIVE * plan.tokens_per_s[1:]).all()
    assert (plan.memory_use <= 1).all() and (plan.compute_use <= 1).all()


@given(MODELS, GPUS, TOKENS, st.sampled_from([1, 2, 4, 8]))
@MODERATE
def test_longer_contexts_leave_less_room(name: str, on: str, tokens: int, group: int) -> None:
    model, chip = model_facts(load_model(name), "f16"), gpu_facts(gpu(on), "f16", "trtllm", C.gpu)
    room = max_batch(model, chip, group, np.array([tokens, 2.0 * tokens]))
    assert abs(room[1]) <= abs(room[0])


FASTER = ["chip.memory_tb_per_s", "chip.f16_tflop_per_s", "link.gb_per_s", "chip.memory_gb"]


@given(MODELS, GPUS, USERS, TOKENS, st.sampled_from(FASTER), st.floats(1.05, 4))
@MODERATE
def test_a_better_chip_serves_no_fewer_tokens(
    name: str, on: str, users: int, tokens: int, fact: str, factor: float
) -> None:
    system = gpu(on)
    value = system.by_name[fact].value
    assert not isinstance(value, tuple)
    better = vary_system(system, {fact: value * factor})
    before, after = (one(name, s, users=users, input=tokens, precision="f16") for s in (system, better))
    per_chip = [e.tokens_per_s_per_system.value for e in (before, after)]
    assert per_chip[1] >= per_chip[0] * 0.93


@given(MODELS, st.sampled_from(["b200", "gb200", "mi355x"]), USERS, TOKENS)
@MODERATE
def test_fewer_bits_are_not_slower(name: str, on: str, users: int, tokens: int) -> None:
    found = [one(name, on, users=users, input=tokens, precision=p) for p in ("f16", "fp8", "fp4")]
    rates = [e.tokens_per_s_per_system.value for e in found]
    assert rates[1] >= rates[0] * 0.95 and rates[2] >= rates[1] * 0.9


@given(MODELS, st.sampled_from(["b200", "h100", "cs3", "cs4"]), USERS, st.floats(5, 100))
@MODERATE
def test_a_speed_that_was_asked_for_is_met_and_costs(name: str, on: str, users: int, speed: float) -> None:
    free, bound = one(name, on, users=users), one(name, on, users=users, tokens_per_second_per_user=speed)
    assert bound.tokens_per_s_per_user.value >= speed * 0.999
    assert bound.systems >= free.systems * 0.9 or bound.systems == free.systems


@given(MODELS, WAFERS, st.integers(1, 2000), TOKENS, TOKENS)
@MODERATE
def test_more_users_need_more_wafers_and_wait_longer_on_the_same(
    name: str, on: str, users: int, tokens_in: int, tokens_out: int
) -> None:
    model, facts = model_facts(load_model(name), "f16"), wafer_facts(wafer(on))
    few, many = (wafers_needed(model, facts, n, tokens_in + tokens_out) for n in (users, 2 * users))
    assert 1 <= few <= many
    # Batches are tried in powers of two, so that a few users less may miss theirs.
    slow = [
        float(serve_on_wafers(model, facts, many, n, tokens_in, tokens_out, C.wafer).token_s)
        for n in (float(users), 2.0 * users)
    ]
    assert slow[0] <= slow[1] * 1.02


@given(MODELS, WAFERS, st.floats(1.1, 4), TOKENS)
@MODERATE
def test_a_faster_wafer_is_faster(name: str, on: str, factor: float, tokens: int) -> None:
    system = wafer(on)
    clock = vary_system(system, {"wafers.clock_hz": system.clock_hz * factor})
    more = vary_system(system, {"wafers.usable_sram": 0.99})
    before, after = one(name, system, input=tokens), one(name, clock, input=tokens)
    assert after.tokens_per_s_per_user.value > before.tokens_per_s_per_user.value
    assert after.first_token_s.value < before.first_token_s.value
    assert one(name, more, input=tokens).systems <= before.systems


@given(MODELS, st.sampled_from(["cs2", "cs3", "cs4", "h100", "b200", "gb200", "mi355x"]), USERS, TOKENS)
@MODERATE
def test_numbers_agree_with_each_other(name: str, on: str, users: int, tokens: int) -> None:
    found = one(name, on, users=users, input=tokens)
    assert found.tokens_per_s.value == pytest.approx(users * found.tokens_per_s_per_user.value)
    for banded in (found.first_token_s, found.joules_per_token, found.tokens_per_s_per_user):
        assert 0 < banded.low < banded.value < banded.high
    system = load_system(on)
    hosts = system.power.with_hosts if isinstance(system, WaferSystem) else 1.15
    watts = found.joules_per_token.value * found.tokens_per_s.value
    assert watts <= system.max_w * hosts * found.systems * 1.001
