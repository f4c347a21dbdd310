from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from openwafer.host import calculate_cycles, input_array_to_u32, memcpy_view

Fails = Callable[..., str]


def test_memcpy_view_is_the_low_half_of_each_container() -> None:
    container = np.array([[0xFFFF3C00, 0x0000C000], [0, 0x1234]], np.uint32)
    halves = memcpy_view(container, np.dtype(np.float16))
    np.testing.assert_array_equal(halves[0], [1.0, -2.0])
    halves[1, 0] = 1.0
    assert container[1, 0] == 0x3C00
    assert list(memcpy_view(container[1], np.dtype(np.uint8))) == [0, 0x34]
    assert memcpy_view(container, np.float32).shape == container.shape


def test_memcpy_view_refuses_other_sizes(fails: Fails) -> None:
    fails("host-array-type", memcpy_view, np.zeros(2, np.uint16), np.float16)
    fails("host-array-type", memcpy_view, np.zeros(2, np.uint32), np.float64)


def test_containers_have_zeros_or_the_index_above() -> None:
    data = np.array([1, -1, 2, -2], np.int16)
    np.testing.assert_array_equal(input_array_to_u32(data, None, 2), [1, 0xFFFF, 2, 0xFFFE])
    expected = [1, 0x1FFFF, 2, 0x1FFFE]
    np.testing.assert_array_equal(input_array_to_u32(np_arr=data, sentinel=0, fast_dim_sz=2), expected)
    np.testing.assert_array_equal(input_array_to_u32(np.float32([1.5]), 1, 1), [0x3FC00000])


@pytest.mark.parametrize("array", [np.zeros(2), np.zeros(2, np.uint8)])
def test_containers_refuse_other_sizes(fails: Fails, array: np.ndarray) -> None:
    fails("host-array-type", input_array_to_u32, array, None, 1)


def test_containers_need_a_flat_array(fails: Fails) -> None:
    fails("host-array-size", input_array_to_u32, np.zeros((2, 2), np.int16), None, 1)


def test_cycles_between_time_stamps() -> None:
    start, end = 0x0001_FFFF_0005, 0x0002_0000_0007
    words = [(t >> s) & 0xFFFF for t in (start, end) for s in (0, 16, 32)]
    packed = np.array(words, np.uint16).view(np.float32)
    cycles = calculate_cycles(packed)
    assert cycles == end - start
    assert cycles.dtype == np.int64


def test_cycles_need_three_elements(fails: Fails) -> None:
    fails("host-array-size", calculate_cycles, np.zeros(2, np.float32))
    fails("host-array-type", calculate_cycles, np.zeros(3, np.float64))
