"""NumPy 1's promotion in host scripts; what it gave is written down from NEP 50's table and NumPy 1.26."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openwafer.host.numpy1 import (
    _Hook,  # pyright: ignore[reportPrivateUsage]
    binary,
    compile_script,
    in_place,
)

U16, F32 = np.uint16(40000), np.float32(3)
SCALARS = [
    ("LShift", U16, 16, np.int64(40000 << 16)),
    ("Add", U16, 40000, np.int64(80000)),
    ("Add", 40000, U16, np.int64(80000)),
    ("Add", np.uint8(200), True, np.uint8(201)),
    ("Mult", F32, 2, np.float64(6)),
    ("Mult", F32, 0.1, np.float64(3) * 0.1),
    ("Add", np.array(40000, np.uint16), 40000, np.int64(80000)),
    ("Add", U16, U16, np.uint16(80000 & 0xFFFF)),
    ("Sub", np.uint64(5), 2**63, np.uint64((5 - 2**63) % 2**64)),
    ("Add", 2, 3, 5),
    ("Mod", "%d cycles", U16, "40000 cycles"),
]


@pytest.mark.parametrize(
    ("name", "a", "b", "wanted"), SCALARS, ids=[f"{s[0]}-{i}" for i, s in enumerate(SCALARS)]
)
def test_scalars(name: str, a: Any, b: Any, wanted: Any) -> None:
    with np.errstate(over="ignore"):
        found = binary(name, a, b)
    assert found == wanted
    assert type(found) is type(wanted)


ARRAYS = [
    (np.zeros(2, np.float32), np.float64(0.5), "f4"),
    (np.zeros(2, np.float32), 0.5, "f4"),
    (np.zeros(2, np.float32), np.int64(3), "f4"),
    (np.zeros(2, np.uint16), np.int64(3), "u2"),
    (np.zeros(2, np.uint16), np.int64(-3), "i4"),
    (np.zeros(2, np.uint8), 300, "u2"),
    (np.zeros(2, np.int16), np.float32(1), "f4"),
    (np.zeros(2, np.float32), np.zeros(2, np.float64), "f8"),
    (np.zeros(2, np.float32), 1j, "c8"),
]


@pytest.mark.parametrize(("a", "b", "dtype"), ARRAYS, ids=[f"{a.dtype}-{b!r:.12}" for a, b, _ in ARRAYS])
def test_arrays(a: Any, b: Any, dtype: str) -> None:
    assert binary("Add", a, b).dtype == dtype
    assert binary("Add", b, a).dtype == dtype


def test_in_place_keeps_the_array() -> None:
    array = np.zeros(2, np.float32)
    assert in_place("Add", array, np.float64(1)) is array
    assert array.tolist() == [1, 1]


def run(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {"np": np, "__openwafer_binary__": binary, "__openwafer_in_place__": in_place}
    exec(compile_script(text, "run.py"), names)
    return names


def test_a_script_is_compiled_with_it() -> None:
    names = run("w = np.array([1, 2, 3], np.uint16)\nt = w[0] + (w[1] << 16) + (w[2] << 32)\nt += 1")
    assert names["t"] == 2 + (2 << 16) + (3 << 32)


def test_other_operators_stay() -> None:
    names = run("m = np.eye(2) @ np.eye(2)\nm @= m\na = [1]\na[0] += 2\nb = a + [3]\na += [4]")
    assert names["m"].tolist() == [[1, 0], [0, 1]]
    assert (names["a"], names["b"]) == ([3, 4], [3, 3])


def cs_python(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "openwafer.cli.cs_python", "run.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_modules_beside_the_script(tmp_path: Path) -> None:
    (tmp_path / "util.py").write_text("def join(w):\n    return w[0] + (w[1] << 16)\n")
    (tmp_path / "run.py").write_text(
        "import numpy as np\nfrom util import join\nprint(join(np.array([1, 2], np.uint16)))\n"
    )
    for _ in range(2):
        result = cs_python(tmp_path)
        assert (result.stdout, result.stderr) == (f"{1 + (2 << 16)}\n", "")
    assert not list(tmp_path.rglob("*.pyc"))


def test_a_failing_operator_is_the_scripts_fault(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text("x = 0\nprint(1 / x)\n")
    result = cs_python(tmp_path)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == "ZeroDivisionError: division by zero"
    assert "numpy1" not in result.stderr


NOTHING_IS_IMPORTED = """
import builtins, os, sys, sysconfig
from openwafer.host import numpy1

numpy1.install("here")
hook = sys.path_hooks[0]

def refuse(name, *_, **__):
    raise AssertionError(f"the hook imports {name}")

def unready(*_, **__):
    raise AttributeError("sysconfig is in the middle of its own import")

builtins.__import__, sysconfig.get_path, sysconfig.get_paths = refuse, unready, unready
for path in ("here", os.path.abspath("here"), os.path.join("here", "package")):
    print(type(hook(path)).__name__)
for path in ("", "hereabouts", "/", os.path.dirname(os.__file__)):
    try:
        print(hook(path))
    except ImportError as reason:
        print(reason)
"""


def test_the_path_hook_imports_nothing(tmp_path: Path) -> None:
    """Python 3.13's `sysconfig` imports a module at its first use, and so comes back to the hook."""
    command = [sys.executable, "-c", NOTHING_IS_IMPORTED]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.stdout.splitlines() == ["FileFinder"] * 3 + ["not beside the script"] * 4, result.stderr


def test_modules_of_python_that_import_others_at_first_use(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(
        "import subprocess, email, json, sysconfig; print(sysconfig.get_path('stdlib'))"
    )
    result = cs_python(tmp_path)
    assert (result.returncode, result.stderr) == (0, "") and "python3" in result.stdout


def test_packages_below_the_scripts_directory_are_nobodys_script(tmp_path: Path) -> None:
    """A virtual environment beside the script: what lies in it keeps its byte code and its arithmetic."""
    home = tmp_path / "env" / "site"
    home.mkdir(parents=True)
    (home / "theirs.py").write_text("import numpy as np\nVALUE = np.uint16(1) << np.uint16(3)\n")
    hook = _Hook(str(tmp_path), (str(home),))
    assert type(hook(str(tmp_path / "sub"))).__name__ == "FileFinder"
    for path in (home, home / "package", tmp_path.parent):
        with pytest.raises(ImportError):
            hook(str(path))
