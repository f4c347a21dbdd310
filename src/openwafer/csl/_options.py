"""Options of a compilation: what `cslc` takes."""

from __future__ import annotations

from dataclasses import dataclass, field

from openwafer.machine import Machine


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """`params` and `colors` map names to values as text. `fabric_dims` None: just large enough.

    `machine` is a machine, its name or the path of its file; None takes the architecture's own."""

    arch: str = "wse2"
    fabric_dims: tuple[int, int] | None = None
    fabric_offsets: tuple[int, int] = (0, 0)
    params: dict[str, str] = field(default_factory=dict[str, str])
    colors: dict[str, str] = field(default_factory=dict[str, str])
    memcpy: bool = False
    channels: int = 1
    width_west_buf: int = 0
    width_east_buf: int = 0
    max_inlined_iterations: int = 50
    import_path: tuple[str, ...] = ()
    edition: str | None = None
    machine: str | Machine | None = None
