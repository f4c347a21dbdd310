"""The types of CSL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeGuard


class Type:
    """Base of all types. `str(t)` is its spelling in CSL."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Simple(Type):
    """A type without parts. `kind`: `comptime` types have values only at compile time; `id` types are
    16-bit identifiers; `dsd` and `dsr` are descriptors and the registers that hold them."""

    name: str
    kind: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class IntType(Type):
    bits: int
    signed: bool

    def __str__(self) -> str:
        return f"{'i' if self.signed else 'u'}{self.bits}"

    @property
    def low(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed and self.bits else 0

    @property
    def high(self) -> int:
        return (1 << (self.bits - (1 if self.signed else 0))) - 1 if self.bits else 0

    def wrap(self, value: int) -> int:
        """`value` modulo 2**bits, in range."""
        value &= (1 << self.bits) - 1
        return value - (1 << self.bits) if self.signed and value > self.high else value


@dataclass(frozen=True, slots=True)
class FloatType(Type):
    name: str
    bits: int

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class PtrType(Type):
    """`*T`, or `[*]T` when `many`."""

    element: Type
    many: bool
    const: bool

    def __str__(self) -> str:
        return f"{'[*]' if self.many else '*'}{'const ' if self.const else ''}{self.element}"


@dataclass(frozen=True, slots=True)
class ArrayType(Type):
    shape: tuple[int, ...]
    element: Type

    def __str__(self) -> str:
        return f"[{', '.join(map(str, self.shape))}]{self.element}"

    @property
    def count(self) -> int:
        n = 1
        for extent in self.shape:
            n *= extent
        return n


@dataclass(frozen=True, slots=True)
class StructType(Type):
    """Anonymous struct or tuple (field names `0`, `1`, …)."""

    fields: tuple[tuple[str, Type], ...]
    is_tuple: bool

    def __str__(self) -> str:
        if self.is_tuple:
            return f"{{{', '.join(str(t) for _, t in self.fields)}}}"
        return f"{{{', '.join(f'{n}: {t}' for n, t in self.fields)}}}"


@dataclass(frozen=True, slots=True)
class NamedStruct(Type):
    """`struct`/`union` written in a program; equal only to itself made with the same field types.

    `site` is the place of the definition."""

    name: str
    site: str
    fields: tuple[tuple[str, Type], ...]
    kind: str
    layout: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class EnumType(Type):
    name: str
    site: str
    tag: IntType
    members: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class FnType(Type):
    params: tuple[Type, ...]
    result: Type

    def __str__(self) -> str:
        return f"fn({', '.join(map(str, self.params))}){self.result}"


@dataclass(frozen=True, slots=True)
class RangeType(Type):
    element: Type

    def __str__(self) -> str:
        return f"range({self.element})"


COMPTIME_INT = Simple("comptime_int", "comptime")
COMPTIME_FLOAT = Simple("comptime_float", "comptime")
STRING = Simple("comptime_string", "comptime")
ANY_STRUCT = Simple("comptime_struct", "comptime")
TYPE = Simple("type", "comptime")
ANYTYPE = Simple("anytype", "comptime")
MODULE = Simple("imported_module", "comptime")
DIRECTION = Simple("direction", "id")
ANYOPAQUE = Simple("anyopaque", "comptime")
VOID = Simple("void", "comptime")
BOOL = Simple("bool", "scalar")
COLOR = Simple("color", "id")
LOCAL_TASK_ID = Simple("local_task_id", "id")
DATA_TASK_ID = Simple("data_task_id", "id")
CONTROL_TASK_ID = Simple("control_task_id", "id")
INPUT_QUEUE = Simple("input_queue", "id")
OUTPUT_QUEUE = Simple("output_queue", "id")
UT_ID = Simple("ut_id", "id")
MEM1D = Simple("mem1d_dsd", "dsd")
MEM4D = Simple("mem4d_dsd", "dsd")
CIRCBUF = Simple("circbuf_dsd", "dsd")
FABIN = Simple("fabin_dsd", "dsd")
FABOUT = Simple("fabout_dsd", "dsd")
FIFO = Simple("fifo", "dsd")
DSR_DEST = Simple("dsr_dest", "dsr")
DSR_SRC0 = Simple("dsr_src0", "dsr")
DSR_SRC1 = Simple("dsr_src1", "dsr")
DSR_FIFO_DEST = Simple("dsr_fifo_dest", "dsr")
DSR_FIFO_SRC1 = Simple("dsr_fifo_src1", "dsr")
XDSR = Simple("xdsr", "dsr")
SR = Simple("sr", "dsr")
F16 = FloatType("f16", 16)
F32 = FloatType("f32", 32)
BF16 = FloatType("bf16", 16)
CB16 = FloatType("cb16", 16)
U8, I8 = IntType(8, False), IntType(8, True)
U16, I16 = IntType(16, False), IntType(16, True)
U32, I32 = IntType(32, False), IntType(32, True)
I64 = IntType(64, True)

TASK_IDS = (LOCAL_TASK_ID, DATA_TASK_ID, CONTROL_TASK_ID)

NAMED_TYPES: dict[str, Type] = {
    str(t): t
    for t in (
        COMPTIME_INT, COMPTIME_FLOAT, STRING, ANY_STRUCT, TYPE, ANYTYPE, MODULE, DIRECTION, ANYOPAQUE, VOID,
        BOOL, COLOR,
        LOCAL_TASK_ID, DATA_TASK_ID, CONTROL_TASK_ID, INPUT_QUEUE, OUTPUT_QUEUE, UT_ID, MEM1D, MEM4D, CIRCBUF,
        FABIN, FABOUT, DSR_DEST, DSR_SRC0, DSR_SRC1, DSR_FIFO_DEST, DSR_FIFO_SRC1, XDSR, SR,
        F16, F32, BF16, CB16,
    )
}  # fmt: skip
"""Primitive types by name; `iN` and `uN` come on top (`named_type`)."""


def named_type(name: str) -> Type | None:
    """The primitive type called `name`, if there is one."""
    found = NAMED_TYPES.get(name)
    if found is not None:
        return found
    if len(name) > 1 and name[0] in "iu" and name[1:].isdecimal() and len(name) < 10:
        return IntType(int(name[1:]), name[0] == "i")
    return None


def is_number(t: Type) -> bool:
    return isinstance(t, (IntType, FloatType)) or t is COMPTIME_INT or t is COMPTIME_FLOAT


def is_integer(t: Type) -> bool:
    return isinstance(t, IntType) or t is COMPTIME_INT


def is_float(t: Type) -> bool:
    return isinstance(t, FloatType) or t is COMPTIME_FLOAT


def is_id(t: Type) -> bool:
    """Colors, queues, task and microthread ids, directions: integers under another name."""
    return isinstance(t, Simple) and t.kind == "id"


def is_dsd(t: Type) -> bool:
    return isinstance(t, Simple) and t.kind == "dsd"


def is_dsr(t: Type) -> bool:
    return isinstance(t, Simple) and t.kind == "dsr"


def is_comptime_only(t: Type) -> bool:
    """Whether values of the type cannot exist at run time."""
    if isinstance(t, Simple):
        return t.kind in ("comptime", "dsr") and t is not VOID
    if isinstance(t, (StructType, NamedStruct)):
        return any(is_comptime_only(f) for _, f in t.fields)
    if isinstance(t, ArrayType):
        return is_comptime_only(t.element)
    return isinstance(t, (FnType, RangeType))


def bit_width(t: Type) -> int | None:
    """Bits of a scalar or packed type; None for what cannot be a field of a packed struct."""
    match t:
        case IntType(bits=bits) | FloatType(bits=bits):
            return bits
        case EnumType():
            return t.tag.bits
        case PtrType():
            return 16
        case NamedStruct(layout="packed"):
            return backing_integer(t).bits
        case _:
            return 1 if t is BOOL else 16 if is_id(t) else None


def bit_offsets(t: NamedStruct) -> dict[str, int]:
    """Lowest bit of each field of a packed struct or union."""
    offsets: dict[str, int] = {}
    low = 0
    for name, field in t.fields:
        offsets[name] = low
        low += 0 if t.kind == "union" else bit_width(field) or 0
    return offsets


def backing_integer(t: NamedStruct) -> IntType:
    """The integer that a packed struct or union is."""
    widths = [bit_width(field) or 0 for _, field in t.fields]
    return IntType(max(widths, default=0) if t.kind == "union" else sum(widths), False)


def is_packed(t: Type) -> TypeGuard[NamedStruct]:
    return isinstance(t, NamedStruct) and t.layout == "packed"


def runtime_obstacle(t: Type) -> tuple[str, str] | None:
    """Why a value of the type cannot exist at run time, as diagnostic id and message; None if it can."""
    match t:
        case FloatType() if t is BF16 or t is CB16:
            return "not-supported-fp16", f"{t} at run time is not supported yet"
        case IntType(bits=bits) if bits > 64:
            return "not-supported-wide-integer", f"{t} at run time is not supported yet"
        case ArrayType(element=element):
            return runtime_obstacle(element)
        case NamedStruct() if is_packed(t):
            return runtime_obstacle(backing_integer(t))
        case StructType(fields=fields) | NamedStruct(fields=fields):
            return next(filter(None, (runtime_obstacle(f) for _, f in fields)), None)
        case _ if is_comptime_only(t) or t is VOID:
            return "not-runtime", f"a variable of type {t} cannot exist at run time"
        case _:
            return None


def tir_type(t: Type) -> str:
    """The typed-IR name of a scalar or DSD type that exists at run time."""
    match t:
        case IntType():
            return str(t)
        case FloatType():
            return t.name
        case PtrType():
            return "u16"
        case EnumType():
            return str(t.tag)
        case Simple(kind="id"):
            return "u16"
        case Simple(kind="dsd"):
            return "dsd"
        case Simple(name="bool"):
            return "bool"
        case Simple(name="void"):
            return "void"
        case _:
            raise ValueError(f"{t} has no run-time representation")


def size_of(t: Type) -> int:
    """Bytes in the memory of a PE. Scalars take 1, 2, 4 or 8 bytes, bool 2, a DSD 32; structs have no padding
    beyond the alignment of their fields."""
    match t:
        case IntType(bits=bits):
            return 1 if bits <= 8 else 2 if bits <= 16 else 4 if bits <= 32 else 8
        case FloatType(bits=bits):
            return bits // 8
        case ArrayType():
            return t.count * size_of(t.element)
        case EnumType():
            return size_of(t.tag)
        case NamedStruct(layout="packed"):
            return size_of(backing_integer(t))
        case StructType() | NamedStruct():
            return struct_layout(t)[1]
        case Simple(kind="dsd"):
            return 32
        case Simple(name="void"):
            return 0
        case _:
            return 2


def align_of(t: Type) -> int:
    """Natural alignment in bytes: 2 for everything wider than a byte."""
    match t:
        case ArrayType():
            return align_of(t.element)
        case IntType(bits=bits) if bits <= 8:
            return 1
        case IntType(bits=bits) if bits > 16:
            return 4
        case FloatType(bits=32):
            return 4
        case NamedStruct(layout="packed"):
            return align_of(backing_integer(t))
        case StructType() | NamedStruct():
            return max((align_of(f) for _, f in t.fields), default=1)
        case Simple(kind="dsd"):
            return 4
        case _:
            return 2


def struct_layout(t: StructType | NamedStruct) -> tuple[dict[str, int], int]:
    """Byte offset of each field, and the size; the fields of a union all lie at 0."""
    offsets: dict[str, int] = {}
    end = 0
    union = isinstance(t, NamedStruct) and t.kind == "union"
    for name, field in t.fields:
        align = align_of(field)
        start = 0 if union else -(-end // align) * align
        offsets[name] = start
        end = max(end, start + size_of(field))
    return offsets, -(-end // align_of(t)) * align_of(t)
