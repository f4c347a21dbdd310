"""Rotary position embedding, however it is written, as one operator.

It turns pairs of features (a, b) of a head into (a cos − b sin, b cos + a sin). The pairs are the halves of
a head (`rotate_half`) or neighbours (complex numbers); the wafer knows the halves only: what makes neighbours
is computed in another order of its features, and the view of the result restores theirs.
"""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from openwafer.nn.capture._abstract import Complex, Negated, Rotated, RotatedTimes, Turned
from openwafer.nn.capture._parts import features_of
from openwafer.nn.capture._view import Atom, View, ViewError, length, narrow, to_matrix
from openwafer.nn.capture._walk import Capture


def rope(context: Capture, rotated: RotatedTimes, plain: View) -> View:
    """x · cos + rotate_half(x) · sin, with the same angle for both halves of a head."""
    op = context.graph.producers.get(plain.value)
    if op is None or op.name != "mul_table" or op.inputs[0] is not rotated.view.value:
        raise context.unsupported("rotate_half(x) · sin without x · cos")
    view = rotated.view
    half = length(view.dims[-1]) // 2
    tables = [op.attributes["table"], rotated.table]
    for table in tables:
        if table.dim() and table.shape[-1] not in (1, half) and not _same_halves(table, half):
            raise context.unsupported("rotary angles that differ between halves")
    cos, sin = (t[..., :half] if t.shape[-1] > half else t for t in tables)
    return _turn(context, view, half, cos, sin)


def _same_halves(table: torch.Tensor, half: int) -> bool:
    return table.shape[-1] == 2 * half and bool((table[..., :half] == table[..., half:]).all())


def _turn(context: Capture, view: View, half: int, cos: torch.Tensor, sin: torch.Tensor) -> View:
    """`view` is whole heads, [..., 2 half] with the halves one behind the other; tables are [..., half]."""
    first = narrow(view, len(view.dims) - 1, 0, half)
    angles = [_angles(context, first, table, half) for table in (cos, sin)]
    seq = _period(np.concatenate(angles))
    weights = [context.constant(a[:, :seq]) for a in angles]
    made = context.emit(
        "rope", [view.value], view.value.shape, weights=weights, head=2 * half, seq=seq
    )  # fmt: skip
    return view.on(made)


def _angles(context: Capture, first: View, table: torch.Tensor, half: int) -> np.ndarray[Any, Any]:
    """[half][tokens] of a table for the first halves of all heads, which share it."""
    matrix = to_matrix(np.broadcast_to(table.to(torch.float32).numpy(), first.shape), first)
    heads = matrix.reshape(-1, 2, half, first.value.tokens)[:, 0]
    if not (heads == heads[:1]).all():
        raise context.unsupported("rotary angles that differ between heads")
    return heads[0]


def _period(table: np.ndarray[Any, Any]) -> int:
    """After how many tokens the columns repeat: the length of a sequence."""
    count = table.shape[1]
    for seq in (n for n in range(1, count + 1) if count % n == 0):
        if (table.reshape(len(table), -1, seq) == table[:, None, :seq]).all():
            return seq
    return count


# --- pairs of neighbours, and halves turned one by one ---


def turned_pair(context: Capture, real: Turned, imag: Turned) -> View | None:
    """[..., 2] of what was computed as a cos − b sin and b cos + a sin; None if these are not that."""
    a, b = real.plus, real.other
    wanted = (b.view, a.table, a.view, b.table)
    found = (imag.plus.view, imag.plus.table, imag.other.view, imag.other.table)
    if real.sign != -1 or imag.sign != 1:
        return None
    if not _alike(found, wanted):  # a + b, b + a
        found = (*found[2:], *found[:2])
    return _turn_pair(context, a.view, b.view, a.table, b.table) if _alike(found, wanted) else None


def _alike(found: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    return all(
        torch.equal(f, w) if isinstance(f, torch.Tensor) else f == w
        for f, w in zip(found, wanted, strict=True)
    )


def turned_complex(context: Capture, x: Complex, table: torch.Tensor) -> Complex:
    dim = len(x.view.dims) - 1
    real, imag = (_component(x.view, dim, i) for i in (0, 1))
    return Complex(_turn_pair(context, real, imag, table.real, table.imag))


def _component(view: View, dim: int, i: int) -> View:
    part = narrow(view, dim, i, 1)
    return replace(part, dims=part.dims[:dim])


def _turn_pair(context: Capture, real: View, imag: View, cos: torch.Tensor, sin: torch.Tensor) -> View:
    """The pairs as [..., half, 2]."""
    half = length(real.dims[-1])
    far = imag.feature - real.feature
    stride = real.dims[-1][0].stride if real.dims[-1] else 1
    is_same = replace(imag, feature=real.feature) == real
    if not is_same or len(real.dims[-1]) > 1 or (far, stride) not in ((1, 2), (half, 1)):
        raise ViewError("the pairs of a rotary embedding must be neighbours, or the halves of a head")
    head = context.whole(replace(real, dims=(*real.dims[:-1], (Atom("f", 1, 2 * half),))))
    if stride == 2:
        head = _halves_apart(context, head, half)
    out = _turn(context, head, half, cos, sin)
    return replace(
        out, dims=(*out.dims[:-1], (Atom("f", 1, half),) if half > 1 else (), (Atom("f", half, 2),))
    )


def _halves_apart(context: Capture, head: View, half: int) -> View:
    """The same heads with the even features of each before the odd ones."""
    heads = head.value.features // (2 * half)
    order = np.arange(head.value.features).reshape(heads, half, 2).swapaxes(1, 2).ravel()
    return head.on(features_of(context, head.value, order))


def rotate_half(context: Capture, tensors: list[Any]) -> Rotated | None:
    """cat(−second half, first half)."""
    match tensors:
        case [Negated(view=high), View() as low]:
            half = length(low.dims[-1])
            inner = Atom("f", 1, half)
            rest = (high.dims[:-1], high.value, high.token) == (low.dims[:-1], low.value, low.token)
            if rest and high.dims[-1] == low.dims[-1] == (inner,) and high.feature == low.feature + half:
                return Rotated(replace(low, dims=(*low.dims[:-1], (Atom("f", 1, 2 * half),))))
    return None


# --- complex numbers ---


def view_as_complex(context: Capture, x: Any) -> Complex:
    if not isinstance(x, View):
        raise context.unsupported("only of an activation")
    return Complex(x)


def view_as_real(context: Capture, x: Any) -> View:
    if not isinstance(x, Complex):
        raise context.unsupported("only of complex numbers")
    return x.view
