"""Compiling one PE program: from a file and its parameters to typed IR."""

from __future__ import annotations

from openwafer import tir
from openwafer.csl.builtins._registers import bind_teardown_handlers
from openwafer.csl.evaluate._call import compile_function
from openwafer.csl.evaluate._eval import Evaluator
from openwafer.csl.evaluate._names import check_params, global_place
from openwafer.csl.evaluate._unit import ProgramUnit
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.syntax._module import Module
from openwafer.csl.values._values import Value
from openwafer.diag import Span, error


def compile_program(
    unit: ProgramUnit, path: str, params: dict[str, Value], span: Span, cells: tuple[str, ...]
) -> tir.Program:
    """The program of file `path`. `cells` are the types of the parameter cells that `params` may read."""
    root = unit.module(path, None, params, span)
    check_params(root, span)
    _run_comptime_blocks(unit)
    ev = Evaluator(unit, root)
    while unit.pending:
        index, fn, fixed = unit.pending.pop(0)
        unit.functions[index] = compile_function(ev, fn, fixed)
        unit.function_spans[index] = fn.head
        _run_comptime_blocks(unit)
    bind_teardown_handlers(unit)
    _bind_data_tasks(unit)
    _open_channels(unit)
    _check_task_ids(unit)
    return _finish(unit, root, cells)


def _run_comptime_blocks(unit: ProgramUnit) -> None:
    """Runs the blocks of modules that have come in; imports at the top level are made first."""
    while unit.new_modules:
        module = unit.new_modules.pop(0)
        ev = Evaluator(unit, module)
        for decl in module.file.tree.declarations:
            if _is_import(decl):
                assert isinstance(decl, ast.VarDecl)
                global_place(ev, module, decl.name, decl.span)
        for decl in module.file.tree.declarations:
            if isinstance(decl, ast.VarDecl) and decl.storage == "export":
                global_place(ev, module, decl.name, decl.span)
            if isinstance(decl, ast.ComptimeBlock):
                Evaluator(unit, module).body((decl.body,))


def _is_import(decl: ast.Decl) -> bool:
    return (
        isinstance(decl, ast.VarDecl)
        and isinstance(decl.value, ast.Builtin)
        and decl.value.name == "import_module"
    )


def _bind_data_tasks(unit: ProgramUnit) -> None:
    """On WSE-2 a data task belongs to a color: gives the color an input queue where it has none."""
    for key, task in unit.tasks.items():
        if task.kind != "data":
            continue
        if unit.arch == "wse2":
            unit.queue_of("in", task.id, unit.task_spans[key])
        elif ("in", task.id) not in unit.queues:
            message = f"input queue {task.id} of a data task is not initialized"
            raise error(
                "queue-not-initialized", message, unit.task_spans[key], help="bind it with @initialize_queue"
            )


def _open_channels(unit: ProgramUnit) -> None:
    """Channels through which control tasks are started: those with a data task, and those that were unblocked
    explicitly. The others are blocked. Source: “Control Tasks”, execution semantics."""
    if not any(task.kind == "control" for task in unit.tasks.values()):
        return
    bound = {task.id for task in unit.tasks.values() if task.kind != "control"}
    if unit.arch == "wse2":
        for color, span in unit.unblocked.items():
            if color not in bound and color < unit.machine.fabric.colors:
                unit.queue_of("in", color, span)
    for queue in unit.queues.values():
        channel = queue.color if unit.arch == "wse2" else queue.id
        if queue.direction == "in" and channel not in bound and channel not in unit.unblocked:
            unit.blocked.add(channel)


def _check_task_ids(unit: ProgramUnit) -> None:
    bound = {t.id for t in unit.tasks.values() if t.kind != "control"}
    for number, span in unit.used_task_ids:
        if number not in bound:
            raise error("task-not-bound", f"no task is bound to local task id {number}", span)


def _finish(unit: ProgramUnit, root: Module, cells: tuple[str, ...]) -> tir.Program:
    functions = [f for f in unit.functions if f is not None]
    _check_recursion(unit, functions)
    init: int | None = None
    if unit.init.has_code():
        init = len(functions)
        unit.init.emit(tir.Return(None))
        functions.append(unit.init.finish("<init>"))
    exports = tuple(unit.exports.values())
    return tir.Program(
        name=root.file.source.path,
        arch=unit.arch,
        functions=tuple(functions),
        symbols=tuple(unit.symbols),
        tasks=tuple(unit.tasks.values()),
        exports=exports,
        queues=(*unit.queues.values(), *unit.further_outputs.values()),
        params=cells,
        init=init,
        dsrs=tuple(unit.dsrs),
        blocked=tuple(sorted(unit.blocked)),
        activated=tuple(sorted(unit.activated)),
        colors=tuple(unit.colors.values()),
        locations=tuple(unit.locations) or ((root.file.source.path, 1),),
        fifos=tuple(unit.fifos),
        host_in=tuple(unit.host_in),
        host_out=tuple(unit.host_out),
        high=tuple(sorted(unit.high)),
        main_priority=unit.main_priority,
    )


def _check_recursion(unit: ProgramUnit, functions: list[tir.Function]) -> None:
    """CSL has no recursion: frames are static."""
    calls = [_callees(f.body) for f in functions]
    done: set[int] = set()

    def visit(index: int, path: tuple[int, ...]) -> None:
        if index in path:
            message = f"`{functions[index].name}` calls itself; CSL has no recursion"
            raise error("recursion", message, unit.function_spans.get(index))
        if index not in done:
            for callee in calls[index]:
                visit(callee, (*path, index))
            done.add(index)

    for index in range(len(functions)):
        visit(index, ())


def _callees(body: tuple[tir.Stmt, ...]) -> set[int]:
    found: set[int] = set()
    stack = list(body)
    while stack:
        match stack.pop():
            case tir.Call(function=function):
                found.add(function)
            case tir.If(then=then, otherwise=otherwise):
                stack += [*then, *otherwise]
            case tir.Loop(body=inner, step=step):
                stack += [*inner, *step]
            case tir.Block(body=inner):
                stack += inner
            case _:
                pass
    return found
