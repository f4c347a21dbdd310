"""Commands in places that are not as one hopes: each says what is wrong, and its exit code is as promised."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from cli_samples import SOURCE, tiny_layout

from openwafer.cli import _internal_error
from openwafer.cli._errors import bounded
from openwafer.diag import error
from openwafer.image import build, write
from patience import PATIENCE_S

LAYOUT = 'layout { @set_rectangle(1, 1); @set_tile_code(0, 0, "pe.csl", .{}); }\n'


def start(command: str) -> list[str]:
    return [sys.executable, "-P", "-c", f"from openwafer.cli._start import {command}; {command}()"]


def environment(**more: str) -> dict[str, str]:
    plain = {
        k: v for k, v in os.environ.items() if k not in ("PYTHONUNBUFFERED", "PYTHONIOENCODING", "COLUMNS")
    }
    return plain | {"PYTHONPATH": SOURCE} | more


def call(
    command: str, *args: str, cwd: Path | None = None, shell: str = "", **env: str
) -> subprocess.CompletedProcess[str]:
    """Runs a command in bash, which may redirect its streams with `shell`."""
    script = f'"$@" {shell}'
    return subprocess.run(
        ["bash", "-c", script, "bash", *start(command), *args], cwd=cwd, env=environment(**env), text=True,
        errors="surrogateescape", capture_output=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "layout.csl").write_text(LAYOUT)
    (tmp_path / "pe.csl").write_text("var a: u16 = 1;\ncomptime { _ = a; }\n")
    (tmp_path / "file").write_text("")
    write(build(tiny_layout(), "wse2"), tmp_path / "image")
    return tmp_path


# --- standard output -------------------------------------------------------------------------

OUTPUTS = [
    ("openwafer", "machine"), ("openwafer", "machine", "--format=json"), ("openwafer", "--help"),
    ("openwafer", "--version"), ("openwafer", "estimate", "llama-3.1-8b", "--on=b200", "--format=csv"),
    ("cslc", "layout.csl", "--verbose"),
]  # fmt: skip


@pytest.mark.parametrize("args", OUTPUTS, ids=" ".join)
@pytest.mark.parametrize("shell", [">/dev/full", ">&-"])
def test_standard_output_that_takes_nothing(args: tuple[str, ...], shell: str, folder: Path) -> None:
    done = call(*args, cwd=folder, shell=shell)
    assert done.returncode == 1
    assert done.stderr.startswith("error[output-not-written]: standard output: ")
    assert done.stderr.count("error[") == 1 and "Exception ignored" not in done.stderr


@pytest.mark.parametrize("args", OUTPUTS, ids=" ".join)
def test_a_reader_that_has_gone_is_no_fault(args: tuple[str, ...], folder: Path) -> None:
    done = call(*args, cwd=folder, shell="| true; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stderr) == (0, "")


def test_standard_error_that_takes_nothing(folder: Path) -> None:
    for shell in ("2>/dev/full", "2>&-"):
        wrong = call("openwafer", "machine", "nowhere", cwd=folder, shell=shell)
        assert (wrong.returncode, wrong.stdout) == (1, "")
        assert call("openwafer", "--nothing", cwd=folder, shell=shell).returncode == 2


def test_a_closed_stream_is_not_given_to_a_file(folder: Path) -> None:
    """Else what is printed would end up in the first file that is opened."""
    text = "import os, sys; a = os.open('a', os.O_RDWR | os.O_CREAT); print(a > 2, file=sys.stderr)"
    done = call("cs_python", "-c", text, cwd=folder, shell="<&- >&-")
    assert (done.returncode, done.stderr) == (0, "True\n")


def test_what_a_script_prints_to_a_full_file_is_told(folder: Path) -> None:
    done = call("cs_python", "-c", "print('x')", cwd=folder, shell=">/dev/full")
    assert done.returncode == 1 and "error[output-not-written]" in done.stderr
    assert call("cs_python", "-c", "print('x')", cwd=folder, shell=">&-").returncode == 0


# --- locale, names ---------------------------------------------------------------------------

ASCII: list[dict[str, str]] = [
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "ascii:strict", "LC_ALL": "C"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
]


@pytest.mark.parametrize("env", ASCII, ids=str)
def test_an_ascii_locale(env: dict[str, str], folder: Path) -> None:
    table = call("openwafer", "estimate", "llama-3.1-8b", "--on=b200", cwd=folder, **env)
    assert table.returncode == 0 and "what binds" in table.stdout and table.stderr == ""
    (folder / "größe.csl").write_text("layout { @set_rectangle(1, 1); » }\n", "utf-8")
    wrong = call("cslc", "größe.csl", cwd=folder, **env)
    assert wrong.returncode == 1 and "error[lex-unknown-character]" in wrong.stderr


NAMES = ["[/x]", "[bold]x", "a\x1b[31mb", "a\u202eb", "a\nb", "a\x07b", ":smile:", "größe", "a\udcffb"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_are_shown_and_change_nothing(name: str, folder: Path) -> None:
    here = folder / name
    try:
        here.mkdir()
    except OSError:
        pytest.skip("the file system does not take the name")
    for file in ("layout.csl", "pe.csl"):
        (here / file).write_text((folder / file).read_text())
    made = call("cslc", f"{name}/layout.csl", "--verbose", "-o", f"{name}/out", cwd=folder)
    if "\udcff" in name:
        assert made.returncode == 1 and r"`a\udcffb/pe.csl" in made.stderr
        return
    assert made.returncode == 0, made.stderr
    (here / "pe.csl").write_text(f'const s = "{name}"; var a: u16 = b;\ncomptime {{ _ = a; }}\n', "utf-8")
    wrong = call("cslc", f"{name}/layout.csl", "-o", f"{name}/out", cwd=folder)
    assert wrong.returncode == 1
    missing = call("openwafer", "machine", name, cwd=folder)
    assert missing.returncode == 1
    for shown in (made.stdout, wrong.stderr, missing.stderr):
        assert not set(name) & set("\x1b\u202e\x07\udcff") & set(shown)
        assert "[bold" not in name or "[bold]x" in shown
        assert "[/" not in name or "[/x]" in shown


def test_arguments_in_usage_errors_change_nothing() -> None:
    for command in ("openwafer", "cslc", "cs_python"):
        done = call(command, "--\x1b[31m\u202e")
        assert done.returncode == 2 and not set(done.stderr) & set("\x1b\u202e")


# --- directories and files -------------------------------------------------------------------


def call_in_deleted(folder: Path, command: str, *args: str) -> subprocess.CompletedProcess[str]:
    gone = folder / "gone"
    gone.mkdir()
    script = 'rmdir "$PWD"; "$@"'
    return subprocess.run(
        ["bash", "-c", script, "bash", *start(command), *args], cwd=gone, env=environment(), text=True,
        capture_output=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("openwafer", "machine"), 0),
        (("openwafer", "--help"), 0),
        (("cs_python", "-c", "import json; print(json.dumps(1))"), 0),
        (("cs_python", "-m", "json.tool", "--help"), 0),
        (("cs_python", "run.py"), 2),
        (("cslc", "layout.csl"), 1),
        (("openwafer", "sweep", "--set=model=llama-3.1-8b", "--set=on=b200", "-o", "r.csv"), 1),
    ],
    ids=str,
)
def test_a_working_directory_that_was_deleted(args: tuple[str, ...], code: int, folder: Path) -> None:
    done = call_in_deleted(folder, *args)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr and "internal error" not in done.stderr
    assert ("error[" in done.stderr) == (code == 1)


@pytest.mark.parametrize(
    "args",
    [
        ("cslc", "layout.csl", "-o", "file"),
        ("cslc", "layout.csl", "-o", "file/below"),
        ("openwafer", "run", "--profile-json=file/p.json", "run.py"),
        ("openwafer", "run", "--profile-json=/dev/full", "run.py"),
        ("openwafer", "sweep", "--set=model=llama-3.1-8b", "--set=on=b200", "-o", "file/r.csv"),
        ("openwafer", "conform", "--json=file/r.json", "examples"),
    ],
    ids=" ".join,
)
def test_a_place_that_takes_no_results(args: tuple[str, ...], folder: Path) -> None:
    (folder / "run.py").write_text("import pathlib; pathlib.Path('ran').touch()\n")
    (folder / "examples").mkdir()
    (folder / "examples" / "commands.sh").write_text("touch ran\n")
    done = call(*args, cwd=folder)
    assert done.returncode == 1 and done.stderr.startswith("error["), done.stderr
    assert "full" in args[2] or not (folder / "ran").exists()


REPORTS = """
from cerebras.sdk.runtime.sdkruntimepybind import SdkRuntime
runner = SdkRuntime("image")
runner.load(); runner.run(); runner.stop()
"""


@pytest.mark.parametrize("name", ["OPENWAFER_PROFILE", "OPENWAFER_STATS"])
@pytest.mark.parametrize("path", ["file/x", "/dev/full", "."])
def test_reports_that_cannot_be_written(name: str, path: str, folder: Path) -> None:
    (folder / "run.py").write_text(REPORTS)
    done = call("cs_python", "run.py", cwd=folder, **{name: path})
    assert done.returncode == 1 and "error[report-not-written]" in done.stderr, done.stderr
    assert f"`{path}`" in done.stderr and "runner.stop()" in done.stderr


def test_a_hang_report_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    from openwafer.cli import cs_python
    from openwafer.diag import DiagnosticError

    hang = error("deadlock", "nothing can happen any more")
    object.__setattr__(hang.diagnostics[0], "data", {"chain": [], "blocked": []})
    monkeypatch.setenv("OPENWAFER_HANG_REPORT", str(folder / "file" / "x"))
    with pytest.raises(DiagnosticError, match="report-not-written"):
        cs_python._write_hang(hang)


def test_diagnostics_that_cannot_be_written_down(folder: Path) -> None:
    done = call("openwafer", "machine", "nowhere", cwd=folder, OPENWAFER_DIAGNOSTICS="file/x")
    assert done.returncode == 1 and "error[machine-not-found]" in done.stderr
    assert "OPENWAFER_DIAGNOSTICS: cannot write `file/x`" in done.stderr


# --- the boundary ----------------------------------------------------------------------------


def raising(reason: BaseException) -> Callable[[], object]:
    def action() -> None:
        raise reason

    return action


class Wordless(Exception):
    def __str__(self) -> str:
        raise ValueError


RAISED: list[tuple[BaseException, int, str]] = [
    (SystemExit(), 0, ""),
    (SystemExit(7), 7, ""),
    (SystemExit("bad"), 1, "bad\n"),
    (click.UsageError("no\x1b such"), 2, "Error: no\\x1b such\n"),
    (error("x-y", "m"), 1, "error[x-y]: m\n"),
    (KeyboardInterrupt(), 130, "openwafer: interrupted\n"),
    (click.Abort(), 130, "openwafer: interrupted\n"),
    (
        OSError(28, "No space left on device", "a\x1b"),
        1,
        "error[system-error]: `a\\x1b`: No space left on device",
    ),
    (OSError("no number"), 1, "error[system-error]: no number"),
    (PermissionError(13, "Permission denied", b"a"), 1, "error[system-error]: `a`: Permission denied"),
    (BrokenPipeError(32, "Broken pipe"), 1, "error[system-error]: Broken pipe"),
    (MemoryError("Unable to allocate 3.7 GiB"), 1, "error[out-of-memory]: Unable to allocate 3.7 GiB"),
    (MemoryError(), 1, "error[out-of-memory]"),
    (
        ZeroDivisionError("division\x1b by zero\nmore"),
        3,
        "internal error: ZeroDivisionError: division\\x1b by zero\n",
    ),
    (RecursionError("deep"), 3, "internal error: RecursionError"),
    (Wordless(), 3, "internal error: Wordless: \n"),
    (BaseException("odd"), 3, "internal error: BaseException: odd"),
]


@pytest.mark.parametrize(("reason", "code", "said"), RAISED, ids=lambda v: type(v).__name__)
def test_whatever_is_raised(
    reason: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("OPENWAFER_DIAGNOSTICS", str(tmp_path / "notes"))
    assert bounded("openwafer", raising(reason)) == code
    shown = capsys.readouterr()
    assert said in shown.err and shown.out == "" and "Traceback" not in shown.err
    reports = list(tmp_path.glob("openwafer-report-*.txt"))
    assert len(reports) == (code == 3) and all(str(report) in shown.err for report in reports)
    if code in (1, 3) and not isinstance(reason, SystemExit):
        assert json.loads((tmp_path / "notes").read_text())["severity"] == "error"


def test_what_is_returned() -> None:
    assert [bounded("x", lambda v=v: v) for v in (None, 0, 1, 2, "text")] == [0, 0, 1, 2, 0]  # type: ignore[misc]


def test_a_report_that_no_folder_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    assert bounded("openwafer", raising(ZeroDivisionError("d"))) == 3
    shown = capsys.readouterr().err
    assert "No usable temporary directory found" in shown and "ZeroDivisionError: d" in shown
    assert "in raising" not in shown and "in action" in shown


def test_a_report_of_names_that_are_no_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["openwafer", "a\udcff"])
    path = _internal_error.keep(_internal_error.describe("openwafer", ValueError("b\ud800"))[1])
    assert r"a\udcff" in Path(path).read_text("utf-8")


def test_no_home_no_name_and_no_temporary_directory(folder: Path) -> None:
    """A container's user: no name, no home, nothing that can be written but the place."""
    env = {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent", "TMPDIR": "/nonexistent", "USER": ""}
    for args in (
        ("openwafer", "machine"),
        ("cslc", "layout.csl", "-o", "made"),
        ("cs_python", "-c", "print(1)"),
    ):
        done = call(*args, cwd=folder, **env)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    with contextlib.suppress(FileNotFoundError):
        assert sorted(p.name for p in (folder / "made").iterdir())
