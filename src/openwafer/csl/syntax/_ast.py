"""The abstract syntax tree of CSL. Types are expressions; every node has a span that equality ignores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from openwafer.diag import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    span: Span = field(compare=False, repr=False)


# --- expressions -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IntLit(Node):
    """`10`, `0xff`, `0b01`, `1_000`, `'a'`; `text` is the spelling, kept for printing."""

    value: int
    text: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class FloatLit(Node):
    value: float
    text: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class StringLit(Node):
    """`value` is the string after escapes."""

    value: str


@dataclass(frozen=True, slots=True)
class BoolLit(Node):
    value: bool


@dataclass(frozen=True, slots=True)
class Ident(Node):
    """A name; also primitive types (`u16`, `mem1d_dsd`, `type`) and directions (`RAMP`)."""

    name: str


@dataclass(frozen=True, slots=True)
class Builtin(Node):
    """`@name(args)`; `name` without the `@`."""

    name: str
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Call(Node):
    callee: Expr
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Field(Node):
    """`base.name`."""

    base: Expr
    name: str


@dataclass(frozen=True, slots=True)
class Deref(Node):
    """`base.*`."""

    base: Expr


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`base[i, j]`."""

    base: Expr
    indices: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class AddressOf(Node):
    operand: Expr


UnaryOp: TypeAlias = Literal["-", "!", "~"]
BinaryOp: TypeAlias = Literal[
    "or", "and", "==", "!=", "<", ">", "<=", ">=", "|", "^", "&", "<<", ">>", "+", "-", "*", "/", "%"
]


@dataclass(frozen=True, slots=True)
class Unary(Node):
    op: UnaryOp
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary(Node):
    op: BinaryOp
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class FieldInit(Node):
    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class StructLit(Node):
    """`.{ .a = 1 }`, or `T{ .a = 1 }` when `type` is given."""

    type: Expr | None
    fields: tuple[FieldInit, ...]


@dataclass(frozen=True, slots=True)
class TupleLit(Node):
    """`.{ 1, 2 }` (also `.{}`), or `[3]i16{ 1, 2, 3 }` when `type` is given."""

    type: Expr | None
    elements: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class IfExpr(Node):
    condition: Expr
    then: Expr
    otherwise: Expr | None


@dataclass(frozen=True, slots=True)
class SwitchArm(Node):
    """`patterns => body`; no patterns is `else`; `capture` is the name in `=> |x| body`."""

    patterns: tuple[Expr, ...]
    body: Expr | Stmt
    capture: str | None = None


@dataclass(frozen=True, slots=True)
class Switch(Node):
    """As an expression or a statement."""

    subject: Expr
    arms: tuple[SwitchArm, ...]


@dataclass(frozen=True, slots=True)
class BlockExpr(Node):
    """A block used as a value: `label: { … break :label v; }`; `{}` is the void value."""

    block: Block


@dataclass(frozen=True, slots=True)
class ComptimeExpr(Node):
    operand: Expr


@dataclass(frozen=True, slots=True)
class TensorAccess(Node):
    """`|i, j|{M, N} -> base[i, j]`."""

    variables: tuple[str, ...]
    extents: tuple[Expr, ...]
    base: Expr
    indices: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class PtrType(Node):
    """`*T`, `*const T`, and with `many` `[*]T`, `[*]const T`."""

    element: Expr
    many: bool
    const: bool


@dataclass(frozen=True, slots=True)
class ArrayType(Node):
    """`[h, w]T`."""

    shape: tuple[Expr, ...]
    element: Expr


@dataclass(frozen=True, slots=True)
class FnType(Node):
    """`fn (T) R`, `task (T) void`."""

    params: tuple[Expr, ...]
    result: Expr
    kind: Literal["fn", "task"] = "fn"


@dataclass(frozen=True, slots=True)
class EnumMember(Node):
    name: str
    value: Expr | None


@dataclass(frozen=True, slots=True)
class EnumType(Node):
    tag: Expr | None
    members: tuple[EnumMember, ...]


@dataclass(frozen=True, slots=True)
class StructField(Node):
    name: str
    type: Expr
    default: Expr | None = None


@dataclass(frozen=True, slots=True)
class StructType(Node):
    """`struct { … }` or `union { … }`, with the layout qualifier."""

    kind: Literal["struct", "union"]
    layout: Literal["auto", "extern", "packed"]
    fields: tuple[StructField, ...]


Expr: TypeAlias = (
    IntLit | FloatLit | StringLit | BoolLit | Ident | Builtin | Call | Field | Deref | Index | AddressOf
    | Unary | Binary | StructLit | TupleLit | IfExpr | Switch | BlockExpr | ComptimeExpr | TensorAccess
    | PtrType | ArrayType | FnType | EnumType | StructType
)  # fmt: skip

# --- statements ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Block(Node):
    statements: tuple[Stmt, ...]
    label: str | None = None


@dataclass(frozen=True, slots=True)
class VarDecl(Node):
    """`const`/`var` at any level; `export`, `extern`, `linksection` and `linkname` only at the top level.

    `comptime` is set by `comptime var x` and `comptime const x`."""

    name: str
    const: bool
    type: Expr | None
    value: Expr | None
    align: Expr | None = None
    linksection: Expr | None = None
    storage: Literal["", "export", "extern"] = ""
    comptime: bool = False
    linkname: Expr | None = None


AssignOp: TypeAlias = Literal["=", "+=", "-=", "*=", "/=", "%=", "<<=", ">>=", "&=", "|=", "^="]


@dataclass(frozen=True, slots=True)
class Assign(Node):
    """`target op value`; `_ = e;` has the target `Ident("_")`."""

    op: AssignOp
    target: Expr
    value: Expr


@dataclass(frozen=True, slots=True)
class ExprStmt(Node):
    expr: Expr


@dataclass(frozen=True, slots=True)
class If(Node):
    condition: Expr
    then: Stmt
    otherwise: Stmt | None


@dataclass(frozen=True, slots=True)
class While(Node):
    """`label: while (condition) : (step) body`; `step` is an assignment or an expression statement."""

    condition: Expr
    step: Assign | ExprStmt | None
    body: Stmt
    label: str | None = None
    inline: bool = False


@dataclass(frozen=True, slots=True)
class For(Node):
    """`label: for (iterable[, start]) |x, i| body`; `start` is the first value of `i`, default 0.

    `by_pointer` is `|*x|`."""

    iterable: Expr
    start: Expr | None
    variables: tuple[str, ...]
    body: Stmt
    label: str | None = None
    inline: bool = False
    by_pointer: bool = False


@dataclass(frozen=True, slots=True)
class Return(Node):
    value: Expr | None


@dataclass(frozen=True, slots=True)
class Break(Node):
    label: str | None
    value: Expr | None


@dataclass(frozen=True, slots=True)
class Continue(Node):
    label: str | None


@dataclass(frozen=True, slots=True)
class ComptimeStmt(Node):
    """`comptime { … }` or `comptime statement` inside a function."""

    body: Stmt


Stmt: TypeAlias = (
    Block | VarDecl | Assign | ExprStmt | If | While | For | Switch | Return | Break | Continue | ComptimeStmt
)

# --- top level -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ParamDecl(Node):
    """`param name: T = default;`, both optional."""

    name: str
    type: Expr | None
    default: Expr | None


@dataclass(frozen=True, slots=True)
class FnParam(Node):
    """`[comptime] name: T`; `anytype` is `Ident("anytype")`; `extern fn` may leave the name out (`""`)."""

    name: str
    type: Expr
    comptime: bool = False


@dataclass(frozen=True, slots=True)
class FnDecl(Node):
    """`fn` or `task`; `body` is None for `extern fn`. `result` is None only where a task leaves it out."""

    kind: Literal["fn", "task"]
    name: str
    params: tuple[FnParam, ...]
    result: Expr | None
    body: Block | None
    storage: Literal["", "export", "extern"] = ""
    inline: bool = False
    linkname: Expr | None = None


@dataclass(frozen=True, slots=True)
class ComptimeBlock(Node):
    body: Block


@dataclass(frozen=True, slots=True)
class LayoutBlock(Node):
    body: Block


@dataclass(frozen=True, slots=True)
class ColorDecl(Node):
    """`color name[, name…];` of old programs."""

    names: tuple[str, ...]


Decl: TypeAlias = ParamDecl | VarDecl | FnDecl | ComptimeBlock | LayoutBlock | ColorDecl


@dataclass(frozen=True, slots=True)
class File(Node):
    declarations: tuple[Decl, ...]
