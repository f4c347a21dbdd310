"""The engine that a runtime drives."""

from __future__ import annotations

import os

from openwafer.diag import error
from openwafer.image import Image
from openwafer.machine import load_machine
from openwafer.sim._engine import Engine

ENGINE_VARIABLE = "OPENWAFER_ENGINE"
ENGINES = ("fast", "reference")


def start_engine(image: Image, threads: int) -> Engine:
    """The engine that `OPENWAFER_ENGINE` names (`fast` by default), with the image loaded.

    Diagnostics: unknown-engine, and those of loading."""
    name = os.environ.get(ENGINE_VARIABLE) or ENGINES[0]
    if name not in ENGINES:
        raise error("unknown-engine", f"{ENGINE_VARIABLE} is `{name}`, expected one of {', '.join(ENGINES)}")
    from openwafer.sim import make_engine

    return make_engine(image, load_machine(image.machine), engine=name, threads=threads)
