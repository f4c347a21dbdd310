"""Views of a matrix do to tensors what NumPy does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from openwafer.nn.capture._view import (
    Atom,
    View,
    ViewError,
    expand,
    from_matrix,
    narrow,
    permute,
    reshape,
    to_matrix,
)
from openwafer.nn.graph._graph import Shape, Value

BATCH, SEQ, HEADS, DIM = 2, 3, 4, 6
VALUE = Value("x", Shape(HEADS * DIM, BATCH * SEQ))
WHOLE = View(VALUE, ((Atom("t", SEQ, BATCH),), (Atom("t", 1, SEQ),), (Atom("f", 1, HEADS * DIM),)))
TENSOR = np.arange(BATCH * SEQ * HEADS * DIM).reshape(BATCH, SEQ, HEADS * DIM)
SPLIT = (BATCH, SEQ, HEADS, DIM)

CASES: dict[str, tuple[Callable[[View], View], Callable[[NDArray[np.int64]], NDArray[np.int64]]]] = {
    "heads": (lambda v: reshape(v, SPLIT), lambda a: a.reshape(SPLIT)),
    "transposed heads": (
        lambda v: permute(reshape(v, SPLIT), (0, 2, 1, 3)),
        lambda a: a.reshape(SPLIT).transpose(0, 2, 1, 3),
    ),
    "there and back": (
        lambda v: reshape(permute(permute(reshape(v, SPLIT), (0, 2, 1, 3)), (0, 2, 1, 3)), TENSOR.shape),
        lambda a: a,
    ),
    "one dimension of tokens": (lambda v: reshape(v, (BATCH * SEQ, 24)), lambda a: a.reshape(-1, 24)),
    "part of the features": (lambda v: narrow(v, 2, 6, 12), lambda a: a[:, :, 6:18]),
    "every third feature": (lambda v: narrow(v, 2, 1, 8, 3), lambda a: a[:, :, 1::3]),
    "last token": (lambda v: narrow(v, 1, SEQ - 1, 1), lambda a: a[:, -1:]),
    "half of each head": (
        lambda v: narrow(reshape(v, SPLIT), 3, 3, 3),
        lambda a: a.reshape(SPLIT)[..., 3:],
    ),
    "part of a part": (lambda v: narrow(narrow(v, 2, 6, 12), 2, 3, 4), lambda a: a[:, :, 9:13]),
    "repeated": (
        lambda v: expand(reshape(v, (BATCH, SEQ, 1, 24)), (BATCH, SEQ, 5, 24)),
        lambda a: np.broadcast_to(a[:, :, None], (BATCH, SEQ, 5, 24)),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_views_are_numpy_views(name: str) -> None:
    on_view, on_array = CASES[name]
    view = on_view(WHOLE)
    wanted = on_array(TENSOR)
    assert view.shape == wanted.shape
    assert np.array_equal(from_matrix(to_matrix(TENSOR, WHOLE), view), wanted)


def test_a_view_that_would_move_data_is_refused() -> None:
    heads_first = permute(reshape(WHOLE, SPLIT), (0, 2, 1, 3))
    with pytest.raises(ViewError, match="without moving data"):
        reshape(heads_first, (BATCH, 8, 9))


@pytest.mark.parametrize(("view", "is_whole"), [(WHOLE, True), (narrow(WHOLE, 2, 0, 6), False)])
def test_whole_means_every_feature_and_token(view: View, is_whole: bool) -> None:
    assert view.is_whole() is is_whole
