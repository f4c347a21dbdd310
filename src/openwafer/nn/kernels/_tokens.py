"""Embedding and cross-entropy with the vocabulary split over an axis (`kernels/embedding.csl`,
`kernels/cross_entropy.csl`). A PE has the rows row·v … row·v + v − 1 of the vocabulary, `row` its place on
the axis; tables are `[f][v]`, the tile of a tied output layer. Token ids and labels are i32.

Loss: fill_rows (padding of the vocabulary) → row_max → all-reduce max → label_logit → exp_sum → all-reduce
sum of `picked` and `sum` → token_loss → loss_grad, which makes the gradient out of the exponentials."""

# pyright: basic
from __future__ import annotations

import numpy as np

from openwafer.nn.kernels._kernel import Constant, KernelTable, Size, out, read, scratch, update

TOKENS = KernelTable()
F, V, T, ROW = Size("f"), Size("v"), Size("t"), Size("row", runtime=True)
VOCABULARY = 40
PADDING = Constant("padding", 3)
IGNORE = Constant("ignore_index", -100)
TABLE_CASES = (
    {"f": 3, "v": 20, "t": 7, "row": 0},
    {"f": 4, "v": 10, "t": 1, "row": 3},
    {"f": 5, "v": 16, "t": 12, "row": 1},
)
LOGIT_CASES = tuple({k: v for k, v in case.items() if k != "f"} for case in TABLE_CASES)


def ids(random, shape):
    return random.integers(0, VOCABULARY, shape)


def labels(random, shape):
    """Some of them to be ignored."""
    return np.where(random.random(shape) < 0.25, -100, random.integers(0, VOCABULARY, shape))


def positive(random, shape):
    return random.uniform(1, 50, shape)


def _local(ids, v, row):
    """(token, place in this PE's table) of the tokens that lie here."""
    return [(j, int(i) - row * v) for j, i in enumerate(ids) if row * v <= i < row * v + v]


@TOKENS.define(
    "embedding",
    out("y", "f", "t"),
    read("ids", "t", dtype="i32", draw=ids),
    read("table", "f", "v"),
    F,
    V,
    T,
    ROW,
    cases=TABLE_CASES,
)
def embed(y, ids, table, f, v, t, row):
    """Zeros for tokens that lie elsewhere; an all-reduce sum completes it."""
    y[:] = 0
    for token, place in _local(ids, v, row):
        y[:, token] = table[:, place]


@TOKENS.define(
    "embedding",
    out("y", "f", "t"),
    read("ids", "t", dtype="i32", draw=ids),
    read("table", "f", "v", dtype="f16"),
    F,
    V,
    T,
    ROW,
    cases=TABLE_CASES,
)
def embed_half(y, ids, table, f, v, t, row):
    """`embed` with a table in f16."""
    embed(y, ids, table, f, v, t, row)


@TOKENS.define(
    "embedding",
    update("dtable", "f", "v"),
    read("dy", "f", "t"),
    read("ids", "t", dtype="i32", draw=ids),
    F,
    V,
    T,
    ROW,
    PADDING,
    cases=TABLE_CASES,
)
def embed_grad(dtable, dy, ids, f, v, t, row, padding):
    """Tokens with the id `padding` add nothing."""
    for token, place in _local(ids, v, row):
        if ids[token] != padding:
            dtable[:, place] += dy[:, token]


@TOKENS.define(
    "cross_entropy",
    out("picked", "t"),
    read("logits", "v", "t"),
    read("labels", "t", dtype="i32", draw=labels),
    V,
    T,
    ROW,
    cases=LOGIT_CASES,
)
def label_logit(picked, logits, labels, v, t, row):
    """The logit of each token's label, 0 where it lies elsewhere."""
    picked[:] = 0
    for token, place in _local(labels, v, row):
        picked[token] = logits[place, token]


@TOKENS.define(
    "cross_entropy",
    out("loss", 1),
    out("share", 1),
    scratch("work", "t"),
    read("m", "t"),
    read("sum", "t", draw=positive),
    read("picked", "t"),
    read("labels", "t", dtype="i32", draw=labels),
    T,
    IGNORE,
    cases=({"t": 7}, {"t": 2}, {"t": 70}),
)
def token_loss(loss, share, work, m, sum, picked, labels, t, ignore_index):
    """The mean over the tokens that count, and `share`, 1 over their number. Without any, NaN and
    infinity."""
    counts = labels != ignore_index
    share[0] = 1 / np.float64(counts.sum())
    loss[0] = ((np.log(sum) + m - picked) * counts).sum() * share[0]


@TOKENS.define(
    "cross_entropy",
    update("x", "v", "t"),
    scratch("work", "t"),
    read("sum", "t", draw=positive),
    read("labels", "t", dtype="i32", draw=labels),
    read("share", 1, draw=positive),
    V,
    T,
    ROW,
    IGNORE,
    cases=LOGIT_CASES,
)
def loss_grad(x, work, sum, labels, share, v, t, row, ignore_index):
    """x, the exponentials of the logits, becomes the gradient of the mean loss by the logits."""
    x /= sum
    for token, place in _local(labels, v, row):
        x[place, token] -= 1
    x *= np.where(labels != ignore_index, share[0], 0)


@TOKENS.define(
    "cross_entropy", out("u", "t"), read("labels", "t", dtype="i32", draw=labels), T, IGNORE,
    cases=({"t": 7}, {"t": 2}, {"t": 70}),
)  # fmt: skip
def counted(u, labels, t, ignore_index):
    """1 for each token that counts, 0 for the others."""
    u[:] = labels != ignore_index


@TOKENS.define(
    "cross_entropy",
    update("x", "v", "t"),
    read("labels", "t", dtype="i32", draw=labels),
    V,
    T,
    ROW,
    Constant("number", -0.9),
    cases=LOGIT_CASES,
)
def add_at_labels(x, labels, v, t, row, number):
    """Adds a number at each token's label, if it lies here."""
    for token, place in _local(labels, v, row):
        x[place, token] += number
