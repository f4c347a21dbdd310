"""Closed-form cycles of local kernels against the simulator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kernel_kit import compile_kernel, draw_inputs, run_kernel

from openwafer.machine import load_machine
from openwafer.nn.kernels._kernels import KERNELS
from openwafer.nn.kernels._linear import BIAS_CASES, CASES

BIGGER = ((32, 32, 1), (31, 16, 1), (12, 16, 5), (16, 9, 13), (8, 8, 64))
SIZES = [dict(zip("nkt", sizes, strict=True)) for sizes in BIGGER]
COSTED = [kernel for kernel in KERNELS.values() if kernel.cycles is not None and kernel.module == "linear"]


@pytest.mark.parametrize("arch", ("wse2", "wse3"))
def test_linear_kernels(tmp_path: Path, arch: str) -> None:
    """Off by at most 25 %, in the median by at most 3 %."""
    machine = load_machine(arch)
    errors: list[float] = []
    for kernel in COSTED:
        assert kernel.cycles is not None
        for number, case in enumerate((*kernel.cases, *SIZES)):
            sizes = {name: case[name] for name in kernel.sizes}
            image = compile_kernel(kernel, sizes, tmp_path / f"{kernel.name}-{number}", arch)
            measured = run_kernel(image, kernel, draw_inputs(kernel, sizes), "fast").cycles
            errors.append(abs(kernel.cycles(machine, sizes) / measured - 1))
    assert len(errors) >= 6 * (len(SIZES) + min(len(CASES), len(BIAS_CASES)))
    assert max(errors) <= 0.25
    assert np.median(errors) <= 0.03
