"""Streams between the host and the PEs, by color."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from host_samples import CYCLES, D2H, H2D, QUEUELESS, FakeEngine
from test_memcpy import COL, N16, N32, ROW, where

from openwafer.host import MemcpyOrder, SdkRuntime
from openwafer.machine import load_machine
from openwafer.sim._engine import StreamIn, StreamOut

Fails = Callable[..., str]


@pytest.mark.parametrize("order", [ROW, COL])
def test_each_pe_gets_its_wavelets_in_order(
    runtime: SdkRuntime, engines: list[FakeEngine], order: MemcpyOrder
) -> None:
    data = np.arange(2 * 3 * 5, dtype=np.uint32)
    runtime.memcpy_h2d(H2D, data, 1, 0, 3, 2, 5, streaming=True, order=order, data_type=N32)
    for y, x in np.ndindex(2, 3):
        expected = [data[where(2, 3, 5, (y, x, k), order)] for k in range(5)]
        assert engines[0].sent[H2D, 1 + x, y] == expected


@pytest.mark.parametrize("order", [ROW, COL])
def test_wavelets_of_each_pe_come_back(
    runtime: SdkRuntime, engines: list[FakeEngine], order: MemcpyOrder
) -> None:
    engines[0].sent = {(D2H, x, 1): [10 * x, 10 * x + 1] for x in (1, 2)}
    back = np.zeros(4, np.uint32)
    runtime.memcpy_d2h(back, D2H, 1, 1, 2, 1, 2, streaming=True, order=order, data_type=N32)
    assert [back[where(1, 2, 2, (0, x, k), order)] for x in range(2) for k in range(2)] == [10, 11, 20, 21]


def test_16_bit_streams_carry_an_index_in_and_nothing_above_out(
    runtime: SdkRuntime, engines: list[FakeEngine]
) -> None:
    words = np.array([0x00010005, 0x00020006], np.uint32)
    runtime.memcpy_h2d(H2D, words, 1, 0, 1, 1, 2, streaming=True, data_type=N16)
    assert engines[0].sent[H2D, 1, 0] == [0x00010005, 0x00020006]
    engines[0].sent[D2H, 1, 0] = [0x00010005, 0x00020006]
    back = np.zeros(2, np.uint32)
    runtime.memcpy_d2h(back, D2H, 1, 0, 1, 1, 2, streaming=True, data_type=N16)
    assert list(back) == [5, 6]


def test_broadcasts_say_what_is_shared(runtime: SdkRuntime, engines: list[FakeEngine]) -> None:
    rows, columns = np.arange(3 * 2, dtype=np.float32), np.arange(4 * 2, dtype=np.float32)
    runtime.memcpy_h2d_rowbcast(H2D, rows, 0, 0, 4, 3, 2, streaming=True)
    runtime.memcpy_h2d_colbcast(H2D, columns, 0, 0, 4, 3, 2, streaming=True)
    sent = [int(np.float32(v).view(np.uint32)) for v in (2, 3, 6, 7)]
    assert engines[0].sent[H2D, 3, 1] == sent
    first, second = engines[0].commands
    assert isinstance(first, StreamIn) and first.shared == "row"
    assert isinstance(second, StreamIn) and second.shared == "column"


def test_a_stream_may_be_nonblocking(runtime: SdkRuntime, engines: list[FakeEngine]) -> None:
    engines[0].sent[D2H, 1, 0] = [7]
    back = np.zeros(1, np.uint32)
    task = runtime.memcpy_d2h(back, D2H, 1, 0, 1, 1, 1, streaming=True, nonblock=True)
    assert back[0] == 0 and isinstance(engines[0].commands[0], StreamOut)
    runtime.task_wait(task)
    assert back[0] == 7


def test_a_copy_behind_a_stream_takes_its_time(runtime: SdkRuntime, engines: list[FakeEngine]) -> None:
    """It leaves when the stream is done, and reaches the PEs as late as a stream would."""
    facts, words = load_machine("wse3").host, np.arange(2, dtype=np.uint32)
    runtime.memcpy_h2d(H2D, words, 1, 0, 1, 1, 2, streaming=True, nonblock=True)
    runtime.memcpy_h2d(H2D, words, 1, 0, 1, 1, 2, streaming=True, nonblock=True)
    assert engines[0].now == 0
    runtime.memcpy_h2d(runtime.get_id("A"), words, 1, 0, 1, 1, 2, nonblock=True)
    assert engines[0].now == 2 * CYCLES + facts.stream_start_cycles
    runtime.memcpy_h2d(runtime.get_id("A"), words, 1, 0, 1, 1, 2, nonblock=True)
    assert engines[0].now == 2 * CYCLES + facts.stream_start_cycles


@pytest.mark.parametrize("size", [3, 5])
def test_arrays_too_short_or_too_long(runtime: SdkRuntime, fails: Fails, size: int) -> None:
    array = np.zeros(size, np.uint32)
    text = fails("host-array-size", runtime.memcpy_h2d, H2D, array, 1, 0, 2, 1, 2, streaming=True)
    assert f"`src` has {size} elements, 4 are needed" in text
    text = fails("host-array-size", runtime.memcpy_d2h, array, D2H, 1, 0, 2, 1, 2, streaming=True)
    assert f"`dest` has {size} elements, 4 are needed" in text


def test_colors_that_are_no_streams(runtime: SdkRuntime, fails: Fails) -> None:
    one: Any = np.zeros(1, np.uint32)
    text = fails("stream-color", runtime.memcpy_h2d, D2H, one, 1, 0, 1, 1, 1, streaming=True)
    assert "color 4 is no stream from the host" in text and "streams to the host: 4" in text
    text = fails("stream-color", runtime.memcpy_d2h, one, H2D, 1, 0, 1, 1, 1, streaming=True)
    assert "streams from the host: 3, 5" in text and "MEMCPYD2H_1" in text


def test_a_pe_without_the_stream_or_without_a_queue(runtime: SdkRuntime, fails: Fails) -> None:
    array = np.zeros(4, np.uint32)
    text = fails("stream-not-on-pe", runtime.memcpy_d2h, array, D2H, 0, 1, 2, 2, 1, streaming=True)
    assert "PE (0, 1) has no stream to the host on color 4" in text
    text = fails("stream-without-queue", runtime.memcpy_h2d, QUEUELESS, array, 0, 1, 2, 2, 1, streaming=True)
    assert "PE (0, 1) has no input queue" in text
