"""Simulated cycles of a run, written for tools that ask for them."""

from __future__ import annotations

import zlib

from openwafer.diag import environment, json_text, write_report
from openwafer.host._core import AUTOMATIC_BYTES, core_bytes, memories
from openwafer.image import Image
from openwafer.sim import Engine


def write_stats(engine: Engine, image: Image) -> None:
    """Appends `{"cycles", "tile_cycles", "pes", "memory"}` as a line of JSON to the file that
    `OPENWAFER_STATS` names, if it does; a script that runs several programs gives several lines.

    `memory` is a checksum of what the PEs hold, "" if that is a lot. Diagnostics: report-not-written."""
    path = environment.STATS.get()
    if not path:
        return
    pes = image.layout.width * image.layout.height
    stats = {"cycles": engine.now, "tile_cycles": engine.now * pes, "pes": pes}
    write_report(path, json_text(stats | {"memory": _checksum(engine, image)}) + "\n", "a")


def _checksum(engine: Engine, image: Image) -> str:
    if core_bytes(image) > AUTOMATIC_BYTES:
        return ""
    total = 0
    for _, memory in memories(engine, image):
        total = zlib.crc32(memory.tobytes(), total)
    return f"{total:08x}"
