"""The picture of a hang: the PEs that wait on each other, and the links on which wavelets stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openwafer.diag import json_text, not_written, write_report
from openwafer.report._templates import render

CELL, GAP = 64, 22
"""Side of a PE and the room between two, in pixels."""
PORTS = {"WEST": (-1, 0), "EAST": (1, 0), "NORTH": (0, -1), "SOUTH": (0, 1), "RAMP": (0, 0)}
LETTER = 8
"""Pixels of a letter, about."""
MOST_PES = 32
"""PEs a side that a picture shows at most."""


@dataclass(frozen=True, slots=True)
class _Window:
    """The PEs that are shown: `x`, `y` is the first."""

    x: int
    y: int
    w: int
    h: int

    def has(self, x: int, y: int) -> bool:
        return self.x <= x < self.x + self.w and self.y <= y < self.y + self.h

    def corner(self, x: int, y: int) -> tuple[int, int]:
        """The top left pixel of a PE."""
        step = CELL + GAP
        return GAP + (x - self.x) * step, GAP + (y - self.y) * step


def write_hang(data: Mapping[str, Any], directory: Path) -> tuple[Path, Path]:
    """Writes `hang.json` and `hang.svg`; their paths. Diagnostics: report-not-written."""
    paths = directory / "hang.json", directory / "hang.svg"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise not_written(directory, reason) from reason
    write_report(paths[0], json_text(data, indent=2))
    write_report(paths[1], hang_svg(data))
    return paths


def hang_svg(data: Mapping[str, Any]) -> str:
    """SVG of a report as JSON (`data` of the diagnostics deadlock, livelock, …): numbers are those of the
    chain, arrows are input ports at which wavelets stand, red where the queue is full."""
    window = _window(data)
    chain = data["chain"]
    width, height = window.corner(window.x + window.w, window.y + window.h)
    texts = [data["message"], *(f"{link['text']}{link['line'] or ''}" for link in chain)]
    return render(
        "hang.svg",
        width=max(width, LETTER * max(map(len, texts)) + 2 * GAP),
        height=height + 24 * (len(chain) + 2),
        top=height,
        cell=CELL,
        pes=_pes(window, chain),
        links=[_link(window, b) for b in data["blocked"] if window.has(*b["pe"])],
        chain=chain,
        message=data["message"],
        cycle=data["cycle"],
    )


def _window(data: Mapping[str, Any]) -> _Window:
    """All PEs that take part and their neighbours; of too many, those near the first of the chain."""
    places = [link["pe"] for link in data["chain"] if link["pe"]] or [b["pe"] for b in data["blocked"]]
    places += [b["pe"] for b in data["blocked"]]
    places = places or [[0, 0]]
    center = places[0]
    near = [p for p in places if all(abs(a - b) < MOST_PES // 2 for a, b in zip(p, center, strict=True))]
    left, right = min(p[0] for p in near) - 1, max(p[0] for p in near) + 1
    up, down = min(p[1] for p in near) - 1, max(p[1] for p in near) + 1
    x, y = max(left, 0), max(up, 0)
    return _Window(x, y, min(right, data["width"] - 1) - x + 1, min(down, data["height"] - 1) - y + 1)


def _pes(window: _Window, chain: list[dict[str, Any]]) -> list[dict[str, Any]]:
    numbers: dict[tuple[int, int], list[int]] = {}
    for number, link in enumerate(chain, 1):
        if link["pe"]:
            numbers.setdefault(tuple(link["pe"]), []).append(number)
    out: list[dict[str, Any]] = []
    for y in range(window.y, window.y + window.h):
        for x in range(window.x, window.x + window.w):
            left, top = window.corner(x, y)
            out.append(
                {"x": x, "y": y, "left": left, "top": top, "numbers": _ranges(numbers.get((x, y), []))}
            )
    return out


def _ranges(numbers: list[int]) -> list[str]:
    """1 2 3 5 as 1–3 5."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and runs[-1][-1] == n - 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return [str(r[0]) if len(r) == 1 else f"{r[0]}–{r[-1]}" for r in runs]


def _link(window: _Window, blocked: dict[str, Any]) -> dict[str, Any]:
    """An arrow into the port of a PE; wavelets of the PE's own ramp are a dot in it."""
    x, y = blocked["pe"]
    left, top = window.corner(x, y)
    dx, dy = PORTS[blocked["port"]]
    half = CELL // 2
    end = left + half + dx * half, top + half + dy * half
    wavelets = f"{blocked['wavelets']} wavelets of color {blocked['color']}"
    return {
        "x1": end[0] + dx * GAP, "y1": end[1] + dy * GAP, "x2": end[0], "y2": end[1],
        "is_ramp": (dx, dy) == (0, 0), "is_full": blocked["full"], "color": blocked["color"],
        "text": f"PE ({x}, {y}), port {blocked['port']}: {wavelets}",
    }  # fmt: skip
