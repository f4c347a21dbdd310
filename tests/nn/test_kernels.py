"""Every local kernel does what its NumPy definition says, on both machines; small sizes on both engines."""

from __future__ import annotations

from pathlib import Path

import pytest
from kernel_kit import check

from openwafer.nn._kernel import Kernel, Sizes
from openwafer.nn._kernels import KERNELS, kernel_sources

CASES = [(kernel, sizes) for kernel in KERNELS.values() for sizes in kernel.cases]


def label(case: object) -> str | None:
    match case:
        case Kernel():
            return case.name
        case dict():
            return " ".join(f"{k}={v}" for k, v in case.items())  # type: ignore[reportUnknownVariableType]
        case _:
            return None


@pytest.mark.parametrize("arch", ("wse2", "wse3"))
@pytest.mark.parametrize(("kernel", "sizes"), CASES, ids=label)
def test_kernel(tmp_path: Path, kernel: Kernel, sizes: Sizes, arch: str) -> None:
    is_small = sizes is kernel.cases[0]
    check(kernel, sizes, tmp_path, arch, "fast", *(("reference",) if is_small else ()))


def test_every_kernel_stands_in_its_module() -> None:
    sources = kernel_sources()
    for kernel in KERNELS.values():
        assert f"fn {kernel.name}(" in sources[f"{kernel.module}.csl"]
