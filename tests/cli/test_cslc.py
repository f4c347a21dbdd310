from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_samples import run_module, tiny_layout

import openwafer.csl
from openwafer.cli._errors import run_command
from openwafer.cli.cslc import arguments, command
from openwafer.csl import CompileOptions, Layout
from openwafer.diag import Diagnostic, error
from openwafer.machine import load_machine

WSE2 = ["--fabric-dims=8,3", "--fabric-offsets=4,1", "--memcpy", "--channels=1"]


class Compiler:
    """Stands for `compile_layout`; keeps what it was given."""

    def __init__(self) -> None:
        self.path = ""
        self.options = CompileOptions()
        self.layout = tiny_layout()
        self.failure: Exception | None = None
        self.prints: list[str] = []
        self.warnings: list[Diagnostic] = []

    def __call__(
        self,
        path: str,
        options: CompileOptions,
        *,
        printed: Callable[[str], None],
        warned: Callable[[Diagnostic], None],
    ) -> Layout:
        self.path, self.options = path, options
        for warning in self.warnings:
            warned(warning)
        for line in self.prints:
            printed(line)
        if self.failure is not None:
            raise self.failure
        return self.layout


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Compiler:
    stand_in = Compiler()
    monkeypatch.setattr(openwafer.csl, "compile_layout", stand_in, raising=False)
    monkeypatch.setattr(openwafer.csl, "CompileOptions", CompileOptions, raising=False)
    monkeypatch.chdir(tmp_path)
    return stand_in


def cslc(*args: str) -> int:
    return run_command(command, "cslc", arguments(args))


FLAGS = {
    "arch": "wse3",
    "fabric-dims": "12,7",
    "fabric-offsets": "5,1",
    "params": "M:4,N:6",
    "colors": "x:1,y:3",
    "channels": "2",
    "width-west-buf": "1",
    "width-east-buf": "0",
    "max-inlined-iterations": "9",
    "import-path": "lib",
    "edition": "2.10",
}


@pytest.mark.parametrize("joined", [True, False])
def test_flags_in_both_forms(compiler: Compiler, joined: bool) -> None:
    pairs = [[f"--{k}={v}"] if joined else [f"--{k}", v] for k, v in FLAGS.items()]
    output = ["-o=made"] if joined else ["-o", "made"]
    flat = [part for pair in pairs for part in pair]
    assert cslc("./layout.csl", *flat, "--memcpy", *output, "--params", "K:-1", "--import-path=more") == 0
    assert compiler.path == "./layout.csl"
    assert compiler.options == CompileOptions(
        arch="wse3",
        fabric_dims=(12, 7),
        fabric_offsets=(5, 1),
        params={"M": "4", "N": "6", "K": "-1"},
        colors={"x": "1", "y": "3"},
        memcpy=True,
        channels=2,
        width_west_buf=1,
        width_east_buf=0,
        max_inlined_iterations=9,
        import_path=("lib", "more"),
        edition="2.10",
        machine=load_machine("wse3"),
    )
    data = json.loads(Path("made/out.json").read_text("utf-8"))
    assert data["colors"] == {"x": "1", "y": "3"}


def test_defaults(compiler: Compiler) -> None:
    assert cslc("layout.csl") == 0
    assert compiler.options == CompileOptions(arch="wse2", machine=load_machine("wse2"))
    assert Path("out/out.json").exists()
    assert cslc("layout.csl", "--memcpy", "--width-west-buf=2", "-oelsewhere") == 0
    assert compiler.options.fabric_offsets == (6, 1)
    assert Path("elsewhere/out.json").exists()


def test_flags_may_stand_before_and_after_the_file(compiler: Compiler) -> None:
    assert cslc("--arch=wse2", "./layout.csl", *WSE2, "-o", "out") == 0
    assert compiler.options.fabric_dims == (8, 3)


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["a.csl", "b.csl"],
        ["a.csl", "--arch=wse4"],
        ["a.csl", "--fabric-dims=8"],
        ["a.csl", "--fabric-dims", "8,-3"],
        ["a.csl", "--params=M"],
        ["a.csl", "--params=M:"],
        ["a.csl", "--params=:4"],
        ["a.csl", "--channels=many"],
        ["a.csl", "--width-west-buf=-1"],
        ["a.csl", "--memcopy"],
    ],
)
def test_wrong_usage(compiler: Compiler, capsys: pytest.CaptureFixture[str], args: list[str]) -> None:
    assert cslc(*args) == 2
    assert "Error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "id", "words"),
    [
        (["--memcpy", "--fabric-offsets=3,1"], "fabric-offsets", "--fabric-offsets=4,1"),
        (["--memcpy", "--fabric-offsets=4,0"], "fabric-offsets", "at least 4,1"),
        (["--memcpy", "--fabric-offsets=4,1", "--width-west-buf=2"], "fabric-offsets", "at least 6,1"),
        (["--memcpy", "--fabric-dims=8,2"], "fabric-dims", "--fabric-dims=8,3"),
        (["--memcpy", "--fabric-dims=7,3"], "fabric-dims", "7 columns and 2 rows"),
        (["--memcpy", "--fabric-dims=8,3", "--width-east-buf=1"], "fabric-dims", "--fabric-dims=9,3"),
        (["--fabric-dims=3,3", "--fabric-offsets=3,0"], "fabric-dims", "--fabric-dims=4,3"),
        (["--fabric-dims=9999,3"], "fabric-dims", "larger than"),
        (["--memcpy", "--channels=17"], "memcpy-channels", "1 … 16"),
        (["--memcpy", "--channels=0"], "memcpy-channels", "1 … 16"),
        (["--machine=wse3", "--arch=wse2"], "machine-mismatch", "--arch=wse3"),
        (["--machine=wse9"], "machine-not-found", "wse9"),
    ],
)
def test_diagnostics(
    compiler: Compiler, capsys: pytest.CaptureFixture[str], args: list[str], id: str, words: str
) -> None:
    assert cslc("layout.csl", *args) == 1
    text = capsys.readouterr().err
    assert f"error[{id}]" in text and words in text
    assert "Traceback" not in text
    assert not Path("out").exists()


def test_a_machine_file_decides_the_architecture(compiler: Compiler) -> None:
    Path("mine.toml").write_text('base = "wse3"\n[memory]\nbytes_per_pe = { value = 300, unit = "B", '
                                 'source = "a test", status = "assumed" }\n')  # fmt: skip
    compiler.layout = tiny_layout(size=400)
    assert cslc("layout.csl", "--machine=mine.toml") == 1
    assert compiler.options.arch == "wse3"


def test_memory_overflow(compiler: Compiler, capsys: pytest.CaptureFixture[str]) -> None:
    compiler.layout = tiny_layout(size=60_000)
    assert cslc("layout.csl") == 1
    assert "60,000 B  A: [15000]f32" in capsys.readouterr().err


def test_a_foreign_output_directory(compiler: Compiler, capsys: pytest.CaptureFixture[str]) -> None:
    Path("out").mkdir()
    Path("out/notes").write_text("x")
    assert cslc("layout.csl") == 1
    assert "error[output-foreign]" in capsys.readouterr().err


def test_an_internal_error_is_one_line_and_a_report(
    compiler: Compiler, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    compiler.failure = IndexError("list index\nout of range")
    assert cslc("layout.csl") == 3
    text = capsys.readouterr().err
    assert "cslc: internal error: IndexError: list index" in text
    assert "Traceback" not in text
    (file,) = tmp_path.glob("openwafer-report-*.txt")
    assert str(file) in text.replace("\n", "")
    assert "Traceback" in file.read_text("utf-8")


def test_diagnostics_are_also_written_for_tools(
    compiler: Compiler, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENWAFER_DIAGNOSTICS", str(tmp_path / "log"))
    compiler.failure = error("not-supported-fifo", "`@allocate_fifo` is not supported yet")
    assert cslc("layout.csl") == 1
    assert json.loads((tmp_path / "log").read_text())["id"] == "not-supported-fifo"


def test_verbose(compiler: Compiler, capsys: pytest.CaptureFixture[str]) -> None:
    compiler.layout = tiny_layout(2, 3)
    assert cslc("layout.csl", "--verbose") == 0
    text = capsys.readouterr().out
    assert "2 × 3 PEs of wse2" in text and "pe.csl: 262 B" in text


def test_silent_otherwise(compiler: Compiler, capsys: pytest.CaptureFixture[str]) -> None:
    assert cslc("layout.csl") == 0
    assert capsys.readouterr() == ("", "")


def test_what_a_program_prints_while_it_is_compiled_is_shown(
    compiler: Compiler, capsys: pytest.CaptureFixture[str]
) -> None:
    compiler.prints = ["pe.csl:3:1: 12", "layout.csl:1:1: a\x1b[31m"]
    assert cslc("layout.csl", *WSE2) == 0
    assert capsys.readouterr().out == "pe.csl:3:1: 12\nlayout.csl:1:1: a\\x1b[31m\n"


def test_help(tmp_path: Path) -> None:
    result = run_module("openwafer.cli.cslc", "--help", cwd=tmp_path)
    assert result.returncode == 0
    for flag in [*FLAGS, "memcpy", "verbose"]:
        assert f"--{flag}" in result.stdout


@pytest.mark.parametrize("strict", [False, True])
def test_warnings_fail_only_where_asked_for(
    compiler: Compiler, capsys: pytest.CaptureFixture[str], strict: bool
) -> None:
    compiler.warnings = [Diagnostic("unknown-parameter", "no parameter `x`", severity="warning")]
    code = cslc("layout.csl", *WSE2, *(["--warnings-as-errors"] if strict else []))
    assert code == int(strict)
    told = "error" if strict else "warning"
    assert f"{told}[unknown-parameter]: no parameter `x`" in capsys.readouterr().err


def test_flags_without_an_effect_and_formats_to_come(
    compiler: Compiler, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cslc("layout.csl", *WSE2, "--max-parallelism=2", "-g0", "--fp16-format=f16") == 0
    assert cslc("layout.csl", *WSE2, "--fp16-format=bf16") == 1
    assert "not-supported-fp16" in capsys.readouterr().err
