"""Whether a program's rectangle fits the fabric, with the room that `memcpy` takes."""

from __future__ import annotations

from collections.abc import Iterator

from openwafer.csl import CompileOptions, Layout
from openwafer.diag import Diagnostic, DiagnosticError
from openwafer.machine import Machine


def default_offsets(options: CompileOptions, machine: Machine) -> tuple[int, int]:
    """The smallest valid `--fabric-offsets`."""
    if not options.memcpy:
        return 0, 0
    return machine.host.memcpy_min_offset_x + options.width_west_buf, machine.host.memcpy_min_offset_y


def check_options(options: CompileOptions, machine: Machine) -> None:
    """What can be told before compiling. Diagnostics: fabric-offsets, memcpy-channels."""
    _raise(_option_faults(options, machine))


def check_layout(layout: Layout, options: CompileOptions, machine: Machine) -> None:
    """Diagnostics: fabric-dims, when the rectangle with its margins does not fit."""
    _raise(_layout_faults(layout, options, machine))


def _raise(faults: Iterator[Diagnostic]) -> None:
    found = list(faults)
    if found:
        raise DiagnosticError(found)


def _option_faults(options: CompileOptions, machine: Machine) -> Iterator[Diagnostic]:
    if not 1 <= options.channels <= machine.host.max_channels:
        yield Diagnostic(
            "memcpy-channels",
            f"`--channels={options.channels}` is not in 1 … {machine.host.max_channels}",
        )
    x, y = options.fabric_offsets
    least_x, least_y = default_offsets(options, machine)
    if x < least_x or y < least_y:
        yield Diagnostic(
            "fabric-offsets",
            f"`--fabric-offsets={x},{y}` leaves too little room, at least {least_x},{least_y} is needed",
            notes=(_memcpy_note(options, machine),) if options.memcpy else (),
            help=f"--fabric-offsets={max(x, least_x)},{max(y, least_y)}",
        )
    if options.fabric_dims is not None:
        yield from _dims_faults(options.fabric_dims, machine)


def _dims_faults(dims: tuple[int, int], machine: Machine) -> Iterator[Diagnostic]:
    wafer = machine.wafer
    if dims[0] > wafer.fabric_width or dims[1] > wafer.fabric_height:
        yield Diagnostic(
            "fabric-dims",
            f"`--fabric-dims={dims[0]},{dims[1]}` is larger than the {wafer.fabric_width} × "
            f"{wafer.fabric_height} PEs of `{machine.name}`",
        )


def _layout_faults(layout: Layout, options: CompileOptions, machine: Machine) -> Iterator[Diagnostic]:
    least = _needed_dims(layout, options, machine)
    given = options.fabric_dims
    if given is None:
        yield from _dims_faults(least, machine)
    elif given[0] < least[0] or given[1] < least[1]:
        yield Diagnostic(
            "fabric-dims",
            f"`--fabric-dims={given[0]},{given[1]}` is too small for {layout.width} × {layout.height} PEs at "
            f"offset {options.fabric_offsets[0]},{options.fabric_offsets[1]}",
            notes=(_memcpy_note(options, machine),) if options.memcpy else (),
            help=f"--fabric-dims={max(given[0], least[0])},{max(given[1], least[1])}",
        )


def _needed_dims(layout: Layout, options: CompileOptions, machine: Machine) -> tuple[int, int]:
    x, y = options.fabric_offsets
    if not options.memcpy:
        return x + layout.width, y + layout.height
    host = machine.host
    east = host.memcpy_margin_x - host.memcpy_min_offset_x + options.width_east_buf
    south = host.memcpy_margin_y - host.memcpy_min_offset_y
    return x + layout.width + east, y + layout.height + south


def _memcpy_note(options: CompileOptions, machine: Machine) -> str:
    host = machine.host
    x, y = host.memcpy_margin_x, host.memcpy_margin_y
    buffers = options.width_west_buf + options.width_east_buf
    with_buffers = f", and the buffers {buffers} more columns" if buffers else ""
    return f"with `--memcpy` the fabric needs {x} columns and {y} rows more than the program{with_buffers}"
