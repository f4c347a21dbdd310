"""The arrays of an image: headers first, so that nothing larger than what belongs there is ever made."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

Wanted: TypeAlias = tuple[str, tuple[int | None, ...]]
"""An element type and a shape, in which None is any number."""
MOST_BYTES = 1 << 31
"""All arrays together."""
MOST_HEADER_BYTES = 1 << 12
_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '([<|][iu][1248])', 'fortran_order': False, "
    rb"'shape': \((|[0-9]{1,10}(?:, [0-9]{1,10}){0,7},?)\), \} *\n"
)
_SIDE = re.compile(rb"[0-9]+")
_CHUNK_BYTES = 1 << 20
_BAD = (
    OSError, ValueError, KeyError, EOFError, RuntimeError, MemoryError, OverflowError, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip


class Stream(Protocol):
    """What is read of an opened array."""

    def read(self, n: int, /) -> bytes: ...

    def readinto(self, buffer: memoryview, /) -> int: ...


class BadArrays(Exception):
    """What is wrong with the file."""


def read_arrays(data: bytes, wanted: Mapping[str, Wanted]) -> dict[str, NDArray[Any]]:
    """The arrays of an `.npz` file, which holds exactly those that are wanted. Raises BadArrays."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            entries = {info.filename: info for info in file.infolist()}
            if sorted(entries) != sorted(f"{name}.npy" for name in wanted):
                raise ValueError("it does not hold the arrays of an image")
            room = MOST_BYTES
            found: dict[str, NDArray[Any]] = {}
            for name, want in wanted.items():
                found[name] = _array(file, entries[f"{name}.npy"], name, want, room)
                room -= found[name].nbytes
            return found
    except _BAD as reason:
        raise BadArrays(str(reason) or type(reason).__name__) from None


def _array(file: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, want: Wanted, room: int) -> NDArray[Any]:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is compressed in another way")
    with file.open(info) as opened:
        stream = cast("Stream", opened)
        shape, dtype = _header(stream, name)
        sizes = zip(want[1], shape, strict=False)
        if (
            dtype != np.dtype(want[0])
            or len(shape) != len(want[1])
            or any(w not in (None, s) for w, s in sizes)
        ):
            raise ValueError(f"{name} is {dtype}{list(shape)}")
        size = dtype.itemsize
        for side in shape:
            size *= side
        if size > room or opened.tell() + size != info.file_size:
            raise ValueError(f"{name} has {info.file_size:,} B")
        return _content(stream, np.empty(shape, dtype))


def _header(stream: Stream, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and element type from a header as NumPy writes it; nothing else is understood."""
    start = stream.read(len(_MAGIC) + 2)
    length = int.from_bytes(start[len(_MAGIC) :], "little")
    form = _HEADER.fullmatch(stream.read(length)) if length <= MOST_HEADER_BYTES else None
    if start[: len(_MAGIC)] != _MAGIC or form is None:
        raise ValueError(f"{name} is no plain array")
    return tuple(int(side) for side in _SIDE.findall(form[2])), np.dtype(form[1].decode())


def _content(stream: Stream, array: NDArray[Any]) -> NDArray[Any]:
    flat: Any = array.reshape(-1).view(np.uint8)
    view = memoryview(flat)
    for start in range(0, len(view), _CHUNK_BYTES):
        part = view[start : start + _CHUNK_BYTES]
        if stream.readinto(part) != len(part):
            raise EOFError("it ends early")
    return array
