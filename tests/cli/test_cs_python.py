from __future__ import annotations

import subprocess
import textwrap
from pathlib import Path

import pytest
from cli_samples import run_module, tiny_layout

from openwafer.image import build, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(build(tiny_layout(), "wse2"), tmp_path / "out")
    return tmp_path


def cs_python(folder: Path, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return run_module("openwafer.cli.cs_python", *args, cwd=folder, stdin=stdin)


def script(folder: Path, text: str, name: str = "run.py") -> str:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(textwrap.dedent(text))
    return name


def test_a_script_sees_what_python_shows_it(folder: Path) -> None:
    script(folder, "VALUE = 5", "sub/helper.py")
    name = script(
        folder,
        """
        import sys, os
        from helper import VALUE
        print(__name__, __file__, sys.argv, VALUE, sys.path[0] == os.path.realpath("sub"))
        import __main__
        print(__main__.VALUE)
        """,
        "sub/run.py",
    )
    result = cs_python(folder, name, "--name", "out", "-v")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "__main__ sub/run.py ['sub/run.py', '--name', 'out', '-v'] 5 True",
        "5",
    ]


def test_a_script_reads_the_image(folder: Path) -> None:
    name = script(
        folder,
        """
        import argparse, json
        from cerebras.sdk.runtime.sdkruntimepybind import SdkRuntime, MemcpyDataType, MemcpyOrder
        parser = argparse.ArgumentParser()
        parser.add_argument("--name")
        args = parser.parse_args()
        with open(f"{args.name}/out.json", encoding="utf-8") as file:
            print(int(json.load(file)["params"]["M"]))
        print(SdkRuntime(args.name, cmaddr=None).get_id("A"))
        """,
    )
    result = cs_python(folder, name, "--name", "out")
    assert (result.returncode, result.stdout) == (0, "4\n0\n"), result.stderr


@pytest.mark.parametrize(
    ("text", "code", "err"),
    [
        ("import sys; sys.exit(7)", 7, ""),
        ("raise SystemExit", 0, ""),
        ("import sys; sys.exit('bad')", 1, "bad\n"),
        ("quit(3)", 3, ""),
    ],
)
def test_exit_codes_pass_through(folder: Path, text: str, code: int, err: str) -> None:
    result = cs_python(folder, script(folder, text))
    assert (result.returncode, result.stderr) == (code, err)


def test_a_diagnostic_points_at_the_line_of_the_script(folder: Path) -> None:
    name = script(
        folder,
        """\
        from cerebras.sdk.runtime.sdkruntimepybind import SdkRuntime
        def main():
            runner = SdkRuntime("out")
            größe = [runner.get_id("B")]
        main()
        """,
    )
    result = cs_python(folder, name)
    assert result.returncode == 1
    assert "error[unknown-host-symbol]: the program exports no symbol `B`" in result.stderr
    assert "run.py:4:14" in result.stderr
    assert "^" * len('runner.get_id("B")') in result.stderr
    assert "Traceback" not in result.stderr


def test_what_is_not_built_is_named(folder: Path) -> None:
    name = script(
        folder,
        """\
        from cerebras.sdk.runtime.sdkruntimepybind import SdkLayout
        print("imported")
        SdkLayout("out")
        """,
    )
    result = cs_python(folder, name)
    assert (result.returncode, result.stdout) == (1, "imported\n")
    assert "error[not-supported-sdklayout]" in result.stderr


def python_says(folder: Path, name: str) -> str:
    import sys

    result = subprocess.run([sys.executable, name], cwd=folder, capture_output=True, text=True, check=False)
    return result.stderr


@pytest.mark.parametrize(
    "text",
    [
        "1 / 0",
        "def f():\n    assert [] == [1], 'no'\nf()",
        "import json\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    json.loads('{')",
        "class E(Exception): pass\nraise E('x') from KeyError('y')",
        "import nothing_like_this",
        "def f(:\n    pass",
        "import sys\nsys.excepthook = lambda *a: print('mine', a[0], file=sys.stderr)\n1 / 0",
        "raise BaseException('x')",
    ],
)
def test_exceptions_of_the_script_look_as_under_python(folder: Path, text: str) -> None:
    name = script(folder, text)
    result = cs_python(folder, name)
    assert result.returncode == 1
    expected = python_says(folder, name)
    if "SyntaxError" in expected:
        expected, seen = expected.splitlines()[-1], result.stderr.splitlines()[-1]
        assert seen == expected
    else:
        assert result.stderr.replace(str(folder) + "/", "") == expected.replace(str(folder) + "/", "")


def test_a_wrong_call_is_the_scripts_error(folder: Path) -> None:
    name = script(
        folder,
        """\
        from cerebras.sdk.runtime.sdkruntimepybind import SdkRuntime
        SdkRuntime('out').launch(nonblock=False)
        """,
    )
    result = cs_python(folder, name)
    assert result.returncode == 1
    assert "TypeError: SdkRuntime.launch() missing 1 required positional argument" in result.stderr
    assert 'run.py", line 2' in result.stderr and "openwafer" not in result.stderr


def test_an_error_of_ours_is_internal(folder: Path) -> None:
    name = script(
        folder,
        """\
        import openwafer.host._runtime as r
        def broken(path):
            raise_here = {}["x"]
        from cerebras.sdk.runtime.sdkruntimepybind import SdkRuntime
        runner = SdkRuntime("out")
        runner._symbols = None
        runner.get_id("A")
        """,
    )
    result = cs_python(folder, name)
    assert result.returncode == 3
    assert "internal error: AttributeError" in result.stderr and "Traceback" not in result.stderr
    report = Path(result.stderr.split()[-1])
    assert "Traceback" in report.read_text("utf-8")
    report.unlink()


def test_other_forms(folder: Path) -> None:
    script(folder, "import sys; print('mod', sys.argv[1:])", "tool.py")
    assert cs_python(folder, "-c", "import sys; print(sys.argv)", "a").stdout == "['-c', 'a']\n"
    assert cs_python(folder, "-m", "tool", "a").stdout == "mod ['a']\n"
    assert cs_python(folder, "-", stdin="print(6 * 7)").stdout == "42\n"
    assert cs_python(folder, "--help").returncode == 0
    assert cs_python(folder, "--version").stdout.startswith("cs_python ")


def test_wrong_usage(folder: Path) -> None:
    for args in ([], ["-c"], ["--nothing"], ["missing.py"], ["."]):
        result = cs_python(folder, *args)
        assert result.returncode == 2
        assert result.stderr and "Traceback" not in result.stderr


def test_a_missing_image(folder: Path) -> None:
    name = script(
        folder, "from cerebras.sdk.runtime.sdkruntimepybind import SdkRuntime\nSdkRuntime('nowhere')\n"
    )
    result = cs_python(folder, name)
    assert result.returncode == 1
    assert "error[image-not-found]: `nowhere` does not exist" in result.stderr
