"""The compiled program as one object."""

from __future__ import annotations

from dataclasses import dataclass

from openwafer.csl import Layout
from openwafer.machine import Machine


@dataclass(frozen=True, slots=True)
class Image:
    """A layout whose symbols have addresses, ready to load.

    `machine` is the machine that it was compiled for, with all its facts; `metadata` is what `out.json`
    holds besides `params`."""

    layout: Layout
    machine: Machine
    metadata: dict[str, str]
