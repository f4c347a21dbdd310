"""Whether compiled programs fit a machine: what they use of it is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from openwafer.csl import Layout
from openwafer.diag import DiagnosticError, error
from openwafer.image._addresses import used_bytes
from openwafer.image._image import Image
from openwafer.machine import Machine
from openwafer.tir import Program

SHOWN_FAULTS = 5


def run_on(image: Image, machine: Machine) -> Image:
    """The image for another machine than that for which it was compiled.

    Diagnostics: image-does-not-fit."""
    check_fit(image, machine)
    return replace(image, machine=machine)


def check_fit(image: Image, machine: Machine) -> None:
    """Diagnostics: image-does-not-fit."""
    faults = list(fit_faults(image.layout, machine))
    if faults:
        raise _refused(image, machine, faults)


def _refused(image: Image, machine: Machine, faults: list[str]) -> DiagnosticError:
    more = [f"and {len(faults) - SHOWN_FAULTS} more"] if len(faults) > SHOWN_FAULTS else []
    return error(
        "image-does-not-fit",
        f"the program was compiled for `{image.machine.name}` and does not fit `{machine.name}`: {faults[0]}",
        notes=(*faults[1:SHOWN_FAULTS], *more),
        help="compile it again with `cslc --machine`",
    )


def fit_faults(layout: Layout, machine: Machine) -> Iterator[str]:
    """What a layout needs and a machine has not."""
    if layout.arch != machine.arch:
        yield f"it is for {layout.arch}, the machine is {machine.arch}"
        return
    if layout.config_of.shape[2] > machine.fabric.colors:
        yield f"it has routes of {layout.config_of.shape[2]} colors, the fabric has {machine.fabric.colors}"
    for program in layout.programs:
        yield from (f"`{program.name[:60]}`: {fault}" for fault in _program_faults(program, machine))


def _program_faults(program: Program, machine: Machine) -> Iterator[str]:
    if used_bytes(program) > machine.memory.bytes_per_pe:
        yield f"its data end at {used_bytes(program):,} B, a PE has {machine.memory.bytes_per_pe:,} B"
    counts = {"in": len(machine.queues.input_depth), "out": len(machine.queues.output_depth)}
    for queue in program.queues:
        if queue.id >= counts[queue.direction]:
            yield f"{queue.direction}put queue {queue.id}, of {counts[queue.direction]}"
    routed = (*(c.color for c in program.colors), *(q.color for q in program.queues))
    colors = [c for c in (*routed, *program.host_in, *program.host_out) if c >= machine.fabric.colors]
    if colors:
        yield f"color {colors[0]}, of {machine.fabric.colors}"
    numbers = [int(name.rpartition(":")[2]) for name in program.dsrs]
    if numbers and max(numbers) >= machine.dsd.dsr_count:
        yield f"DSR {max(numbers)}, of {machine.dsd.dsr_count}"
    tasks = [t.id for t in program.tasks if t.kind == "local" and t.id > machine.task.local_id_last]
    if tasks:
        yield f"local task {tasks[0]}, the last is {machine.task.local_id_last}"
