"""The CSL front-end: text to tokens to syntax tree to typed PE programs and a layout.

The compiler is imported when it is first used: who only loads a compiled program does not wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openwafer._later import later
from openwafer.csl._options import CompileOptions
from openwafer.tir import CONFIG_COLUMNS, ExportName, Layout

if TYPE_CHECKING:
    from openwafer.csl._compile import compile_layout
    from openwafer.csl.syntax._parser import parse
    from openwafer.csl.syntax._printer import print_expr, print_file

__all__ = [
    "CONFIG_COLUMNS",
    "CompileOptions",
    "ExportName",
    "Layout",
    "compile_layout",
    "parse",
    "print_expr",
    "print_file",
]

__getattr__, __dir__ = later(
    __name__,
    {
        "_compile": ("compile_layout",),
        "syntax._parser": ("parse",),
        "syntax._printer": ("print_expr", "print_file"),
    },
)
