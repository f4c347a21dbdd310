"""Host scripts are written for NumPy 1, which the SDK ships: its promotion of scalars, under NumPy 2.

`words[1] << 16` of a `np.uint16` is an int64 there and 0 here (NEP 50), and no error says so. Scripts and the
modules beside them are therefore compiled with their binary operators replaced by `binary`, which promotes as
NumPy 1 does. Functions (`np.add`) and in-place operators on elements and attributes keep the rules of the
installed NumPy.
"""

from __future__ import annotations

import ast
import builtins
import operator
import os
import sys
import sysconfig
from importlib.machinery import FileFinder, SourceFileLoader
from types import CodeType
from typing import Any

import numpy as np

import openwafer

BINARY, IN_PLACE = "__openwafer_binary__", "__openwafer_in_place__"
OPERATORS = {
    "Add": "add",
    "Sub": "sub",
    "Mult": "mul",
    "Div": "truediv",
    "FloorDiv": "floordiv",
    "Mod": "mod",
    "Pow": "pow",
    "LShift": "lshift",
    "RShift": "rshift",
    "BitAnd": "and",
    "BitOr": "or",
    "BitXor": "xor",
}
"""The name in `operator`, without underscores, by `ast` class."""


def is_needed() -> bool:
    return int(np.__version__.split(".")[0]) > 1


def compile_script(text: str | bytes, path: str) -> CodeType:
    """The code of a script. SyntaxError as `compile` raises it."""
    tree = ast.parse(text, path)
    if is_needed():
        tree = ast.fix_missing_locations(_Rewriter().visit(tree))
    return compile(tree, path, "exec", dont_inherit=True)


def install(directory: str) -> None:
    """Has modules of `directory` (and packages in it) compiled as scripts are."""
    if not is_needed():
        return
    setattr(builtins, BINARY, binary)
    setattr(builtins, IN_PLACE, in_place)
    try:
        root = os.path.realpath(directory)
    except FileNotFoundError:  # the working directory is gone, and nothing lies beside the script
        return
    sys.path_hooks.insert(0, _Hook(root, _installed()))
    sys.path_importer_cache.clear()


def _installed() -> tuple[str, ...]:
    """Where packages lie that are nobody's script, even if that is below the script's directory."""
    paths = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return tuple(os.path.realpath(path) for path in (os.path.dirname(openwafer.__file__), *paths))


class _Hook:
    """A hook of `sys.path_hooks` for directories below `root` that are not below one of `others`.

    Python calls it in the middle of any import, also of those that itself would begin. It therefore imports
    nothing and asks nobody who does: what it must know is found out before it is installed.
    """

    def __init__(self, root: str, others: tuple[str, ...]) -> None:
        self._root, self._others = root, others

    def __call__(self, path: str) -> FileFinder:
        place = os.path.realpath(path)
        if not _is_below(place, self._root) or any(_is_below(place, other) for other in self._others):
            raise ImportError("not beside the script", path=path)
        return FileFinder(path or os.getcwd(), (_Loader, [".py"]))


def _is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(os.path.join(directory, ""))


def binary(name: str, a: Any, b: Any) -> Any:
    return getattr(operator, f"__{OPERATORS[name]}__")(*promoted(a, b))


def in_place(name: str, a: Any, b: Any) -> Any:
    return getattr(operator, f"__i{OPERATORS[name]}__")(*promoted(a, b))


def promoted(a: Any, b: Any) -> tuple[Any, Any]:
    """Both operands, with scalars converted so that the result has the dtype that NumPy 1 gives it."""
    if _is_numpy(b) and np.ndim(a) <= np.ndim(b):
        return _beside(a, b), b
    return (a, _beside(b, a)) if _is_numpy(a) else (a, b)


def _is_numpy(value: Any) -> bool:
    return isinstance(value, (np.ndarray, np.generic))


def _beside(scalar: Any, other: Any) -> Any:
    """`scalar` as NumPy 1 takes it as an operand beside `other`; what is no scalar number stays as it is."""
    number = _as_numpy(scalar)
    if number is None or other.dtype.kind not in "biufc":
        return scalar
    if other.ndim == 0:
        return number
    if _category(other.dtype) < _category(number.dtype):
        return scalar
    return number.astype(np.result_type(other.dtype, np.min_scalar_type(number)))


def _as_numpy(value: Any) -> Any:
    """A scalar of NumPy's for a number of Python's or of NumPy's, else None."""
    if type(value) in (bool, int, float, complex):
        number = np.asarray(value)[()]
        return number if number.dtype.kind in "biufc" else None
    is_scalar = _is_numpy(value) and value.ndim == 0
    return value[()] if is_scalar and value.dtype.kind in "biufc" else None


def _category(dtype: np.dtype[Any]) -> int:
    return {"b": 0, "i": 1, "u": 1}.get(dtype.kind, 2)


class _Rewriter(ast.NodeTransformer):
    """`a + b` becomes a call of BINARY, `name += b` one of IN_PLACE."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if type(node.op).__name__ not in OPERATORS:
            return node
        return ast.copy_location(_call(BINARY, node.op, node.left, node.right), node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.target, ast.Name) or type(node.op).__name__ not in OPERATORS:
            return node
        value = _call(IN_PLACE, node.op, ast.Name(node.target.id, ast.Load()), node.value)
        return ast.copy_location(ast.Assign([node.target], ast.copy_location(value, node)), node)


def _call(function: str, op: ast.operator, a: ast.expr, b: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(function, ast.Load()), [ast.Constant(type(op).__name__), a, b], [])


class _Loader(SourceFileLoader):
    """Neither reads nor writes byte code: that of `python` is another."""

    def path_stats(self, path: Any) -> Any:
        raise OSError("byte code is not used")

    def source_to_code(self, data: Any, path: Any, *_: Any, **__: Any) -> CodeType:  # type: ignore[override]
        return compile_script(bytes(data), str(path))
