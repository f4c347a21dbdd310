"""Ctrl-C and SIGTERM at any moment: 130 and 143, no traceback, a cursor, nothing is left running."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from cli_samples import SOURCE

from patience import PATIENCE_S, until

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
both = pytest.mark.parametrize("number", CODES, ids=lambda n: n.name)

IMPORTING = """
import os, signal, sys, time

class Stop:
    '''Sends the signal in the middle of an import, which may make another exception of it.'''

    def find_spec(self, name, path=None, target=None):
        if name == module:
            try:
                os.kill(os.getpid(), int(number))
                time.sleep(60)
            except BaseException:
                raise ImportError("half imported") from None

number, module = sys.argv[1:]
sys.meta_path.insert(0, Stop())
from openwafer.cli._start import openwafer
sys.argv = ["openwafer", "machine"]
openwafer()
"""


def python(code: str, *args: object) -> list[str]:
    return [sys.executable, "-P", "-c", textwrap.dedent(code), *map(str, args)]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": SOURCE}


@both
@pytest.mark.parametrize(
    "module", ["openwafer.diag", "click", "openwafer.cli._main", "openwafer.cli.machine", "openwafer.machine"]
)
def test_while_python_imports(module: str, number: signal.Signals) -> None:
    done = subprocess.run(
        python(IMPORTING, int(number), module), env=environment(), capture_output=True, text=True,
        check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.returncode == CODES[number], done.stderr
    assert "Traceback" not in done.stderr and "error" not in done.stderr


SCRIPT = "from openwafer.cli._start import cs_python; cs_python()"
WAITING = """
import time
try:
    print("ready", flush=True)
    time.sleep(1000)
finally:
    print("unwound", flush=True)
    {then}
"""


def started(code: str, *args: object, cwd: Path | None = None) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        python(code, *args),
        env=environment(),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process


@both
def test_a_script_is_unwound(number: signal.Signals) -> None:
    with started(SCRIPT, "-c", WAITING.format(then="pass")) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out) == (CODES[number], "unwound\n")
    assert err == f"cs_python: {WORDS[number]}\n"


@both
def test_a_second_signal_ends_what_unwinds_for_long(number: signal.Signals) -> None:
    with started(SCRIPT, "-c", WAITING.format(then="time.sleep(1000)")) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == "unwound\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode in (CODES[number], -number) and "Traceback" not in err
    assert number == signal.SIGTERM or process.returncode == 130


def test_a_script_may_handle_ctrl_c_itself() -> None:
    """`asyncio` does so only where it finds Python's own handler."""
    text = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    with started(SCRIPT, "-c", text) as process:
        assert process.communicate(timeout=PATIENCE_S)[0] == "True\n"


COMPILING = """
import os, time
import openwafer.csl
from openwafer.cli._start import cslc

def compile_layout(*_, **__):
    time.sleep(1)  # the spinner turns
    os.write(1, b"ready\\n")  # a print would come out above the spinner
    time.sleep(1000)

openwafer.csl.compile_layout = compile_layout
cslc()
"""


@both
def test_the_cursor_of_the_terminal_is_shown_again(number: signal.Signals, tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        python(COMPILING, "layout.csl"), env=environment() | {"TERM": "xterm"}, cwd=tmp_path, stdin=follower,
        stdout=subprocess.PIPE, stderr=follower,
    )  # fmt: skip
    os.close(follower)
    with process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        shown = b""
        while piece := read(leader):
            shown += piece
    os.close(leader)
    assert process.returncode == CODES[number]
    assert b"\x1b[?25l" in shown and shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")
    assert WORDS[number].encode() in shown and b"Traceback" not in shown


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # nobody writes to it any more
        return b""


@both
def test_conform_ends_what_it_runs(number: signal.Signals, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / "all" / name).mkdir(parents=True)
        (tmp_path / "all" / name / "commands.sh").write_text(
            f"echo $$ > {tmp_path}/{name}; sleep 1000 & wait\n"
        )
    code = "from openwafer.cli._start import openwafer; openwafer()"
    with started(code, "conform", "all", "--jobs=2", cwd=tmp_path) as process:
        assert until(
            lambda: all((tmp_path / name).exists() and (tmp_path / name).read_text() for name in "ab")
        )
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == CODES[number] and "Traceback" not in err
    groups = [int((tmp_path / name).read_text()) for name in "abc" if (tmp_path / name).exists()]
    assert until(lambda: not any(is_there(group) for group in groups))


def is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_is_ignored_stays_so() -> None:
    """A shell starts what runs in the background with SIGINT ignored."""
    code = """
    import os, signal, sys
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from openwafer.cli import _signals
    with _signals.caught() as end:
        os.kill(os.getpid(), signal.SIGINT)
    _signals.end_at_once()
    os.kill(os.getpid(), signal.SIGINT)
    print(end.code)
    """
    done = subprocess.run(python(code), env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "None\n"), done.stderr
