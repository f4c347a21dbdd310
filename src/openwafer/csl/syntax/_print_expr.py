"""Expressions and types to text: on one line if it fits (each node is tried once), else on several."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeAlias

from openwafer.csl.syntax import _ast as ast
from openwafer.csl.syntax._parse_expr import COMPARISON, PRECEDENCE

WIDTH = 100

_LOWEST = 0
_OPERAND = 1
_UNARY = 8
_SUFFIX = 9
_BITWISE = PRECEDENCE["&"], PRECEDENCE["<<"]

_OPEN_ENDED = (ast.IfExpr, ast.ComptimeExpr, ast.TensorAccess)
"""What reaches as far right as it can, and so needs parentheses as an operand."""

Item: TypeAlias = ast.Expr | ast.FieldInit | ast.StructField | ast.EnumMember | ast.FnParam
_Type: TypeAlias = ast.PtrType | ast.ArrayType | ast.FnType | ast.EnumType | ast.StructType


class _NotFlat(Exception):
    """The expression contains a block, and so takes several lines."""


class ExprPrinter(ABC):
    """`indent` is the nesting of the line that is being written; further lines carry their indentation."""

    def __init__(self) -> None:
        self.indent = 0
        self.on_one_line = False
        self._flat: dict[int, str | None] = {}

    @abstractmethod
    def block(self, block: ast.Block) -> str: ...

    @abstractmethod
    def switch(self, s: ast.Switch, *, statement: bool) -> str: ...

    # --- one line or several ---

    def newline(self) -> str:
        return "\n" + "  " * self.indent

    def fits(self, text: str, room: int) -> bool:
        return len(text) + 2 * self.indent <= room and "\n" not in text

    def flat(self, e: ast.Expr) -> str | None:
        """`e` on one line, or None where it has no such text."""
        before, self.on_one_line = self.on_one_line, True
        try:
            return self._memoized(e)
        except _NotFlat:
            return None
        finally:
            self.on_one_line = before

    def _memoized(self, e: ast.Expr) -> str:
        key = id(e)
        if key not in self._flat:
            self._flat[key] = None
            self._flat[key] = self._expr(e, WIDTH)
        text = self._flat[key]
        if text is None:
            raise _NotFlat
        return text

    def expr(self, e: ast.Expr, minimum: int = _LOWEST, room: int = WIDTH) -> str:
        """`e`, in parentheses if it binds less tightly than `minimum`; `room` is what the line has left."""
        if self.on_one_line:
            text = self._memoized(e)
        else:
            flat = self.flat(e)
            text = flat if flat is not None and self.fits(flat, room) else self._expr(e, room)
        return f"({text})" if _precedence(e) < minimum else text

    # --- lists ---

    def listed(self, items: Sequence[Item], brackets: str, *, comma: bool = True) -> str:
        """Items in brackets `"(_)"`: on one line, or one a line, then with a last comma if `comma`."""
        left, right = brackets.split("_")
        if not items:
            return left.strip() + right.strip()
        if self.on_one_line:
            return left + ", ".join(self.item(i) for i in items) + right
        left, right = left.rstrip(), right.lstrip()
        if len(items) == 1 and not comma:
            return left + self.item(items[0]) + right
        self.indent += 1
        separator = "," + self.newline()
        body = self.newline() + separator.join(self.item(i) for i in items) + ("," if comma else "")
        self.indent -= 1
        return left + body + self.newline() + right

    def item(self, node: Item) -> str:
        match node:
            case ast.FieldInit(name=name, value=value):
                return f".{name} = {self.expr(value, room=WIDTH - len(name) - 5)}"
            case ast.StructField(name=name, type=type_, default=default):
                return f"{name}: {self.expr(type_)}" + (f" = {self.expr(default)}" if default else "")
            case ast.EnumMember(name=name, value=value):
                return name + (f" = {self.expr(value)}" if value else "")
            case ast.FnParam(name=name, type=type_, comptime=comptime):
                return ("comptime " if comptime else "") + (f"{name}: " if name else "") + self.expr(type_)
            case _:
                return self.expr(node, room=WIDTH - 1)

    def call_args(self, args: Sequence[ast.Expr], room: int) -> str:
        """Arguments; when they need more lines, the last one alone takes them if it is a literal or block."""
        if not self.on_one_line and args and isinstance(args[-1], _HUGGED):
            head = [self.flat(a) for a in args[:-1]]
            texts = [text for text in head if text is not None]
            before = "".join(text + ", " for text in texts)
            if len(texts) == len(head) and self.fits(before, room - 3):
                return f"({before}{self.expr(args[-1], room=room - len(before) - 2)})"
        return self.listed(args, "(_)", comma=False)

    # --- expressions ---

    def _expr(self, e: ast.Expr, room: int) -> str:
        match e:
            case ast.IntLit() | ast.FloatLit():
                return e.text
            case ast.StringLit(value=value):
                return quoted(value)
            case ast.BoolLit(value=value):
                return "true" if value else "false"
            case ast.Ident(name=name):
                return name
            case ast.Builtin(name=name, args=args):
                return f"@{name}" + self.call_args(args, room - len(name) - 1)
            case ast.Call(callee=callee, args=args):
                text = self.expr(callee, _SUFFIX, room)
                return text + self.call_args(args, room - len(text))
            case ast.Field(base=base, name=name):
                return f"{self.expr(base, _SUFFIX, room - len(name) - 1)}.{name}"
            case ast.Deref(base=base):
                return f"{self.expr(base, _SUFFIX, room - 2)}.*"
            case ast.Index(base=base, indices=indices):
                return self.expr(base, _SUFFIX, room) + self.listed(indices, "[_]", comma=False)
            case ast.AddressOf(operand=operand):
                minimum = _SUFFIX if isinstance(operand, ast.AddressOf) else _UNARY
                return "&" + self.expr(operand, minimum, room - 1)
            case ast.Unary(op=op, operand=operand):
                return op + self.expr(operand, _UNARY, room - 1)
            case ast.Binary():
                return self._binary(e, room)
            case ast.StructLit(type=type_, fields=items) | ast.TupleLit(type=type_, elements=items):
                return self._literal_type(type_) + self.listed(items, "{ _ }")
            case ast.IfExpr():
                return self._if_expr(e, room)
            case ast.Switch() | ast.BlockExpr():
                return self._block_like(e)
            case ast.ComptimeExpr(operand=operand):
                return "comptime " + self.expr(operand, room=room - 9)
            case ast.TensorAccess():
                return self._tensor_access(e)
            case _:
                return self._type(e, room)

    def _block_like(self, e: ast.Switch | ast.BlockExpr) -> str:
        if isinstance(e, ast.BlockExpr) and not e.block.statements:
            return self.block(e.block)
        if self.on_one_line:
            raise _NotFlat
        return self.block(e.block) if isinstance(e, ast.BlockExpr) else self.switch(e, statement=False)

    def _binary(self, e: ast.Binary, room: int) -> str:
        level = PRECEDENCE[e.op]
        left = self.expr(e.left, _minimum(e, e.left, level + (level == COMPARISON)), room)
        right = self.expr(e.right, _minimum(e, e.right, level + 1), room)
        text = f"{left} {e.op} {right}"
        if self.on_one_line or self.fits(text, room):
            return text
        return f"{left} {e.op}{self.newline()}  {right}"

    def _if_expr(self, e: ast.IfExpr, room: int) -> str:
        text = f"if ({self.expr(e.condition)}) "
        minimum = _OPERAND if isinstance(e.then, _OPEN_ENDED) else _LOWEST
        text += self.expr(e.then, minimum, room - len(text))
        if e.otherwise is None:
            return text
        if self.on_one_line or "\n" in text:
            return f"{text} else {self.expr(e.otherwise, room=room)}"
        self.indent += 1
        text += f"{self.newline()}else {self.expr(e.otherwise, room=WIDTH - 7)}"
        self.indent -= 1
        return text

    def _tensor_access(self, e: ast.TensorAccess) -> str:
        extents = ", ".join(self.expr(x) for x in e.extents)
        indices = ", ".join(self.expr(x) for x in e.indices)
        base = self.expr(e.base, _SUFFIX)
        base = f"({base})" if _starts_with_typed_literal(e.base) else base
        return f"|{', '.join(e.variables)}|{{{extents}}} -> {base}[{indices}]"

    # --- types ---

    def _type(self, e: _Type, room: int) -> str:
        match e:
            case ast.PtrType(element=element, many=many, const=const):
                return ("[*]" if many else "*") + ("const " if const else "") + self.element(element)
            case ast.ArrayType(shape=shape, element=element):
                return self.listed(shape, "[_]", comma=False) + self.element(element)
            case ast.FnType(params=params, result=result, kind=kind):
                return f"{kind}{self.call_args(params, room)} {self.element(result)}"
            case ast.EnumType(tag=tag, members=members):
                return f"enum{f'({self.expr(tag)})' if tag else ''} {self.listed(members, '{ _ }')}"
            case ast.StructType(kind=kind, layout=layout, fields=fields):
                head = kind if layout == "auto" else f"{layout} {kind}"
                return f"{head} {self.listed(fields, '{ _ }')}"

    def element(self, e: ast.Expr) -> str:
        """A type where no operator and no `T{ … }` may stand: after `*`, `[n]`, `:`; before a body."""
        prefixed = isinstance(e, ast.PtrType | ast.ArrayType | ast.FnType)
        text = self.expr(e, _LOWEST if prefixed else _SUFFIX)
        return f"({text})" if _starts_with_typed_literal(e) else text

    def _literal_type(self, type_: ast.Expr | None) -> str:
        if type_ is None:
            return "."
        prefixed = isinstance(type_, ast.PtrType | ast.ArrayType)
        return self.expr(type_, _LOWEST if prefixed else _SUFFIX)


_HUGGED = (ast.StructLit, ast.TupleLit, ast.BlockExpr, ast.Switch)


def _precedence(e: ast.Expr) -> int:
    match e:
        case ast.Binary(op=op):
            return PRECEDENCE[op]
        case ast.Unary() | ast.AddressOf() | ast.PtrType() | ast.ArrayType() | ast.FnType():
            return _UNARY
        case ast.IntLit() | ast.FloatLit():
            return _UNARY
        case ast.IfExpr() | ast.ComptimeExpr() | ast.TensorAccess() | ast.Switch() | ast.BlockExpr():
            return _LOWEST
        case _:
            return _SUFFIX


def _minimum(parent: ast.Binary, e: ast.Expr, minimum: int) -> int:
    """With the parentheses that a reader needs too: around mixed bit operators, and around `and` in `or`."""
    mixed = PRECEDENCE[parent.op] in _BITWISE or parent.op == "or"
    if not mixed or not isinstance(e, ast.Binary) or e.op == parent.op:
        return minimum
    return _UNARY if parent.op != "or" or e.op == "and" else minimum


def _starts_with_typed_literal(e: ast.Expr) -> bool:
    while True:
        match e:
            case ast.Field(base=base) | ast.Deref(base=base) | ast.Index(base=base) | ast.Call(callee=base):
                e = base
            case ast.StructLit(type=type_) | ast.TupleLit(type=type_):
                return type_ is not None
            case _:
                return False


_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", '"': '\\"'}


def quoted(value: str) -> str:
    """A string literal with this value."""
    return '"' + "".join(_ESCAPES.get(c) or _escaped(c) for c in value) + '"'


def _escaped(c: str) -> str:
    if "\udc80" <= c <= "\udcff":
        return f"\\x{ord(c) - 0xDC00:02x}"
    return f"\\x{ord(c):02x}" if c < " " or c == "\x7f" else c
