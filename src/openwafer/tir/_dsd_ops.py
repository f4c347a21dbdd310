"""The DSD operations: one row a builtin. Source: “Builtins for DSD operations” of the SDK documentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OpClass = Literal["copy", "elementwise", "fma"]
ElementType = Literal["u16", "i16", "u32", "f16", "f32"]


@dataclass(frozen=True, slots=True)
class DsdOpSpec:
    """`number` identifies the operation in images and in machine code.

    `sources` counts DSD sources; `scalar` says whether a last scalar operand follows (fmac).
    `dest`, `src` and `acc` are element types: of the destination, of the sources, and of src0 where
    it differs from src1 (the mixed-precision operations read src0 as `acc`).
    """

    number: int
    name: str
    op_class: OpClass
    dest: ElementType
    src: ElementType
    sources: int
    scalar: bool = False
    acc: ElementType | None = None

    @property
    def src0(self) -> ElementType:
        return self.acc or self.src


def _table() -> dict[str, DsdOpSpec]:
    rows: list[tuple[str, OpClass, ElementType, ElementType, int]] = [
        ("mov16", "copy", "u16", "u16", 1),
        ("mov32", "copy", "u32", "u32", 1),
        ("fmovh", "copy", "f16", "f16", 1),
        ("fmovs", "copy", "f32", "f32", 1),
        ("add16", "elementwise", "u16", "u16", 2),
        ("addc16", "elementwise", "u16", "u16", 2),
        ("sub16", "elementwise", "u16", "u16", 2),
        ("and16", "elementwise", "u16", "u16", 2),
        ("or16", "elementwise", "u16", "u16", 2),
        ("xor16", "elementwise", "u16", "u16", 2),
        ("sar16", "elementwise", "i16", "i16", 2),
        ("sll16", "elementwise", "u16", "u16", 2),
        ("slr16", "elementwise", "u16", "u16", 2),
        ("clz", "copy", "u16", "u16", 1),
        ("ctz", "copy", "u16", "u16", 1),
        ("popcnt", "copy", "u16", "u16", 1),
        ("faddh", "elementwise", "f16", "f16", 2),
        ("fadds", "elementwise", "f32", "f32", 2),
        ("fsubh", "elementwise", "f16", "f16", 2),
        ("fsubs", "elementwise", "f32", "f32", 2),
        ("fmulh", "elementwise", "f16", "f16", 2),
        ("fmuls", "elementwise", "f32", "f32", 2),
        ("fmaxh", "elementwise", "f16", "f16", 2),
        ("fmaxs", "elementwise", "f32", "f32", 2),
        ("fabsh", "copy", "f16", "f16", 1),
        ("fabss", "copy", "f32", "f32", 1),
        ("fnegh", "copy", "f16", "f16", 1),
        ("fnegs", "copy", "f32", "f32", 1),
        ("fnormh", "copy", "f16", "f16", 1),
        ("fnorms", "copy", "f32", "f32", 1),
        ("fh2s", "copy", "f32", "f16", 1),
        ("fs2h", "copy", "f16", "f32", 1),
        ("fh2xp16", "copy", "i16", "f16", 1),
        ("fs2xp16", "copy", "i16", "f32", 1),
        ("xp162fh", "copy", "f16", "i16", 1),
        ("xp162fs", "copy", "f32", "i16", 1),
    ]
    ops = [DsdOpSpec(n, name, cls, dest, src, count) for n, (name, cls, dest, src, count) in enumerate(rows)]
    n = len(ops)
    ops += [
        DsdOpSpec(n, "faddhs", "elementwise", "f32", "f16", 2, acc="f32"),
        DsdOpSpec(n + 1, "fmach", "fma", "f16", "f16", 2, scalar=True),
        DsdOpSpec(n + 2, "fmacs", "fma", "f32", "f32", 2, scalar=True),
        DsdOpSpec(n + 3, "fmachs", "fma", "f32", "f16", 2, scalar=True, acc="f32"),
        DsdOpSpec(n + 4, "fscaleh", "elementwise", "f16", "f16", 1, scalar=True),
        DsdOpSpec(n + 5, "fscales", "elementwise", "f32", "f32", 1, scalar=True),
    ]
    return {op.name: op for op in ops}


DSD_OPS: dict[str, DsdOpSpec] = _table()
DSD_OPS_BY_NUMBER: tuple[DsdOpSpec, ...] = tuple(sorted(DSD_OPS.values(), key=lambda op: op.number))
ELEMENT_BYTES: dict[str, int] = {"u16": 2, "i16": 2, "f16": 2, "u32": 4, "f32": 4}
