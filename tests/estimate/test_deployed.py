"""Deployments against the steady states of `estimate`, by the same formulas."""

from __future__ import annotations

import numpy as np
import pytest

from openwafer.diag import DiagnosticError
from openwafer.estimate import deploy, estimate


@pytest.mark.parametrize("system, model", [("h100", "llama-3.1-8b"), ("cs3", "llama-3.1-8b")])
def test_a_single_user_has_the_speed_of_the_estimate(system: str, model: str) -> None:
    """Prompts of others play no part with one user, so both are one step at the mean context."""
    found = deploy(model, system, context=2048)
    (row,) = estimate(model, [system], input=1024, output=2048, users=1)
    at = np.exp(np.interp(np.log(2048), np.log(found.contexts), np.log(found.token_s[0])))
    assert found.layout.split(" × ")[1] == row.layout.split(" × ")[1]
    assert 1 / row.tokens_per_s_per_user.value == pytest.approx(at, rel=0.02)
    assert np.all(np.diff(found.token_s, axis=0) >= 0) and np.all(np.diff(found.token_s, axis=1) >= -1e-12)


def test_more_chips_hold_more() -> None:
    one, four = deploy("llama-3.1-70b", "cs3", 4), deploy("llama-3.1-70b", "cs3", 8)
    assert four.replicas * four.kv_tokens > one.replicas * one.kv_tokens
    assert one.idle_watts < one.watts.min() <= one.watts.max() <= 4 * 1.36 * 23_000 * 1.0001


def test_prompts_take_longer_than_they_keep_others_waiting() -> None:
    wafer = deploy("llama-3.1-8b", "cs3", 2)
    assert np.all(wafer.busy_s <= wafer.prompt_s) and wafer.busy_s[-1] < wafer.prompt_s[-1]
    assert np.all(np.diff(wafer.prompt_s) > 0)


def test_what_cannot_be() -> None:
    with pytest.raises(DiagnosticError, match="deployment-does-not-fit"):
        deploy("llama-3.1-405b", "cs3", 1)
    with pytest.raises(DiagnosticError, match="target-out-of-reach"):
        deploy("llama-3.1-8b", "h100", 1, tokens_per_second_per_user=1e5)
    with pytest.raises(DiagnosticError, match="traffic-out-of-range"):
        deploy("llama-3.1-8b", "h100", 0)
