"""Runs a local kernel on one PE of the simulator and compares it with its NumPy definition."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csl_kit import Sources, execute, read, stamps, start
from openwafer.image import Image
from openwafer.nn.kernels._kernel import Array, Constant, Kernel, Size, Sizes
from openwafer.nn.kernels._kernels import kernel_sources
from openwafer.sim import CopyIn, Engine, Launch

LAYOUT = """
const memcpy = @import_module("<memcpy/get_params>", .{{ .width = 1, .height = 1 }});
layout {{
  @set_rectangle(1, 1);
  @set_tile_code(0, 0, "pe.csl", .{{ .memcpy_params = memcpy.get_params(0) }});
{names}
  @export_name("stamps", [*]u16, true);
  @export_name("run", fn()void);
}}
"""
PE = """
param memcpy_params;
const sys = @import_module("<memcpy/memcpy>", memcpy_params);
const time = @import_module("<time>");
const kernels = @import_module("{module}.csl");
var stamps: [9]u16;
const stamps_ptr: [*]u16 = &stamps;
{arrays}
fn stamp(i: u16) void {{
  time.get_timestamp(@ptrcast(*[3]u16, &stamps[3 * i]));
}}
fn run() void {{
  stamp(0);
  stamp(1);
  kernels.{name}({arguments});
  stamp(2);
  sys.unblock_cmd_stream();
}}
comptime {{
{exports}
  @export_symbol(stamps_ptr, "stamps");
  @export_symbol(run);
}}
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave: the outputs by name, and the cycles of the call without those of time stamps."""

    arrays: dict[str, NDArray[Any]]
    cycles: int


def compile_kernel(kernel: Kernel, sizes: Sizes, directory: Path, arch: str) -> Image:
    """A program of one PE that calls the kernel once. Neighbouring arrays start in different banks."""
    directory.mkdir(exist_ok=True)
    fill = {
        "module": kernel.module,
        "name": kernel.name,
        "names": "\n".join(f'  @export_name("{a.name}", [*]{a.dtype}, true);' for a in kernel.arrays),
        "arrays": "\n".join(
            [_declare(i, a, sizes) for i, a in enumerate(kernel.arrays)]
            + [_variable(p, sizes) for p in kernel.parameters if not isinstance(p, Array) and p.runtime]
        ),
        "arguments": ", ".join(_argument(p, sizes) for p in kernel.parameters),
        "exports": "\n".join(f'  @export_symbol({a.name}_ptr, "{a.name}");' for a in kernel.arrays),
    }
    files = {"layout.csl": LAYOUT.format(**fill), "pe.csl": PE.format(**fill), **kernel_sources()}
    return Sources(files).compile(directory, arch)


def _declare(number: int, array: Array, sizes: Sizes) -> str:
    bank = number % 2 if array.bank is None else array.bank
    shift = 4 * bank // array.numpy_dtype.itemsize
    count = int(np.prod(array.local_shape(sizes))) + shift
    return (
        f"var {array.name}_data: [{count}]{array.dtype} align(16);\n"
        f"const {array.name}_ptr: [*]{array.dtype} = @ptrcast([*]{array.dtype}, &{array.name}_data[{shift}]);"
    )


def _argument(parameter: Array | Size | Constant, sizes: Sizes) -> str:
    match parameter:
        case Array(name):
            return f"{name}_ptr"
        case Size(name, runtime):
            return name if runtime else str(sizes[name])
        case Constant(name, sample, runtime):
            return name if runtime else repr(float(sample))


def _variable(parameter: Size | Constant, sizes: Sizes) -> str:
    if isinstance(parameter, Size):
        return f"var {parameter.name}: u16 = {sizes[parameter.name]};"
    return f"var {parameter.name}: f32 = {float(parameter.sample)!r};"


def draw_inputs(kernel: Kernel, sizes: Sizes, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Values for every array; outputs start as noise, so that one not written is seen."""
    random = np.random.default_rng(seed)
    return {a.name: a.draw(random, a.local_shape(sizes)).astype(a.numpy_dtype) for a in kernel.arrays}


def run_kernel(image: Image, kernel: Kernel, inputs: dict[str, NDArray[Any]], engine: str) -> Outcome:
    """One call with these arrays."""
    machine = start(image, engine)
    execute(machine, [_copy_in(a.name, inputs[a.name]) for a in kernel.arrays])
    execute(machine, [Launch("run")])
    times = np.diff(stamps(machine, 1, 1, 3)[0, 0])
    arrays = {a.name: _read_back(machine, a, inputs[a.name].shape) for a in kernel.outputs}
    return Outcome(arrays, int(times[1] - times[0]))


def _copy_in(name: str, values: NDArray[Any]) -> CopyIn:
    bits = np.ascontiguousarray(values).reshape(1, 1, -1).view(f"u{values.itemsize}")
    return CopyIn(name, 0, 0, bits.astype(np.uint32), values.itemsize)  # type: ignore[arg-type]


def _read_back(engine: Engine, array: Array, shape: tuple[int, ...]) -> NDArray[Any]:
    dtype = array.numpy_dtype.str[1:]
    return read(engine, array.name, 1, 1, int(np.prod(shape)), dtype).reshape(shape)


def expected(kernel: Kernel, sizes: Sizes, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The outputs by the definition, in float64."""
    arrays = {
        name: values.astype(np.float64) if values.dtype.kind == "f" else values.copy()
        for name, values in inputs.items()
    }
    arguments = [_value(p, arrays, sizes) for p in kernel.parameters]
    with np.errstate(all="ignore"):
        kernel.define(*arguments)
    return {a.name: arrays[a.name] for a in kernel.outputs}


def _value(parameter: Array | Size | Constant, arrays: dict[str, NDArray[Any]], sizes: Sizes) -> Any:
    match parameter:
        case Array(name):
            return arrays[name]
        case Size(name):
            return sizes[name]
        case Constant(_, sample):
            return float(np.float32(sample))


def check(kernel: Kernel, sizes: Sizes, directory: Path, arch: str, *engines: str) -> Outcome:
    """Compiles, runs on each engine, and compares with the definition and with each other."""
    image = compile_kernel(kernel, sizes, directory, arch)
    inputs = draw_inputs(kernel, sizes)
    found = [run_kernel(image, kernel, inputs, engine) for engine in engines]
    wanted = expected(kernel, sizes, inputs)
    for name, values in wanted.items():
        scale = max(float(np.abs(values).max(initial=0.0)), 1e-30)
        error = np.abs(found[0].arrays[name].astype(np.float64) - values).max(initial=0.0) / scale
        assert error <= kernel.tolerance, f"{kernel.name} {dict(sizes)}: {name} is off by {error:.1e}"
    for other in found[1:]:
        assert other.cycles == found[0].cycles
        for name in wanted:
            assert np.array_equal(other.arrays[name], found[0].arrays[name], equal_nan=True)
    return found[0]
