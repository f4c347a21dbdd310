"""Steps of one replica against the steady state of `estimate`, which mixes prompts into them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from openwafer.diag import DiagnosticError
from openwafer.estimate import Layout, estimate, layout_of, load_model, replica_steps
from openwafer.machine.systems import load_system

MODELS, SYSTEMS, USERS = ("llama-3.1-70b", "gpt-oss-120b"), ("cs3", "b200", "h100"), (4, 64, 512)


@pytest.mark.parametrize(
    ("model", "system", "users"), list(itertools.product(MODELS, SYSTEMS, USERS)), ids=lambda v: str(v)
)
def test_steps_and_prompts_add_up_to_the_time_of_a_token(model: str, system: str, users: int) -> None:
    """Time a token = step at the mean context + what prompts add: batch / output prompts a step; where other
    chips read the prompts, the step alone."""
    row = estimate(model, [system], input=1000, output=250, users=users)[0]
    layout = layout_of(row)
    batch = users / layout.replicas
    most = int(np.ceil(batch))
    form = row.precision
    s = replica_steps(load_model(model), load_system(system), layout, input=1000, output=250, precision=form,
                      most=max(most, 2))  # fmt: skip
    at = np.arange(1, len(s.seconds) + 1)
    step = float(np.interp(batch, at, s.seconds + s.context_s * at * 1125))
    prompt = 1000 * s.prompt_token_s + 1000**2 / 2 * s.prompt_pair_s
    others = batch - 1 if row.kind == "wafer" else batch
    carried = 0.0 if layout.prompts else max(others, 0) / 250 * prompt
    token = step + carried * (1.0 if layout.pipes == 1 else 1.1)
    assert token == pytest.approx(1 / row.tokens_per_s_per_user.value, rel=0.02)
    assert s.room_tokens >= batch * 1125 * 0.999
    assert (np.diff(s.seconds) >= -1e-12).all() or row.kind == "wafer"
    assert s.idle_watts < s.watts[-1] <= s.prompt_watts * 1.6
    assert layout.units * row.systems >= s.units


def test_layouts_are_read_back() -> None:
    assert Layout(replicas=2, group=8, pipes=3, prompts=4).units == 80
    row = estimate("llama-3.1-70b", ["mi355x"], users=64, tokens_per_second_per_user=40)[0]
    assert row.layout == "1 × TP2 + 2 × TP2 for prompts"
    assert layout_of(row) == Layout(replicas=1, group=2, pipes=1, prompts=2)


def test_a_replica_that_is_too_small() -> None:
    with pytest.raises(DiagnosticError, match="does not fit 1 of `cs3`"):
        replica_steps(
            load_model("llama-3.1-70b"), load_system("cs3"), Layout(replicas=1, group=1),
            input=1000, output=100, precision="f16", most=4,
        )  # fmt: skip
