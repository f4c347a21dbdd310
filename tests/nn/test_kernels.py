"""Every local kernel does what its NumPy definition says; its first sizes on both machines, both engines."""

from __future__ import annotations

from pathlib import Path

import pytest
from kernel_kit import check

from openwafer.nn.kernels._kernel import Kernel, Sizes
from openwafer.nn.kernels._kernels import KERNELS, kernel_sources

CASES: list[tuple[Kernel, Sizes, str]] = [
    *((kernel, sizes, "wse3") for kernel in KERNELS.values() for sizes in kernel.cases),
    *((kernel, kernel.cases[0], "wse2") for kernel in KERNELS.values()),
]


def label(case: object) -> str:
    match case:
        case Kernel():
            return case.name
        case dict():
            return " ".join(f"{k}={v}" for k, v in case.items())  # type: ignore[reportUnknownVariableType]
        case _:
            return str(case)


@pytest.mark.parametrize(("kernel", "sizes", "arch"), CASES, ids=label)
def test_kernel(tmp_path: Path, kernel: Kernel, sizes: Sizes, arch: str) -> None:
    is_small = sizes is kernel.cases[0]
    check(kernel, sizes, tmp_path, arch, "fast", *(("reference",) if is_small else ()))


def test_every_kernel_stands_in_its_module() -> None:
    sources = kernel_sources()
    for kernel in KERNELS.values():
        assert f"fn {kernel.name}(" in sources[f"{kernel.module}.csl"]
