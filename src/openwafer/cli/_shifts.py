"""Shifts of NumPy numbers in host scripts, as the NumPy of the SDK does them.

`np.uint16(3) << 16` was 196608 of 64 bits in NumPy 1, for which host scripts are written. Since NumPy 2 it
stays at 16 bits and is 0, without a warning, so that `words[0] + (words[1] << 16) + (words[2] << 32)` loses
all but the lowest word of a time stamp. Arrays keep their width in both.
"""

from __future__ import annotations

import ast
from types import CodeType
from typing import Any

WIDE = "__openwafer_wide__"
"""The name by which a compiled script calls `wide`."""
WIDE_BYTES = 8


def compile_script(text: str | bytes, path: str) -> CodeType:
    """A host script, in which `x << 16`, with a literal number, is `wide(x) << 16`; `wide` is its `WIDE`."""
    tree = ast.parse(text, path)
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.LShift) and _is_number(node.right):
            name = ast.copy_location(ast.Name(WIDE, ast.Load()), node.left)
            node.left = ast.copy_location(ast.Call(name, [node.left], []), node.left)
    return compile(tree, path, "exec", dont_inherit=True)


def wide(value: Any) -> Any:
    """`value`; in 64 bits if it is an integer of NumPy with fewer."""
    import numpy

    integer: Any = numpy.integer
    return numpy.int64(value) if isinstance(value, integer) and value.itemsize < WIDE_BYTES else value


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int
