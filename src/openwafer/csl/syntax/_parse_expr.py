"""Expressions and types: Pratt for the binary operators, recursive descent for the rest.

The grammar is that of Zig: `if`, `comptime` and `|i|{N} -> a[i]` reach as far right as they can; types are
expressions; `T{ … }` is a literal of type `T` except where `{` starts a function body."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, cast

from openwafer.csl.syntax import _ast as ast
from openwafer.csl.syntax._lexer import Token
from openwafer.csl.syntax._literals import LiteralError, char_value, number_value, string_value
from openwafer.csl.syntax._parse_base import Cursor
from openwafer.diag import Diagnostic, Span

PRECEDENCE: dict[str, int] = {
    "or": 1, "and": 2,
    "==": 3, "!=": 3, "<": 3, ">": 3, "<=": 3, ">=": 3,
    "&": 4, "|": 4, "^": 4,
    "<<": 5, ">>": 5,
    "+": 6, "-": 6,
    "*": 7, "/": 7, "%": 7,
}  # fmt: skip
COMPARISON = 3

_TYPE_NODES = (
    ast.Ident, ast.Field, ast.Call, ast.Builtin, ast.Index, ast.Deref,
    ast.PtrType, ast.ArrayType, ast.StructType,
)  # fmt: skip


class ExprParser(Cursor, ABC):
    """Expressions; blocks and switches come from the statement parser."""

    @abstractmethod
    def block(self, label: Token | None = None) -> ast.Block: ...

    @abstractmethod
    def switch(self, *, statement: bool) -> ast.Switch: ...

    def expr(self, minimum: int = 1) -> ast.Expr:
        """An expression whose operators bind at least as tightly as `minimum`."""
        start, depth = self.token.start, self.depth
        self.deepen()
        left = self.unary()
        while (precedence := PRECEDENCE.get(self.kind, 0)) >= minimum:
            self.deepen()
            op = self.advance()
            right = self.expr(precedence + 1)
            left = ast.Binary(cast(ast.BinaryOp, op.kind), left, right, span=self.span(start))
            if precedence == COMPARISON and PRECEDENCE.get(self.kind) == COMPARISON:
                self._fail_chained(op)
        self.depth = depth
        return left

    def _fail_chained(self, first: Token) -> None:
        message = f"`{self.token.text}` after `{first.text}`: comparisons do not chain"
        self.fail("syntax-chained-comparison", message, self.span_of(self.token), help="join them with `and`")

    def unary(self) -> ast.Expr:
        """An operand with its prefix operators, and with the fields of `T{ … }`."""
        kind, start = self.kind, self.token.start
        if kind in ("-", "!", "~", "&"):
            self.deepen()
            self.advance()
            operand = self.unary()
            self.depth -= 1
            span = self.span(start)
            return ast.AddressOf(operand, span=span) if kind == "&" else ast.Unary(kind, operand, span=span)
        operand = self.type()
        while self.kind == "{" and isinstance(operand, _TYPE_NODES):
            operand = self.suffixes(self.literal_body(operand, start), start)
        return operand

    # --- types, and all that a suffix may follow ---

    def type(self) -> ast.Expr:
        """A type or operand without prefix operators and without a following `{ … }`."""
        kind, start = self.kind, self.token.start
        if kind == "*":
            return self._pointer(start, many=False)
        if kind == "[":
            return self._pointer(start, many=True) if self.peek().kind == "*" else self._array(start)
        if kind in ("fn", "task"):
            return self._fn_type(start)
        if kind == "ident":
            return self.suffixes(self._ident(), start)
        primary = _PRIMARIES.get(kind)
        if primary is None:
            self.fail_expected("an expression")
        return self.suffixes(primary(self), start)

    def _element(self) -> ast.Expr:
        self.deepen()
        element = self.type()
        self.depth -= 1
        return element

    def _pointer(self, start: int, *, many: bool) -> ast.Expr:
        self.advance()
        if many:
            self.advance()
            self.expect("]", "after `[*`")
        const = self.accept("const")
        element = self._element()
        return ast.PtrType(element, many, const, span=self.span(start))

    def _array(self, start: int) -> ast.Expr:
        shape = self.listed(self.expr, "]", "after the array's dimensions")
        if not shape:
            self.fail("syntax-expected-token", "expected the number of elements in `[]`", self.span(start))
        element = self._element()
        return ast.ArrayType(shape, element, span=self.span(start))

    def _fn_type(self, start: int) -> ast.Expr:
        kind = self.advance().kind
        if self.kind != "(":
            self.fail_expected(f"`(` after `{kind}` in a type")
        params = self.listed(self._fn_type_param, ")", "after the parameter types")
        result = self._element()
        return ast.FnType(params, result, cast(Literal["fn", "task"], kind), span=self.span(start))

    def _fn_type_param(self) -> ast.Expr:
        if self.kind == "ident" and self.peek().kind == ":":
            self.advance()
            self.advance()
        return self.expr()

    def suffixes(self, base: ast.Expr, start: int) -> ast.Expr:
        """`base` with `.name`, `.*`, `[i, j]` and `(args)` after it."""
        depth = self.depth
        while self.kind in (".", ".*", "[", "("):
            self.deepen()
            base = self._suffix(base, start)
        self.depth = depth
        return base

    def _suffix(self, base: ast.Expr, start: int) -> ast.Expr:
        match self.kind:
            case "(":
                args = self.listed(self.expr, ")", "after the arguments")
                return ast.Call(base, args, span=self.span(start))
            case "[":
                indices = self.listed(self.expr, "]", "after the index")
                if not indices:
                    self.fail("syntax-expected-token", "expected an index in `[]`", self.span(start))
                return ast.Index(base, indices, span=self.span(start))
            case ".*":
                self.advance()
                return ast.Deref(base, span=self.span(start))
            case _:
                self.advance()
                name = self.expect_name("a field name after `.`")
                return ast.Field(base, name, span=self.span(start))

    # --- primaries ---

    def _ident(self) -> ast.Expr:
        token, following = self.token, self.peek().kind
        if following == ":" and self.peek(2).kind == "{":
            return self._labelled_block()
        if token.text == "packed" and following in ("struct", "union"):
            return self.struct_type()
        if token.text == "asm" and (following == "(" or self.peek().text == "volatile"):
            self.fail("syntax-unsupported", "inline assembly is not supported", self.span_of(token))
        self.advance()
        return ast.Ident(token.text, span=self.span_of(token))

    def _labelled_block(self) -> ast.Expr:
        label = self.advance()
        self.advance()
        block = self.block(label)
        return ast.BlockExpr(block, span=block.span)

    def block_expr(self) -> ast.Expr:
        if self.peek().kind == "." and self.peek(2).kind == "ident" and self.peek(3).kind == "=":
            self.fail_expected("`.` before the `{` of a struct literal", help="write `.{`")
        block = self.block()
        return ast.BlockExpr(block, span=block.span)

    def number(self) -> ast.Expr:
        token = self.advance()
        span = self.span_of(token)
        try:
            value = number_value(token.text)
        except LiteralError as problem:
            self._report_literal(problem, token)
            value = 0
        if isinstance(value, float):
            return ast.FloatLit(value, token.text, span=span)
        return ast.IntLit(value, token.text, span=span)

    def char(self) -> ast.Expr:
        token = self.advance()
        value = 0
        try:
            value = char_value(token.text)
        except LiteralError as problem:
            self._report_literal(problem, token)
        return ast.IntLit(value, token.text, span=self.span_of(token))

    def string(self) -> ast.StringLit:
        token = self.advance()
        value = ""
        try:
            value = string_value(token.text)
        except LiteralError as problem:
            self._report_literal(problem, token)
        return ast.StringLit(value, span=self.span_of(token))

    def _report_literal(self, problem: LiteralError, token: Token) -> None:
        span = Span(self.source, token.start + problem.start, token.start + problem.end)
        self.report(Diagnostic(problem.id, problem.message, span))

    def boolean(self) -> ast.Expr:
        token = self.advance()
        return ast.BoolLit(token.kind == "true", span=self.span_of(token))

    def parenthesized(self) -> ast.Expr:
        opener = self.advance()
        inner = self.expr()
        self.expect_close(")", opener, "after the expression")
        return inner

    def builtin(self) -> ast.Expr:
        token = self.advance()
        if self.kind != "(":
            self.fail_expected(f"`(` after `{token.text}`")
        args = self.listed(self.expr, ")", "after the arguments")
        return ast.Builtin(token.text[1:], args, span=self.span(token.start))

    def if_expr(self) -> ast.Expr:
        start = self.advance().start
        condition = self.condition("if")
        then = self.expr()
        otherwise = self.expr() if self.accept("else") else None
        return ast.IfExpr(condition, then, otherwise, span=self.span(start))

    def condition(self, keyword: str) -> ast.Expr:
        """`(expr)` after `if`, `while` or `switch`."""
        if self.kind != "(":
            self.fail_expected(f"`(` after `{keyword}`")
        self.deepen()
        condition = self.parenthesized()
        self.depth -= 1
        return condition

    def switch_expr(self) -> ast.Expr:
        return self.switch(statement=False)

    def comptime_expr(self) -> ast.Expr:
        start = self.advance().start
        operand = self.expr()
        return ast.ComptimeExpr(operand, span=self.span(start))

    # --- literals of structs and arrays ---

    def dot_literal(self) -> ast.Expr:
        start = self.advance().start
        if self.kind != "{":
            self.fail_expected("`{` after `.`")
        return self.literal_body(None, start)

    def literal_body(self, type: ast.Expr | None, start: int) -> ast.Expr:
        """`{ .a = 1 }` or `{ 1, 2 }`; the empty one is a tuple."""
        if self.peek().kind == "." and self.peek(2).kind == "ident" and self.peek(3).kind == "=":
            fields = self.listed(self._field_init, "}", "after the struct literal")
            return ast.StructLit(type, fields, span=self.span(start))
        elements = self.listed(self.expr, "}", "after the literal")
        return ast.TupleLit(type, elements, span=self.span(start))

    def _field_init(self) -> ast.FieldInit:
        start = self.token.start
        self.expect(".", "before a field name")
        name = self.expect_name("a field name after `.`")
        self.expect("=", f"after field `{name}`")
        value = self.expr()
        return ast.FieldInit(name, value, span=self.span(start))

    # --- tensor access ---

    def tensor_access(self) -> ast.Expr:
        start = self.token.start
        variables = self.listed(self._variable_name, "|", "after the induction variables")
        if not variables:
            self.fail("syntax-tensor-access", "expected an induction variable between `|`", self.span(start))
        if not self.at("{"):
            self.fail_expected("`{` before the extents of a tensor access")
        extents = self.listed(self.expr, "}", "after the extents")
        self.expect("->", "after the extents of a tensor access")
        access = self.type()
        if not isinstance(access, ast.Index):
            message = "expected an indexed array such as `a[i]` after `->`"
            self.fail("syntax-tensor-access", message, access.span)
        return ast.TensorAccess(variables, extents, access.base, access.indices, span=self.span(start))

    def _variable_name(self) -> str:
        return self.expect_name("a variable name")

    # --- enum, struct, union ---

    def enum_type(self) -> ast.Expr:
        start = self.advance().start
        tag = self.parenthesized() if self.kind == "(" else None
        if self.kind != "{":
            self.fail_expected("`{` after `enum`")
        members = self.listed(self._enum_member, "}", "after the members of the enum")
        return ast.EnumType(tag, members, span=self.span(start))

    def _enum_member(self) -> ast.EnumMember:
        start = self.token.start
        name = self.expect_name("a member name")
        value = self.expr() if self.accept("=") else None
        return ast.EnumMember(name, value, span=self.span(start))

    def struct_type(self) -> ast.Expr:
        start, layout = self.token.start, "auto"
        if not self.at("struct", "union"):
            layout = self.advance().text
        if not self.at("struct", "union"):
            self.fail_expected(f"`struct` or `union` after `{layout}`")
        kind = self.advance().text
        if not self.at("{"):
            self.fail_expected(f"`{{` after `{kind}`")
        fields = self.listed(self._struct_field, "}", f"after the fields of the {kind}")
        return ast.StructType(
            cast(Literal["struct", "union"], kind),
            cast(Literal["auto", "extern", "packed"], layout),
            fields,
            span=self.span(start),
        )

    def _struct_field(self) -> ast.StructField:
        start = self.token.start
        name = self.expect_name("a field name")
        self.expect(":", f"after field `{name}`")
        type = self.expr()
        default = self.expr() if self.accept("=") else None
        return ast.StructField(name, type, default, span=self.span(start))


_PRIMARIES = {
    "number": ExprParser.number,
    "char": ExprParser.char,
    "string": ExprParser.string,
    "true": ExprParser.boolean,
    "false": ExprParser.boolean,
    "(": ExprParser.parenthesized,
    "{": ExprParser.block_expr,
    "builtin": ExprParser.builtin,
    ".": ExprParser.dot_literal,
    "|": ExprParser.tensor_access,
    "if": ExprParser.if_expr,
    "switch": ExprParser.switch_expr,
    "comptime": ExprParser.comptime_expr,
    "enum": ExprParser.enum_type,
    "struct": ExprParser.struct_type,
    "union": ExprParser.struct_type,
    "extern": ExprParser.struct_type,
}
