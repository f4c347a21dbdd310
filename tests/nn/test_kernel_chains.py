"""The order in which kernels and all-reduces follow one another, as their tables describe it, gives the whole
operation.

Each PE's part is computed by the kernels' NumPy definitions; an all-reduce is a sum or maximum over the
parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from openwafer.nn.kernels._kernels import KERNELS

Values = NDArray[np.float64]
HEADS, GROUPS, HD = 4, 2, 3
FACTOR = HD**-0.5


def call(kernel: str, *arguments: Any) -> None:
    with np.errstate(all="ignore"):
        KERNELS[kernel].define(*arguments)


def attend(q: Values, k: Values, v: Values, past: int = 0) -> Values:
    """Causal attention of q [heads][hd][batch][seq] to k, v [groups][hd][batch][past + seq], all in one
    place."""
    share = HEADS // GROUPS
    s = np.einsum("hdbt,hdbc->hbct", q, k.repeat(share, 0)) * FACTOR
    s[..., np.arange(k.shape[3])[:, None] > past + np.arange(q.shape[3])] = -np.inf
    p = np.exp(s - s.max(2, keepdims=True))
    p /= p.sum(2, keepdims=True)
    return np.einsum("hbct,hdbc->hdbt", p, v.repeat(share, 0))


class Columns:
    """Attention as the PEs of a row do it: the keys of the columns, their scores, what is all-reduced."""

    def __init__(self, columns: int, batch: int, seq: int, positions: int) -> None:
        self.columns, self.batch, self.seq = columns, batch, seq
        self.keys = -(-positions // columns)
        self.caches = [[np.zeros((GROUPS * HD, batch, self.keys)) for _ in "kv"] for _ in range(columns)]
        self.sizes = (HEADS, GROUPS, HD, self.keys, batch, seq)

    def _rows(self, x: Values) -> Values:
        return x.reshape(-1, self.batch, x.shape[-1])

    def forward(self, q: Values, k: Values, v: Values, past: int) -> Values:
        tokens = self.batch * self.seq
        self.p = [np.zeros((HEADS, self.keys, self.batch, self.seq)) for _ in self.caches]
        most = np.full((self.columns, HEADS, tokens), np.nan)
        total, parts = most.copy(), np.zeros((self.columns, *q.shape))
        for x, (p, cache) in enumerate(zip(self.p, self.caches, strict=True)):
            where = self.keys, self.seq, self.columns, x, past
            mask = np.zeros((self.keys, self.seq))
            for part, new in zip(cache, (k, v), strict=True):
                call("cache_append", part, self._rows(new), GROUPS * HD, self.batch, *where)
            call("causal_mask", mask, *where)
            call("scores", p, q, self.cached(x, 0), mask, None, *self.sizes, FACTOR)
            call("row_max", most[x], p.reshape(HEADS, self.keys, tokens), HEADS, self.keys, tokens)
        for x, p in enumerate(self.p):
            flat = p.reshape(HEADS, self.keys, tokens)
            call("exp_sum", flat, total[x], most.max(0), HEADS, self.keys, tokens)
            call("values", parts[x], p, self.cached(x, 1), None, *self.sizes)
        inverse = 1 / total.sum(0)
        for p in self.p:
            call("scale_rows", p.reshape(HEADS, self.keys, tokens), inverse, HEADS, self.keys, tokens)
        o = parts.sum(0)
        call("scale_rows", o.reshape(HEADS, HD, tokens), inverse, HEADS, HD, tokens)
        return o

    def cached(self, x: int, which: int) -> Values:
        return self.caches[x][which].reshape(GROUPS, HD, self.batch, self.keys)

    def backward(self, q: Values, o: Values, do: Values) -> tuple[Values, Values, Values]:
        tokens = self.batch * self.seq
        delta = np.zeros((HEADS, tokens))
        call("head_dot", delta, *(a.reshape(HEADS, HD, tokens) for a in (do, o)), None, HEADS, HD, tokens)
        dq, dk, dv = np.zeros_like(q), *np.zeros((2, GROUPS, HD, self.batch, self.seq))
        for x, p in enumerate(self.p):
            ds, part = np.zeros_like(p), np.zeros_like(q)
            call("dots", ds, do, self.cached(x, 1), None, *self.sizes)
            flat = (a.reshape(HEADS, self.keys, tokens) for a in (ds, p))
            call("score_grad", *flat, delta, HEADS, self.keys, tokens, FACTOR)
            call("values", part, ds, self.cached(x, 0), None, *self.sizes)
            dq += part
            for whole, left, right in ((dv, p, do), (dk, ds, q)):
                local, spread = np.zeros_like(self.cached(x, 0)), np.zeros_like(self._rows(whole))
                call("key_grad", local, left, right, None, *self.sizes)
                where = self.keys, self.seq, self.columns, x, 0
                call("spread_keys", spread, self._rows(local), GROUPS * HD, self.batch, *where)
                whole += spread.reshape(whole.shape)
        return dq, dk, dv


def draw(batch: int, seq: int) -> tuple[Values, Values, Values, Values]:
    random = np.random.default_rng(batch * 100 + seq)
    shapes = [(heads, HD, batch, seq) for heads in (HEADS, GROUPS, GROUPS, HEADS)]
    q, k, v, do = (random.standard_normal(shape) for shape in shapes)
    return q, k, v, do


@pytest.mark.parametrize("columns", (1, 3, 8))
def test_attention_in_steps_is_attention_at_once(columns: int) -> None:
    q, k, v, _ = draw(2, 7)
    row = {n: Columns(columns, 2, n, 7) for n in (4, 1)}
    row[1].caches = row[4].caches
    past = 0
    for n in (4, 1, 1, 1):
        now = slice(past, past + n)
        o = row[n].forward(q[..., now], k[..., now], v[..., now], past)
        assert np.allclose(o, attend(q[..., now], k[..., : past + n], v[..., : past + n], past), rtol=1e-12)
        past += n


@pytest.mark.parametrize("columns", (1, 3, 8))
def test_gradients_of_attention(columns: int) -> None:
    """Against the change of the output along a random direction."""
    q, k, v, do = draw(2, 5)
    row = Columns(columns, 2, 5, 5)
    grads = row.backward(q, row.forward(q, k, v, 0), do)
    random, step = np.random.default_rng(1), 1e-6
    for i, grad in enumerate(grads):
        way = random.standard_normal(grad.shape)
        shifts = [[sign * step * way if i == j else 0.0 for j in range(3)] for sign in (1, -1)]
        ahead, back = (attend(q + a, k + b, v + c) for a, b, c in shifts)
        slope = ((ahead - back) * do).sum() / (2 * step)
        assert np.isclose((grad * way).sum(), slope, rtol=1e-7)


def test_cross_entropy_of_a_padded_vocabulary() -> None:
    random = np.random.default_rng(2)
    vocabulary, rows, tokens = 10, 4, 6
    v = -(-vocabulary // rows)
    logits = np.zeros((rows * v, tokens))
    logits[:vocabulary] = random.standard_normal((vocabulary, tokens)) * 3
    labels = np.array([0, 9, 4, -100, 3, 9])
    whole = logits[:vocabulary].copy()
    parts = list(logits.reshape(rows, v, tokens))
    most, total, picked = np.zeros((3, rows, 1, tokens))
    for y, part in enumerate(parts):
        call("fill_rows", part, v, tokens, min(max(vocabulary - y * v, 0), v), -1e30)
        call("row_max", most[y], part[None], 1, v, tokens)
        call("label_logit", picked[y, 0], part, labels, v, tokens, y)
    for y, part in enumerate(parts):
        call("exp_sum", part[None], total[y], most.max(0), 1, v, tokens)
    most, total, picked = most.max(0)[0], total.sum(0)[0], picked.sum(0)[0]
    loss, share = np.zeros((2, 1))
    call("token_loss", loss, share, None, most, total, picked, labels, tokens, -100)
    for y, part in enumerate(parts):
        call("loss_grad", part, None, total, labels, share, v, tokens, y, -100)
    p = np.exp(whole) / np.exp(whole).sum(0)
    counts = labels >= 0
    assert np.isclose(
        loss[0], -np.log(p[np.where(counts, labels, 0), range(tokens)])[counts].mean(), rtol=1e-12
    )
    p[labels[counts], np.flatnonzero(counts)] -= 1
    assert np.allclose(logits[:vocabulary], p * counts / counts.sum(), rtol=1e-12)
    assert not logits[vocabulary:].any()
