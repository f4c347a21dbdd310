"""The evaluator: runs what is known at compile time and emits typed IR for the rest.

One class for both, because CSL decides expression by expression which it is. In a `comptime` context
(`builder` is None or `comptime` is set) statements are executed; otherwise they are emitted into `builder`.
The rules for each kind of node stand in `_eval_*.py`, in tables filled by decorators.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from openwafer import tir
from openwafer.csl.evaluate._unit import Guard, LayoutUnit, ProgramUnit, Unit
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.syntax._module import Module
from openwafer.csl.values import _types as ty
from openwafer.csl.values._builder import FnBuilder
from openwafer.csl.values._values import Place, Ref, Static, Value, ValuePlace
from openwafer.diag import Span, error

MAX_CALL_DEPTH = 100
MAX_STEPS = 400_000
"""Statements executed at compile time; in a layout, between one placed thing (code, route) and the next."""
ELEMENTS_A_STEP = 64
MAX_ELEMENTS = 1 << 22


class Signal:
    """How control leaves a statement: `return`, `break`, `continue`, or `never` (run time: does not fall
    through)."""

    __slots__ = ("kind", "label", "span", "value")

    def __init__(
        self,
        kind: Literal["return", "break", "continue", "never"],
        label: str | None = None,
        value: Value | None = None,
        span: Span | None = None,
    ) -> None:
        self.kind = kind
        self.label = label
        self.value = value
        self.span = span


NEVER = Signal("never")


class Scope:
    """Names of one block; looked up from the inside out."""

    __slots__ = ("names", "parent")

    def __init__(self, parent: Scope | None = None) -> None:
        self.names: dict[str, Place] = {}
        self.parent = parent

    def find(self, name: str) -> Place | None:
        scope: Scope | None = self
        while scope is not None:
            found = scope.names.get(name)
            if found is not None:
                return found
            scope = scope.parent
        return None


class Target:
    """Where a labelled block or a loop sends `break` and `continue` at run time.

    Of a block that gives a value, `type` is what its user expects, `result` where the value is put, and
    `depth` how
    deep its own statements lie under conditions."""

    __slots__ = ("break_label", "continue_label", "depth", "name", "result", "type", "used")

    def __init__(self, name: str | None, break_label: int, continue_label: int | None) -> None:
        self.name = name
        self.break_label = break_label
        self.continue_label = continue_label
        self.result: Place | None = None
        self.type: ty.Type | None = None
        self.depth = -1
        self.used = False


class InlineReturn:
    """Where `return` goes while a function is evaluated in its caller's code."""

    __slots__ = ("depth", "label", "result", "type", "used")

    def __init__(self, label: int, type: ty.Type, depth: int) -> None:
        self.label = label
        self.type = type
        self.depth = depth
        self.result: Place | None = None
        self.used = False


ExprRule = Callable[["Evaluator", Any, "ty.Type | None"], Value]
StmtRule = Callable[["Evaluator", Any], "Signal | None"]
BuiltinRule = Callable[["Evaluator", ast.Builtin, "ty.Type | None"], Value]
EXPR_RULES: dict[type, ExprRule] = {}
STMT_RULES: dict[type, StmtRule] = {}
BUILTINS: dict[str, BuiltinRule] = {}
R = TypeVar("R", bound=Callable[..., Any])


def expr_rule(*nodes: type) -> Callable[[R], R]:
    """Registers how expressions of these node classes are evaluated."""

    def register(rule: R) -> R:
        EXPR_RULES.update(dict.fromkeys(nodes, rule))
        return rule

    return register


def stmt_rule(*nodes: type) -> Callable[[R], R]:
    """Registers how statements of these node classes are executed or emitted."""

    def register(rule: R) -> R:
        STMT_RULES.update(dict.fromkeys(nodes, rule))
        return rule

    return register


def builtin(*names: str) -> Callable[[R], R]:
    """Registers a builtin under its names, without the `@`."""

    def register(rule: R) -> R:
        BUILTINS.update(dict.fromkeys(names, rule))
        return rule

    return register


class Evaluator:
    """Evaluates code of one module: a comptime context, or one function under construction."""

    def __init__(self, unit: Unit, module: Module, builder: FnBuilder | None = None) -> None:
        self.unit = unit
        self.module = module
        self.builder = builder
        self.comptime = builder is None
        self.scope = Scope()
        self.targets: list[Target] = []
        self.depth = 0
        self.return_type: ty.Type = ty.VOID
        self.inline_return: InlineReturn | None = None
        self.addressed: frozenset[str] = frozenset()

    # --- dispatch ----------------------------------------------------------

    def expr(self, node: ast.Expr, expected: ty.Type | None = None) -> Value:
        """The value of an expression; `expected` is a hint for literals without a type."""
        return EXPR_RULES[node.__class__](self, node, expected)

    def stmt(self, node: ast.Stmt) -> Signal | None:
        """Executes or emits a statement; None when control goes on behind it."""
        self._mark(node)
        return STMT_RULES[node.__class__](self, node)

    def _mark(self, node: ast.Stmt) -> None:
        """Says in the code under construction which line begins."""
        if self.is_emitting():
            self.code.mark(self.loc(node.span))

    def statements(self, nodes: tuple[ast.Stmt, ...]) -> Signal | None:
        self.unit.steps += len(nodes)
        for node in nodes:
            signal = self.stmt(node)
            if signal is not None:
                return signal
        return None

    def body(self, nodes: tuple[ast.Stmt, ...]) -> Signal | None:
        """Statements of a whole function or block at compile time; `break` and `continue` must not leave
        them."""
        signal = self.statements(nodes)
        if signal is not None and signal.kind in ("break", "continue"):
            if signal.label is not None:
                raise error("unknown-label", f"no block or loop is labelled `{signal.label}`", signal.span)
            raise error("outside-loop", f"`{signal.kind}` outside of a loop", signal.span)
        return signal

    # --- contexts ----------------------------------------------------------

    @contextmanager
    def new_scope(self) -> Generator[Scope]:
        outer = self.scope
        self.scope = Scope(outer)
        try:
            yield self.scope
        finally:
            self.scope = outer

    @contextmanager
    def at_comptime(self) -> Generator[None]:
        outer, self.comptime = self.comptime, True
        try:
            yield
        finally:
            self.comptime = outer

    @contextmanager
    def branch(self) -> Generator[list[tir.Stmt]]:
        """Statements that run under a condition or repeatedly."""
        self.depth += 1
        try:
            with self.code.nested() as block:
                yield block
        finally:
            self.depth -= 1

    @property
    def code(self) -> FnBuilder:
        assert self.builder is not None
        return self.builder

    @property
    def program(self) -> ProgramUnit:
        assert isinstance(self.unit, ProgramUnit)
        return self.unit

    def emit(self, statement: tir.Stmt) -> None:
        self.code.emit(statement)

    def loc(self, span: Span) -> int:
        return self.program.loc(span)

    def step(self, span: Span) -> None:
        """Counts one iteration or call; raises when too much has been executed at compile time."""
        unit = self.unit
        unit.steps += 1
        if unit.steps > MAX_STEPS:
            raise error("comptime-limit", f"more than {MAX_STEPS:,} statements at compile time", span)

    def step_elements(self, count: int) -> None:
        """Counts work on many elements at once."""
        self.unit.steps += count // ELEMENTS_A_STEP

    # --- known and unknown --------------------------------------------------

    def decide(self, value: Value, span: Span | None = None, what: str = "value") -> Any:
        """The known value, to decide something on; records a guard if it differs between PEs."""
        if value.known.__class__ is dict or value.ir is None:
            if not value.is_known:
                raise error(
                    "not-comptime", f"{what} of type {value.type} must be known at compile time", span
                )
            return value.known
        if not value.is_known:
            raise error("not-comptime", f"{what} of type {value.type} must be known at compile time", span)
        self.unit.guards.append(Guard(value.ir, value.known))
        return value.known

    def require_range(self, value: Value, target: ty.IntType) -> None:
        """Guards that a value that differs between PEs fits into `target` on each of them."""
        ir = value.ir
        assert ir is not None
        low = tir.Binary("ge", "bool", ir, tir.Const(ir.type, target.low))
        high = tir.Binary("le", "bool", ir, tir.Const(ir.type, target.high))
        if ir.type == "i64":
            self.unit.guards.append(Guard(tir.Binary("and", "bool", low, high), True))
        else:
            self.unit.guards.append(Guard(ir, value.known))

    def runtime(self, value: Value, span: Span | None = None) -> tir.Expr:
        """IR that computes the value: a scalar, a pointer, a DSD, or the address of an array."""
        if value.ir is not None:
            return value.ir
        return self.constant(value, span)

    def constant(self, value: Value, span: Span | None = None) -> tir.Expr:
        t, known = value.type, value.known
        if isinstance(t, ty.ArrayType) and isinstance(known, list):
            static = self.materialize(value, "const")
            return tir.Addr(static.symbol)
        if isinstance(known, Ref):
            if isinstance(known.base, Static):
                return tir.Addr(known.base.symbol, known.offset)
            raise error("not-runtime", "pointer to a variable that exists only at compile time", span)
        if t is ty.COMPTIME_INT and isinstance(known, int):
            return tir.Const("i64", known)
        if t is ty.COMPTIME_FLOAT:
            return tir.Const("f32", ty_round32(known))
        if isinstance(known, (int, float)) and not ty.is_comptime_only(t):
            if t is ty.BF16 or t is ty.CB16:
                raise error("not-supported-fp16", f"{t} at run time is not supported yet", span)
            return tir.Const(ty.tir_type(t), int(known) if not isinstance(known, float) else known)
        raise error("not-runtime", f"a value of type {t} exists only at compile time", span)

    def materialize(self, value: Value, name: str) -> Static:
        """A constant in the memory of the PE."""
        from openwafer.csl.values._memory import new_static

        static = new_static(self, name, value.type, const=True)
        static.constant = value
        init_static(self, static, value)
        return static

    def is_emitting(self) -> bool:
        """Whether run-time code is being made here."""
        return not self.comptime and self.builder is not None

    # --- common shorthands --------------------------------------------------

    def type_expr(self, node: ast.Expr) -> ty.Type:
        """The type that an expression in type position denotes."""
        value = self.expr(node)
        if not isinstance(value.known, ty.Type):
            raise error("not-a-type", f"expected a type, found {value.type}", node.span)
        return value.known

    def comptime_expr(self, node: ast.Expr, expected: ty.Type | None = None) -> Value:
        with self.at_comptime():
            return self.expr(node, expected)

    def integer(self, node: ast.Expr, what: str) -> int:
        """A known integer, to decide on."""
        value = self.comptime_expr(node)
        return self.known_integer(value, node.span, what)

    def known_integer(self, value: Value, span: Span, what: str) -> int:
        if not (ty.is_integer(value.type) or ty.is_id(value.type) or isinstance(value.type, ty.EnumType)):
            raise error("type-mismatch", f"{what} must be an integer, found {value.type}", span)
        return int(self.decide(value, span, what))

    def queue_color(self, value: Value, span: Span) -> tuple[int, tir.Expr | None]:
        """The color that a queue is bound to, and its cells: PEs that differ in it only share their code."""
        if value.type is not ty.COLOR or not value.is_known or value.ir is None:
            return self.known_integer(value, span, "color"), None
        return int(value.known), value.ir

    def string(self, node: ast.Expr, what: str) -> str:
        value = self.comptime_expr(node)
        if value.type is not ty.STRING:
            raise error("type-mismatch", f"{what} must be a comptime_string, found {value.type}", node.span)
        return value.known

    def bind(self, name: str, value: Value) -> None:
        """A constant in the current scope."""
        self.scope.names[name] = ValuePlace(value.type, value)

    def mark(self) -> int:
        """Position in the code, for `keep_order`."""
        return len(self.builder.block) if self.builder is not None else 0

    def keep_order(self, value: Value, mark: int) -> Value:
        """`value`, evaluated at position `mark` if code has been emitted since that could change it."""
        builder = self.builder
        if builder is None or len(builder.block) == mark or value.ir is None or value.is_known:
            return value
        if isinstance(value.type, ty.ArrayType) or is_constant(value.ir):
            return value
        slot = builder.slot(value.ir.type)
        builder.block.insert(mark, tir.Set(slot, value.ir))
        return Value(value.type, ir=tir.Local(value.ir.type, slot))


def is_constant(ir: tir.Expr) -> bool:
    """Whether an expression gives the same at any time in a PE's life."""
    match ir:
        case tir.Const() | tir.Param() | tir.Coord() | tir.Addr():
            return True
        case tir.Local() | tir.Load():
            return False
        case tir.Unary(a=a) | tir.Cast(a=a) | tir.Bitcast(a=a):
            return is_constant(a)
        case tir.Binary(a=a, b=b):
            return is_constant(a) and is_constant(b)
        case tir.Select(cond=c, a=a, b=b):
            return is_constant(c) and is_constant(a) and is_constant(b)
        case tir.Intrinsic(args=args):
            return all(map(is_constant, args))
        case tir.DsdMake(words=words):
            return all(map(is_constant, words))
        case tir.DsdWith(base=base, value=value):
            return is_constant(base) and is_constant(value)
        case tir.DsdGet(base=base):
            return is_constant(base)


def ty_round32(value: float) -> float:
    from openwafer.csl.values._numbers import round_float

    return round_float(value, ty.F32)


def init_static(ev: Evaluator, static: Static, value: Value) -> None:
    from openwafer.csl.values._memory import initialize

    initialize(ev, static, value)


def layout_unit(ev: Evaluator, node: ast.Builtin) -> LayoutUnit:
    """The unit of a builtin that is only allowed while a layout is evaluated."""
    if not isinstance(ev.unit, LayoutUnit):
        raise error("wrong-context", f"`@{node.name}` is only allowed in a layout block", node.span)
    return ev.unit


def program_unit(ev: Evaluator, node: ast.Builtin) -> ProgramUnit:
    """The unit of a builtin that is only allowed in the code of a PE."""
    if not isinstance(ev.unit, ProgramUnit):
        raise error("wrong-context", f"`@{node.name}` is only allowed in the code of a PE", node.span)
    return ev.unit


def emitting(ev: Evaluator, node: ast.Builtin) -> FnBuilder:
    """The code under construction, for a builtin that only exists at run time."""
    program_unit(ev, node)
    if not ev.is_emitting():
        raise error("not-comptime", f"`@{node.name}` cannot be evaluated at compile time", node.span)
    return ev.code
