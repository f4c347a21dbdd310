"""`openwafer doctor` and `openwafer --version`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from cli_samples import SOURCE
from packaging.requirements import Requirement

import openwafer.sim
import requirements as req
from openwafer.cli import _checks, doctor
from openwafer.cli._errors import run_command
from openwafer.cli._main import _group

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]


class Metadata:
    """What an installation says of OpenWafer, from `pyproject.toml`: the tests may run without one."""

    PackageNotFoundError = metadata.PackageNotFoundError

    @staticmethod
    def requires(name: str) -> list[str]:
        extras = PROJECT["optional-dependencies"].items()
        return PROJECT["dependencies"] + [f'{n}; extra == "{extra}"' for extra, own in extras for n in own]

    @staticmethod
    def metadata(name: str) -> dict[str, str]:
        return {"Requires-Python": PROJECT["requires-python"]}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """Name → version that the checks see: all that is needed is there; changes to it count. The engine counts
    as compiled."""
    found: dict[str, str | None] = dict(req.pins())
    monkeypatch.setattr(_checks, "metadata", Metadata)
    monkeypatch.setattr(_checks, "version_of", lambda name: found.get(name))
    monkeypatch.setattr(openwafer.sim, "is_engine_compiled", lambda: True)
    return found


def checks(code: int, capsys: pytest.CaptureFixture[str]) -> dict[str, _checks.Check]:
    """By name, from what the command prints as JSON; it must end with `code`."""
    assert run_command(_group, "openwafer", ["doctor", "--format=json"]) == code
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] == (code == 0) and told["versions"]["openwafer"] == openwafer.__version__
    return {row["name"]: _checks.Check(**row) for row in told["checks"]}


def test_a_whole_installation(installed: dict[str, str | None], capsys: pytest.CaptureFixture[str]) -> None:
    found = checks(0, capsys)
    assert {"python", "numpy", "numba", "machines", "engine", "extra torch"} <= set(found)
    assert found["numpy"].found == installed["numpy"] and found["extra torch"].status == "ok"
    assert all((check.mend is None) == (check.status == "ok") for check in found.values())


def test_a_library_that_is_missing_or_too_old(
    installed: dict[str, str | None], capsys: pytest.CaptureFixture[str]
) -> None:
    installed |= {"rich": None, "numba": "0.12.0"}
    found = checks(1, capsys)
    assert (found["rich"].status, found["rich"].found) == ("fault", "not installed")
    wanted = next(n for n in map(Requirement, PROJECT["dependencies"]) if n.name == "numba")
    assert found["numba"].found == f"0.12.0, but {wanted.specifier} is needed"
    assert found["numba"].mend == f"pip install '{wanted}'"
    assert found["engine"].status == "fault" and "not looked at" in found["engine"].found


def test_an_extra_that_is_absent_is_no_fault_and_one_of_a_wrong_version_is(
    installed: dict[str, str | None], capsys: pytest.CaptureFixture[str]
) -> None:
    installed |= {"torch": None, "tokenizers": None, "safetensors": None}
    torch = checks(0, capsys)["extra torch"]
    assert torch.status == "absent" and torch.mend == "pip install 'openwafer[torch]'"
    assert "models" in torch.found
    installed |= {"torch": "1.0"}
    assert checks(1, capsys)["extra torch"].status == "fault"


def test_an_engine_that_is_not_compiled(
    installed: dict[str, str | None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(openwafer.sim, "is_engine_compiled", lambda: False)
    engine = checks(0, capsys)["engine"]
    assert (engine.status, engine.mend) == ("absent", "openwafer doctor --compile")
    compiled: list[bool] = []
    monkeypatch.setattr(openwafer.sim, "compile_engine", lambda: compiled.append(True))
    assert run_command(_group, "openwafer", ["doctor", "--compile"]) == 0
    assert compiled == [True]


def test_a_library_that_cannot_be_imported(
    installed: dict[str, str | None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> bool:
        raise ImportError("libllvm.so: cannot open")

    monkeypatch.setattr(openwafer.sim, "is_engine_compiled", broken)
    engine = checks(1, capsys)["engine"]
    assert engine.status == "fault" and engine.found == "ImportError: libllvm.so: cannot open"


def test_a_machine_file_that_is_damaged(
    installed: dict[str, str | None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("openwafer.machine.BUILT_IN", ("wse2", "wse4"))
    machines = checks(1, capsys)["machines"]
    assert machines.status == "fault" and "machine-not-found" in machines.found


def test_the_text_has_a_line_a_check_and_the_command_that_mends(
    installed: dict[str, str | None], capsys: pytest.CaptureFixture[str]
) -> None:
    installed |= {"pyarrow": None}
    assert run_command(_group, "openwafer", ["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = next(k for k, line in enumerate(lines) if "extra parquet" in line)
    assert lines[at].split()[0] == "absent"
    assert lines[at + 1].split("→ ")[1] == "pip install 'openwafer[parquet]'"


def test_sources_that_are_not_installed(
    installed: dict[str, str | None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def requires(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(Metadata, "requires", staticmethod(requires))
    found = checks(1, capsys)
    assert list(found) == ["openwafer"] and found["openwafer"].mend == "pip install -e ."


def test_without_the_package_that_reads_versions(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "openwafer.cli._checks")
    monkeypatch.setitem(sys.modules, "packaging.requirements", None)
    monkeypatch.delattr(openwafer.cli, "_checks")
    assert run_command(doctor.command, "doctor", []) == 1
    assert "error[package-missing]" in capsys.readouterr().err


def test_an_empty_cache_is_seen_without_compiling(tmp_path: Path) -> None:
    code = "from openwafer.sim import is_engine_compiled as f; print(f(), f())"
    env = os.environ | {"PYTHONPATH": SOURCE, "OPENWAFER_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["False", "False"], done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_compiled_engine_is_seen() -> None:
    openwafer.sim.compile_engine()
    assert openwafer.sim.is_engine_compiled()


def test_the_version_names_libraries_and_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(_group, "openwafer", ["--version"]) == 0
    first, libraries, machines, processor = capsys.readouterr().out.splitlines()
    assert first == f"openwafer {openwafer.__version__}"
    for name in ("NumPy", "numba", "llvmlite"):
        assert f"{name} {metadata.version(name.lower())}" in libraries
    assert machines == "machines wse2, wse3" and processor.startswith("processor ")


def test_conform_says_where_it_cannot_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("openwafer.cli._system.os", type("Windows", (), {"name": "nt"}))
    assert run_command(_group, "openwafer", ["conform", str(tmp_path)]) == 1
    assert "error[not-on-this-system]" in capsys.readouterr().err
