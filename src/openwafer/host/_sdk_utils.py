"""`cerebras.sdk.sdk_utils`: arrays and time stamps, as the SDK documents them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from openwafer.diag import error


def memcpy_view(arr: NDArray[Any], datatype: DTypeLike) -> NDArray[Any]:
    """A view of 32-bit containers as elements of 32, 16 or 8 bits, each in the low part of its container.

    Diagnostics: host-array-type."""
    dtype = np.dtype(datatype)
    if arr.dtype.itemsize != 4 or dtype.itemsize not in (1, 2, 4):
        raise error(
            "host-array-type",
            f"expected elements of 32 bits and a type of 8, 16 or 32, found {arr.dtype} and {dtype}",
        )
    return arr.view(dtype)[..., :: 4 // dtype.itemsize]


def input_array_to_u32(np_arr: NDArray[Any], sentinel: int | None, fast_dim_sz: int) -> NDArray[np.uint32]:
    """A flat array of 16-bit elements in 32-bit containers; one of 32-bit elements is only viewed.

    The high halves are zeros if `sentinel` is None, else the element's index modulo `fast_dim_sz`, the size
    of the fastest dimension. Diagnostics: host-array-type, host-array-size."""
    if np_arr.dtype.itemsize == 4:
        return np_arr.view(np.uint32)
    if np_arr.dtype.itemsize != 2:
        raise error("host-array-type", f"expected elements of 16 or 32 bits, found {np_arr.dtype}")
    if np_arr.ndim != 1:
        raise error(
            "host-array-size", f"expected a flat array, found shape {np_arr.shape}", help="`.ravel()` it"
        )
    words = np_arr.view(np.uint16).astype(np.uint32)
    if sentinel is None:
        return words
    indices = np.arange(words.size, dtype=np.uint32) % np.uint32(fast_dim_sz)
    return words | (indices << np.uint32(16))


def calculate_cycles(timestamp_buf: NDArray[Any]) -> np.int64:
    """Cycles between two 48-bit time stamps, start and end: six 16-bit words in three 32-bit elements.

    Diagnostics: host-array-type, host-array-size."""
    if timestamp_buf.dtype.itemsize != 4:
        raise error("host-array-type", f"expected elements of 32 bits, found {timestamp_buf.dtype}")
    if timestamp_buf.size != 3:
        raise error("host-array-size", f"expected 3 elements, found {timestamp_buf.size}")
    words = np.ascontiguousarray(timestamp_buf).reshape(-1).view(np.uint16).astype(np.int64)
    start, end = words[:3], words[3:]
    weights = np.array([1, 1 << 16, 1 << 32], dtype=np.int64)
    return np.int64((end - start) @ weights)
