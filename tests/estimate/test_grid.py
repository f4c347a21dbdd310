"""Many points at once give what each gives alone."""

import pytest

from openwafer.diag import DiagnosticError
from openwafer.estimate import estimate, estimate_grid

ON = ["cs3", "b200", "gb200-nvl72"]


def test_each_point_is_that_of_a_single_estimate() -> None:
    users, speeds = (1, 64, 1000), (0, 40)
    found = estimate_grid("gpt-oss-120b", ON, input=1000, output=300, users=users, speeds=speeds)
    assert len(found) == len(ON) * len(users) * len(speeds)
    for place, count, speed, row in found:
        alone = estimate(
            "gpt-oss-120b", [ON[place]], input=1000, output=300, users=count, tokens_per_second_per_user=speed
        )
        assert row == alone[0]


def test_speculation_is_passed_on() -> None:
    one = estimate_grid("llama-3.1-8b", ["cs3"], users=(8,), drafted=4, accepted=0.7)[0][3]
    assert one == estimate("llama-3.1-8b", ["cs3"], users=8, drafted=4, accepted=0.7)[0]


def test_what_is_not_reached_or_not_there() -> None:
    (_, _, _, row), *_ = estimate_grid("llama-3.1-70b", ["b200"], users=(64,), speeds=(5000,))
    assert not row.meets
    assert [place for place, *_ in estimate_grid("llama-3.1-8b", ["cs3", "b200"], precision="fp8")] == [1]
    with pytest.raises(DiagnosticError, match="traffic-out-of-range"):
        estimate_grid("llama-3.1-8b", ["cs3"], users=(0,))
