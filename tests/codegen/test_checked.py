"""The build of the engine that checks addresses: known arrays pass, anything else ends the process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
import numba as nb, numpy as np
from openwafer.sim.fast import _checked as checked
from openwafer.sim.fast._raw import load64, store16
checked.bind_check()
a = np.arange(8, dtype=np.int64)
checked.make_known(a)
@nb.njit("int64(int64)")
def read(address):
    return load64(address)
@nb.njit("void(int64)")
def write(address):
    store16(address, 7)
first = a.ctypes.data
assert read(first) == 0 and read(first + 56) == 7
write(first + 62)
{action}
print("lives", flush=True)
"""


def run(action: str, value: str = "1") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CODE.format(action=action)], capture_output=True, text=True, check=False,
        env=os.environ | {"OPENWAFER_CHECKED_ENGINE": value},
    )  # fmt: skip


def test_what_is_known_can_be_touched() -> None:
    done = run("read(first + 8)")
    assert (done.returncode, done.stdout) == (0, "lives\n")


@pytest.mark.parametrize("action", ["read(first + 57)", "write(first - 2)", "read(16)"])
def test_what_is_not_known_ends_the_process(action: str) -> None:
    done = run(action)
    assert done.returncode < 0
    assert "which belong to no array" in done.stderr
    assert "lives" not in done.stdout


def test_memory_that_is_gone_is_not_known_any_more() -> None:
    assert "belong to no array" in run("del a\nread(first)").stderr


def test_the_usual_build_does_not_ask() -> None:
    assert run("read(first + 1)", "").stdout == "lives\n"
