"""An image from its directory, with everything checked that a later stage relies on."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from openwafer.csl import Layout
from openwafer.diag import DiagnosticError, error
from openwafer.image._check import layout_faults
from openwafer.image._files import (
    ARRAY_NAMES,
    ARRAYS,
    FORMAT,
    HEADER,
    PROGRAMS,
    VERSION,
    Body,
    Header,
    Mark,
    checksum,
)
from openwafer.image._image import Image
from openwafer.machine import load_machine

_BAD_ARRAYS = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)


def read(path: str | os.PathLike[str]) -> Image:
    """The image in directory `path`.

    Diagnostics: image-not-found, image-version, image-corrupt, and those of `load_machine`."""
    directory = Path(path)
    header = _header(directory)
    files = {name: _file(directory, name, header) for name in (PROGRAMS, ARRAYS)}
    layout = _layout(directory, header, _body(directory, files[PROGRAMS]), _arrays(directory, files[ARRAYS]))
    if fault := next(layout_faults(layout), None):
        raise _corrupt(directory, fault)
    if load_machine(header.machine).arch != header.arch:
        raise _corrupt(directory, f"machine `{header.machine}` is not {header.arch}")
    return Image(layout, header.machine, header.metadata)


def _header(directory: Path) -> Header:
    data = _bytes(directory, HEADER)
    try:
        mark = msgspec.json.decode(data, type=Mark)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as reason:
        raise _corrupt(directory, f"{HEADER}: {reason}") from None
    if mark.format != FORMAT:
        raise error(
            "image-not-found",
            f"`{directory}` was not made by this `cslc`: {HEADER} names no format `{FORMAT}`",
            help=_RECOMPILE,
        )
    if mark.version != VERSION:
        raise error(
            "image-version",
            f"`{directory}` has image format {mark.version}, this OpenWafer reads {VERSION}",
            help=_RECOMPILE,
        )
    try:
        header = msgspec.json.decode(data, type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError) as reason:
        raise _corrupt(directory, f"{HEADER}: {reason}") from None
    if header != header.sealed():
        raise _corrupt(directory, f"{HEADER} is not the file that was written")
    return header


def _bytes(directory: Path, name: str) -> bytes:
    try:
        return (directory / name).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        what = f"has no {name}" if directory.is_dir() else "is not a directory"
        what = what if directory.exists() else "does not exist"
        raise error("image-not-found", f"`{directory}` {what}", help=_RECOMPILE) from None
    except (OSError, ValueError) as reason:
        raise error("image-not-found", f"cannot read `{directory / name}`: {reason}") from None


def _file(directory: Path, name: str, header: Header) -> bytes:
    data = _bytes(directory, name)
    if checksum(data) != header.files.get(name):
        raise _corrupt(directory, f"{name} is not the file that was written ({len(data):,} B)")
    return data


def _body(directory: Path, data: bytes) -> Body:
    try:
        return msgspec.msgpack.decode(data, type=Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as reason:
        raise _corrupt(directory, f"{PROGRAMS}: {reason}") from None


def _arrays(directory: Path, data: bytes) -> dict[str, Any]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            return {name: stored[name] for name in ARRAY_NAMES}
    except _BAD_ARRAYS as reason:
        raise _corrupt(directory, f"{ARRAYS}: {reason}") from None


def _layout(directory: Path, header: Header, body: Body, arrays: dict[str, Any]) -> Layout:
    width, height = header.size
    return Layout(
        arch=header.arch,
        width=width,
        height=height,
        fabric_dims=header.fabric_dims,
        fabric_offsets=header.fabric_offsets,
        params=header.params,
        programs=body.programs,
        exports=tuple(e.export() for e in body.exports),
        **arrays,
    )


_RECOMPILE = "compile again with `cslc`"


def _corrupt(directory: Path, fault: str) -> DiagnosticError:
    return error("image-corrupt", f"`{directory}` is damaged: {fault}", help=_RECOMPILE)
