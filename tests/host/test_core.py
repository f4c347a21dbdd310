"""What can be read of a program that has run: variables, traces, and its log."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from host_samples import FakeEngine

from openwafer.host import SdkExecutionPlatform, SdkRuntime, SdkTarget, SimfabConfig, _core, debug_util
from openwafer.image import read
from openwafer.sim._print import Line

Fails = Callable[..., str]


def address(out: Path, name: str) -> int:
    return next(s.address for s in read(out).layout.programs[0].symbols if s.name == name)


def store(out: Path, engine: FakeEngine, name: str, data: bytes, x: int = 1, y: int = 2) -> None:
    engine.write(x, y, address(out, name), data)


def test_read_symbol_reads_what_is_there_now(
    runtime: SdkRuntime, engines: list[FakeEngine], out: Path, fails: Fails
) -> None:
    store(out, engines[0], "v", np.array([1, 2, 3], np.float32).tobytes())
    np.testing.assert_array_equal(runtime.read_symbol(1, 2, "v", "float32"), [1, 2, 3])
    assert runtime.read_symbol(1, 2, "v").dtype == np.uint8
    runtime.stop()
    np.testing.assert_array_equal(runtime.read_symbol(1, 2, "v", np.float32), [1, 2, 3])
    text = fails("unknown-device-symbol", runtime.read_symbol, 1, 2, "<debug> time")
    assert "did you mean `<debug> times`" in text
    assert "(4, 1) of the fabric" in fails("core-place", runtime.read_symbol, 4, 2, "v")
    fails("symbol-type", runtime.read_symbol, 1, 2, "v", np.float64)


def test_debug_util_counts_from_the_corner_of_the_fabric(
    runtime: SdkRuntime, engines: list[FakeEngine], out: Path, fails: Fails
) -> None:
    for x in range(4):
        store(out, engines[0], "v", np.full(3, x, np.float32).tobytes(), x, 2)
    runtime.stop()
    tool = debug_util(str(out), cmaddr=None)
    np.testing.assert_array_equal(tool.get_symbol(4 + 1, 1 + 2, "v", np.float32), [1, 1, 1])
    both = tool.get_symbol_rect(((4, 3), (4, 1)), "v", np.float32)
    assert both.shape == (4, 1, 3) and list(both[:, 0, 0]) == [0, 1, 2, 3]
    fails("core-place", tool.get_symbol, 3, 3, "v", np.float32)
    fails("unknown-device-symbol", tool.get_symbol, 4, 3, "q", np.float32)


def test_traces(runtime: SdkRuntime, engines: list[FakeEngine], out: Path) -> None:
    text = address(out, "<debug> string")
    record = struct.pack("<HI", ord("I"), 7_000_000) + struct.pack("<Hf", ord("f"), 1.5)
    record += struct.pack("<HHHH", ord("t"), 1, 2, 3) + struct.pack("<HH", ord("s"), text)
    record += struct.pack("<BB", ord("?"), 1) + struct.pack("<Bb", ord("b"), -3)
    store(out, engines[0], "<debug> times", record)
    store(out, engines[0], "<debug> length of times", struct.pack("<H", len(record) // 2))
    store(out, engines[0], "<debug> string", b"\3\0abc")
    runtime.stop()
    trace = debug_util(out).read_trace(5, 3, "times")
    assert trace == [7_000_000, 1.5, 1 + (2 << 16) + (3 << 32), "abc", True, -3]
    assert debug_util(out).read_trace(6, 3, "times") == []


def test_a_large_core_is_written_when_asked_for(
    out: Path, engines: list[FakeEngine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Fails
) -> None:
    monkeypatch.setattr(_core, "AUTOMATIC_BYTES", 100)
    for asked in (False, True):
        config = SimfabConfig(dump_core=asked)
        runner = SdkRuntime(out, SdkExecutionPlatform(config, SdkTarget.WSE3))
        runner.load()
        runner.run()
        runner.stop()
        if not asked:
            assert "dump_core=True" in fails("no-core", debug_util, out)
    assert list(debug_util(out).get_symbol(4, 1, "v", "u4")) == [0, 0, 0]
    runner.dump_core(tmp_path / "here")
    assert (tmp_path / "here").exists()
    fails("core-not-written", runner.dump_core, tmp_path / "nowhere" / "core")


def test_a_core_that_is_not_ours(out: Path, runtime: SdkRuntime, fails: Fails) -> None:
    fails("no-core", debug_util, out)
    (out / _core.FILE).write_bytes(b"nothing")
    fails("no-core", debug_util, out)
    with (out / _core.FILE).open("wb") as file:
        np.savez(file, **{"0": np.zeros((2, 3), np.uint8), "1": np.zeros((1, 1), np.uint8)})
    assert "another compilation" in fails("no-core", debug_util, out)


def test_the_log_has_what_was_printed_even_when_the_program_fails(
    runtime: SdkRuntime, engines: list[FakeEngine], fails: Fails, tmp_path: Path
) -> None:
    log = tmp_path / "sim.log"
    runtime.launch("compute")
    assert not log.exists()
    engines[0].lines.append(Line(40, 1, 0, "PE(1,0): ready"))
    runtime.launch("compute")
    engines[0].lines.append(Line(90, 0, 0, "again"))
    engines[0].stuck = "half"
    fails("deadlock", runtime.launch, "half", 1.0, True)
    assert log.read_text() == "@40 PE(1,0): ready\n@90 again\n"


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sim.log` is written where the script runs."""
    monkeypatch.chdir(tmp_path)
