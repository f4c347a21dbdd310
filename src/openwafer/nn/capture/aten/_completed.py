"""Parts of patterns, such as of a norm, that turned out to be used by themselves."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from openwafer.nn.capture._abstract import MeanSquare, Squares, Times
from openwafer.nn.capture._view import View
from openwafer.nn.capture._walk import Capture
from openwafer.nn.capture.aten._elementwise import affine, binary, squared, times_table, unary
from openwafer.nn.capture.aten._reductions import mean


def completed(context: Capture, x: Times | Squares | MeanSquare) -> View:
    """The value of `x`."""
    match x:
        case Times():
            return times_table(context, context.whole(x.view), x.table)
        case Squares():
            return squared(context, x)
        case MeanSquare():
            square = squared(context, Squares(x.view))
            out = affine(context, mean(context, square, [-1], True), 1.0, x.eps)
            inverse = unary("inverse_root")(context, out) if x.inverse or x.root else out
            return binary(context, "mul", out, inverse) if x.root else inverse
