"""Simulated cycles of a run, written for tools that ask for them."""

from __future__ import annotations

import json
import os

STATS_VARIABLE = "OPENWAFER_STATS"


def write_stats(cycles: int, pes: int) -> None:
    """Appends `{"cycles", "tile_cycles", "pes"}` as a line of JSON to the file that `OPENWAFER_STATS` names,
    if it does; a script that runs several programs gives several lines."""
    path = os.environ.get(STATS_VARIABLE)
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"cycles": cycles, "tile_cycles": cycles * pes, "pes": pes}) + "\n")
