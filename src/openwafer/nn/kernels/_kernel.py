"""What a local kernel is: a CSL function on the memory of one PE, and what it computes, in NumPy.

A kernel `name` of module `module` is `fn name(…) void` in `nn/kernels/module.csl`; its arguments are its
parameters in their order: outputs, inputs, sizes (u16), constants (f32). It waits for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from openwafer.machine import Machine

DType = Literal["f32", "f16", "u16", "i16", "u32", "i32"]
Storage = Literal["f32", "f16"]
"""How matrices of weights, and cached keys and values, lie in memory; sums are f32 in any case."""
Role = Literal["out", "update", "in", "scratch"]
Bank = Literal[0, 1] | None
Sizes = Mapping[str, int]
Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[Any]]
Cycles = Callable[[Machine, Sizes], float]

NUMPY_DTYPES: dict[DType, str] = {
    "f32": "f4",
    "f16": "f2",
    "u16": "u2",
    "i16": "i2",
    "u32": "u4",
    "i32": "i4",
}


def normal(random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
    """Standard normal numbers: what tests put into an array that asks for nothing else."""
    return random.standard_normal(shape)


@dataclass(frozen=True, slots=True)
class Array:
    """An argument `[*]dtype`: row-major, last dimension contiguous; dimensions are sizes or numbers.

    `out` is written wholly, `update` read and written, `in` read, `scratch` is room whose content means
    nothing before or after. No two arguments overlap unless the kernel's CSL comment says so. `draw` makes
    values for tests. f32 arrays of different `bank` are best placed at addresses that differ by 4 modulo 8:
    two that start in the same bank are read at half the rate. None: it does not matter."""

    name: str
    shape: tuple[str | int, ...]
    dtype: DType = "f32"
    role: Role = "in"
    draw: Draw = normal
    bank: Bank = None

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        return np.dtype(NUMPY_DTYPES[self.dtype])

    def local_shape(self, sizes: Sizes) -> tuple[int, ...]:
        """The shape in elements on one PE."""
        return tuple(sizes[d] if isinstance(d, str) else d for d in self.shape)


@dataclass(frozen=True, slots=True)
class Size:
    """An argument of type u16: a constant of the call, or, if `runtime`, known only when the program runs."""

    name: str
    runtime: bool = False


@dataclass(frozen=True, slots=True)
class Constant:
    """An argument of type f32: a constant of the call, or, if `runtime`, known only when the program runs.
    `sample` is its value in tests."""

    name: str
    sample: float
    runtime: bool = False


Parameter = Array | Size | Constant


@dataclass(frozen=True, slots=True)
class Kernel:
    """One local kernel.

    `define(*arguments)` takes NumPy arrays and numbers in the order of `parameters` and writes the outputs in
    place; given float64 it is exact to float64. `cases` are sizes worth testing. `tolerance` is the error
    allowed in tests, relative to the largest element of an output. `cycles` is the cost in closed form."""

    module: str
    name: str
    parameters: tuple[Parameter, ...]
    define: Callable[..., None]
    cases: tuple[Sizes, ...]
    tolerance: float = 1e-6
    cycles: Cycles | None = None

    @property
    def arrays(self) -> tuple[Array, ...]:
        return tuple(p for p in self.parameters if isinstance(p, Array))

    @property
    def outputs(self) -> tuple[Array, ...]:
        return tuple(a for a in self.arrays if a.role in ("out", "update"))

    @property
    def sizes(self) -> tuple[str, ...]:
        return tuple(p.name for p in self.parameters if isinstance(p, Size))

    @property
    def constants(self) -> tuple[Constant, ...]:
        return tuple(p for p in self.parameters if isinstance(p, Constant))


def out(name: str, *shape: str | int, dtype: DType = "f32", bank: Bank = None) -> Array:
    """An array that the kernel writes wholly."""
    return Array(name, shape, dtype, "out", bank=bank)


def update(
    name: str, *shape: str | int, dtype: DType = "f32", draw: Draw = normal, bank: Bank = None
) -> Array:
    """An array that the kernel reads and writes."""
    return Array(name, shape, dtype, "update", draw, bank)


def read(name: str, *shape: str | int, dtype: DType = "f32", draw: Draw = normal, bank: Bank = None) -> Array:
    """An array that the kernel reads."""
    return Array(name, shape, dtype, "in", draw, bank)


def scratch(name: str, *shape: str | int, dtype: DType = "f32", bank: Bank = None) -> Array:
    """Room that the kernel needs while it runs."""
    return Array(name, shape, dtype, "scratch", bank=bank)


class KernelTable(dict[str, Kernel]):
    """Kernels by name; names are unique over all modules."""

    def define(
        self,
        module: str,
        *parameters: Parameter,
        cases: Iterable[Sizes],
        tolerance: float = 1e-6,
        cycles: Cycles | None = None,
    ) -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Decorator: the NumPy definition of the kernel that has the function's name."""

        def add(function: Callable[..., None]) -> Callable[..., None]:
            name = function.__name__
            assert name not in self, f"kernel {name} is defined twice"
            self[name] = Kernel(module, name, parameters, function, tuple(cases), tolerance, cycles)
            return function

        return add
