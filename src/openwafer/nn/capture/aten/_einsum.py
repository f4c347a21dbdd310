"""Products written as sums over letters."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from openwafer.nn.capture._abstract import Param, Scores
from openwafer.nn.capture._view import View
from openwafer.nn.capture._walk import Capture
from openwafer.nn.capture.aten._attention import attend, scores
from openwafer.nn.capture.aten._compute import linear
from openwafer.nn.capture.aten._views import permute, reshape_to


def einsum(context: Capture, equation: str, operands: list[Any], **options: Any) -> Any:
    """Products with a parameter, and those of attention."""
    given, _arrow, out = equation.replace(" ", "").partition("->")
    letters = given.split(",")
    if len(operands) == 2 and out and all(len(set(word)) == len(word) for word in [*letters, out]):
        a, b, x, y = *operands, *letters
        if isinstance(a, Param | torch.Tensor):
            a, b, x, y = b, a, y, x
        if isinstance(b, Param | torch.Tensor) and isinstance(a, View):
            return _layer(context, a, x, b, y, out)
        if isinstance(a, View | Scores) and isinstance(b, View):
            return _attention(context, a, x, b, y, out)
    raise context.unsupported(f"`{equation}`: only products with a parameter, and those of attention")


def _layer(context: Capture, a: View, x: str, b: Any, y: str, out: str) -> Any:
    """The letters that both have and the result has not are summed."""
    inner = [letter for letter in x if letter in y and letter not in out]
    rows = [letter for letter in x if letter not in y]
    columns = [letter for letter in y if letter not in x]
    if len(rows) + len(inner) < len(x) or len(columns) + len(inner) < len(y) or not inner:
        raise context.unsupported("a letter of both operands is in the result")
    index = b.index if isinstance(b, Param) else b
    sizes = dict(zip(y, index.shape, strict=True))
    turned = index.permute([y.index(letter) for letter in (*columns, *inner)])
    matrix = turned.reshape(_product(sizes, columns), _product(sizes, inner))
    view = permute(context, a, [x.index(letter) for letter in (*rows, *inner)])
    flat = reshape_to(view, (*view.shape[: len(rows)], matrix.shape[1]))
    made = linear(context, flat, replace(b, index=matrix) if isinstance(b, Param) else matrix)
    made = reshape_to(made, (*view.shape[: len(rows)], *(sizes[letter] for letter in columns)))
    found = [*rows, *columns]
    return permute(context, made, [found.index(letter) for letter in out])


def _product(sizes: dict[str, int], letters: list[str]) -> int:
    return int(torch.Size(sizes[letter] for letter in letters).numel())


def _attention(context: Capture, a: Any, x: str, b: View, y: str, out: str) -> Any:
    """q · kᵀ, or its softmax with v."""
    batch = [letter for letter in x if letter in y and letter in out]
    inner = [letter for letter in x if letter in y and letter not in out]
    rows = [letter for letter in x if letter not in y]
    columns = [letter for letter in y if letter not in x]
    if not len(inner) == len(rows) == len(columns) == 1 or not batch:
        raise context.unsupported("only products with a parameter, and those of attention")
    found = [*batch, *rows, *columns]
    right = permute(context, b, [y.index(letter) for letter in (*batch, *inner, *columns)])
    if isinstance(a, Scores):
        if list(x) != [*batch, *rows, *inner] or not a.softmax:
            raise context.unsupported("weights of attention in another order")
        return permute(context, attend(context, a, right), [found.index(letter) for letter in out])
    if list(out) != found:
        raise context.unsupported("weights of attention in another order")
    return scores(
        context, permute(context, a, [x.index(letter) for letter in (*batch, *rows, *inner)]), right
    )
