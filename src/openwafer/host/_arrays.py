"""Host arrays: what is accepted, and how their elements map to PEs."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from openwafer.diag import DiagnosticError, error
from openwafer.host._enums import MemcpyOrder

Words = NDArray[np.uint32]
Shape = tuple[int, int, int]
"""(h, w, l): rows, columns, elements a PE."""


def to_device(
    source: Any, shape: Shape, order: MemcpyOrder, what: str, symbol_type: str | None = None
) -> Words:
    """A copy of the array as `[h, w, l]` words. `symbol_type` is the CSL type of where they go: `[*]f32`.

    Diagnostics: host-array-type, host-array-size."""
    array = _checked(source, shape, what, symbol_type)
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint32)
    h, w, length = shape
    if order is MemcpyOrder.ROW_MAJOR:
        return flat.reshape(shape).copy()
    return np.ascontiguousarray(flat.reshape(length, w, h).transpose(2, 1, 0))


def destination(dest: Any, shape: Shape, what: str, symbol_type: str | None = None) -> Words:
    """A flat view of the array that receives data, from where elements have the CSL type `symbol_type`.

    Diagnostics: host-array-type, host-array-size, host-array-layout."""
    array = _checked(dest, shape, what, symbol_type)
    if not array.flags.c_contiguous:
        raise error(
            "host-array-layout",
            f"`{what}` is not contiguous: strides {array.strides} for shape {array.shape}",
            help="receive into a contiguous array and copy from there",
        )
    if not array.flags.writeable:
        raise error("host-array-layout", f"`{what}` is read-only")
    return array.reshape(-1).view(np.uint32)


def from_device(words: Words, dest: Words, order: MemcpyOrder) -> None:
    """Writes `[h, w, l]` words into a flat destination."""
    h, w, length = words.shape
    if order is MemcpyOrder.ROW_MAJOR:
        dest.reshape(h, w, length)[...] = words
    else:
        dest.reshape(length, w, h)[...] = words.transpose(2, 1, 0)


def _checked(value: Any, shape: Shape, what: str, symbol_type: str | None = None) -> NDArray[Any]:
    if not isinstance(value, np.ndarray):
        raise error("host-array-type", f"`{what}` must be a NumPy array, found {type(value).__name__}")
    array = cast("NDArray[Any]", value)
    if array.dtype.itemsize != 4 or array.dtype.kind not in "iuf" or not array.dtype.isnative:
        raise _wrong_type(array.dtype, what, symbol_type)
    h, w, length = shape
    if array.size != h * w * length:
        raise error(
            "host-array-size",
            f"`{what}` has {array.size:,} elements, {h * w * length:,} are needed",
            notes=(f"{w} × {h} PEs with {length} elements each; the array has shape {array.shape}",),
        )
    return array


_NARROW = {"i": "int32", "u": "uint32", "f": "float32"}
_OF_CSL = {"f32": "float32", "i32": "int32", "u32": "uint32"}


def _wrong_type(dtype: np.dtype[Any], what: str, symbol_type: str | None) -> DiagnosticError:
    if dtype.itemsize == 2:
        hint = "`input_array_to_u32(array, None, 1)` puts 16-bit elements into 32-bit containers"
    elif dtype.itemsize == 8 and dtype.kind in "iuf":
        element = (symbol_type or "").rpartition("]")[2].strip()
        hint = f"`.astype(np.{_OF_CSL.get(element, _NARROW[dtype.kind])})` converts it"
    else:
        hint = "use float32, int32 or uint32"
    message = f"`{what}` has elements of type {dtype}, memcpy moves 32-bit elements"
    notes = (f"the array on the wafer is exported as {symbol_type}",) if symbol_type else ()
    return error("host-array-type", message, notes=notes, help=hint)
