"""A linear layer over the mesh: output, gradients of input and weights, for rectangles and ragged shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mesh_kit import Mesh, lines, run_mesh

from csl_kit import ENGINES

BODY = """
  linear.linear(y, x, w, {n}, {k}, {t});
  row.sum(y, {n} * {t});
  linear.linear_grad_input(dx, dy, w, {n}, {k}, {t});
  column.sum(dx, {k} * {t});
  linear.linear_grad_weight(dw, turned, x, dy, {n}, {k}, {t});
"""
MESHES = ((4, 4), (7, 5), (1, 1), (16, 1), (1, 6))


def spread(values: np.ndarray, parts: int) -> np.ndarray:
    """Rows in `parts` equal chunks, zeros behind the last row."""
    size = -(-len(values) // parts)
    padded = np.zeros((parts * size, *values.shape[1:]), np.float32)
    padded[: len(values)] = values
    return padded.reshape(parts, size, *values.shape[1:])


@pytest.mark.parametrize("arch", ("wse2", "wse3"))
@pytest.mark.parametrize(("width", "height"), MESHES)
def test_linear_layer(tmp_path: Path, width: int, height: int, arch: str) -> None:
    """Input features over columns, output features over rows; 19 and 23 of them leave padding."""
    inputs, outputs, tokens = 19, 23, 3
    random = np.random.default_rng(2)
    x, dy = random.standard_normal((inputs, tokens)), random.standard_normal((outputs, tokens))
    w, dw = random.standard_normal((2, inputs, outputs))
    x_parts, dy_parts = spread(x, width), spread(dy, height)
    k, n = x_parts.shape[1], dy_parts.shape[1]

    def tiles(matrix: np.ndarray) -> np.ndarray:
        """`[y, x, k, n]` of a matrix `[inputs, outputs]`."""
        by_row = spread(np.moveaxis(spread(matrix, width), -1, 0), height)
        return by_row.transpose(0, 2, 3, 1)

    arrays = {"y": n * tokens, "x": k * tokens, "dx": k * tokens, "w": k * n}
    arrays |= {"dw": k * n, "dy": n * tokens, "turned": n * tokens}
    mesh = Mesh(
        lines(arch, width, height, n * tokens),
        {name: (count, "f32") for name, count in arrays.items()},
        BODY.format(n=n, k=k, t=tokens),
        ("linear",),
    )
    data = {
        "x": np.broadcast_to(x_parts[None], (height, *x_parts.shape)),
        "dy": np.broadcast_to(dy_parts[:, None], (height, width, n, tokens)),
        "w": tiles(w),
        "dw": tiles(dw),
    }
    image = mesh.compile(tmp_path, arch)
    found = [run_mesh(mesh, image, data, e).arrays for e in (ENGINES if width * height < 8 else ("fast",))]
    wanted = {
        "y": np.broadcast_to(spread(w.T @ x, height)[:, None], (height, width, n, tokens)),
        "dx": np.broadcast_to(spread(w @ dy, width)[None], (height, width, k, tokens)),
        "dw": tiles(dw + x @ dy.T),
    }
    for name, values in wanted.items():
        got = found[0][name].reshape(values.shape)
        assert np.abs(got - values).max() <= 2e-6 * np.abs(values).max()
        assert all(np.array_equal(found[0][name], other[name]) for other in found)
