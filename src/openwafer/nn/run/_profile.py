"""Cycles by phase, from time stamps on every PE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from openwafer.nn.program._program import Collective, Entry, Instruction, Program
from openwafer.nn.run._device import SimulatedDevice

By = Literal["module", "kind"]
"""What a phase is: a module of the model, forward or backward, or a kind of work."""

ALL_REDUCES = "all-reduces"
KINDS: dict[str, tuple[str, ...]] = {
    "linear layers": ("linear", "mix_tokens"),
    "attention": ("sdpa", "rope"),
    "norms": ("rms_norm", "layer_norm"),
    "loss": ("cross_entropy", "token_cross_entropy", "mse_loss", "counted", "scale_tokens"),
    "optimizer": ("sgd", "adamw"),
    "embedding": ("embedding",),
    "softmax": ("softmax", "log_softmax"),
    "moves": ("move", "copy_features", "take_tokens", "put_tokens", "last_token"),
}
"""Operators, with what stands behind an underscore, by the kind of their work; all others are elementwise."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Cycles of one phase over all PEs; a PE that waits for others counts the wait."""

    name: str
    least: int
    mean: float
    most: int


def phases(device: SimulatedDevice, names: Sequence[str]) -> list[Phase]:
    """Of the last launch; those of the same name apart."""
    spans = np.diff(device.stamps(len(names) + 1), axis=2)
    return [_phase(name, spans[..., i]) for i, name in enumerate(names)]


def sums(device: SimulatedDevice, names: Sequence[str]) -> list[Phase]:
    """Of the last launch; those of the same name added up, those with most cycles first."""
    spans = np.diff(device.stamps(len(names) + 1), axis=2)
    places = {name: [i for i, other in enumerate(names) if other == name] for name in names}
    found = [_phase(name, spans[..., at].sum(axis=2)) for name, at in places.items()]
    return sorted(found, key=lambda phase: -phase.mean)


def _phase(name: str, cycles: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Phase:
    """Of `[h, w]` cycles."""
    return Phase(name, int(cycles.min()), float(cycles.mean()), int(cycles.max()))


def by_kind(program: Program) -> Program:
    """The program with a phase for each stretch of instructions of one kind: all-reduces, and by operator."""
    entries = tuple(
        Entry(entry.name, tuple(map(_of_kind, entry.instructions)), entry.arguments)
        for entry in program.entries
    )
    return replace(program, entries=entries)


def _of_kind(instruction: Instruction) -> Instruction:
    is_sum = isinstance(instruction, Collective)
    return replace(instruction, phase=ALL_REDUCES if is_sum else kind_of(instruction.operator))


def kind_of(operator: str) -> str:
    """The kind of work of an operator."""
    for kind, names in KINDS.items():
        if any(operator == name or operator.startswith(f"{name}_") for name in names):
            return kind
    return "elementwise"
