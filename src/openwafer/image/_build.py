"""From a layout to an image."""

from __future__ import annotations

from dataclasses import replace

from openwafer.csl import Layout
from openwafer.image._addresses import assign_addresses
from openwafer.image._image import Image
from openwafer.machine import Machine, load_machine


def build(layout: Layout, machine: str | Machine, metadata: dict[str, str] | None = None) -> Image:
    """The image of a layout for a machine (itself, its name, or the path of its file): symbols get addresses.

    Diagnostics: memory-overflow, and those of `load_machine`."""
    facts = load_machine(machine)
    programs = tuple(assign_addresses(program, facts) for program in layout.programs)
    return Image(replace(layout, programs=programs), facts, dict(metadata or {}))
