# pyright: basic
"""The earliest of many times, each of which changes often: a tournament. Its size is a power of two ≥ 2."""

from __future__ import annotations

from openwafer.fleet.simulation.loop._kernel import kernel


@kernel
def _winner(tree, size, node):
    return node - size if node >= size else tree[node]


@kernel
def set_when(when, tree, who, time):
    """Gives `who` another time."""
    when[who] = time
    size = when.shape[0]
    at = (who + size) >> 1
    while at > 0:
        left, right = _winner(tree, size, 2 * at), _winner(tree, size, 2 * at + 1)
        best = right if when[right] < when[left] else left
        if tree[at] == best and best != who:
            break
        tree[at] = best
        at >>= 1
