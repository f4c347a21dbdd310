"""DSD operations, `@load_to_dsr` and what an operation's configuration says."""

from __future__ import annotations

from dataclasses import dataclass

from openwafer import tir
from openwafer.csl.builtins import _struct_fields as structs
from openwafer.csl.builtins._args import arity, flag, struct_fields
from openwafer.csl.builtins._dsd import priority_flag
from openwafer.csl.builtins._fifo import check_operands
from openwafer.csl.builtins._stride_registers import check_stride_registers
from openwafer.csl.builtins._tasks import ACTIVATABLE, BLOCKABLE, task_number
from openwafer.csl.evaluate._eval import Evaluator, builtin, emitting, program_unit
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _dsd_value as dsd
from openwafer.csl.values import _types as ty
from openwafer.csl.values._coerce import coerce
from openwafer.csl.values._values import Value
from openwafer.diag import Span, error
from openwafer.tir import DSD_OPS, ELEMENT_BYTES, DsdFlag, DsdOpSpec, DsdWord

DSR_FILES: dict[ty.Type, str] = {
    ty.DSR_DEST: "dest", ty.DSR_SRC0: "src0", ty.DSR_SRC1: "src1",
    ty.DSR_FIFO_DEST: "dest", ty.DSR_FIFO_SRC1: "src1",
}  # fmt: skip
SCALAR_OPS = ("fscaleh", "fscales", "fnormh", "fnorms")
ELEMENT_TYPES: dict[str, ty.Type] = {
    "u16": ty.U16,
    "i16": ty.I16,
    "u32": ty.U32,
    "f16": ty.F16,
    "f32": ty.F32,
}


@dataclass(frozen=True, slots=True)
class Config:
    """The last argument of a DSD operation."""

    is_async: bool = False
    activate: tir.Expr | None = None
    unblock: tir.Expr | None = None
    ut: tir.Expr | None = None
    index: tir.Expr | None = None
    priority: int | None = None
    """Flags of fabric operands, instead of their own priority (WSE-2; later it stands in the DSD itself)."""
    on_control: tir.ControlAction | None = None


@builtin(*DSD_OPS)
def _operation(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    op = DSD_OPS[node.name]
    builder = emitting(ev, node)
    wanted = 1 + op.sources + int(op.scalar)
    arity(node, wanted, wanted + 1)
    args: list[Value] = []
    for part in node.args[:wanted]:
        mark = ev.mark()
        value = ev.expr(part)
        args = [ev.keep_order(a, mark) for a in args]
        args.append(value)
    config = _config(ev, node, node.args[wanted]) if len(node.args) > wanted else Config()
    args = [_prioritized(a, config.priority) for a in args]
    operands = [
        _operand(ev, op, i, v, config.priority, node.args[i].span)
        for i, v in enumerate(args[: 1 + op.sources])
    ]
    scalar = _scalar_operand(ev, op, args[-1], node.args[wanted - 1].span) if op.scalar else None
    _check(ev, node, args, config)
    _check_control([a.type for a in args], config, node.span)
    widths = [ELEMENT_BYTES[t] for t in (op.dest, op.src0, op.src)]
    check_operands(ev, args[: 1 + op.sources], widths, [a.span for a in node.args])
    result = None if expected is ty.VOID else builder.slot("bool")
    src1 = operands[2] if op.sources == 2 else None
    builder.emit(
        tir.DsdOp(
            op.name,
            operands[0],
            operands[1],
            src1,
            scalar,
            config.is_async,
            config.activate,
            config.unblock,
            config.ut,
            config.index,
            result,
            None,
            ev.loc(node.span),
            config.on_control,
        )
    )
    if result is None:
        return Value(ty.VOID, ())
    return Value(ty.BOOL, ir=tir.Local("bool", result))


def _prioritized(value: Value, flags: int | None) -> Value:
    """A fabric operand with the priority of its operation."""
    if not flags or value.type not in (ty.FABIN, ty.FABOUT) or value.ir is None:
        return value
    old = dsd.get(value.ir, DsdWord.FLAGS)
    return Value(value.type, ir=dsd.replaced(value.ir, DsdWord.FLAGS, _or(old, flags)))


def _operand(
    ev: Evaluator, op: DsdOpSpec, position: int, value: Value, priority: int | None, span: Span
) -> tir.Operand:
    t = value.type
    if ty.is_dsd(t):
        allowed = t is not (ty.FABIN if position == 0 else ty.FABOUT) and t is not ty.CIRCBUF
        if not allowed:
            what = "a destination" if position == 0 else "a source"
            raise error("bad-operand", f"a {t} cannot be {what} of `@{op.name}`", span)
        width = (op.dest, op.src0, op.src)[position]
        is_memory = t in (ty.MEM1D, ty.MEM4D)
        return tir.Dsd(
            dsd.fitted(ev.runtime(value), ELEMENT_BYTES[width]) if is_memory else ev.runtime(value)
        )
    if ty.is_dsr(t):
        return tir.Dsr(_dsr(ev, value, position, op, span), priority)
    if position == 0:
        if isinstance(t, ty.PtrType) and ty.is_number(t.element):
            if ty.size_of(t.element) != ELEMENT_BYTES[op.dest]:
                raise error("type-mismatch", f"`@{op.name}` writes a {op.dest}, found {t}", span)
            return tir.Pointer(ev.runtime(value, span))
        raise error(
            "bad-operand", f"the destination of `@{op.name}` is a DSD, a DSR or a pointer, found {t}", span
        )
    element = op.src0 if position == 1 else op.src
    return tir.Scalar(_scalar(ev, op, value, element, span))


def _dsr(ev: Evaluator, value: Value, position: int, op: DsdOpSpec, span: Span) -> int:
    file = DSR_FILES.get(value.type)
    allowed = ("dest", "src0") if position == 0 else ("src0", "src1")
    if file is None or file not in allowed:
        what = "a destination" if position == 0 else "a source"
        raise error("bad-operand", f"a {value.type} cannot be {what} of `@{op.name}`", span)
    return ev.program.dsr(file, int(ev.decide(value, span)))


def _scalar(ev: Evaluator, op: DsdOpSpec, value: Value, element: str, span: Span) -> tir.Expr:
    """A scalar source. Integer operations and moves take any number of their width, as bits."""
    t = value.type
    target = ELEMENT_TYPES[element]
    if t == target:
        return ev.runtime(value)
    typeless = op.name.startswith(("mov", "fmov")) or element in ("u16", "i16", "u32")
    scalar = isinstance(t, (ty.IntType, ty.FloatType, ty.EnumType)) or ty.is_id(t)
    if typeless and scalar and ty.size_of(t) == ELEMENT_BYTES[element]:
        ir = ev.runtime(value)
        return ir if ir.type == element else tir.Bitcast(element, ir)
    if t is ty.COMPTIME_INT and isinstance(target, ty.IntType) and value.is_known and value.known < 0:
        return tir.Const(element, target.wrap(int(ev.decide(value, span))))
    return ev.runtime(coerce(ev, value, target, span))


def _scalar_operand(ev: Evaluator, op: DsdOpSpec, value: Value, span: Span) -> tir.Expr:
    if ty.is_dsd(value.type) or ty.is_dsr(value.type):
        raise error("bad-operand", f"the last operand of `@{op.name}` is a scalar, found {value.type}", span)
    return _scalar(ev, op, value, "i16" if op.name.startswith("fscale") else op.src, span)


def _check(ev: Evaluator, node: ast.Builtin, args: list[Value], config: Config) -> None:
    types = [a.type for a in args]
    fabric = any(t in (ty.FABIN, ty.FABOUT) or ty.is_dsr(t) for t in types)
    if config.is_async and not fabric:
        raise error("async-without-fabric", "an asynchronous operation needs a fabric operand", node.span)
    _check_microthread(node, config, any(map(ty.is_dsr, types)))
    has_vector = any(ty.is_dsd(t) or ty.is_dsr(t) for t in types)
    is_scalar = node.name in SCALAR_OPS or isinstance(types[0], ty.PtrType)
    if not has_vector and not is_scalar:
        raise error("bad-operand", f"`@{node.name}` needs a DSD operand", node.span)
    if ev.unit.arch == "wse3" and types.count(ty.FABIN) > 1:
        raise error("two-fabric-inputs", "an operation has at most one fabric input on wse3", node.span)


def _check_microthread(node: ast.Builtin, config: Config, has_dsr: bool) -> None:
    """What says how a microthread runs needs one: an operation that is asynchronous, or may be by a DSR."""
    if config.is_async or has_dsr:
        return
    name = "ut_id" if config.ut is not None else "priority" if config.priority is not None else None
    if name is not None:
        message = f"`.{name}` needs an asynchronous operation"
        raise error("option-not-async", message, node.span, help="add `.async = true`")


def _check_control(types: list[ty.Type], config: Config, span: Span) -> None:
    """`.on_control` ends an asynchronous operation that reads from the fabric."""
    has_dsr = any(map(ty.is_dsr, types))
    if config.on_control is None or has_dsr:
        return
    if not config.is_async:
        raise error("on-control-not-async", "`.on_control` needs an asynchronous operation", span)
    if ty.FABIN not in types:
        raise error("on-control-without-input", "`.on_control` needs a fabric input operand", span)


def _config(ev: Evaluator, node: ast.Builtin, arg: ast.Expr) -> Config:
    fields = struct_fields(ev, arg, structs.OPERATION)
    _check_actions(fields, arg)
    index = fields.get("index")
    return Config(
        flag(ev, fields, "async", arg),
        _task(ev, fields, "activate", ACTIVATABLE, arg),
        _task(ev, fields, "unblock", BLOCKABLE[ev.unit.arch], arg),
        _microthread(ev, fields, arg),
        None if index is None else dsd.as_word(ev.runtime(coerce(ev, index, ty.U16, arg.span))),
        priority_flag(ev, fields["priority"], node) if "priority" in fields else None,
        _on_control(ev, fields["on_control"], arg) if "on_control" in fields else None,
    )


def _check_actions(fields: dict[str, Value], arg: ast.Expr) -> None:
    if "activate" in fields and "unblock" in fields:
        message = "at most one of `.activate` and `.unblock` may be given"
        raise error("activate-and-unblock", message, arg.span)


def _on_control(ev: Evaluator, value: Value, arg: ast.Expr) -> tir.ControlAction | None:
    """`.{ .terminate = true }`, `.{ .activate = id }` or `.{ .unblock = id }`; None for `.terminate =
    false`."""
    fields = structs.ON_CONTROL.of(value, ev.unit.arch, arg.span)
    if len(fields) != 1:
        names = ", ".join(structs.ON_CONTROL.fields)
        raise error("bad-option", f"`.on_control` is one of {names}, found {len(fields)}", arg.span)
    if "terminate" in fields:
        return tir.ControlAction(None, None) if flag(ev, fields, "terminate", arg) else None
    activate = _task(ev, fields, "activate", ACTIVATABLE, arg)
    return tir.ControlAction(activate, _task(ev, fields, "unblock", BLOCKABLE[ev.unit.arch], arg))


def _task(
    ev: Evaluator, fields: dict[str, Value], name: str, allowed: tuple[ty.Type, ...], arg: ast.Expr
) -> tir.Expr | None:
    value = fields.get(name)
    return None if value is None else task_number(ev, arg, value, allowed)


def _microthread(ev: Evaluator, fields: dict[str, Value], arg: ast.Expr) -> tir.Expr | None:
    value = fields.get("ut_id")
    if value is None:
        return None
    if value.type is not ty.UT_ID:
        raise error("type-mismatch", f"`.ut_id` must be a ut_id, found {value.type}", arg.span)
    return ev.runtime(value)


# --- loading DSRs ------------------------------------------------------------------------


@builtin("load_to_dsr")
def _load_to_dsr(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2, 3)
    return _load(ev, node, 0, 1, 2, (ty.MEM1D, ty.FABIN, ty.FABOUT))


@builtin("load_to_dsr_xdsr")
def _load_to_dsr_xdsr(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 3, 4)
    _register(ev, node.args[1], ty.XDSR)
    return _load(ev, node, 0, 2, 3, (ty.CIRCBUF,))


@builtin("load_to_dsr_xdsr_sr")
def _load_to_dsr_xdsr_sr(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 4, 5)
    _register(ev, node.args[1], ty.XDSR)
    registers = structs.elements_of(ev.expr(node.args[2]), "the stride registers", node.args[2].span)
    for value in registers:
        _check_register(value, ty.SR, node.args[2].span)
    return _load(ev, node, 0, 3, 4, (ty.MEM4D,), len(registers))


def _register(ev: Evaluator, node: ast.Expr, wanted: ty.Type) -> None:
    _check_register(ev.expr(node), wanted, node.span)


def _check_register(value: Value, wanted: ty.Type, span: Span) -> None:
    if value.type is not wanted:
        raise error("type-mismatch", f"expected an {wanted}, found {value.type}", span)


def _load(
    ev: Evaluator,
    node: ast.Builtin,
    dsr_at: int,
    dsd_at: int,
    config_at: int,
    allowed: tuple[ty.Type, ...],
    stride_registers: int | None = None,
) -> Value:
    unit = program_unit(ev, node)
    dsr = ev.expr(node.args[dsr_at])
    file = DSR_FILES.get(dsr.type)
    if file is None:
        raise error("type-mismatch", f"expected a DSR, found {dsr.type}", node.args[dsr_at].span)
    if dsr.type in (ty.DSR_FIFO_DEST, ty.DSR_FIFO_SRC1):
        raise error("bad-operand", f"`@{node.name}` cannot load a {dsr.type}", node.args[dsr_at].span)
    value = ev.expr(node.args[dsd_at])
    if value.type not in allowed:
        names = " or ".join(map(str, allowed))
        raise error(
            "type-mismatch", f"`@{node.name}` loads a {names}, found {value.type}", node.args[dsd_at].span
        )
    if (value.type is ty.FABIN and file == "dest") or (value.type is ty.FABOUT and file != "dest"):
        raise error(
            "bad-operand", f"a {value.type} cannot be loaded into a {dsr.type}", node.args[dsd_at].span
        )
    record = ev.runtime(value)
    if stride_registers is not None:
        check_stride_registers(record, stride_registers, node.args[2].span)
    if len(node.args) > config_at:
        is_fabric = value.type in (ty.FABIN, ty.FABOUT)
        record = _with_config(ev, node, node.args[config_at], record, is_fabric)
    index = unit.dsr(file, int(ev.decide(dsr, node.span)))
    return _emit_or_init(ev, tir.LoadDsr(index, record, ev.loc(node.span)))


def _emit_or_init(ev: Evaluator, statement: tir.Stmt) -> Value:
    """At run time where it stands, in a comptime block before the program begins."""
    if ev.is_emitting():
        ev.emit(statement)
    else:
        ev.program.init.emit(statement)
    return Value(ty.VOID, ())


@builtin("set_dsr_base_addr", "set_dsr_length")
def _set_dsr(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    """Changes a DSR in place: the address of its first element, or its number of elements."""
    arity(node, 2)
    unit = program_unit(ev, node)
    dsr, arg = ev.expr(node.args[0]), node.args[1]
    file = DSR_FILES.get(dsr.type)
    if file is None:
        raise error("type-mismatch", f"expected a DSR, found {dsr.type}", node.args[0].span)
    value = ev.expr(arg)
    if node.name == "set_dsr_length":
        word, ir = DsdWord.EXTENT0, ev.runtime(coerce(ev, value, ty.U16, arg.span))
    elif isinstance(value.type, ty.PtrType):
        word, ir = DsdWord.BASE, ev.runtime(value, arg.span)
    else:
        raise error("type-mismatch", f"expected a pointer, found {value.type}", arg.span)
    index = unit.dsr(file, int(ev.decide(dsr, node.span)))
    return _emit_or_init(ev, tir.SetDsr(index, word, ir, ev.loc(node.span)))


def _with_config(
    ev: Evaluator, node: ast.Builtin, arg: ast.Expr, record: tir.Expr, is_fabric: bool
) -> tir.Expr:
    fields = struct_fields(ev, arg, structs.LOAD_FABRIC if is_fabric else structs.LOAD_MEMORY)
    flags = 0
    for name, bit in (
        ("async", DsdFlag.ASYNC),
        ("save_address", DsdFlag.SAVE_ADDRESS),
        ("single_step", DsdFlag.SINGLE_STEP),
    ):
        if flag(ev, fields, name, arg):
            flags |= bit
    if "priority" in fields:
        flags |= priority_flag(ev, fields["priority"], node)
    if flags:
        old = dsd.get(record, DsdWord.FLAGS)
        record = dsd.replaced(record, DsdWord.FLAGS, _or(old, flags))
    actions, microthread = _actions(ev, fields, arg), _microthread(ev, fields, arg)
    if actions is not None:
        record = dsd.replaced(record, DsdWord.ACTIONS, actions)
    if microthread is not None:
        record = dsd.replaced(record, DsdWord.MICROTHREAD, _added(microthread, tir.Const("u16", 1)))
    return record


def _or(old: tir.Expr, flags: int) -> tir.Expr:
    if isinstance(old, tir.Const):
        return tir.Const("u16", int(old.value) | flags)
    return tir.Binary("or", "u16", old, tir.Const("u16", flags))


def _actions(ev: Evaluator, fields: dict[str, Value], arg: ast.Expr) -> tir.Expr | None:
    """`ACTIONS` word: activate id + 1 in the low byte, unblock id + 1 in the high byte."""
    _check_actions(fields, arg)
    activate = _task(ev, fields, "activate", ACTIVATABLE, arg)
    unblock = _task(ev, fields, "unblock", BLOCKABLE[ev.unit.arch], arg)
    one = tir.Const("u16", 1)
    if activate is not None:
        return _added(activate, one)
    if unblock is not None:
        return tir.Binary("shl", "u16", _added(unblock, one), tir.Const("u16", 8))
    return None


def _added(a: tir.Expr, b: tir.Const) -> tir.Expr:
    if isinstance(a, tir.Const):
        return tir.Const("u16", int(a.value) + int(b.value))
    return tir.Binary("add", "u16", a, b)
