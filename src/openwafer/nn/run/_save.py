"""A program as a directory: the CSL, the tiles of its weights, and a host script for the SDK's runtime."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from openwafer.nn.run._device import buffer_dtype
from openwafer.nn.run._host import weight_tiles

if TYPE_CHECKING:
    from openwafer.nn.run._session import Session


def save(session: Session, directory: Path) -> None:
    """`layout.csl`, `pe.csl`, the kernels; `weights.npz` and `program.json` for `run.py`, which shows how a
    host drives the program."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in session.emitted.files.items():
        (directory / name).write_text(text, "utf-8")
    np.savez(directory / "weights.npz", **_weights(session))
    (directory / "program.json").write_bytes(msgspec.json.format(msgspec.json.encode(_description(session))))
    script = resources.files("openwafer.nn") / "host_script.py.txt"
    (directory / "run.py").write_text(script.read_text("utf-8"), "utf-8")


def _weights(session: Session) -> dict[str, Any]:
    """Tiles `[h, w, elements]` by exported symbol."""
    mesh = session.wafer.mesh
    return {
        symbol: weight_tiles(b, session.parameters, mesh)
        .astype(buffer_dtype(b), copy=False)
        .reshape(mesh.h, mesh.w, -1)
        for b, symbol in session.emitted.symbols.items()
        if b.kind in ("weight", "constant")
    }


def _description(session: Session) -> dict[str, Any]:
    w, h = session.wafer.shape
    symbols = session.emitted.symbols
    return {
        "arch": session.wafer.load().arch,
        "width": w,
        "height": h,
        "entries": {e.name: dict(e.arguments) for e in session.program.entries},
        "inputs": {s: b.size for b, s in symbols.items() if b.kind == "input"},
        "outputs": {s: b.size for b, s in symbols.items() if b.kind == "output"},
    }
