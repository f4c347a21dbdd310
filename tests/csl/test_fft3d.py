"""`<kernels/fft/fft3d_layout>` against NumPy: precisions, scales, directions, one PE to one pencil a PE."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from csl_kit import ENGINES, Sources, execute, read, start
from openwafer.image import Image
from openwafer.sim import CopyIn, Launch

LAYOUT = """param width: i16;
param size: u16;
param half: i16;
const memcpy = @import_module("<memcpy/get_params>", .{ .width = width, .height = width });
const fft = @import_module("<kernels/fft/fft3d_layout>", .{ .width = width, .memcpy = memcpy });
layout {
  @set_rectangle(width, width);
  fft.FFT_kernel(width, size, if (half == 1) f16 else f32);
}
"""

NORMS = ("backward", "ortho", "forward")
CASES = [
    ("wse3", 2, 8, np.float32, 0, False),
    ("wse2", 2, 4, np.float32, 0, True),
    ("wse3", 1, 4, np.float32, 1, False),
    ("wse2", 4, 4, np.float32, 2, False),
    ("wse3", 2, 4, np.float32, 2, True),
    ("wse3", 2, 8, np.float16, 1, True),
    ("wse2", 2, 4, np.float16, 2, False),
]


def pieces(cube: np.ndarray, width: int) -> np.ndarray:
    """A complex cube `[y, x, z]` as words `[py, px, i]` of its precision."""
    size, side = len(cube), len(cube) // width
    split = cube.reshape(width, side, width, side, size).transpose(0, 2, 4, 1, 3).reshape(width, width, -1)
    return np.stack([np.real(split), np.imag(split)], -1).reshape(width, width, -1)


def whole(words: np.ndarray, size: int) -> np.ndarray:
    width = len(words)
    side = size // width
    parts = words.astype(np.float64).reshape(width, width, size, side, side, 2)
    return (parts[..., 0] + 1j * parts[..., 1]).transpose(0, 3, 1, 4, 2).reshape(size, size, size)


def twiddles(size: int) -> np.ndarray:
    angle = 2 * np.pi * np.arange(size // 2) / size
    return np.stack([np.cos(angle), np.sin(angle)], -1).ravel()


def bits(values: np.ndarray, dtype: type) -> np.ndarray:
    """Numbers as the host sends them, a number a word of 32 bits."""
    if dtype is np.float16:
        return values.astype(np.float16).view(np.uint16).astype(np.uint32)
    return values.astype(np.float32).view(np.uint32)


def roundoff(dtype: type) -> float:
    return 2.0**-11 if dtype is np.float16 else 2.0**-24


def transformed(
    image: Image, cube: np.ndarray, width: int, dtype: type, launches: list[Launch]
) -> np.ndarray:
    """What both engines make of the cube, after all launches."""
    size, item = len(cube), 2 if dtype is np.float16 else 4
    table = np.broadcast_to(twiddles(size), (width, width, size))
    ends: set[int] = set()
    results: list[np.ndarray] = []
    for name in ENGINES:
        engine = start(image, name)
        copies = [CopyIn("twiddle_array", 0, 0, bits(table, dtype), item)]
        execute(engine, [*copies, CopyIn("X", 0, 0, bits(pieces(cube, width), dtype), item), *launches])
        ends.add(engine.now)
        results.append(read(engine, "X", width, width, 2 * size**3 // width**2, f"f{item}"))
        cycles = read(engine, "fft_time", width, width, 2)
        assert (cycles[..., 1] == 0).all()
        assert (cycles[..., 0] > 3 * size).all()
        assert (cycles[..., 0] < engine.now).all()
    assert len(ends) == 1
    np.testing.assert_array_equal(results[0], results[1])
    return whole(results[0], size)


def cube_of(size: int, dtype: type, seed: int, real: bool = False) -> np.ndarray:
    random = np.random.default_rng(seed)
    parts = random.uniform(-1, 1, (2, size, size, size)).astype(dtype).astype(np.float64)
    return parts[0] + (0 if real else 1j) * parts[1]


def check(found: np.ndarray, wanted: np.ndarray, dtype: type) -> None:
    """A stage rounds a twiddle, two products with sums and a sum, each by at most half a unit in the last
    place: 5 of these; the scale rounds once a dimension. Up to its scale a transform keeps the 2-norm."""
    stages = 3 * np.log2(len(wanted))
    assert np.linalg.norm(found - wanted) <= (5 * stages + 3) * roundoff(dtype) * np.linalg.norm(wanted)


def compiled(folder: Path, arch: str, width: int, size: int, dtype: type) -> Image:
    half = int(dtype is np.float16)
    return Sources({"layout.csl": LAYOUT}).compile(folder, arch, width=width, size=size, half=half)


@pytest.mark.parametrize(("arch", "width", "size", "dtype", "norm", "inverse"), CASES)
def test_complex_cubes(
    tmp_path: Path, arch: str, width: int, size: int, dtype: type, norm: int, inverse: bool
) -> None:
    cube = cube_of(size, dtype, norm)
    image = compiled(tmp_path, arch, width, size, dtype)
    found = transformed(image, cube, width, dtype, [Launch("csfftExecC2C", (norm, int(inverse)))])
    numpy = np.fft.ifftn if inverse else np.fft.fftn
    check(found, numpy(cube, norm=NORMS[norm]), dtype)


def test_real_cube_there_and_back(tmp_path: Path) -> None:
    cube = cube_of(4, np.float32, 3, real=True)
    image = compiled(tmp_path, "wse3", 2, 4, np.float32)
    there = [Launch("csfftExecR2C", (0,))]
    check(transformed(image, cube, 2, np.float32, there), np.fft.fftn(cube), np.float32)
    back = transformed(image, cube, 2, np.float32, [*there, Launch("csfftExecC2R", (0,))])
    assert np.linalg.norm(back - cube) <= 2 * (5 * 6 + 3) * roundoff(np.float32) * np.linalg.norm(cube)


def test_imaginary_parts_of_a_real_cube_are_ignored(tmp_path: Path) -> None:
    cube = cube_of(4, np.float32, 4)
    image = compiled(tmp_path, "wse2", 2, 4, np.float32)
    found = transformed(image, cube, 2, np.float32, [Launch("csfftExecR2C", (2,))])
    check(found, np.fft.fftn(np.real(cube), norm="forward"), np.float32)


def test_size_that_is_no_power_of_two(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="a power of two"):
        compiled(tmp_path, "wse3", 2, 6, np.float32)
