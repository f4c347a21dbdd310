"""What passes between host and wafer: parameters to tiles and back, tensors to matrices and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openwafer.nn.capture._view import View, from_matrix, to_matrix
from openwafer.nn.graph._mesh import Mesh, pack, unpack
from openwafer.nn.program._program import Buffer

Arrays = Mapping[str, NDArray[Any]]


def weight_tiles(buffer: Buffer, parameters: Arrays, mesh: Mesh) -> NDArray[Any]:
    """The tiles of a weight, state or gradient buffer from the whole parameters."""
    weight, layout = buffer.weight, buffer.layout
    assert weight is not None and layout is not None
    array = weight.constant if weight.parameter is None else weight.pick(parameters[weight.parameter])
    assert array is not None
    return pack(array.T if buffer.is_tile else array, layout, mesh)


def put_tiles(buffer: Buffer, tiles: NDArray[Any], parameters: Arrays, mesh: Mesh) -> None:
    """Adds what the tiles hold to the whole parameter they belong to."""
    weight, layout = buffer.weight, buffer.layout
    assert weight is not None and layout is not None and weight.parameter is not None
    array = unpack(tiles, layout, mesh)
    weight.put(parameters[weight.parameter], np.ascontiguousarray(array.T if buffer.is_tile else array))


def input_tiles(buffer: Buffer, tensor: NDArray[Any], view: View, mesh: Mesh) -> NDArray[Any]:
    """The tiles of an input, given in the shape of its view."""
    assert buffer.layout is not None
    is_ids = view.value.shape.kind == "ids"
    matrix = to_matrix(tensor.reshape(view.shape).astype(np.int32 if is_ids else np.float32), view)
    return pack(matrix[0] if is_ids else matrix, buffer.layout, mesh)


def output_tensor(buffer: Buffer, tiles: NDArray[Any], view: View, mesh: Mesh) -> NDArray[Any]:
    """What the view shows of an output."""
    data = unpack_matrix(buffer, tiles, mesh).reshape(view.value.features, view.value.tokens)
    return from_matrix(data, view)


def unpack_matrix(buffer: Buffer, tiles: NDArray[Any], mesh: Mesh) -> NDArray[Any]:
    """[features][tokens] of an output."""
    assert buffer.layout is not None
    return unpack(tiles, buffer.layout, mesh)
