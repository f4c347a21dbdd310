"""The key of compiled code: every source that the code is made of is in it, and no other."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import llvmlite
import numba
import numpy as np
import pytest
from llvmlite import binding as llvm
from numba.core.dispatcher import Dispatcher

from openwafer.codegen import _closure, _compile
from openwafer.codegen._closure import PACKAGE, closure, source_digest
from openwafer.sim.fast import _entry, _numba_cache
from openwafer.sim.fast.memory import _entry as _memory_entry

ENGINE, MEMORY_OP, COSTS, OBJECTS = _entry.ENTRY.root, _memory_entry.MEMORY_ENTRY.root, *_compile.ROOTS
ROOTS = (ENGINE, MEMORY_OP, COSTS, OBJECTS)
MODULES = [(root, path.relative_to(PACKAGE).as_posix()) for root in ROOTS for path in closure(root)]
KNOWN = {
    ENGINE: {"sim/_filter.py", "sim/_registers.py", "sim/_profile.py", "sim/_control.py", "codegen/_abi.py"},
    MEMORY_OP: {"sim/fast/memory/_alu.py", "cost/_timing.py", "tir/_dsd_ops.py", "tir/_tir.py"},
    COSTS: {"cost/_unroll.py", "cost/_cost_expr.py", "tir/_tir.py"},
    OBJECTS: {"tir/_lfsr.py", "codegen/_dsd.py", "tir/_tir.py", "machine/_machine.py"},
}
"""Files that are known to decide what is made."""
OTHERS = (
    "sim/reference/_engine.py",
    "sim/standstill/_explain.py",
    "csl/syntax/_parser.py",
    "nn/_api.py",
    "diag/_render.py",
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package's sources."""
    copied = tmp_path_factory.mktemp("tree") / "openwafer"
    shutil.copytree(PACKAGE, copied, ignore=shutil.ignore_patterns("__pycache__", "*.csl"))
    return copied


def digest(root: str, package: Path) -> str:
    _closure._digest.cache_clear()  # pyright: ignore[reportPrivateUsage]
    return source_digest(root, package)


@pytest.mark.parametrize(("root", "name"), MODULES)
def test_a_change_of_any_module_of_the_closure_changes_the_key(root: str, name: str, tree: Path) -> None:
    before, path = digest(root, tree), tree / name
    text = path.read_text("utf-8")
    path.write_text(f"{text}# changed\n", "utf-8")
    changed = digest(root, tree)
    path.write_text(text, "utf-8")
    assert changed != before == digest(root, tree)


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("name", OTHERS)
def test_a_change_of_another_module_does_not_matter(root: str, name: str, tree: Path) -> None:
    before, path = digest(root, tree), tree / name
    text = path.read_text("utf-8")
    path.write_text(f"{text}# changed\n", "utf-8")
    changed = digest(root, tree)
    path.write_text(text, "utf-8")
    assert changed == before


def test_a_module_that_is_imported_from_now_on_belongs_to_it(tree: Path) -> None:
    path = tree / "sim" / "_filter.py"
    text = path.read_text("utf-8")
    path.write_text(f"{text}from openwafer.sim import (  # new\n    _explain as why,\n)\n", "utf-8")
    names = {found.name for found in closure(ENGINE, tree)}
    path.write_text(text, "utf-8")
    assert "_explain.py" in names and "_explain.py" not in {found.name for found in closure(ENGINE, tree)}


@pytest.mark.parametrize("root", ROOTS)
def test_known_modules_are_there(root: str) -> None:
    assert {path.relative_to(PACKAGE).as_posix() for path in closure(root)} >= KNOWN[root]


@pytest.mark.parametrize("root", ROOTS)
def test_the_imports_are_those_that_python_sees(root: str) -> None:
    """What the pattern finds in a file, against the syntax tree."""
    for path in closure(root):
        found = {name for _, name in _closure._imports(path) if name}  # pyright: ignore[reportPrivateUsage]
        assert found == set(_imported(ast.parse(path.read_text("utf-8")))), path


def _imported(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if (
            isinstance(child, ast.If)
            and isinstance(child.test, ast.Name)
            and child.test.id == "TYPE_CHECKING"
        ):
            continue
        if isinstance(child, ast.ImportFrom) and (child.module or "").startswith("openwafer"):
            yield from (alias.name for alias in child.names)
        yield from _imported(child)


def _reached(function: Any, seen: set[Any]) -> Iterator[Any]:
    """The functions that a compiled function leads to by the names in its code."""
    code = function.py_func if isinstance(function, Dispatcher) else function
    if not hasattr(code, "__code__") or code in seen:
        return
    seen.add(code)
    yield code
    for name in code.__code__.co_names:
        value = code.__globals__.get(name)
        members = vars(value).values() if isinstance(value, ModuleType) else (value,)
        for member in members:
            if callable(member) and "openwafer" in str(getattr(member, "__module__", "")):
                yield from _reached(member, seen)


def test_every_function_that_is_compiled_lies_in_the_closure() -> None:
    from openwafer.sim.fast._loop import openwafer_engine

    files = {Path(code.__code__.co_filename).resolve() for code in _reached(openwafer_engine, set())}
    ours = {file for file in files if PACKAGE in file.parents}
    assert len(ours) > 10 and ours <= set(closure(ENGINE))


@pytest.mark.parametrize(
    ("module", "name"), [(numba, "__version__"), (llvmlite, "__version__"), (np, "__version__")]
)
def test_versions_are_in_the_key(module: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _numba_cache.code_key(MEMORY_OP, "f", "void()")
    monkeypatch.setattr(module, name, "0.0.1")
    assert _numba_cache.code_key(MEMORY_OP, "f", "void()") != before


def test_the_processor_is_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _numba_cache.code_key(MEMORY_OP, "f", "void()")
    monkeypatch.setattr(llvm, "get_host_cpu_name", lambda: "pentium")
    name_changed = _numba_cache.code_key(MEMORY_OP, "f", "void()")
    monkeypatch.undo()
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: llvm.FeatureMap({"sse": False}))
    assert len({before, name_changed, _numba_cache.code_key(MEMORY_OP, "f", "void()")}) == 3


def test_no_compilation_lies_in_numbas_own_cache() -> None:
    """`cache=True` looks at one file only."""
    for path in PACKAGE.rglob("*.py"):
        assert "cache=True" not in path.read_text("utf-8"), path
