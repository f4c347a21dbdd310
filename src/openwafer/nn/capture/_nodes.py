"""Nodes of the exported graph: names, places in the model, what depends on what."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import linecache
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from openwafer.nn.graph._graph import Origin

PYTORCH, OURS = (f"{folder}{os.sep}" for folder in (Path(torch.__file__).parent, Path(__file__).parents[1]))


def origin_of(node: Any) -> Origin:
    return Origin(module_path(node), source_line(node))


def needed_by(*last: Any) -> set[Any]:
    """These nodes, and those that they depend on."""
    needed, left = set(last), list(last)
    while left:
        new = set(left.pop().all_input_nodes) - needed
        needed |= new
        left += new
    return needed


def flat(x: Any) -> list[Any]:
    return [leaf for item in x for leaf in flat(item)] if isinstance(x, list | tuple) else [x]


def target_name(node: Any) -> str:
    return "output" if node.op == "output" else overload_name(node.target)


def overload_name(target: Any) -> str:
    return str(target).removeprefix("aten.")


def notes_of(node: Any) -> tuple[str, ...]:
    """The module and the line of the model, for a diagnostic."""
    origin = origin_of(node)
    notes = [f"in module `{origin.module}`"] if origin.module else []
    return (*notes, *([origin.line] if origin.line else []))


def module_path(node: Any) -> str:
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return stack[-1][0].removeprefix("L['self'].") if stack else ""


def source_line(node: Any) -> str:
    """`file:line: text` of the innermost frame outside PyTorch."""
    frames = re.findall(r'File "([^"]+)", line (\d+), in', node.meta.get("stack_trace") or "")
    return own_line([(file, int(line)) for file, line in frames])


def own_line(frames: Sequence[tuple[str, int]]) -> str:
    """`file:line: text` of the innermost of these that is the user's, else of PyTorch's."""
    frames = [f for f in frames if not f[0].startswith(("<", OURS))]
    theirs = [f for f in frames if not f[0].startswith(PYTORCH)] or frames
    if not theirs:
        return ""
    file, line = theirs[-1]
    return f"{file}:{line}: {linecache.getline(file, line).strip()}"
