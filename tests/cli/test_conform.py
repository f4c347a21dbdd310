from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest
from cli_samples import SOURCE

from openwafer.cli._conform_list import read_list
from openwafer.cli._errors import run_command
from openwafer.cli._examples import copy_example, find_examples
from openwafer.cli.conform import command


def example(root: Path, name: str, script: str, file: str = "commands_wse2.sh", **others: str) -> None:
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(f"#!/usr/bin/env bash\nset -e\n{script}\n")
    for other, text in others.items():
        (folder / f"{other}.py").write_text(text)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs conform and gives the exit code and the results by title."""
    monkeypatch.setenv("PYTHONPATH", f"{SOURCE}:{':'.join(sys.path)}")

    def run(root: Path, *args: str) -> tuple[int, dict[str, dict[str, object]]]:
        out = tmp_path / "results.json"
        code = run_command(command, "conform", [str(root), "--json", str(out), "--jobs=2", *args])
        found = json.loads(out.read_text())["results"] if out.exists() else []
        return code, {f"{r['name']} {r['arch']}": r for r in found}

    return run


STOP = """
import os
with open(os.environ["OPENWAFER_STATS"], "a") as file:
    file.write('{"cycles": 7, "tile_cycles": 28}\\n')
"""
STREAM = """
from openwafer.host._missing import not_supported
raise not_supported("`memcpy_h2d` with `streaming=True`", "streaming")
"""


def test_results(tmp_path: Path, results, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "examples"
    example(root, "a/good", "cs_python run.py\ncs_python run.py", run=STOP)
    example(root, "a/good", "cs_python run.py", "commands_wse3.sh")
    example(root, "a/wrong", "cs_python run.py", run="print('start')\nassert 1 == 2, 'numbers differ'")
    example(root, "b/stream", "cs_python run.py\ntouch never", run=STREAM)
    example(root, "a/lines", "cs_python run.py", run="raise ValueError('\\nNot equal\\n\\n x: 1')")
    example(root, "b/missing", "cs_python run.py", run="from openwafer.image import read; read('nowhere')")
    code, found = results(root)
    assert code == 1
    assert {name: r["result"] for name, r in found.items()} == {
        "a/good wse2": "pass",
        "a/good wse3": "pass",
        "a/wrong wse2": "fail",
        "a/lines wse2": "fail",
        "b/stream wse2": "not yet supported",
        "b/missing wse2": "fail",
    }
    good, wrong = found["a/good wse2"], found["a/wrong wse2"]
    assert (good["cycles"], good["tile_cycles"], good["reason"]) == (14, 56, "")
    assert (wrong["cycles"], wrong["reason"]) == (None, "AssertionError: numbers differ")
    assert found["a/lines wse2"]["reason"] == "ValueError: Not equal"
    assert "start" in str(wrong["output"])
    assert found["b/stream wse2"]["reason"] == (
        "not-supported-streaming: `memcpy_h2d` with `streaming=True` is not supported yet"
    )
    assert str(found["b/missing wse2"]["reason"]).startswith("image-not-found: ")
    text = capsys.readouterr().out
    assert "2 pass, 3 fail, 1 not yet supported" in text
    assert "numbers differ" in text


def test_what_is_not_supported_is_no_failure(tmp_path: Path, results) -> None:
    example(tmp_path / "x", "stream", "cs_python run.py", run=STREAM)
    assert results(tmp_path / "x")[0] == 0


def test_scripts_run_in_a_copy(tmp_path: Path, results) -> None:
    root = tmp_path / "examples"
    example(root, "one", "mkdir out\necho x > out/made")
    assert results(root)[0] == 0
    assert [p.name for p in (root / "one").iterdir()] == ["commands_wse2.sh"]


def test_commands_are_those_of_this_interpreter(tmp_path: Path, results) -> None:
    example(
        tmp_path / "x",
        "one",
        "cs_python run.py",
        run=f"import sys\nassert sys.executable == {sys.executable!r}",
    )
    code, found = results(tmp_path / "x")
    assert code == 0, found


def test_the_engine_is_passed_on(tmp_path: Path, results) -> None:
    example(tmp_path / "x", "one", '[ "$OPENWAFER_ENGINE" = reference ]')
    assert results(tmp_path / "x", "--engine=reference")[0] == 0


def test_a_folder_may_use_its_neighbours(tmp_path: Path, results) -> None:
    root = tmp_path / "examples"
    (root / "lib").mkdir(parents=True)
    (root / "lib" / "a.txt").write_text("x")
    example(root, "one", "grep x ../lib/a.txt\nls src/../../lib/a.txt")
    (root / "one" / "src").mkdir()
    code, found = results(root)
    assert code == 0, found


def test_links_replace_the_neighbours_of_a_copy(tmp_path: Path) -> None:
    root = tmp_path / "top"
    example(root, "deep/one", "true")
    (root / "deep" / "one" / "src").mkdir()
    (root / "deep" / "one" / "src" / "a.csl").write_text('@import_module("../../../lib/x.csl")')
    (root / "lib").mkdir()
    (tmp_path / "copies").mkdir()
    copy = copy_example(root / "deep" / "one", tmp_path / "copies")
    assert copy == tmp_path / "copies" / "top" / "deep" / "one"
    assert not copy.is_symlink()
    assert (tmp_path / "copies" / "top" / "lib").is_symlink()


def test_finding(tmp_path: Path) -> None:
    example(tmp_path, "a/one", "cslc --arch=wse3 x.csl", "commands.sh")
    example(tmp_path, "a/two", "cslc x.csl", "commands.sh")
    example(tmp_path, "b/one", "", "commands_wse3.sh")
    (tmp_path / "b" / "one" / "other.sh").write_text("")

    def titles(arch: str | None = None, only: str | None = None) -> list[str]:
        return [e.title for e in find_examples(tmp_path, arch, only)]

    assert titles() == ["a/one [wse3]", "a/two [wse2]", "b/one [wse3]"]
    assert titles(arch="wse3") == ["a/one [wse3]", "b/one [wse3]"]
    assert titles(only="on?") == ["a/one [wse3]", "b/one [wse3]"]
    assert titles(only="a/*") == ["a/one [wse3]", "a/two [wse2]"]
    assert [e.name for e in find_examples(tmp_path / "a" / "one")] == ["one"]


def test_nothing_found_and_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(command, "conform", [str(tmp_path)]) == 1
    assert "error[no-examples]" in capsys.readouterr().err
    assert run_command(command, "conform", [str(tmp_path / "nowhere")]) == 2
    assert run_command(command, "conform", [str(tmp_path), "--jobs=0"]) == 2


def test_a_timeout_ends_what_the_script_started(tmp_path: Path, results) -> None:
    alive = tmp_path / "alive"
    example(tmp_path / "x", "one", f"(while true; do touch {alive}; sleep 0.1; done) & wait")
    code, found = results(tmp_path / "x", "--timeout=1")
    assert (code, found["one wse2"]["reason"]) == (1, "not done after 1 s")
    alive.unlink(missing_ok=True)
    time.sleep(0.4)
    assert not alive.exists()


def test_a_missing_package_names_the_extra(tmp_path: Path, results) -> None:
    example(
        tmp_path / "x",
        "one",
        "cs_python run.py",
        run="raise ModuleNotFoundError(\"No module named 'scipy.sparse'\")",
    )
    code, found = results(tmp_path / "x")
    assert code == 1
    assert found["one wse2"]["reason"] == "needs the package `scipy`: pip install 'openwafer[examples]'"


AGREES = """
import json, os
cycles = {cycles}
with open(os.environ["OPENWAFER_STATS"], "a") as file:
    file.write(json.dumps({{"cycles": cycles, "tile_cycles": cycles, "memory": {memory}}}) + "\\n")
"""


def test_both_engines_must_agree(tmp_path: Path, results) -> None:
    root, engine, threads = (
        tmp_path / "x",
        "os.environ['OPENWAFER_ENGINE']",
        "os.environ['OPENWAFER_THREADS']",
    )
    example(root, "same", "cs_python run.py", run=AGREES.format(cycles=7, memory=1))
    example(root, "cycles", "cs_python run.py", run=AGREES.format(cycles=f"len({engine})", memory=1))
    example(root, "threads", "cs_python run.py", run=AGREES.format(cycles=7, memory=threads))
    wrong = f"import os\nassert {engine} == 'fast', 'wrong'"
    example(root, "wrong", "cs_python run.py", run=wrong)
    code, found = results(root, "--engine=both")
    assert code == 1
    assert {name: r["reason"] for name, r in found.items()} == {
        "same wse2": "",
        "cycles wse2": "the fast engine and the reference engine differ: 4 and 9 cycles",
        "threads wse2": "the fast engine and the fast engine with 2 threads differ: the memories of the PEs",
        "wrong wse2": "the reference engine: AssertionError: wrong",
    }
    assert found["same wse2"]["cycles"] == 7


LIST = """
[[repository]]
name = "somebody/theirs"
commit = "0123456789abcdef"
program = [
    {{ folder = "kernels", arch = "wse2", command = "cs_python run.py", name = "small" }},
    {{ folder = "kernels", arch = "wse3", command = "false", expect = "{expect}" }},
    {{ folder = "not/there", arch = "wse2", command = "true" }},
]
"""


def listed(tmp_path: Path, expect: str) -> tuple[Path, Path]:
    root = tmp_path / "copies"
    example(root / "theirs", "kernels", "exit 3", run=STOP)
    (tmp_path / "list.toml").write_text(LIST.format(expect=expect))
    return root, tmp_path / "list.toml"


def test_a_list_says_what_runs(tmp_path: Path, results) -> None:
    root, file = listed(tmp_path, "exit code 1")
    code, found = results(root, "--list", str(file))
    assert code == 0
    assert {name: (r["result"], r["reason"]) for name, r in found.items()} == {
        "theirs/kernels/small wse2": ("pass", ""),
        "theirs/kernels wse3": ("pass", "as expected: exit code 1"),
    }


def test_another_failure_than_the_list_expects(tmp_path: Path, results) -> None:
    root, file = listed(tmp_path, "deadlock")
    code, found = results(root, "--list", str(file))
    assert (code, found["theirs/kernels wse3"]["result"]) == (1, "fail")


def test_a_wrong_list(tmp_path: Path, results, capsys: pytest.CaptureFixture[str]) -> None:
    root, file = listed(tmp_path, "pass")
    file.write_text(file.read_text().replace("commit =", "comit ="))
    assert results(root, "--list", str(file))[0] == 1
    assert "conform-list" in capsys.readouterr().err


def test_the_list_of_this_project_is_right() -> None:
    """Every entry has what it needs; nothing of it is here to be run."""
    path = Path(__file__).parents[1] / "conformance.toml"
    assert read_list(path, Path("nowhere")) == []
