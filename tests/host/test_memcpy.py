from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from host_samples import HEIGHT, WIDTH, FakeEngine

from openwafer.host import MemcpyDataType, MemcpyOrder, SdkRuntime

Fails = Callable[..., str]
ROW, COL = MemcpyOrder.ROW_MAJOR, MemcpyOrder.COL_MAJOR
N16, N32 = MemcpyDataType.MEMCPY_16BIT, MemcpyDataType.MEMCPY_32BIT


def where(h: int, w: int, length: int, i: tuple[int, int, int], order: MemcpyOrder) -> int:
    """Place of element (y, x, k) in the flat array, as documented."""
    y, x, k = i
    return (y * w + x) * length + k if order is ROW else (k * w + x) * h + y


@pytest.mark.parametrize("order", [ROW, COL])
def test_each_pe_gets_its_elements(
    runtime: SdkRuntime, engines: list[FakeEngine], order: MemcpyOrder
) -> None:
    data = np.arange(2 * 3 * 5, dtype=np.float32)
    runtime.memcpy_h2d(
        runtime.get_id("A"), data, 1, 0, 3, 2, 5, streaming=False, data_type=N32, order=order, nonblock=False
    )
    for y, x, k in np.ndindex(2, 3, 5):
        word = engines[0].memory["A", 1 + x, y][k]
        assert np.uint32(word).view(np.float32) == data[where(2, 3, 5, (y, x, k), order)]


@pytest.mark.parametrize("order", [ROW, COL])
@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint32])
def test_what_is_copied_in_comes_back(runtime: SdkRuntime, order: MemcpyOrder, dtype: Any) -> None:
    data = np.arange(WIDTH * HEIGHT * 2).astype(dtype)
    back = np.zeros((data.size, 1), dtype)
    symbol = runtime.get_id("A")
    runtime.memcpy_h2d(symbol, data, 0, 0, WIDTH, HEIGHT, 2, order=order, data_type=N32, nonblock=True)
    runtime.memcpy_d2h(back, symbol, 0, 0, WIDTH, HEIGHT, 2, order=order, data_type=N32, nonblock=False)
    np.testing.assert_array_equal(back[:, 0], data)


def test_orders_differ_as_a_transposition(runtime: SdkRuntime) -> None:
    symbol = runtime.get_id("A")
    data = np.arange(2 * 3 * 4, dtype=np.int32)
    flat = np.zeros_like(data)
    runtime.memcpy_h2d(symbol, data, 0, 0, 3, 2, 4, order=ROW)
    runtime.memcpy_d2h(flat, symbol, 0, 0, 3, 2, 4, order=COL)
    np.testing.assert_array_equal(flat.reshape((2, 3, 4), order="F"), data.reshape(2, 3, 4))


def test_16_bit_elements_use_the_low_half(runtime: SdkRuntime) -> None:
    symbol = runtime.get_id("A")
    data = np.array([0xABCD0001, 0x00008000, 7], np.uint32)
    back = np.full(3, 0xFFFFFFFF, np.uint32)
    runtime.memcpy_h2d(symbol, data, 0, 0, 1, 1, 3, data_type=N16)
    runtime.memcpy_d2h(back, symbol, 0, 0, 1, 1, 3, data_type=N16)
    np.testing.assert_array_equal(back, [1, 0x8000, 7])


@pytest.mark.parametrize("order", [ROW, COL])
def test_broadcasts(runtime: SdkRuntime, engines: list[FakeEngine], order: MemcpyOrder) -> None:
    symbol = runtime.get_id("A")
    rows = np.arange(3 * 2, dtype=np.uint32)
    runtime.memcpy_h2d_rowbcast(symbol, rows, 0, 0, 4, 3, 2, order=order)
    assert engines[0].memory["A", 3, 1][:2] == [rows[where(3, 1, 2, (1, 0, k), order)] for k in range(2)]
    columns = np.arange(4 * 2, dtype=np.uint32)
    runtime.memcpy_h2d_colbcast(symbol, columns, 0, 0, 4, 3, 2, order=order)
    assert engines[0].memory["A", 3, 1][:2] == [columns[where(1, 4, 2, (0, 3, k), order)] for k in range(2)]


def test_source_is_read_before_a_nonblocking_call_returns(runtime: SdkRuntime) -> None:
    symbol, data, back = runtime.get_id("A"), np.ones(2, np.int32), np.zeros(2, np.int32)
    task = runtime.memcpy_h2d(symbol, data, 0, 0, 1, 1, 2, nonblock=True)
    data[:] = 9
    fetched = runtime.memcpy_d2h(back, symbol, 0, 0, 1, 1, 2, nonblock=True)
    assert list(back) == [0, 0]
    runtime.task_wait(fetched)
    assert list(back) == [1, 1]
    assert runtime.is_task_done(task)


def test_arrays_of_any_contiguity_can_be_sent(runtime: SdkRuntime) -> None:
    symbol, back = runtime.get_id("A"), np.zeros(6, np.int32)
    data = np.arange(6, dtype=np.int32).reshape(2, 3).T
    runtime.memcpy_h2d(symbol, data, 0, 0, 1, 1, 6)
    runtime.memcpy_d2h(back, symbol, 0, 0, 1, 1, 6)
    np.testing.assert_array_equal(back, data.ravel())


@pytest.mark.parametrize(
    ("value", "id", "words"),
    [
        (np.zeros(7, np.float32), "host-array-size", "7 elements, 8 are needed"),
        (np.zeros((2, 5), np.float32), "host-array-size", "shape (2, 5)"),
        (np.zeros(8, np.float64), "host-array-type", ".astype(np.float32)"),
        (np.zeros(8, np.int64), "host-array-type", ".astype(np.float32)"),
        (np.zeros(8, np.float16), "host-array-type", "input_array_to_u32"),
        (np.zeros(8, ">i4"), "host-array-type", "32-bit"),
        (np.zeros(8, "S4"), "host-array-type", "32-bit"),
        ([1.0] * 8, "host-array-type", "found list"),
        (None, "host-array-type", "found NoneType"),
    ],
)
def test_wrong_arrays(runtime: SdkRuntime, fails: Fails, value: Any, id: str, words: str) -> None:
    assert words in fails(id, runtime.memcpy_h2d, runtime.get_id("A"), value, 0, 0, 2, 2, 2)
    assert words in fails(id, runtime.memcpy_d2h, value, runtime.get_id("A"), 0, 0, 2, 2, 2)


def test_a_destination_must_be_contiguous_and_writable(runtime: SdkRuntime, fails: Fails) -> None:
    strided, fixed = np.zeros(16, np.float32)[::2], np.zeros(8, np.float32)
    fixed.flags.writeable = False
    for array in (strided, np.zeros((2, 4), np.float32).T, fixed):
        fails("host-array-layout", runtime.memcpy_d2h, array, runtime.get_id("A"), 0, 0, 2, 2, 2)


@pytest.mark.parametrize(
    "rectangle", [(0, 0, 5, 1), (3, 0, 2, 1), (0, 3, 1, 1), (-1, 0, 1, 1), (0, 0, 0, 1), (4, 1, 1, 1)]
)
def test_rectangles_outside(runtime: SdkRuntime, fails: Fails, rectangle: tuple[int, int, int, int]) -> None:
    text = fails("memcpy-rectangle", runtime.memcpy_h2d, 0, np.zeros(1, np.float32), *rectangle, 1)
    assert "4 × 3" in text


def test_wrong_options(runtime: SdkRuntime, fails: Fails) -> None:
    array = np.zeros(1, np.float32)
    place = (0, array, 0, 0, 1, 1)
    assert "did you mean `nonblock`?" in fails("host-argument", runtime.memcpy_h2d, *place, 1, nonblok=True)
    assert "MemcpyOrder.COL_MAJOR" in fails("host-argument", runtime.memcpy_h2d, *place, 1, order="C")
    assert "MEMCPY_16BIT" in fails("host-argument", runtime.memcpy_h2d, *place, 1, data_type=ROW)
    assert "elem_per_pe" in fails("host-argument", runtime.memcpy_h2d, *place, 1.5)
    assert "at least 1" in fails("host-argument", runtime.memcpy_h2d, *place, 0)


def test_wrong_symbols(runtime: SdkRuntime, fails: Fails) -> None:
    array = np.zeros(1, np.float32)
    fails("unknown-host-symbol", runtime.memcpy_h2d, 99, array, 0, 0, 1, 1, 1)
    fails("host-symbol-kind", runtime.memcpy_h2d, runtime.get_id("compute"), array, 0, 0, 1, 1, 1)
    text = fails("host-symbol-read-only", runtime.memcpy_h2d, runtime.get_id("y"), array, 0, 0, 1, 1, 1)
    assert '@export_name("y", [*]f32, true)' in text
    runtime.memcpy_d2h(array, runtime.get_id("y"), 0, 0, 1, 1, 1)
    left = runtime.get_id("only_left")
    runtime.memcpy_h2d(left, array, 0, 1, 1, 1, 1)
    text = fails("host-symbol-not-on-pe", runtime.memcpy_h2d, left, np.zeros(4, "f4"), 0, 1, 2, 2, 1)
    assert "PE (1, 1)" in text and "2 of the 2 × 2" in text
