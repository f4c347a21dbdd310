"""What the host's commands wait for, and what waits for the host."""

from __future__ import annotations

import itertools

from openwafer.sim._engine import CopyIn, CopyOut, Launch, StreamIn, StreamOut, command_text
from openwafer.sim.standstill._snapshot import CommandState, PeState, Place, Snapshot
from openwafer.sim.standstill._waits import KINDS, Cause, Facts, Node, Wait, at, wavelets

READS_TOO_LITTLE = Cause(
    "host-reads-too-little",
    "",
    85,
    "memcpy commands are carried out one after the other: let the program hold what it has not yet sent, "
    "or move less at once",
)


SCANNED_PES = 4096


def end(facts: Facts, node: Node) -> Wait:
    """The host, when it waits until nothing happens any more: for the PEs that run, of the first ones."""
    places = itertools.islice(facts.snapshot.pes, SCANNED_PES)
    busy = [place for place in places if facts.snapshot.pes[place].main != "idle"]
    text = "the host waits until nothing happens any more"
    if not busy:
        return Wait(text, cause=Cause("under-way", "there is still something under way", 10))
    return Wait(text, next=tuple(Node("main", *place) for place in busy))


def command(facts: Facts, node: Node) -> Wait:
    state = facts.snapshot.commands[node.number]
    text = f"the host waits for the {command_text(state.command)}"
    if not state.is_released:
        return Wait(f"{text}, which is not begun", next=_before(facts.snapshot, state))
    match state.command:
        case Launch():
            kind = "taker"
            text += f", which {_pes(state.missing)} to begin"
        case CopyIn() | CopyOut():
            kind = "taker"
            text += f", which {_pes(state.missing)} to carry out"
        case StreamIn(color):
            kind = "host in"
            text += f": {state.moved} of {wavelets(state.length)} taken"
            return Wait(text, next=tuple(Node(kind, *place, color) for place in state.places))
        case StreamOut(color):
            kind = "host out"
            text += f": {state.moved} of {wavelets(state.length)} there"
            return Wait(text, next=tuple(Node("sender", *place, color) for place in state.places))
    return Wait(text, next=tuple(Node(kind, *place, state.ticket) for place in state.places))


def _pes(count: int) -> str:
    return "1 PE has yet" if count == 1 else f"{count} PEs have yet"


def _before(snapshot: Snapshot, state: CommandState) -> tuple[Node, ...]:
    """The commands that must be done first."""
    is_stream = isinstance(state.command, (StreamIn, StreamOut))
    earlier = (c for c in snapshot.commands[: state.ticket] if not c.is_done)
    return tuple(
        Node("command", number=c.ticket)
        for c in earlier
        if is_stream or isinstance(c.command, (StreamIn, StreamOut))
    )


def taker(facts: Facts, node: Node) -> Wait:
    """A PE that has yet to take a command of the list, or is carrying out a copy."""
    place = node.x, node.y
    pe = facts.pe(place)
    assert pe is not None
    text = f"{at(place)} has not taken it"
    if pe.main != "idle":
        return Wait(text, next=(Node("main", *place),))
    if pe.is_stream_blocked:
        return Wait(text, next=(Node("stream blocked", *place),))
    return Wait(text, cause=Cause("under-way", f"{at(place)} can take it", 10))


def stream_blocked(facts: Facts, node: Node) -> Wait:
    """The command stream of a PE, which a launched function has blocked."""
    place = node.x, node.y
    pe = facts.pe(place)
    assert pe is not None
    name = pe.launched
    text = f"the command stream of {at(place)} is blocked since `{name}` began"
    export = next((e for e in pe.program.exports if e.name == name and e.kind == "func"), None)
    loc = pe.program.functions[export.target].loc if export else -1
    doers = facts.effects(pe.program).doers("commands")
    if not doers:
        message = f"no code of {at(place)} calls `unblock_cmd_stream()`, and `{name}` has ended"
        help = f"call `sys_mod.unblock_cmd_stream()` at the end of what `{name}` starts"
        return Wait(text, loc, cause=Cause("command-stream-not-unblocked", message, 95, help))
    tasks = {(d.starter.task.kind, d.starter.task.id) for d in doers if d.starter.task}
    nodes = tuple(Node("task", *place, id, KINDS.index(kind)) for kind, id in sorted(tasks))
    if nodes:
        return Wait(f"{text} and waits for `unblock_cmd_stream()`", loc, next=nodes)
    message = f"`{name}` has ended on {at(place)} without a call of `unblock_cmd_stream()`"
    return Wait(text, loc, cause=Cause("command-stream-not-unblocked", message, 90))


def host_in(facts: Facts, node: Node) -> Wait:
    """A host port that cannot put its wavelet into the PE's input queue."""
    place, color = (node.x, node.y), node.number
    pe = facts.pe(place)
    assert pe is not None
    id = _queue_of(pe, color)
    queue = pe.inputs.get(id)
    text = f"the host cannot give {at(place)} more wavelets on color {color}"
    if queue is None or not queue.is_full:
        return Wait(text, cause=Cause("under-way", f"{at(place)} can take more", 10))
    return Wait(text, next=(Node("full input", *place, id),))


def host_out(facts: Facts, node: Node) -> Wait:
    """A host queue full of wavelets that the host does not take."""
    place, color = (node.x, node.y), node.number
    text = f"what {at(place)} has sent to the host on color {color} has not been read"
    readers = [c for c in _streams(facts.snapshot, place, color, StreamOut) if not c.is_done]
    if readers:
        return Wait(text, next=(Node("command", number=readers[0].ticket),))
    done = any(True for _ in _streams(facts.snapshot, place, color, StreamOut))
    what = "asks for no more wavelets than it has got" if done else "has not asked for any"
    message = f"the host {what} on color {color} from {at(place)}"
    return Wait(text, cause=READS_TOO_LITTLE._replace(message=message))


def from_host(facts: Facts, node: Node) -> Wait:
    """A PE that wants wavelets of a stream from the host."""
    place, color = (node.x, node.y), node.number
    text = f"the host sends nothing on color {color} to {at(place)}"
    senders = list(_streams(facts.snapshot, place, color, StreamIn))
    waiting = [c for c in senders if not c.is_done]
    if waiting:
        return Wait(text, next=(Node("command", number=waiting[0].ticket),))
    if senders:
        message = f"the host has sent all that it sends on color {color} to {at(place)}, and more is wanted"
        help = "make the extent of the operation, or the arrays of the host, match"
        return Wait(text, cause=Cause("host-sends-too-little", message, 85, help))
    message = f"the host has sent nothing on color {color} to {at(place)}, which waits for it"
    help = (
        "memcpy commands are carried out one after the other: what is wanted first must be sent before "
        "what the host waits for now"
    )
    return Wait(text, cause=Cause("host-sends-nothing", message, 85, help))


def _streams(
    snapshot: Snapshot, place: Place, color: int, kind: type[StreamIn] | type[StreamOut]
) -> list[CommandState]:
    return [c for c in snapshot.commands if isinstance(c.command, kind) and _covers(c.command, place, color)]


def _covers(stream: StreamIn | StreamOut, place: Place, color: int) -> bool:
    height, width, _ = stream.data.shape
    x, y = place[0] - stream.x0, place[1] - stream.y0
    return stream.color == color and 0 <= x < width and 0 <= y < height


def _queue_of(pe: PeState, color: int) -> int:
    """The input queue that receives a color: the lowest id."""
    return min((id for id, queue in pe.inputs.items() if queue.color == color), default=-1)
