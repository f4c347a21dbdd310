"""What a result is recorded with."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import openwafer
from openwafer import _versions

ROOT = Path(__file__).parents[1]


def test_the_version_is_that_of_the_installed_package() -> None:
    assert openwafer.__version__ == metadata.version("openwafer")
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = openwafer.no_such_name  # type: ignore[attr-defined]


def test_versions_names_what_results_depend_on() -> None:
    found = openwafer.versions()
    assert set(found) >= {"openwafer", "sources", "python", "numpy", "numba", "llvmlite", "processor"}
    assert all(found.values())
    for library in ("numpy", "numba", "llvmlite"):
        assert found[library] == metadata.version(library)


def test_asking_for_versions_imports_no_library() -> None:
    code = (
        "import sys, openwafer\n"
        "before = len(sys.modules)\n"
        "found = openwafer.versions(), openwafer.__version__\n"
        "assert 'torch' not in found[0]\n"
        "heavy = {'numpy', 'numba', 'llvmlite', 'torch', 'openwafer.diag', 'openwafer.nn'}\n"
        "print(*heavy & set(sys.modules))\n"
    )
    assert _output(code) == ""


def test_importing_openwafer_imports_nothing_of_it() -> None:
    code = (
        "import sys, openwafer\n"
        "print(*[m for m in sys.modules if m.startswith(('openwafer.', 'importlib.meta'))])\n"
    )
    assert _output(code) == ""


def test_an_imported_library_says_its_own_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that was imported from elsewhere than what is installed counts as it is."""

    class Torch:
        __version__ = "9.9.9+mine"

    monkeypatch.setitem(sys.modules, "torch", Torch)
    assert openwafer.versions()["torch"] == "9.9.9+mine"


def test_what_is_not_installed_has_no_version() -> None:
    assert _versions.version_of("no-package-of-this-name") is None


def test_the_digest_of_sources_tells_states_apart(tmp_path: Path) -> None:
    digests: set[str] = set()
    for name, text in (("a.py", "x"), ("a.py", "y"), ("b.csl", "y"), ("__pycache__/a.pyc", "z")):
        path = tmp_path / "package" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        _versions.source_digest.cache_clear()
        digests.add(_versions.source_digest(tmp_path / "package"))
    assert len(digests) == 3
    assert all(re.fullmatch(r"[0-9a-f]{12}", digest) for digest in digests)


def test_the_version_stands_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert (
        f"\nversion: {project['version']}\n" in citation and f"\nlicense: {project['license']}\n" in citation
    )


def _output(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
