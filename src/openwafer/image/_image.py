"""The compiled program as one object."""

from __future__ import annotations

from dataclasses import dataclass

from openwafer.csl import Layout


@dataclass(frozen=True, slots=True)
class Image:
    """A layout whose symbols have addresses, ready to load.

    `machine` is the name or path of the machine file it was compiled for; `metadata` is what `out.json`
    holds besides `params`."""

    layout: Layout
    machine: str
    metadata: dict[str, str]
