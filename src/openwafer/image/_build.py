"""From a layout to an image."""

from __future__ import annotations

from dataclasses import replace

from openwafer.csl import Layout
from openwafer.image._addresses import assign_addresses
from openwafer.image._image import Image
from openwafer.machine import load_machine


def build(layout: Layout, machine_name: str, metadata: dict[str, str] | None = None) -> Image:
    """The image of a layout for a machine (a name, or the path of its file): symbols get addresses.

    Diagnostics: memory-overflow, machine-mismatch and those of `load_machine`."""
    machine = load_machine(machine_name)
    programs = tuple(assign_addresses(program, machine) for program in layout.programs)
    return Image(replace(layout, programs=programs), machine_name, dict(metadata or {}))
