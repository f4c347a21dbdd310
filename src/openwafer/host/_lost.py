"""Wavelets that left the program's rectangle: told once, when the run has ended."""

from __future__ import annotations

from openwafer.diag import warn
from openwafer.sim import PeStats

PORTS = ("west", "east", "north", "south")


def warn_of_lost(stats: PeStats) -> None:
    """Warns of wavelets that nobody got. Diagnostics (warning): wavelets-lost."""
    if stats.lost is None:
        return
    x, y, color, port = stats.lost
    message = f"{stats.lost_wavelets:,} wavelets left the program's rectangle and are lost"
    first = f"PE ({x}, {y}) sends color {color} {PORTS[port]}, where no PE of the program is"
    warn("wavelets-lost", message, notes=(first,))
