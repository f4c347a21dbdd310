"""Attention, as one operator or written by hand as products and a softmax."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch

from openwafer.nn.capture._abstract import Mask, Scores
from openwafer.nn.capture._view import Atom, Dim, View, ViewError, length, merged
from openwafer.nn.capture._walk import Capture
from openwafer.nn.graph._graph import Shape


def scaled_dot_product_attention(
    context: Capture, q: Any, k: Any, v: Any, attn_mask: Any = None, dropout_p: float = 0.0,
    is_causal: bool = False, *, scale: float | None = None, enable_gqa: bool = False,
) -> View:  # fmt: skip
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    scores = Scores(q, k, scale, mask=Mask() if is_causal else None)
    if attn_mask is not None:
        if not isinstance(attn_mask, torch.Tensor):
            raise context.unsupported("a mask that is computed from inputs")
        hidden = ~attn_mask if attn_mask.dtype == torch.bool else attn_mask < -1e4
        is_exact = attn_mask.dtype == torch.bool or bool(((attn_mask == 0) | hidden).all())
        scores = with_mask(context, scores, hidden, is_exact)
    return attend(context, dropped(context, scores, dropout_p), v)


def dropped(context: Capture, x: Scores, share: float) -> Scores:
    """With dropout of the softmax."""
    return replace(x, share=share, layer=context.next_dropout()) if share else x


def scores(context: Capture, q: View, k: View) -> Scores:
    """q · kᵀ; `k` is already transposed."""
    dims = (*k.dims[:-2], k.dims[-1], k.dims[-2])
    return Scores(q, replace(k, dims=dims))


def softmax(context: Capture, x: Any, dim: int, *_: Any) -> Scores:
    if isinstance(x, Scores) and dim % len(x.q.dims) == len(x.q.dims) - 1 and not x.softmax:
        return replace(x, softmax=True)
    raise context.unsupported("softmax is supported only over the keys of attention")


def masked_fill(context: Capture, x: Any, mask: Any, value: float) -> Scores:
    if isinstance(x, Scores) and isinstance(mask, torch.Tensor) and value < -1e4:
        return with_mask(context, x, mask, True)
    raise context.unsupported("it is supported only for the mask of attention")


def where(context: Capture, mask: Any, a: Any, b: Any) -> Scores:
    """where(visible, scores, -inf) and where(hidden, -inf, scores)."""
    if isinstance(mask, torch.Tensor):
        if isinstance(a, Scores) and _is_hidden(b):
            return with_mask(context, a, ~mask, True)
        if isinstance(b, Scores) and _is_hidden(a):
            return with_mask(context, b, mask, True)
    raise context.unsupported("it is supported only for the mask of attention")


def _is_hidden(value: Any) -> bool:
    return float(value) < -1e4


def with_mask(context: Capture, x: Scores, hidden: torch.Tensor, is_exact: bool) -> Scores:
    """A mask that is known, the same for all texts and heads."""
    seq = (x.q.shape[-2], x.k.shape[-2])
    hidden = hidden.expand(*hidden.shape[:-2], *seq) if hidden.dim() >= 2 else hidden.expand(seq)
    if is_exact and not hidden.any():
        return x
    visible = ~hidden.reshape(-1, *seq)
    if not is_exact or x.mask is not None or not (visible == visible[0]).all():
        raise context.unsupported("only masks that hide keys, one for all heads and texts, are supported")
    if not visible.any(-1).all():
        raise context.unsupported("a token that sees no key")
    return replace(x, mask=_mask_of(visible[0]))


def _mask_of(visible: torch.Tensor) -> Mask:
    """With a window if it is one."""
    rows, keys = visible.shape
    ages = torch.arange(rows)[:, None] - torch.arange(keys)
    window = int(visible[-1].sum())
    if bool((visible == ((ages >= 0) & (ages < window))).all()):
        return Mask(window if window < rows else 0)
    return Mask(visible=visible.numpy().tobytes())


def scaled(x: Scores, factor: float) -> Scores:
    """Scores times a number."""
    return replace(x, cap=x.cap * factor) if x.cap else replace(x, scale=x.scale * factor)


def attend(context: Capture, x: Scores, v: View) -> View:
    """Emits `sdpa`; the result lies as the queries do."""
    q, k, v = context.whole(x.q), _without_repeats(x.k), _without_repeats(v)
    k, v = (context.whole(view) for view in (k, v))
    heads, kv_heads = _heads(q), _heads(k)
    seq, dim = q.shape[-2], q.shape[-1]
    if _heads(v) != kv_heads or heads % kv_heads or k.shape[-2] != seq or v.shape[-1] != dim:
        raise context.unsupported(f"queries {list(q.shape)}, keys {list(k.shape)}, values {list(v.shape)}")
    for view in (q, k, v):
        _check(view, seq, dim)
    if q.dims[-1] != k.dims[-1] or not _is_plain(v.dims[-1], dim):
        raise ViewError("queries and keys, or the values, have their features in another order")
    made = context.emit(
        "sdpa", [q.value, k.value, v.value], q.value.shape, Shape(1, 1, "local"),
        heads=heads, kv_heads=kv_heads, dim=dim, batch=q.value.tokens // seq, seq=seq,
        mask=x.mask, scale=x.scale, cap=x.cap, share=x.share, layer=x.layer,
    )  # fmt: skip
    return replace(q.on(made), dims=(*q.dims[:-1], v.dims[-1]))


def _without_repeats(view: View) -> View:
    """The keys or values without the repetition for heads that share them; it must be the inner one."""
    dims = tuple(merged(a for a in d if a.axis != "n") for d in view.dims)
    for dim in view.dims:
        kinds = [a.axis for a in dim]
        if "n" in kinds and kinds not in (["f", "n"], ["n"]):
            raise ViewError("heads that share keys must lie next to each other")
    return replace(view, dims=dims)


def _heads(view: View) -> int:
    return view.value.features // length(view.dims[-1])


def _is_plain(atoms: Dim, dim: int) -> bool:
    return atoms == ((Atom("f", 1, dim),) if dim > 1 else ())


def _check(view: View, seq: int, dim: int) -> None:
    """[batch, heads, tokens, dim] with heads outside dim, and batch outside tokens."""
    wanted = (Atom("t", 1, seq),) if seq > 1 else ()
    inner = merged(sorted(view.dims[-1], key=lambda a: -a.stride))
    if view.dims[-2] != wanted or not _is_plain(inner, dim):
        raise ViewError(
            f"attention needs [batch, heads, tokens, dim], found {list(view.shape)} lying otherwise"
        )
