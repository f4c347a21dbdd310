"""ATen operators that only rearrange: nothing is computed and nothing moves."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from typing import Any

import torch

from openwafer.nn.capture import _view
from openwafer.nn.capture._abstract import Param, Scores
from openwafer.nn.capture._view import View, ViewError
from openwafer.nn.capture._walk import Capture


def view_of(context: Capture, x: Any) -> View:
    return x if isinstance(x, View) else context.whole(x)


def reshape(context: Capture, x: Any, *_: Any, **__: Any) -> Any:
    """view, reshape, flatten, squeeze, unsqueeze: the result's shape says all."""
    if isinstance(x, Param):
        return Param(x.name, x.index.reshape(context.shape))
    return _view.reshape(view_of(context, x), context.shape)


def reshape_to(view: View, shape: tuple[int, ...]) -> View:
    return _view.reshape(view, shape)


def transpose(context: Capture, x: Any, a: int, b: int) -> Any:
    order = list(range(len(_dims(x))))
    order[a], order[b] = order[b], order[a]
    return permute(context, x, order)


def t(context: Capture, x: Any) -> Any:
    return permute(context, x, list(range(len(_dims(x))))[::-1])


def permute(context: Capture, x: Any, order: list[int]) -> Any:
    if isinstance(x, Param):
        return Param(x.name, x.index.permute(*order))
    return _view.permute(view_of(context, x), order)


def expand(context: Capture, x: Any, *_: Any, **__: Any) -> Any:
    if isinstance(x, Param):
        return Param(x.name, x.index.expand(context.shape))
    return _view.expand(view_of(context, x), context.shape)


def broadcast(context: Capture, tensors: list[Any]) -> list[Any]:
    """Tensors of one shape stay as they are."""
    if len({_dims(x) for x in tensors}) > 1:
        raise context.unsupported(f"shapes {', '.join(str(list(_dims(x))) for x in tensors)} differ")
    return tensors


def repeat_interleave(context: Capture, x: Any, repeats: int, dim: int, **_: Any) -> Any:
    """Each element of a dimension several times in a row: heads that share keys."""
    view = view_of(context, x)
    dim %= len(view.dims)
    dims = list(view.dims)
    dims[dim] = (*dims[dim], _view.Atom("n", 0, repeats))
    return View(view.value, tuple(dims), view.feature, view.token)


def slice_(context: Capture, x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    size = _dims(x)[dim]
    begin, stop, stride = slice(start, end, step).indices(size)
    count = max(0, (stop - begin + stride - 1) // stride)
    return _narrow(context, x, dim, begin, count, stride)


def narrow(context: Capture, x: Any, dim: int, start: int, size: int) -> Any:
    return _narrow(context, x, dim, start % _dims(x)[dim], size)


def select(context: Capture, x: Any, dim: int, index: int) -> Any:
    if isinstance(x, Param):
        return Param(x.name, x.index.select(dim, index))
    dim %= len(_dims(x))
    view = _narrow(context, x, dim, index % _dims(x)[dim], 1)
    return View(view.value, view.dims[:dim] + view.dims[dim + 1 :], view.feature, view.token)


def index(context: Capture, x: Any, indices: list[Any]) -> Any:
    """Constant indices in one dimension, in even steps."""
    given = [(dim, i) for dim, i in enumerate(indices) if i is not None]
    ((dim, chosen), *more) = given
    if more or not isinstance(chosen, torch.Tensor) or chosen.dim() > 1 or chosen.dtype == torch.bool:
        raise context.unsupported("only constant indices, in one dimension")
    chosen = chosen.reshape(-1) % _dims(x)[dim]
    if isinstance(x, Param):
        return Param(x.name, x.index.index_select(dim, chosen))
    steps = set((chosen[1:] - chosen[:-1]).tolist())
    if len(steps) > 1 or min(steps, default=1) < 1:
        raise context.unsupported("indices that are not in even steps")
    return _narrow(context, x, dim, int(chosen[0]), len(chosen), steps.pop() if steps else 1)


def index_select(context: Capture, x: Any, dim: int, chosen: Any) -> Any:
    dim %= len(_dims(x))
    return index(context, x, [*[None] * dim, chosen])


def split(context: Capture, x: Any, sizes: int | list[int], dim: int = 0) -> list[Any]:
    total = _dims(x)[dim]
    if isinstance(sizes, int):
        sizes = [min(sizes, total - i) for i in range(0, total, sizes)]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return [_narrow(context, x, dim, start, size) for start, size in zip(starts, sizes, strict=True)]


def chunk(context: Capture, x: Any, chunks: int, dim: int = 0) -> list[Any]:
    return split(context, x, -(-_dims(x)[dim] // chunks), dim)


def unbind(context: Capture, x: Any, dim: int = 0) -> list[Any]:
    return [select(context, x, dim, i) for i in range(_dims(x)[dim])]


def same(_: Capture, x: Any, *__: Any, **___: Any) -> Any:
    return x


def detach(context: Capture, x: Any) -> Any:
    """Nothing, but in training no gradient passes."""
    if not context.draws or isinstance(x, torch.Tensor):
        return x
    if isinstance(x, Param):
        raise context.unsupported("a parameter without its gradient, in training")
    view = context.whole(x)
    shape = view.value.shape
    if shape.kind == "ids":
        return x
    return view.on(context.emit("affine", [view.value], shape, factor=1.0, offset=0.0, stops=True))


def cast(context: Capture, x: Any, *_: Any, **__: Any) -> Any:
    """Casts between float types change nothing: everything is f32 on the wafer. Whole numbers that are an
    input may be given as others."""
    dtype = context.node.meta["val"].dtype
    check_rounding(context, context.node.args[0].meta["val"].dtype, dtype)
    is_ids = isinstance(x, View) and x.value.shape.kind == "ids"
    if is_ids and dtype.is_floating_point and context.is_input(x):
        return context.rearranged(x, lambda places: places, "matrix")
    if dtype.is_floating_point == is_ids:
        raise context.unsupported(f"a cast to {dtype} of what is computed on the wafer")
    return x


def check_rounding(context: Capture, old: torch.dtype, new: torch.dtype) -> None:
    """Of a model in f32. One that is stored in half precision is computed in f32 throughout."""
    is_less = new in (torch.float16, torch.bfloat16) and old == torch.float32 and not context.is_half
    if is_less or new == torch.float64:
        raise context.unsupported(f"a cast to {new}: numbers on the wafer are f32")


def _narrow(context: Capture, x: Any, dim: int, start: int, size: int, step: int = 1) -> Any:
    if isinstance(x, Param):
        chosen = torch.arange(start, start + size * step, step)
        return Param(x.name, x.index.index_select(dim, chosen))
    view = view_of(context, x)
    return _view.narrow(view, dim % len(view.dims), start, size, step)


def _dims(x: Any) -> tuple[int, ...]:
    match x:
        case Param():
            return tuple(x.index.shape)
        case View():
            return x.shape
        case Scores():
            raise ViewError("attention weights are only multiplied with values")
        case _:
            return tuple(x.view.shape)
