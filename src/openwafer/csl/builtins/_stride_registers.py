"""How many stride registers a mem4d_dsd needs when it is loaded into DSRs."""

from __future__ import annotations

from collections.abc import Sequence

from openwafer import tir
from openwafer.diag import Span, error
from openwafer.tir import DsdWord

SHAPE = tuple(DsdWord(word) for word in range(DsdWord.EXTENT0, DsdWord.STRIDE3 + 1))


def check_stride_registers(record: tir.Expr, given: int, span: Span) -> None:
    """One for each dimension but the first, nor for the second if the first has stride 1; three for a DSD
    that is not known. Source: `@load_to_dsr_xdsr_sr` in “Data Structure Registers”."""
    least, most = _stride_registers(record)
    if not least <= given <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        message = f"found {given} stride registers, this mem4d_dsd needs {wanted}"
        raise error("wrong-stride-registers", message, span)


def _stride_registers(record: tir.Expr) -> tuple[int, int]:
    """The fewest and the most that a DSD takes: it is open whether an extent of 1 counts as a dimension."""
    if not isinstance(record, tir.DsdMake) or not all(isinstance(record.words[w], tir.Const) for w in SHAPE):
        return len(SHAPE) // 2 - 1, len(SHAPE) // 2 - 1
    extents, strides = (_constants(record, words) for words in (SHAPE[:4], SHAPE[4:]))
    least = max((i for i in range(4) if extents[i] != 1), default=0)
    most = max((i for i in range(4) if extents[i] != 1 or strides[i] != 0), default=0)
    step = record.words[DsdWord.ELEMENT_BYTES]
    spared = isinstance(step, tir.Const) and strides[0] == step.value
    return max(least - spared, 0), max(most - spared, 0)


def _constants(record: tir.DsdMake, words: Sequence[DsdWord]) -> list[int]:
    return [int(word.value) for w in words if isinstance(word := record.words[w], tir.Const)]
