"""What a PE's main thread, operations and tasks wait for."""

from __future__ import annotations

from openwafer.sim._engine import Launch
from openwafer.sim.standstill._effects import Doer, Kind
from openwafer.sim.standstill._snapshot import RAMP, Operand, Operation, PeState
from openwafer.sim.standstill._waits import KINDS, Cause, Facts, Node, Wait, at, left_text, wavelets
from openwafer.tir import Program, Task

SYNCHRONOUS = 8
POSSIBLE = 45
"""Weight of a cause where some code could still help, but waits itself."""


def main(facts: Facts, node: Node) -> Wait:
    """A main thread that is not idle."""
    place = node.x, node.y
    pe = _pe(facts, node)
    name = f"`{pe.function}`" if pe.function else "a copy"
    if pe.main == "waiting":
        text = f"the main thread of {at(place)} runs {name} and waits for an operation"
        return Wait(text, _operation(pe, SYNCHRONOUS).loc, (Node("operation", *place, SYNCHRONOUS),))
    if pe.main == "trying" and pe.wanted is not None:
        text = (
            f"the main thread of {at(place)} runs {name} and cannot start an operation: "
            f"microthread {pe.wanted} is in use"
        )
        return Wait(text, pe.loc, (Node("microthread", *place, pe.wanted),))
    text = f"the main thread of {at(place)} runs {name}"
    loc = facts.effects(pe.program).running_at(pe.function, pe.loc) if pe.function else -1
    return Wait(text, loc, cause=Cause("under-way", f"{at(place)} is running {name}", 30))


def microthread(facts: Facts, node: Node) -> Wait:
    """A microthread that a second operation wants."""
    pe = _pe(facts, node)
    operation = _operation(pe, node.number)
    place = at((node.x, node.y))
    text = f"microthread {node.number} of {place} belongs to `{operation.name}`"
    message = (
        f"two operations on {place} want microthread {node.number}: the first is never done, "
        "the second keeps the main thread"
    )
    cause = Cause("microthread-in-use", message, 73, "give them different `.ut_id`s or queues", pe.loc)
    return Wait(text, operation.loc, (Node("operation", node.x, node.y, node.number),), cause)


def operation(facts: Facts, node: Node) -> Wait:
    """A DSD operation that makes no step."""
    place = node.x, node.y
    pe = _pe(facts, node)
    op = _operation(pe, node.number)
    where = f" in microthread {op.slot}" if op.slot != SYNCHRONOUS else ""
    text = f"`{op.name}`{where}{facts.function(pe, op.loc)} on {at(place)} {left_text(op)}"
    needs = [_need(pe, operand, op.step) for operand in op.operands]
    blocked = [need for need in needs if need is not None]
    causes = [need for _, need in blocked if isinstance(need, Cause)]
    what = " and ".join(what for what, _ in blocked)
    if causes:
        return Wait(f"{text} and waits for {what}", op.loc, cause=causes[0])
    if not blocked:
        return Wait(text, op.loc, cause=Cause("under-way", f"`{op.name}` on {at(place)} can go on", 10))
    nodes = tuple(need for _, need in blocked if isinstance(need, Node))
    return Wait(f"{text} and waits for {what}", op.loc, nodes)


def _need(pe: PeState, operand: Operand, step: int) -> tuple[str, Node | Cause] | None:
    """What an operand lacks, in words, and whom that asks."""
    number = operand.number
    match operand.kind:
        case "fabin":
            queue = pe.inputs.get(number)
            if queue is None:
                message = f"input queue {number} of {at((pe.x, pe.y))} is not bound to a color"
                cause = Cause("queue-not-bound", message, 95, "bind it with `@initialize_queue`")
                return f"a wavelet in input queue {number}", cause
            what = f"a wavelet in input queue {number}, color {queue.color}"
            return None if queue.count else (what, Node("wavelet", pe.x, pe.y, queue.color))
        case "fabout":
            what = f"room in output queue {number}, color {pe.outputs[number].color}"
            return (what, Node("full output", pe.x, pe.y, number)) if pe.outputs[number].is_full else None
        case "pop":
            what, node = f"an element in FIFO {number}", Node("fifo empty", pe.x, pe.y, number)
            return (what, node) if pe.fifos[number].count < step else None
        case "push":
            what, node = f"a place in FIFO {number}", Node("fifo full", pe.x, pe.y, number)
            return (what, node) if pe.fifos[number].elements - pe.fifos[number].count < step else None


def fifo(facts: Facts, node: Node) -> Wait:
    """A FIFO that nobody fills, or nobody empties."""
    is_full = node.kind == "fifo full"
    pe = _pe(facts, node)
    state = pe.fifos[node.number]
    name = _symbol_name(pe.program, node.number)
    how = "full" if is_full else "empty"
    text = (
        f"FIFO {node.number}{name} of {at((pe.x, pe.y))} is {how}: {state.count} of {state.elements} places"
    )
    kind: Kind = "pop" if is_full else "push"
    if nodes := _operations(pe, kind, node.number):
        return Wait(text, next=nodes)
    verb = "takes from" if is_full else "fills"
    id = "fifo-full" if is_full else "fifo-empty"
    doers = facts.effects(pe.program).doers(kind, node.number)
    if not doers:
        message = f"no code of {at((pe.x, pe.y))} {verb} FIFO {node.number}{name}, which is {how}"
        return Wait(text, cause=Cause(id, message, 92))
    message = (
        f"nothing that is under way {verb} FIFO {node.number}{name} of {at((pe.x, pe.y))}, which is {how}"
    )
    return _starters(facts, pe, doers, text, Cause(id, message, 80, loc=doers[0].effect.loc))


def _symbol_name(program: Program, fifo: int) -> str:
    name = program.symbols[program.fifos[fifo].symbol].name
    return f" (`{name}`)" if name else ""


def sender(facts: Facts, node: Node) -> Wait:
    """A PE from which wavelets of a color are to come."""
    place, color = (node.x, node.y), node.number
    pe = facts.pe(place)
    text = f"{at(place)} sends nothing on color {color}"
    if pe is None:
        return Wait(text, cause=Cause("nobody-sends", f"{at(place)} has no code and sends nothing", 90))
    queues = [id for id, queue in pe.outputs.items() if queue.color == color]
    if any(pe.outputs[id].count for id in queues):
        if color not in facts.snapshot.routers[place].routes:
            return Wait(text, cause=Cause("under-way", f"{at(place)} can send them on", 10))
        return Wait(text, next=(Node("channel", *place, color, RAMP),))
    if nodes := tuple(n for id in queues for n in _operations(pe, "fabout", id)):
        return Wait(text, next=nodes)
    doers = [doer for id in queues for doer in facts.effects(pe.program).doers("send", id)]
    if not doers:
        why = "" if queues else ", and no output queue of it is bound to it"
        message = f"no code of {at(place)} sends on color {color}{why}"
        return Wait(text, cause=Cause("nobody-sends", message, 90))
    message = f"what {at(place)} sends on color {color} has been sent, and more is wanted"
    return _starters(facts, pe, doers, text, Cause("sends-too-little", message, 70, loc=doers[0].effect.loc))


def full_input(facts: Facts, node: Node) -> Wait:
    """An input queue whose wavelets nobody takes."""
    place, id = (node.x, node.y), node.number
    pe = _pe(facts, node)
    queue = pe.inputs[id]
    text = f"input queue {id} of {at(place)}, color {queue.color}, holds {wavelets(queue.count)}"
    if nodes := _operations(pe, "fabin", id):
        return Wait(text, next=nodes)
    tasks = [t for t in pe.program.tasks if t.kind == "data" and _data_queue(pe, t) == id]
    if tasks:
        return Wait(text, next=(Node("task", *place, tasks[0].id, KINDS.index("data")),))
    doers = facts.effects(pe.program).doers("take", id)
    message = f"nothing on {at(place)} takes the wavelets of input queue {id}, color {queue.color}"
    if not doers:
        return Wait(text, cause=Cause("queue-not-drained", f"no code: {message}", 90))
    return _starters(facts, pe, doers, text, Cause("queue-not-drained", message, 75, loc=doers[0].effect.loc))


def _data_queue(pe: PeState, task: Task) -> int | None:
    """The input queue whose wavelets a data task gets."""
    if pe.program.arch != "wse2":
        return task.id if task.id in pe.inputs else None
    return min((id for id, queue in pe.inputs.items() if queue.color == task.id), default=None)


def task(facts: Facts, node: Node) -> Wait:
    """A task that does not run."""
    place, id = (node.x, node.y), node.number
    pe = _pe(facts, node)
    kind = KINDS[node.port]
    found = next(t for t in pe.program.tasks if t.kind == kind and t.id == id)
    function = pe.program.functions[found.function]
    text = f"task `{function.name}` (id {id}) of {at(place)}"
    if kind == "control":
        message = f"no control wavelet for task `{function.name}` comes to {at(place)}"
        return Wait(
            f"{text} waits for a control wavelet",
            function.loc,
            cause=Cause("no-control-wavelet", message, 60),
        )
    queue = _data_queue(pe, found) if kind == "data" else None
    is_due = id in pe.active if kind == "local" else queue is not None and pe.inputs[queue].count > 0
    if is_due and id in pe.blocked:
        return _blocked(facts, pe, id, f"{text} is blocked", function.loc, function.name)
    if is_due:
        return _due(pe, text, function.loc)
    if kind == "data":
        return _without_wavelets(pe, found, queue, text, function.loc)
    return _inactive(facts, pe, id, text, function.loc, function.name)


def _due(pe: PeState, text: str, loc: int) -> Wait:
    if pe.main == "idle":
        return Wait(text, loc, cause=Cause("under-way", f"{text} can begin", 10))
    return Wait(f"{text} waits until the main thread is idle", loc, (Node("main", pe.x, pe.y),))


def _without_wavelets(pe: PeState, found: Task, queue: int | None, text: str, loc: int) -> Wait:
    if queue is None:
        message = f"{text} is a data task whose queue is not bound to a color"
        return Wait(text, loc, cause=Cause("queue-not-bound", message, 95))
    color = pe.inputs[queue].color
    return Wait(f"{text} waits for a wavelet of color {color}", loc, (Node("wavelet", pe.x, pe.y, color),))


def _blocked(facts: Facts, pe: PeState, id: int, text: str, loc: int, name: str) -> Wait:
    nodes = tuple(Node("operation", pe.x, pe.y, op.slot) for op in pe.operations if id in op.unblocks)
    if nodes:
        return Wait(text, loc, nodes)
    doers = facts.effects(pe.program).doers("unblock", id)
    if not doers:
        message = f"task `{name}` of {at((pe.x, pe.y))} is blocked, and no code unblocks it"
        return Wait(text, loc, cause=Cause("task-never-unblocked", message, 94))
    message = f"task `{name}` of {at((pe.x, pe.y))} is blocked, and what unblocks it does not run"
    return _starters(facts, pe, doers, text, Cause("task-never-unblocked", message, 80), loc)


def _inactive(facts: Facts, pe: PeState, id: int, text: str, loc: int, name: str) -> Wait:
    text += " is not active"
    nodes = tuple(Node("operation", pe.x, pe.y, op.slot) for op in pe.operations if id in op.activates)
    if nodes:
        return Wait(text, loc, nodes)
    doers = facts.effects(pe.program).doers("activate", id)
    doers = [d for d in doers if d.starter.task is None or d.starter.task.id != id]
    if not doers:
        message = f"no code of {at((pe.x, pe.y))} activates task `{name}` (id {id})"
        return Wait(text, loc, cause=Cause("task-never-activated", message, 90))
    message = f"nothing that is under way on {at((pe.x, pe.y))} activates task `{name}` (id {id})"
    return _starters(facts, pe, doers, text, Cause("task-never-activated", message, 65), loc)


def _starters(
    facts: Facts, pe: PeState, doers: list[Doer], text: str, otherwise: Cause, loc: int = -1
) -> Wait:
    """The code that could help, if it is still to run; else the cause."""
    nodes: list[Node] = []
    for doer in doers:
        nodes += [node for node in _starter(facts, pe, doer) if node not in nodes]
    if nodes:
        return Wait(text, loc, tuple(nodes), otherwise._replace(weight=POSSIBLE))
    return Wait(text, loc, cause=otherwise)


def _starter(facts: Facts, pe: PeState, doer: Doer) -> list[Node]:
    """What has to go on before some code runs; nothing, if nobody says that it ever will."""
    starter = doer.starter
    if pe.function and pe.function == pe.program.functions[starter.function].name:
        return [Node("main", pe.x, pe.y)]
    if starter.task is not None:
        return [Node("task", pe.x, pe.y, starter.task.id, KINDS.index(starter.task.kind))]
    coming = (
        c.ticket
        for c in facts.snapshot.commands
        if isinstance(c.command, Launch)
        and c.command.name == starter.name
        and (not c.is_released or c.ticket in pe.pending)
    )
    return [Node("command", number=ticket) for ticket in list(coming)[:1]]


def _operations(pe: PeState, kind: str, number: int) -> tuple[Node, ...]:
    """The operations under way with such an operand."""
    return tuple(
        Node("operation", pe.x, pe.y, op.slot)
        for op in pe.operations
        if Operand(kind, number) in op.operands  # pyright: ignore[reportArgumentType]
    )


def _operation(pe: PeState, slot: int) -> Operation:
    return next(op for op in pe.operations if op.slot == slot)


def _pe(facts: Facts, node: Node) -> PeState:
    pe = facts.pe((node.x, node.y))
    assert pe is not None
    return pe
