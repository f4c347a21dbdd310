"""A PyTorch model to a graph of operators: `capture`.

`torch.export` gives ATen operators as the model calls them (nothing is decomposed); the table `ATEN` says
what each becomes.
"""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from openwafer.nn.capture._captured import Captured
from openwafer.nn.capture._export import export, text_of
from openwafer.nn.capture._functional import functional
from openwafer.nn.capture._memories import Memories
from openwafer.nn.capture._walk import Capture, Rules
from openwafer.nn.capture.aten._completed import completed
from openwafer.nn.capture.aten._convolution import flattened
from openwafer.nn.capture.aten._join import spread
from openwafer.nn.capture.aten._table import ATEN
from openwafer.nn.run._results import aliases

RULES = Rules(ATEN, completed, flattened, spread)


def capture(
    model: torch.nn.Module, args: tuple[Any, ...], *, moves_parts: bool = False, draws: bool = False
) -> Captured:
    """Captures `model(*args)`. Part of a layer's result is computed by part of its weight, or, with
    `moves_parts`, moved. Dropout needs `draws`: words that the host gives at each step.

    Diagnostics: capture-failed, missing-operator, unsupported-view, and the operators' own."""
    program = export(model, args)
    text, memories = text_of(program), Memories(program)
    places = aliases(program, memories)
    called = functional(program, memories, is_training=draws)
    return Capture(called, RULES, moves_parts=moves_parts, draws=draws).run(text, places)


def text_and_constants(
    model: torch.nn.Module, args: tuple[Any, ...]
) -> tuple[str, Mapping[str, torch.Tensor]]:
    """What `capture` would start from: the same text and constants give the same program."""
    program = export(model, args)
    stored = {**program.state_dict, **program.constants}
    return text_of(program), {n: x.detach() for n, x in stored.items() if isinstance(x, torch.Tensor)}
