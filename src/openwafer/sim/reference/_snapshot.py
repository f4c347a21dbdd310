"""The snapshot of the reference engine."""

from __future__ import annotations

from collections.abc import Mapping

from openwafer.sim.reference._datapath import Slot
from openwafer.sim.reference._dsd import Operand
from openwafer.sim.reference._fabric import Queue, Router
from openwafer.sim.reference._host import Host
from openwafer.sim.reference._memory import Ticket
from openwafer.sim.reference._pe import Pe
from openwafer.sim.standstill import _snapshot as snap
from openwafer.sim.standstill._snapshot import Place
from openwafer.tir import DsdKind

SHOWN_PLACES = 256


def snapshot(
    now: int, width: int, height: int, pes: dict[Place, Pe], routers: dict[Place, Router], host: Host,
    sources: Mapping[str, str],
) -> snap.Snapshot:  # fmt: skip
    """The state as it is; what is made later from it is that of a later moment."""
    tickets = {id(ticket): number for number, ticket in enumerate(host.tickets)}
    waiting = {place for place, pe in pes.items() for ticket in pe.commands if ticket.missing}
    return snap.Snapshot(
        now, width, height,
        snap.Lazy(lambda: iter(pes), lambda x, y: _pe(pes[x, y], tickets)),
        snap.Lazy(lambda: iter(routers), lambda x, y: _router(routers[x, y])),
        tuple(_command(number, host, pes, waiting) for number in range(len(host.tickets))),
        tuple(place for place, router in routers.items() if any(q.items for q in router.queues.values())),
        sources,
    )  # fmt: skip


def _queue(queue: Queue, color: int, *, is_output: bool = False) -> snap.Queue:
    has_control = bool(queue.items) and queue.items[0].control
    if queue.items and queue.items[0].color >= 0 and is_output:
        color = queue.items[0].color
    return snap.Queue(color, len(queue.items), queue.depth, has_control)


def _router(router: Router) -> snap.RouterState:
    routes = {
        color: snap.Route(
            *switch.masks(),
            tuple(filter(None, switch.positions)),
            switch.teardown,
            switch.rejected,
            switch.swap,
        )
        for color, switch in router.routes.items()
    }
    queues = {(c, port): _queue(queue, c) for (c, port), queue in router.queues.items() if queue.items}
    return snap.RouterState(router.x, router.y, routes, queues)


def _pe(pe: Pe, tickets: dict[int, int]) -> snap.PeState:
    main = "idle" if pe.main is None else "waiting" if pe.is_waiting else "trying" if pe.trying else "running"
    slots = [(number, slot) for number, slot in enumerate(pe.slots) if slot]
    return snap.PeState(
        x=pe.x,
        y=pe.y,
        program=pe.code.source,
        main=main,
        function=pe.running if pe.main is not None else "",
        loc=pe.paused_at if pe.main is not None else -1,
        wanted=pe.trying.slot if pe.trying else None,
        operations=tuple(_operation(number, slot) for number, slot in slots),
        inputs={id: _queue(queue, pe.color_of["in", id]) for id, queue in pe.inputs.items()},
        outputs={
            id: _queue(queue, pe.color_of["out", id], is_output=True) for id, queue in pe.outputs.items()
        },
        host_in={color: _queue(port.queue, color) for color, port in pe.ports.inputs.items()},
        host_out={color: _queue(port.queue, color) for color, port in pe.ports.outputs.items()},
        fifos=tuple(snap.Fifo(fifo.count, fifo.facts.elements) for fifo in pe.fifos),
        active=frozenset(pe.active),
        blocked=frozenset(pe.blocked),
        is_stream_blocked=pe.is_stream_blocked,
        launched=pe.launched,
        pending=tuple(tickets[id(ticket)] for ticket in pe.commands),
    )


def _operation(number: int, slot: Slot) -> snap.Operation:
    operation = slot.operation
    sources = [operand for source in operation.sources for operand in _operand(source, is_source=True)]
    operands = (*sources, *_operand(operation.dest, is_source=False))
    left = None if operation.length is None else operation.length - operation.done
    actions = (slot.actions, slot.on_control) if slot.on_control else (slot.actions,)
    return snap.Operation(
        number, operation.row.name, operation.loc, left, operation.next_count(), operands,
        frozenset(a.activate for a in actions if a.activate is not None),
        frozenset(a.unblock for a in actions if a.unblock is not None), slot.on_control is not None,
    )  # fmt: skip


def _operand(operand: Operand, *, is_source: bool) -> list[snap.Operand]:
    match operand.kind:
        case DsdKind.FABIN:
            return [snap.Operand("fabin", operand.queue)]
        case DsdKind.FABOUT:
            return [snap.Operand("fabout", operand.queue)]
        case DsdKind.FIFO:
            return [snap.Operand("pop" if is_source else "push", operand.queue)]
        case _:
            return []


def _command(number: int, host: Host, pes: dict[Place, Pe], waiting: set[Place]) -> snap.CommandState:
    ticket, is_released = host.tickets[number], number < host.released
    if not ticket.missing or not is_released:
        return snap.CommandState(number, ticket.command, is_released, ticket.missing)
    feeds = {
        (pe.x, pe.y): port.feed
        for pe in pes.values()
        for port in (*pe.ports.inputs.values(), *pe.ports.outputs.values())
        if port.feed and port.feed.ticket is ticket and port.feed.done < len(port.feed.words)
    }
    places = tuple(feeds) or _listed(ticket, pes, waiting)
    first = next(iter(feeds.values()), None)
    progress = (first.done, len(first.words)) if first else (0, 0)
    return snap.CommandState(
        number, ticket.command, is_released, ticket.missing, places[:SHOWN_PLACES], *progress
    )


def _listed(ticket: Ticket, pes: dict[Place, Pe], waiting: set[Place]) -> tuple[Place, ...]:
    """The PEs that have not taken a command of the list, or are carrying it out, in row-major order."""
    copying = [place for place, pe in pes.items() if pe.copying is ticket]
    listed = (place for place in waiting if any(t is ticket for t in pes[place].commands))
    return tuple(sorted([*listed, *copying], key=lambda place: place[::-1]))
