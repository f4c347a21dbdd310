"""The host's commands in order: which of them the PEs may take, and what each PE has to do for one."""

from __future__ import annotations

from openwafer.diag import error
from openwafer.machine import Host as Facts
from openwafer.sim._engine import Command, Launch, StreamIn, StreamOut
from openwafer.sim.reference._fabric import Schedule
from openwafer.sim.reference._memory import ListedCommand, Ticket
from openwafer.sim.reference._pe import Pe
from openwafer.sim.reference._ports import Feed, HostPort

Stream = StreamIn | StreamOut


class Host:
    """Commands by ticket. Those from `released` on wait for one before them."""

    def __init__(self, pes: dict[tuple[int, int], Pe], facts: Facts, schedule: Schedule) -> None:
        self._pes, self._schedule = pes, schedule
        self._rate, self._start_cycles = facts.stream_words_per_cycle, facts.stream_start_cycles
        self.tickets: list[Ticket] = []
        self.released = 0
        self._open: list[Ticket] = []

    def submit(self, command: Command) -> int:
        """Diagnostics: stream-without-queue."""
        if isinstance(command, (StreamIn, StreamOut)):
            ticket = Ticket(command, sum(len(feed.words) > 0 for _, _, feed in self._feeds(command)))
        else:
            ticket = Ticket(command, sum(_concerns(command, pe) for pe in self._pes.values()))
        self.tickets.append(ticket)
        return len(self.tickets) - 1

    def is_done(self, ticket: int) -> bool:
        return self.tickets[ticket].missing == 0 and ticket < self.released

    def advance(self, now: int) -> None:
        """Releases the commands that can be taken from cycle `now` on."""
        while self.released < len(self.tickets):
            ticket = self.tickets[self.released]
            self._open = [t for t in self._open if t.missing]
            if self._must_wait(ticket):
                return
            self._release(ticket, now)
            self._open.append(ticket)
            self.released += 1

    def _must_wait(self, ticket: Ticket) -> bool:
        """A stream waits for all before it, the other commands wait for streams."""
        is_stream = isinstance(ticket.command, Stream)
        return any(is_stream or isinstance(earlier.command, Stream) for earlier in self._open)

    def _release(self, ticket: Ticket, now: int) -> None:
        command = ticket.command
        if isinstance(command, (StreamIn, StreamOut)):
            for pe, port, feed in self._feeds(command):
                feed.ticket, feed.start, port.feed = ticket, now + self._start_cycles, feed
                self._schedule(pe, max(pe.ports.next(), now))
            return
        for pe in self._pes.values():
            if _concerns(command, pe):
                pe.commands.append(ticket)
                self._schedule(pe, now)

    def _feeds(self, command: Stream) -> list[tuple[Pe, HostPort, Feed]]:
        """What each PE of a stream's rectangle has to do, in row-major order."""
        height, width, _ = command.data.shape
        shared = command.shared if isinstance(command, StreamIn) else ""
        count = {"row": height, "column": width, "": height * width}[shared]
        out: list[tuple[Pe, HostPort, Feed]] = []
        for y in range(height):
            for x in range(width):
                place = {"row": y, "column": x, "": y * width + x}[shared]
                pe, port = self._port(command, x, y)
                rate = command.channels * self._rate
                out.append((pe, port, Feed(Ticket(command), command.data[y, x], 0, place, count, rate)))
        return out

    def _port(self, command: Stream, x: int, y: int) -> tuple[Pe, HostPort]:
        place = command.x0 + x, command.y0 + y
        pe = self._pes.get(place)
        is_input = isinstance(command, StreamIn)
        ports = {} if pe is None else pe.ports.inputs if is_input else pe.ports.outputs
        port = ports.get(command.color)
        if pe is not None and port is not None and pe.has_queue("in" if is_input else "out", command.color):
            return pe, port
        direction = "from" if is_input else "to"
        message = f"PE {place} has no queue for the stream {direction} the host on color {command.color}"
        raise error("stream-without-queue", message)


def _concerns(command: ListedCommand, pe: Pe) -> bool:
    """Whether a PE exports the name, as a function or as data, and lies in the area of a copy."""
    export = pe.exports.get(command.name)
    if export is None or (export.kind == "func") != isinstance(command, Launch):
        return False
    if isinstance(command, Launch):
        return True
    height, width, _ = command.data.shape
    return command.x0 <= pe.x < command.x0 + width and command.y0 <= pe.y < command.y0 + height
