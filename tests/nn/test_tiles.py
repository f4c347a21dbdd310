"""Arrays are split over the mesh and put together again; temporaries share memory only when they may."""

from __future__ import annotations

import numpy as np
import pytest

from openwafer.nn.graph._mesh import Mesh, Split, pack, split, unpack
from openwafer.nn.program._memory import ALIGN_BYTES, Lifetime, pack_lifetimes, padded
from openwafer.nn.program._program import Buffer


@pytest.mark.parametrize("mesh", [Mesh(1, 1), Mesh(3, 2), Mesh(7, 5)], ids=str)
@pytest.mark.parametrize("shape", [(1, 1), (10, 17), (24, 6)], ids=str)
@pytest.mark.parametrize("unit", (1, 4))
def test_pack_and_unpack(mesh: Mesh, shape: tuple[int, int], unit: int) -> None:
    array = np.arange(1, shape[0] * shape[1] + 1, dtype=np.float32).reshape(shape)
    layout = (split(shape[0], "x", unit, mesh), split(shape[1], "y", 1, mesh))
    tiles = pack(array, layout, mesh)
    assert tiles.shape == (mesh.h, mesh.w, layout[0].chunk, layout[1].chunk)
    assert layout[0].chunk % unit == 0
    assert tiles.sum() == array.sum()
    assert np.array_equal(unpack(tiles, layout, mesh), array)


def test_what_is_not_split_is_everywhere() -> None:
    mesh = Mesh(3, 2)
    tiles = pack(np.arange(5), (Split(5),), mesh)
    assert (tiles == np.arange(5)).all()


def test_what_is_split_over_one_axis_is_the_same_along_the_other() -> None:
    mesh = Mesh(3, 2)
    array = np.arange(1, 15).reshape(7, 2)
    layout = (Split(7, "x", 3), Split(2))
    tiles = pack(array, layout, mesh)
    assert tiles.shape == (2, 3, 3, 2)
    for y in range(2):
        assert np.array_equal(tiles[y, 1], array[3:6])
        assert np.array_equal(tiles[y, 2], [[13, 14], [0, 0], [0, 0]])
    tiles[1] = -1
    assert np.array_equal(unpack(tiles, layout, mesh), array)


def test_copies_can_be_changed_apart() -> None:
    tiles = pack(np.arange(4), (Split(4, "y", 2),), Mesh(2, 2))
    tiles[0, 0] = 9
    assert tiles.tolist() == [[[9, 9], [0, 1]], [[2, 3], [2, 3]]]


def buffer(size: int) -> Buffer:
    return Buffer(f"b{size}", (size,), "temporary")


def test_lifetimes_that_overlap_do_not_share() -> None:
    random = np.random.default_rng(3)
    lives = []
    for _ in range(60):
        first = int(random.integers(0, 40))
        lives.append(
            Lifetime(buffer(int(random.integers(1, 50))), first, first + int(random.integers(0, 12)))
        )
    places = pack_lifetimes(lives)
    for i, a in enumerate(lives):
        start, end = places[a.buffer], places[a.buffer] + a.buffer.bytes
        assert start % ALIGN_BYTES == 0
        for b in lives[:i]:
            apart = places[b.buffer] >= end or places[b.buffer] + b.buffer.bytes <= start
            assert apart or not a.overlaps(b)


def test_memory_is_used_again() -> None:
    lives = [Lifetime(buffer(100), i, i + 1) for i in range(10)]
    places = pack_lifetimes(lives)
    assert max(places.values()) + padded(400) == 2 * padded(400)
