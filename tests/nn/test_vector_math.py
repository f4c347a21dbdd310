"""Functions of vectors at the ends of their ranges, where the kernels' own tests do not come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_kit import compile_kernel, draw_inputs, run_kernel
from numpy.typing import NDArray

from openwafer.nn.kernels._kernels import KERNELS


def of(name: str, x: NDArray[Any], directory: Path) -> NDArray[Any]:
    """The kernel's y for these x, on the fast engine."""
    kernel, sizes = KERNELS[name], {"n": len(x)}
    inputs = draw_inputs(kernel, sizes) | {"x": x.astype(np.float32)}
    return run_kernel(compile_kernel(kernel, sizes, directory, "wse3"), kernel, inputs, "fast").arrays["y"]


def test_exp_of_a_hidden_score_is_zero(tmp_path: Path) -> None:
    assert not of("exp", np.array([-1e30, -np.inf, -3.4e38, -100.0, -88.0]), tmp_path).any()


@pytest.mark.parametrize(
    ("name", "x", "y"),
    (
        ("exp", [-86.0, 0.0, 88.0], np.exp([-86.0, 0.0, 88.0])),
        ("exp_less_one", [-50.0, 1e-6, 0.0, 20.0], np.expm1([-50.0, 1e-6, 0.0, 20.0])),
        ("reciprocal", [1e-37, -1e37, 3.0, -0.5], [1e37, -1e-37, 1 / 3, -2.0]),
        ("inverse_root", [1e-37, 1e37, 4.0], np.array([1e-37, 1e37, 4.0]) ** -0.5),
        ("log", [1e-37, 1.0, 3e38], np.log([1e-37, 1.0, 3e38])),
        ("sigmoid", [-80.0, -1e4, 0.0, 1e4], [np.exp(-80.0), 1.6e-38, 0.5, 1.0]),
        ("tanh", [-1e4, -1e-6, 1e-6, 1e4], [-1.0, -1e-6, 1e-6, 1.0]),
        ("silu", [-1e4, 0.0, 1e4], [0.0, 0.0, 1e4]),
        ("gelu", [-1e4, -6.0, 0.0, 6.0, 1e4], [0.0, -5.91952587e-9, 0.0, 6.0, 1e4]),
        ("gelu_tanh", [-1e4, 0.0, 1e4], [0.0, 0.0, 1e4]),
    ),
)
def test_ends(tmp_path: Path, name: str, x: list[float], y: Any) -> None:
    assert of(name, np.array(x), tmp_path) == pytest.approx(np.array(y), rel=3e-6, abs=1e-33)
