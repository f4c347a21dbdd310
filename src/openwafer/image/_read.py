"""An image from its directory, with everything checked that a later stage relies on.

Nothing in the directory is trusted: sizes are bounded before they are used, texts are only shown, no file
outside the directory is opened.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from numpy.typing import NDArray

from openwafer.csl import CONFIG_COLUMNS, Layout
from openwafer.diag import DiagnosticError, error
from openwafer.files import read_regular
from openwafer.image._arrays import BadArrays, read_arrays
from openwafer.image._check import MOST_CONFIGS, MOST_PES, MOST_SIDE, layout_faults
from openwafer.image._files import (
    ARRAYS,
    FORMAT,
    HEADER,
    MACHINE,
    MOST_BYTES,
    PARTS,
    PROGRAMS,
    VERSION,
    Body,
    Header,
    Mark,
    checksum,
)
from openwafer.image._fit import fit_faults
from openwafer.image._image import Image
from openwafer.image._metadata import metadata_fault
from openwafer.machine import Machine, from_document
from openwafer.tir import Function, Program

T = TypeVar("T")
SHOWN = 300
"""Characters of what is wrong that are shown: the texts in it are somebody else's."""
MOST_NAME = 1 << 10
_BAD_TEXT = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)


def read(path: str | os.PathLike[str]) -> Image:
    """The image in directory `path`, for the machine whose facts it carries.

    Diagnostics: image-not-found, image-version, image-corrupt."""
    directory = Path(path)
    header = _header(directory)
    files = {name: _file(directory, name, header) for name in PARTS}
    machine = _machine(directory, header, files[MACHINE])
    layout = _layout(
        header, _body(directory, files[PROGRAMS]), _arrays(directory, header, files[ARRAYS], machine)
    )
    fault = next(layout_faults(layout), None) or next(fit_faults(layout, machine), None)
    if fault := fault or metadata_fault(header.metadata, machine):
        raise _corrupt(directory, fault)
    return Image(layout, machine, header.metadata)


def _header(directory: Path) -> Header:
    data = _bytes(directory, HEADER)
    mark = _decoded(directory, HEADER, data, Mark)
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
    header = _decoded(directory, HEADER, data, Header)
    if header != header.sealed():
        raise _corrupt(directory, f"{HEADER} is not the file that was written")
    width, height = header.size
    if not (1 <= width <= MOST_SIDE and 1 <= height <= MOST_SIDE and width * height <= MOST_PES):
        raise _corrupt(directory, f"it has {width} × {height} PEs")
    return header


def _decoded(directory: Path, name: str, data: bytes, type: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=type)
    except _BAD_TEXT as reason:
        raise _corrupt(directory, f"{name}: {reason}") from None


def _bytes(directory: Path, name: str) -> bytes:
    try:
        return read_regular(directory / name, MOST_BYTES[name], follow=False)
    except (FileNotFoundError, NotADirectoryError):
        what = f"has no {name}" if directory.is_dir() else "is not a directory"
        what = what if directory.exists() else "does not exist"
        raise error("image-not-found", f"`{directory}` {what}", help=_RECOMPILE) from None
    except (OSError, ValueError) as reason:
        why = reason.strerror if isinstance(reason, OSError) else reason
        raise error("image-not-found", f"cannot read `{directory / name}`: {why}") from None


def _file(directory: Path, name: str, header: Header) -> bytes:
    data = _bytes(directory, name)
    if checksum(data) != header.files.get(name):
        raise _corrupt(directory, f"{name} is not the file that was written ({len(data):,} B)")
    return data


def _machine(directory: Path, header: Header, data: bytes) -> Machine:
    """The machine whose facts the image carries, checked as a machine file is."""
    document = _decoded(directory, MACHINE, data, dict[str, Any])
    try:
        machine = from_document(document, MACHINE, header.machine)
    except DiagnosticError as failure:
        raise _corrupt(directory, f"{MACHINE}: {failure.diagnostics[0].message}") from None
    if max(len(machine.name), len(header.machine)) > MOST_NAME:
        raise _corrupt(directory, f"the name of its machine has {len(machine.name):,} characters")
    if machine.hash() != header.machine_hash or machine.arch != header.arch:
        raise _corrupt(directory, f"{MACHINE} is not the machine that {HEADER} names")
    return machine


def _body(directory: Path, data: bytes) -> Body:
    try:
        return msgspec.msgpack.decode(data, type=Body)
    except _BAD_TEXT as reason:
        raise _corrupt(directory, f"{PROGRAMS}: {reason}") from None


def _arrays(directory: Path, header: Header, data: bytes, machine: Machine) -> dict[str, NDArray[Any]]:
    width, height = header.size
    wanted = {
        "program_of": ("int32", (height, width)),
        "cells": ("uint32", (height, width, None)),
        "configs": ("int32", (None, len(CONFIG_COLUMNS))),
        "config_of": ("int16", (height, width, machine.fabric.colors)),
    }
    try:
        found = read_arrays(data, wanted)
    except BadArrays as reason:
        raise _corrupt(directory, f"{ARRAYS}: {reason}") from None
    if len(found["configs"]) > MOST_CONFIGS:
        raise _corrupt(directory, f"{ARRAYS}: {len(found['configs']):,} routes")
    return found


def _layout(header: Header, body: Body, arrays: dict[str, Any]) -> Layout:
    width, height = header.size
    return Layout(
        arch=header.arch,
        width=width,
        height=height,
        fabric_dims=header.fabric_dims,
        fabric_offsets=header.fabric_offsets,
        params=header.params,
        programs=_sharing(body.programs),
        exports=tuple(e.export() for e in body.exports),
        sources=body.sources,
        **arrays,
    )


_RECOMPILE = "compile again with `cslc`"


def _corrupt(directory: Path, fault: str) -> DiagnosticError:
    shown = fault if len(fault) <= SHOWN else f"{fault[:SHOWN]}…"
    return error("image-corrupt", f"`{directory}` is damaged: {shown}", help=_RECOMPILE)


def _sharing(programs: tuple[Program, ...]) -> tuple[Program, ...]:
    """The programs, those with equal functions with the same ones: whoever walks code does it once."""
    known: dict[bytes, tuple[Function, ...]] = {}
    shared: list[Program] = []
    for program in programs:
        functions = known.setdefault(msgspec.msgpack.encode(program.functions), program.functions)
        shared.append(msgspec.structs.replace(program, functions=functions))
    return tuple(shared)
