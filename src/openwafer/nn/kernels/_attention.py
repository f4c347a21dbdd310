"""Causal attention with grouped heads, keys split over the columns (`kernels/attention*.csl`).

Position p lies on column p mod `columns`, in slot p div `columns`; a PE has `keys` slots a sequence. A PE
holds `heads` query heads and the `groups` heads of keys and values that they share; query head h uses key
head h div (heads / groups). Queries are `[heads · hd][batch · seq]`, keys and values of the cache
`[groups · hd][batch][keys]`, scores `[heads][keys][batch · seq]`. `past` is the number of positions before
the first token of this call, `column` the PE's own.

    cache_append (k, v), causal_mask
    scores → row_max → all-reduce max → exp_sum → all-reduce sum of `sum` → reciprocal
           → values → all-reduce sum of `o` → scale_rows (o)
    gradient, past = 0, from do, the output o, and the probabilities p (exp_sum's, then scale_rows):
    head_dot (delta) ; dots (dp from do and v) → score_grad (dp becomes ds)
    key_grad (dv from p and do; dk from ds and q) → spread_keys → all-reduce sum
    values (dq from ds and k) → all-reduce sum

`exp_sum` makes 0 of the scores of keys that a token must not see. Slots that hold nothing must hold zeros."""

# pyright: basic
from __future__ import annotations

import numpy as np

from openwafer.nn.kernels._kernel import Constant, KernelTable, Size, Sizes, out, read, scratch, update

ATTENTION = KernelTable()
MASKED = -1e30
HALF = 2.0**-11
"""Half a unit in the last place of f16."""
SHAPE = ("heads", "groups", "hd", "keys", "batch", "seq")
SIZES = tuple(Size(name) for name in SHAPE)
CASES: tuple[Sizes, ...] = tuple(
    dict(zip(SHAPE, sizes, strict=True))
    for sizes in ((2, 1, 3, 2, 1, 4), (1, 1, 4, 3, 2, 3), (4, 2, 8, 5, 1, 1), (4, 2, 8, 3, 2, 5))
)
QUERIES = ("heads", "hd", "batch", "seq")
KEYS = ("groups", "hd", "batch", "keys")
SCORES = ("heads", "keys", "batch", "seq")
POSITION = (Size("columns"), Size("column", runtime=True), Size("past", runtime=True))
ROWS = (
    {"rows": 2, "batch": 1, "keys": 3, "seq": 5, "columns": 2, "column": 1, "past": 0},
    {"rows": 3, "batch": 2, "keys": 2, "seq": 4, "columns": 3, "column": 2, "past": 0},
    {"rows": 4, "batch": 1, "keys": 4, "seq": 1, "columns": 3, "column": 1, "past": 7},
    {"rows": 4, "batch": 1, "keys": 4, "seq": 1, "columns": 3, "column": 0, "past": 7},
    {"rows": 2, "batch": 2, "keys": 9, "seq": 6, "columns": 1, "column": 0, "past": 3},
    {"rows": 2, "batch": 1, "keys": 4, "seq": 3, "columns": 8, "column": 6, "past": 13},
)


def mask_values(random, shape):
    """About a quarter of the keys hidden, by a number that leaves the others' errors visible."""
    return np.where(random.random(shape) < 0.25, -8, 0)


def _slots(keys, seq, columns, column, past):
    """Pairs (slot, token) of the tokens that lie on this column."""
    positions = [(past + j, j) for j in range(seq) if (past + j) % columns == column]
    return [(p // columns, j) for p, j in positions if p // columns < keys]


@ATTENTION.define(
    "attention_keys",
    update("cache", "rows", "batch", "keys"),
    read("new", "rows", "batch", "seq"),
    *(Size(name) for name in ("rows", "batch", "keys", "seq")),
    *POSITION,
    cases=ROWS,
)
def cache_append(cache, new, rows, batch, keys, seq, columns, column, past):
    """Puts the tokens that belong to this column into their slots."""
    for slot, token in _slots(keys, seq, columns, column, past):
        cache[:, :, slot] = new[:, :, token]


@ATTENTION.define(
    "attention_keys",
    update("cache", "rows", "batch", "keys", dtype="f16"),
    read("new", "rows", "batch", "seq"),
    *(Size(name) for name in ("rows", "batch", "keys", "seq")),
    *POSITION,
    cases=ROWS,
    tolerance=HALF,
)
def cache_append_half(cache, new, rows, batch, keys, seq, columns, column, past):
    """`cache_append` with a cache in f16."""
    cache_append(cache, new, rows, batch, keys, seq, columns, column, past)


@ATTENTION.define(
    "attention_keys",
    out("dnew", "rows", "batch", "seq"),
    read("dcache", "rows", "batch", "keys"),
    *(Size(name) for name in ("rows", "batch", "keys", "seq")),
    *POSITION,
    cases=ROWS,
)
def spread_keys(dnew, dcache, rows, batch, keys, seq, columns, column, past):
    """The transpose of `cache_append`: zeros for the tokens of other columns."""
    dnew[:] = 0
    for slot, token in _slots(keys, seq, columns, column, past):
        dnew[:, :, token] = dcache[:, :, slot]


@ATTENTION.define(
    "attention_keys",
    out("mask", "keys", "seq"),
    *(Size(name) for name in ("keys", "seq")),
    *POSITION,
    cases=tuple({k: v for k, v in case.items() if k not in ("rows", "batch")} for case in ROWS),
)
def causal_mask(mask, keys, seq, columns, column, past):
    """0 where a token may see a key, else −1e30. Slots that hold nothing yet are hidden."""
    key = np.arange(keys)[:, None] * columns + column
    mask[:] = np.where(key <= past + np.arange(seq), 0, MASKED)


@ATTENTION.define(
    "attention_keys",
    out("mask", "keys", "seq"),
    *(Size(name) for name in ("keys", "seq")),
    *POSITION,
    Size("window"),
    cases=tuple(
        {**{k: v for k, v in case.items() if k not in ("rows", "batch")}, "window": 1 + i}
        for i, case in enumerate(ROWS)
    ),
)
def window_mask(mask, keys, seq, columns, column, past, window):
    """`causal_mask` for tokens that see `window` keys, their own among them."""
    key, token = np.arange(keys)[:, None] * columns + column, past + np.arange(seq)
    mask[:] = np.where((key <= token) & (key > token - window), 0, MASKED)


@ATTENTION.define(
    "attention",
    update("s", *SCORES),
    read("mask", "keys", "seq", draw=mask_values),
    *(Size(name) for name in ("heads", "keys", "batch", "seq")),
    Constant("cap", 20),
    cases=CASES,
)
def capped(s, mask, heads, keys, batch, seq, cap):
    """From tanh of scores to scores that are between −cap and cap, if they are not hidden."""
    s[:] = s * cap + mask[:, None, :]


@ATTENTION.define(
    "attention",
    out("s", *SCORES),
    read("q", *QUERIES),
    read("k", *KEYS),
    read("mask", "keys", "seq", draw=mask_values),
    scratch("work", *SCORES),
    *SIZES,
    Constant("factor", 0.5),
    cases=CASES,
)
def scores(s, q, k, mask, work, heads, groups, hd, keys, batch, seq, factor):
    """(q · k + mask) factor."""
    k = np.repeat(k, heads // groups, axis=0)
    s[:] = (np.einsum("hdbt,hdbc->hcbt", q, k) + mask[:, None, :]) * factor


@ATTENTION.define(
    "attention",
    out("s", *SCORES),
    read("q", *QUERIES),
    read("k", *KEYS, dtype="f16"),
    read("mask", "keys", "seq", draw=mask_values),
    scratch("work", *SCORES),
    scratch("row", "batch", "keys"),
    *SIZES,
    Constant("factor", 0.5),
    cases=CASES,
)
def scores_half(s, q, k, mask, work, row, heads, groups, hd, keys, batch, seq, factor):
    """`scores` with keys in f16, which are widened: products and sums are f32."""
    scores(s, q, k.astype(q.dtype), mask, work, heads, groups, hd, keys, batch, seq, factor)


@ATTENTION.define(
    "attention",
    out("s", *SCORES),
    read("q", *QUERIES),
    read("k", *KEYS),
    scratch("work", *SCORES),
    *SIZES,
    cases=CASES,
)
def dots(s, q, k, work, heads, groups, hd, keys, batch, seq):
    """Of the gradient of the output and values: the gradient of the probabilities."""
    s[:] = np.einsum("hdbt,hdbc->hcbt", q, np.repeat(k, heads // groups, axis=0))


@ATTENTION.define(
    "attention",
    out("o", *QUERIES),
    read("p", *SCORES),
    read("v", *KEYS),
    scratch("work", *SCORES),
    *SIZES,
    cases=CASES,
    tolerance=2e-6,
)
def values(o, p, v, work, heads, groups, hd, keys, batch, seq):
    """This column's part of the weighted sum of values; with ds and k, of the gradient of q."""
    o[:] = np.einsum("hcbt,hdbc->hdbt", p, np.repeat(v, heads // groups, axis=0))


@ATTENTION.define(
    "attention",
    out("o", *QUERIES),
    read("p", *SCORES),
    read("v", *KEYS, dtype="f16"),
    scratch("work", *SCORES),
    scratch("row", "batch", "keys"),
    *SIZES,
    cases=CASES,
    tolerance=2e-6,
)
def values_half(o, p, v, work, row, heads, groups, hd, keys, batch, seq):
    """`values` with values in f16, which are widened."""
    values(o, p, v.astype(p.dtype), work, heads, groups, hd, keys, batch, seq)


@ATTENTION.define(
    "attention",
    out("dk", *KEYS),
    read("ds", *SCORES),
    read("q", *QUERIES),
    scratch("work", *SCORES),
    *SIZES,
    cases=CASES,
    tolerance=2e-6,
)
def key_grad(dk, ds, q, work, heads, groups, hd, keys, batch, seq):
    """Gradient of this column's keys; with p and do, of its values."""
    each = np.einsum("hcbt,hdbt->hdbc", ds, q)
    dk[:] = each.reshape(groups, heads // groups, hd, batch, keys).sum(1)


@ATTENTION.define(
    "attention",
    out("delta", "heads", "t"),
    read("do", "heads", "hd", "t"),
    read("o", "heads", "hd", "t"),
    scratch("work", "heads", "hd", "t"),
    *(Size(name) for name in ("heads", "hd", "t")),
    cases=({"heads": 2, "hd": 3, "t": 5}, {"heads": 1, "hd": 8, "t": 16}),
)
def head_dot(delta, do, o, work, heads, hd, t):
    delta[:] = (do * o).sum(1)


@ATTENTION.define(
    "attention",
    update("dp", "heads", "keys", "t"),
    read("p", "heads", "keys", "t"),
    read("delta", "heads", "t"),
    *(Size(name) for name in ("heads", "keys", "t")),
    Constant("factor", 0.5),
    cases=({"heads": 2, "keys": 3, "t": 5}, {"heads": 1, "keys": 4, "t": 16}),
)
def score_grad(dp, p, delta, heads, keys, t, factor):
    """From the gradient of the probabilities to that of q · k."""
    dp[:] = p * (dp - delta[:, None]) * factor
