"""Estimates: what the numbers obey, and what is diagnosed."""

from pathlib import Path

import pytest

from openwafer.diag import DiagnosticError
from openwafer.estimate import estimate, estimate_training, frontier
from openwafer.estimate._serve import Draft
from openwafer.machine.systems import load_system

MODEL = "llama-3.1-70b"


def one(on: str, **given: object):
    return estimate(MODEL, [on], **given)[0]  # type: ignore[arg-type]


def test_the_launch_of_the_70b_needed_four_wafers() -> None:
    found = one("cs3")
    assert (found.systems, found.layout) == (4, "1 × 4 wafers")
    assert 450 * 0.75 < found.tokens_per_s_per_user.value < 450 * 1.25


def test_13b_parameters_in_16_bits_fit_on_one_wafer_and_24b_do_not() -> None:
    assert estimate("llama-2-13b", ["cs3"])[0].systems == 1
    assert estimate("mistral-small-24b", ["cs3"])[0].systems == 2


def test_kv_caches_set_the_number_of_wafers() -> None:
    """An analyst's 42 systems for gpt-oss-120b at 1.78 TB of caches (published.csv A062)."""
    found = estimate("gpt-oss-120b", ["cs3"], input=96_300, output=213, users=480)[0]
    assert found.binds == "capacity" and 30 < found.systems < 60


@pytest.mark.parametrize("on", ["cs3", "b200"])
def test_more_users_are_slower_a_user_and_faster_together(on: str) -> None:
    few, many = one(on, users=16, output=512), one(on, users=512, output=512)
    assert few.tokens_per_s_per_user.value >= many.tokens_per_s_per_user.value
    assert few.tokens_per_s.value < many.tokens_per_s.value


@pytest.mark.parametrize("on", ["cs3", "h200"])
def test_longer_prompts_take_longer(on: str) -> None:
    assert one(on, input=200).first_token_s.value < one(on, input=20_000).first_token_s.value


@pytest.mark.parametrize("on", ["cs3", "b200", "h100"])
@pytest.mark.parametrize("speed", [20, 60])
def test_the_speed_that_was_asked_for_is_reached(on: str, speed: float) -> None:
    found = one(on, users=64, tokens_per_second_per_user=speed)
    assert found.meets and found.tokens_per_s_per_user.value >= speed * 0.999


def test_a_smaller_precision_is_faster() -> None:
    speeds = [one("b200", precision=p).tokens_per_s_per_user.value for p in ("f16", "fp8", "fp4")]
    assert speeds == sorted(speeds)


def test_numbers_fit_together() -> None:
    for found in estimate(MODEL, ["cs3", "cs4", "b200", "gb200", "mi355x"], users=100):
        assert found.tokens_per_s.value == pytest.approx(100 * found.tokens_per_s_per_user.value)
        assert found.facility_joules_per_token.value > found.joules_per_token.value
        for name in ("first_token_s", "tokens_per_s", "joules_per_token"):
            banded = getattr(found, name)
            assert banded.low < banded.value < banded.high


def test_facility_power_is_more_than_it_power() -> None:
    """At most the system's maximum with its hosts, at least idle."""
    found = one("cs3", users=200)
    watts = found.joules_per_token.value * found.tokens_per_s.value / found.systems
    assert 16_100 * 1.36 <= watts <= 27_000 * 1.36


def test_assumed_facts_are_named() -> None:
    assert "power.usual_w" in one("cs4").assumed


def test_a_draft_that_is_always_right_pays_and_one_that_never_is_costs() -> None:
    assert Draft(drafted=4.0, accepted=0.8, cost=0.08).time_part < 0.5
    assert Draft(drafted=4.0, accepted=0.0, cost=0.08).time_part > 1
    plain, drafted = one("cs3"), one("cs3", drafted=4, accepted=0.8)
    assert drafted.tokens_per_s_per_user.value > 1.3 * plain.tokens_per_s_per_user.value
    assert (
        one("b200", drafted=4, accepted=0.8).tokens_per_s_per_user.value
        > one("b200").tokens_per_s_per_user.value
    )


def test_the_frontier_crosses() -> None:
    """GPUs are cheaper at what they can do; only wafers reach hundreds of tokens/s a user."""
    found = frontier(MODEL, ["cs3", "b200", "h100"], speeds=(20, 300)).rows
    assert found[20][0].system == "b200" and {e.system for e in found[300]} == {"cs3"}


def test_training() -> None:
    wafers, chips = estimate_training(MODEL, ["cs3", "h100"], tokens=2e12, systems=64)
    assert wafers.usd and wafers.days.value > 0 and 0.1 < wafers.use < 0.5
    assert 0.3 < chips.use < 0.5
    double = estimate_training(MODEL, ["h100"], tokens=4e12, systems=64)[0]
    assert double.days.value == pytest.approx(2 * chips.days.value)


def test_wafers_scale_as_published() -> None:
    """15.3 times at 16 systems (B014); within 9 % of linear (B002)."""
    one_, many = (
        estimate_training(MODEL, ["cs3"], tokens=1e9, systems=n, batch_tokens=64e6 * n)[0].tokens_per_s.value
        for n in (1, 16)
    )
    assert 16 * 0.91 <= many / one_ <= 15.5


def test_small_steps_wait_for_weights() -> None:
    found = estimate_training(MODEL, ["cs3"], tokens=2e12, systems=2048, batch_tokens=4e6)[0]
    assert found.binds == "streaming of weights"


def id_of(**given: object) -> str:
    with pytest.raises(DiagnosticError) as failure:
        estimate(**({"model": MODEL, "on": ["cs3"]} | given))  # type: ignore[arg-type]
    return failure.value.diagnostics[0].id


def test_diagnostics() -> None:
    assert id_of(model="llama-9") == "model-not-found"
    assert id_of(on=["cs9"]) == "system-not-found"
    assert id_of(on=[]) == "system-none-named"
    assert id_of(precision="fp3") == "precision-unknown"
    assert id_of(on=["h100"], precision="fp4") == "precision-not-there"
    assert id_of(on=["cs3"], precision="fp8") == "precision-not-there"
    assert id_of(users=0) == "traffic-out-of-range"
    assert id_of(accepted=1.0, drafted=2) == "traffic-out-of-range"


def test_a_target_out_of_reach_is_told_with_the_best() -> None:
    with pytest.raises(DiagnosticError) as failure:
        estimate(MODEL, ["cs3", "b200"], tokens_per_second_per_user=5000)
    (diagnostic,) = failure.value.diagnostics
    assert diagnostic.id == "target-out-of-reach" and diagnostic.help and "`cs3`" in diagnostic.help


SMALL = """
base = "h100"
name = "small"
[chip]
memory_gb = { value = 0.1, unit = "GB", source = "mine", status = "assumed" }
"""


def test_a_model_that_fits_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(SMALL, "utf-8")
    with pytest.raises(DiagnosticError) as failure:
        estimate(MODEL, [str(path)])
    assert failure.value.diagnostics[0].id == "model-fits-nowhere"


def test_training_on_too_few() -> None:
    with pytest.raises(DiagnosticError) as failure:
        estimate_training("llama-3.1-405b", ["h100"], tokens=1e12, systems=1)
    assert failure.value.diagnostics[0].id == "training-too-few-systems"


def test_weights_in_a_format_that_a_system_lacks_are_stored_small() -> None:
    found = {e.system: e.precision for e in estimate("deepseek-v3", ["h100", "cs3"])}
    assert found == {"h100": "fp8", "cs3": "w8a16"}
    assert estimate("gpt-oss-120b", ["b200"])[0].precision == "w4a16"
    assert load_system("cs3").peak_flop_per_s("fp8") is None


@pytest.mark.parametrize("wrong", [{"systems": 0}, {"sequence": 0}, {"tokens": 10}, {"batch_tokens": 1e13}])
def test_training_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(DiagnosticError) as failure:
        estimate_training(MODEL, ["h100"], **({"tokens": 1e12} | wrong))  # type: ignore[arg-type]
    assert failure.value.diagnostics[0].id == "traffic-out-of-range"


def test_caches_larger_than_a_layers_wafer_make_replicas() -> None:
    """Tensor parallelism stays inside a wafer: a layer and its caches lie on one."""
    few, many = one("cs3", users=1000, output=1024), one("cs3", users=100_000, output=1024)
    assert few.layout.startswith("1 ×") and not many.layout.startswith("1 ×")
    assert many.tokens_per_s.value > 20 * few.tokens_per_s.value
