"""The CSL front-end: text to tokens to syntax tree to typed PE programs and a layout."""

from openwafer.csl._compile import compile_layout
from openwafer.csl._layout import CONFIG_COLUMNS, ExportName, Layout
from openwafer.csl._options import CompileOptions
from openwafer.csl._parser import parse
from openwafer.csl._printer import print_expr, print_file

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
