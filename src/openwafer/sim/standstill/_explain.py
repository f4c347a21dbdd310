"""Why a wafer stands still: the chain of waits from the host's command to its cause, or the cycle in it.

Of all that the command waits for, directly or not, the cause with the greatest weight is told, by the
shortest way to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from openwafer.sim._engine import command_text
from openwafer.sim.standstill import _waits_fabric as fabric
from openwafer.sim.standstill import _waits_host as host
from openwafer.sim.standstill import _waits_pe as pe
from openwafer.sim.standstill._report import BlockedLink, Link, Report
from openwafer.sim.standstill._snapshot import PORT_NAMES, RAMP, Snapshot
from openwafer.sim.standstill._waits import Cause, Facts, Node, Wait

RULES: dict[str, Callable[[Facts, Node], Wait]] = {
    "command": host.command,
    "end": host.end,
    "taker": host.taker,
    "stream blocked": host.stream_blocked,
    "host in": host.host_in,
    "host out": host.host_out,
    "from host": host.from_host,
    "wavelet": fabric.wavelet,
    "upstream": fabric.upstream,
    "full output": fabric.full_output,
    "channel": fabric.channel,
    "main": pe.main,
    "microthread": pe.microthread,
    "operation": pe.operation,
    "fifo empty": pe.fifo,
    "fifo full": pe.fifo,
    "sender": pe.sender,
    "full input": pe.full_input,
    "task": pe.task,
}
MAX_NODES = 5000
CYCLE_WEIGHT = 72
SHOWN_LINKS = 2000
Graph: TypeAlias = dict[Node, Wait]


def explain(snapshot: Snapshot, ticket: int | None) -> Report:
    """Why command `ticket` is not done; None: why the program does not end."""
    facts = Facts(snapshot)
    start = Node("end") if ticket is None else Node("command", number=ticket)
    graph, parents = _explore(facts, start)
    best = max(graph, key=lambda node: _weight(graph[node]))  # the first, so the nearest, of equal ones
    cycle = _cycle(graph, start) if _weight(graph[best]) < CYCLE_WEIGHT else None
    nodes, repeats = cycle or (_path(parents, best), None)
    cause = _of_cycle(facts, graph, nodes, repeats or 0) if cycle else graph[best].cause
    assert cause is not None
    chain = tuple(_link(facts, graph, node) for node in nodes)
    line = _line(facts, nodes[-1], cause.loc) or next((k.line for k in reversed(chain) if k.line), None)
    waiting_for = "program" if ticket is None else command_text(snapshot.commands[ticket].command)
    return Report(
        snapshot.cycle, snapshot.width, snapshot.height, waiting_for, cause.id, cause.message, cause.help,
        line, chain, repeats, _blocked(snapshot, nodes),
    )  # fmt: skip


def _weight(wait: Wait) -> int:
    return wait.cause.weight if wait.cause else 0


def _explore(facts: Facts, start: Node) -> tuple[Graph, dict[Node, Node]]:
    """What `start` waits for, the nearest first, and by what each was found."""
    graph: Graph = {}
    parents: dict[Node, Node] = {}
    todo = [start]
    for node in todo:
        graph[node] = RULES[node.kind](facts, node)
        for successor in graph[node].next:
            if successor not in parents and successor != start and len(todo) < MAX_NODES:
                parents[successor] = node
                todo.append(successor)
    return graph, parents


def _path(parents: dict[Node, Node], node: Node) -> list[Node]:
    path = [node]
    while path[-1] in parents:
        path.append(parents[path[-1]])
    return path[::-1]


def _cycle(graph: Graph, start: Node) -> tuple[list[Node], int] | None:
    """A way from `start` that comes back to one of its nodes, and which; not one of tasks alone."""
    path: list[Node] = []
    left: list[list[Node]] = [[start]]
    seen: set[Node] = set()
    while left:
        if not left[-1]:
            left.pop()
            if path:
                path.pop()
            continue
        node = left[-1].pop(0)
        if node in path:
            first = path.index(node)
            if any(n.kind != "task" for n in path[first:]):
                return path, first
        elif node in graph and node not in seen:
            seen.add(node)
            path.append(node)
            left.append(list(graph[node].next))
    return None


def _of_cycle(facts: Facts, graph: Graph, nodes: list[Node], first: int) -> Cause:
    """What to say of nodes that wait for each other."""
    order = _host_order(facts, nodes[first:])
    if order is not None:
        return order
    places = {(n.x, n.y) for n in nodes[first:] if n.x >= 0}
    where = ", ".join(f"PE {place}" for place in sorted(places, key=lambda p: p[::-1])[:4])
    more = f" and {len(places) - 4} more" if len(places) > 4 else ""
    message = f"the waits go round in a circle: {where}{more}" if places else "the waits go round in a circle"
    return Cause("wait-cycle", message, CYCLE_WEIGHT)


def _host_order(facts: Facts, nodes: list[Node]) -> Cause | None:
    """The cause of a circle in which one command of the host comes before another that it needs."""
    for later, earlier in zip(nodes, [*nodes[1:], nodes[0]], strict=True):
        if later.kind == earlier.kind == "command":
            second, one = (command_text(facts.snapshot.commands[n.number].command) for n in (later, earlier))
            message = f"the {second} comes after the {one}, which cannot be done without it"
            return Cause(
                "host-order", message, CYCLE_WEIGHT, f"begin the {second} first, or move less at once"
            )
    return None


def _link(facts: Facts, graph: Graph, node: Node) -> Link:
    place = None if node.x < 0 else (node.x, node.y)
    return Link(graph[node].text, place, _line(facts, node, graph[node].loc), node.kind)


def _line(facts: Facts, node: Node, loc: int) -> tuple[str, int] | None:
    state = facts.pe((node.x, node.y)) if node.x >= 0 else None
    if state is None or not 0 <= loc < len(state.program.locations):
        return None
    return state.program.locations[loc]


def _blocked(snapshot: Snapshot, chain: Iterable[Node]) -> tuple[BlockedLink, ...]:
    """What stands in routers, and in the output queues of the PEs of the chain, which are their port RAMP."""
    links = [
        BlockedLink(x, y, PORT_NAMES[port], color, queue.count, queue.is_full)
        for x, y in snapshot.occupied
        for (color, port), queue in sorted(snapshot.routers[x, y].queues.items())
    ]
    for place in dict.fromkeys((node.x, node.y) for node in chain if node.x >= 0):
        pe = snapshot.pes.get(place)
        queues = pe.outputs.values() if pe else ()
        links += [
            BlockedLink(*place, PORT_NAMES[RAMP], q.color, q.count, q.is_full) for q in queues if q.count
        ]
    return tuple(links[:SHOWN_LINKS])
