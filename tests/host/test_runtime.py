from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from host_samples import CYCLES, HEIGHT, WIDTH, FakeEngine

from openwafer.diag import DiagnosticError
from openwafer.host import SdkRuntime, SimfabConfig, get_platform, get_system
from openwafer.sim._engine import Launch

Fails = Callable[..., str]


def test_ids_are_integers_of_arrays_and_functions(runtime: SdkRuntime) -> None:
    ids = [runtime.get_id(name) for name in ("A", "y", "compute")]
    assert len(set(ids)) == 3 and all(isinstance(i, int) for i in ids)


def test_an_unknown_symbol_suggests_the_nearest(out: Path, fails: Fails) -> None:
    text = fails("unknown-host-symbol", SdkRuntime(out).get_id, "compote")
    assert "did you mean `compute`?" in text and "`only_left`" in text


def test_order_of_calls(out: Path, engines: list[FakeEngine], fails: Fails) -> None:
    runner = SdkRuntime(
        str(out), cmaddr="", suppress_simfab_trace=True, simfab_numthreads=64, msg_level="DEBUG"
    )
    assert "before `load()`" in fails("runtime-state", runner.run)
    runner.load()
    assert "before `run()`" in fails("runtime-state", runner.launch, "compute", nonblock=False)
    assert "after `load()`" in fails("runtime-state", runner.load)
    runner.run()
    runner.stop()
    assert "after `stop()`" in fails("runtime-state", runner.call, "compute", [], nonblock=False)
    assert "after `stop()`" in fails("runtime-state", runner.stop)


def test_stop_finishes_what_is_pending(runtime: SdkRuntime, engines: list[FakeEngine]) -> None:
    back = np.zeros(1, np.int32)
    runtime.memcpy_h2d(0, np.array([7], np.int32), 0, 0, 1, 1, 1, nonblock=True)
    runtime.launch("compute", nonblock=True)
    runtime.memcpy_d2h(back, 0, 0, 0, 1, 1, 1, nonblock=True)
    assert engines[0].now == 0
    runtime.stop()
    assert (back[0], engines[0].now, engines[0].finished) == (7, 3 * CYCLES, True)


def test_polling_comes_to_an_end(runtime: SdkRuntime) -> None:
    tasks = [runtime.launch("compute", nonblock=True) for _ in range(150)]
    polls = 0
    while not runtime.is_task_done(tasks[-1]):
        polls += 1
    assert polls == 1
    assert all(runtime.is_task_done(task) for task in tasks)


def test_a_fault_of_the_program_reaches_the_script(
    runtime: SdkRuntime, engines: list[FakeEngine], fails: Fails
) -> None:
    engines[0].stuck = "compute"
    task = runtime.launch("compute", nonblock=True)
    fails("deadlock", runtime.is_task_done, task)
    fails("deadlock", runtime.task_wait, task)
    fails("deadlock", runtime.stop)


def test_a_task_is_needed(runtime: SdkRuntime, fails: Fails) -> None:
    assert "found int" in fails("host-argument", runtime.task_wait, 3)


def launched(engines: list[FakeEngine]) -> Launch:
    command = engines[0].commands[-1]
    assert isinstance(command, Launch)
    return command


def test_launch_encodes_arguments(runtime: SdkRuntime, engines: list[FakeEngine]) -> None:
    runtime.launch("scale", np.int16(-2), np.float32(1.5), np.uint32(0xFFFFFFFF), nonblock=False)
    assert launched(engines) == Launch("scale", (0xFFFE, 0x3FC00000, 0xFFFFFFFF))
    runtime.launch("scale", -32768, 2, 7, nonblock=False)
    assert launched(engines) == Launch("scale", (0x8000, 0x40000000, 7))
    runtime.launch("half", np.float16(-1), True)
    assert launched(engines) == Launch("half", (0xBC00, 1))
    runtime.call("scale", np.array([1, 2, 3], np.uint32), nonblock=False)
    assert launched(engines) == Launch("scale", (1, 2, 3))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "takes 3 arguments, given 0"),
        ((np.int32(1), np.float32(1), np.uint32(1)), "argument 1 of `scale`: expected int16, found int32"),
        ((np.uint16(1), np.float32(1), np.uint32(1)), "expected int16, found uint16"),
        ((40_000, 1.0, 1), "40000 does not fit int16"),
        ((1, 1.0, -1), "-1 does not fit uint32"),
        ((1.0, 1.0, 1), "expected int16, found float"),
        ((True, 1.0, 1), "expected int16, found bool"),
        ((1, "1", 1), "argument 2 of `scale`: expected float32, found str"),
        ((1, 1.0, np.ones(1, np.uint32)), "expected uint32, found ndarray"),
        ((1, 10**400, 1), "argument 2"),
    ],
)
def test_wrong_arguments(runtime: SdkRuntime, fails: Fails, args: tuple[Any, ...], words: str) -> None:
    text = fails("launch-arguments", runtime.launch, "scale", *args, nonblock=False)
    assert words in text
    assert "fn scale(n: i16, a: f32, k: u32) void" in text


def test_wrong_words(runtime: SdkRuntime, fails: Fails) -> None:
    assert "takes 3 arguments, given 1" in fails("launch-arguments", runtime.call, "scale", [1])
    assert "not a 32-bit word" in fails("launch-arguments", runtime.call, "scale", [1, 2, 1 << 32])
    fails("host-argument", runtime.call, "scale", [1, 2, 0.5])


def test_wrong_functions(runtime: SdkRuntime, fails: Fails) -> None:
    assert "[*]f32" in fails("host-symbol-kind", runtime.launch, "A")
    fails("unknown-host-symbol", runtime.launch, "computes")
    fails("host-symbol-not-on-pe", runtime.launch, "nowhere")
    assert "`u64`" in fails("not-supported-argument-type", runtime.launch, "wide", 1)


def test_what_is_not_built_says_so(runtime: SdkRuntime, fails: Fails) -> None:
    text = fails("not-supported-stride", runtime.memcpy_h2d_stride, 0)
    assert "`SdkRuntime.memcpy_h2d_stride` is not supported yet" in text
    fails("not-supported-ports", runtime.send, "in", np.zeros(1), nonblock=True)
    fails("not-supported-ports", runtime.receive, "out", np.zeros(1), 1, nonblock=True)


def test_hardware_is_refused(out: Path, fails: Fails) -> None:
    fails("not-supported-hardware", SdkRuntime, out, cmaddr="10.0.0.1:9000")
    fails("not-supported-hardware", get_platform, "10.0.0.1:9000")
    fails("not-supported-hardware", get_system, "10.0.0.1:9000")


def test_threads(out: Path, engines: list[FakeEngine], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.delenv("OPENWAFER_THREADS", raising=False)
    SdkRuntime(out).load()
    SdkRuntime(out, simfab_numthreads=64).load()
    SdkRuntime(out, get_platform(None, SimfabConfig(num_threads=3))).load()
    monkeypatch.setenv("OPENWAFER_THREADS", "2")
    SdkRuntime(out, simfab_numthreads=64).load()
    assert [engine.threads for engine in engines] == [1, 4, 3, 2]


@pytest.mark.parametrize("text", ["abc", "0", "-3", "99999"])
def test_a_number_of_threads_that_makes_no_sense(
    text: str, out: Path, fails: Fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENWAFER_THREADS", text)
    fails("bad-variable", SdkRuntime, out)


def test_cycles_are_written_when_asked_for(
    runtime: SdkRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENWAFER_STATS", str(tmp_path / "stats"))
    runtime.launch("compute", nonblock=False)
    runtime.stop()
    (line,) = (tmp_path / "stats").read_text().splitlines()
    pes = WIDTH * HEIGHT
    stats = json.loads(line)
    assert len(stats.pop("memory")) == 8
    assert stats == {"cycles": CYCLES, "tile_cycles": CYCLES * pes, "pes": pes}


def test_an_unknown_engine_is_a_diagnostic(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENWAFER_ENGINE", "faster")
    with pytest.raises(DiagnosticError) as caught:
        SdkRuntime(out).load()
    assert caught.value.diagnostics[0].id == "unknown-engine"


def test_coordinates_of_the_fabric(runtime: SdkRuntime) -> None:
    assert runtime.coord_logical_to_physical((2, 1)) == (6, 2)


def test_the_wafer_goes_on_while_the_host_turns_to_its_next_command(
    runtime: SdkRuntime, engines: list[FakeEngine]
) -> None:
    """After a blocking call the engine gets some cycles; after a nonblocking one none."""
    runtime.launch("compute", nonblock=True)
    runtime.launch("compute", nonblock=True)
    assert engines[0].done == 0
    runtime.launch("compute")
    assert not engines[0].finished
    runtime.launch("compute", nonblock=True)
    assert engines[0].finished and engines[0].done == 3
