"""One PE: memory, queues, main thread, microthreads, and what happens in a cycle."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass

from openwafer.codegen import _lfsr as lfsr
from openwafer.codegen._timing import memory_beats, timing_tables
from openwafer.csl._tir import DsdFlag, DsdKind, DsdWord
from openwafer.sim import _reference_values as values
from openwafer.sim._engine import CopyIn, CopyOut, Launch
from openwafer.sim._reference_code import Code
from openwafer.sim._reference_dsd import Actions, Fault, Operand, Operation, saved_base
from openwafer.sim._reference_fabric import NEVER, Router, Schedule
from openwafer.sim._reference_memory import Memory, Ticket
from openwafer.sim._reference_ports import HostPorts
from openwafer.sim._reference_queues import Queues
from openwafer.sim._reference_run import Request, Start, apply_actions, argument, split
from openwafer.sim._reference_values import Value

TASKS = 32
COMMANDS = 31
"""The id by which the command stream takes part in the picking of tasks."""
SYNCHRONOUS = 8
MAIN = 9
CANDIDATES = 10


@dataclass(slots=True)
class Slot:
    """A fabric operation under way: no step before `start`; `done_at` is set after the last one."""

    operation: Operation
    actions: Actions
    start: int
    done_at: int = NEVER


class Pe(Memory, Queues):
    """A PE with code. `main` is idle (None) or the running task; `wake` holds while it is busy."""

    def __init__(self, router: Router, cells: list[int], code: Code, schedule: Schedule) -> None:
        self.cells, self.code, self.x, self.y = cells, code, router.x, router.y
        program, machine = code.program, code.machine
        Memory.__init__(self, program, machine.memory.bytes_per_pe)
        Queues.__init__(self, router, program, machine, schedule)
        self.ports = HostPorts(program, self, router.facts.depth, router.facts.ramp_down)
        self.machine = machine
        self.timing = timing_tables(machine)
        self.dsrs: list[tuple[int, ...]] = [(0,) * values.DSD_WORDS for _ in program.dsrs]
        self.local = {task.id: task for task in program.tasks if task.kind == "local"}
        self.data = {task.id: task for task in program.tasks if task.kind == "data"}
        self.active: set[int] = set(program.activated)
        self.blocked: set[int] = set(program.blocked)
        self.commands: deque[Ticket] = deque()
        self.is_stream_blocked = False
        self.exports = {export.name: export for export in program.exports}
        self.seen, self.loc = -1, -1
        self.gathered, self.wake, self.busy_cycles = 0, 0, 0
        self.main: Generator[Request, None, Value | None] | None = None
        self.copying: Ticket | None = None
        self.trying: Start | None = None
        self.is_waiting = False
        self.slots: list[Slot | None] = [None] * (SYNCHRONOUS + 1)
        self.first, self.last_picked = 0, TASKS - 1
        self.random = lfsr.INITIAL_STATE
        self.steps, self.elements = 0, 0

    def load(self) -> None:
        """Runs the program's `init`, whose cycles do not count."""
        if self.program.init is not None:
            for request in self.code.call(self.program.init, [], self):
                if request is not None:
                    raise Fault("unsupported", "a fabric operation before the first cycle")
                self.gathered = 0
        self.gathered = 0
        self.schedule(self, 0)

    # what code does to its PE

    def activate(self, id: int) -> None:
        self.active.add(id)

    def set_blocked(self, id: int, blocked: bool) -> None:
        (self.blocked.add if blocked else self.blocked.discard)(id)

    def unblock_commands(self) -> None:
        self.is_stream_blocked = False

    def random16(self) -> int:
        value = lfsr.value(self.random)
        self.random = lfsr.advance(self.random)
        return value

    def run_at_once(self, operation: Operation, setup: int) -> None:
        """A memory-only operation: done now, its cycles gathered."""
        assert operation.length is not None
        self.gathered += setup + self._beats(operation, operation.length)
        self.elements += operation.length
        operation.step(self, operation.length)
        self._save_addresses(operation)

    def _beats(self, operation: Operation, length: int) -> int:
        facts: list[int] = []
        for operand in operation.sources:
            facts += [operand.kind, operand.record[DsdWord.BASE], _inner_stride(operand)]
        facts += [DsdKind.NONE, 0, 0] * (2 - len(operation.sources))
        dest = operation.dest
        number = operation.row.number
        return int(memory_beats(*self.timing, number, length, dest.kind, _inner_stride(dest), *facts))

    def _save_addresses(self, operation: Operation) -> None:
        for operand in operation.operands:
            if operand.dsr is not None and operand.has(DsdFlag.SAVE_ADDRESS):
                kind, _, *rest = self.dsrs[operand.dsr]
                self.dsrs[operand.dsr] = (kind, saved_base(operand.record), *rest)

    # a cycle

    def is_busy(self) -> bool:
        return self.main is not None and not self.is_waiting

    def step(self, now: int, schedule: Schedule) -> bool:
        """One cycle; returns whether something happened."""
        if self.is_busy() and now > self.seen + 1:
            self.first = 0
        if self.trying:
            self.wake = min(self.wake, now)
        self.seen = self.now = now
        happened = [self.ports.step(now), self._retire(now), self._serve_datapath(now)]
        happened += [self._run_main(now), self._pick(now)]
        schedule(self, self._next(now))
        return any(happened)

    def _retire(self, now: int) -> bool:
        done = [(n, slot) for n, slot in enumerate(self.slots) if slot and slot.done_at <= now]
        for number, slot in done:
            self.slots[number] = None
            self._save_addresses(slot.operation)
            apply_actions(self, slot.actions)
            if number == SYNCHRONOUS:
                self.is_waiting, self.wake = False, now
        return bool(done)

    def _ready(self, slot: Slot) -> int:
        """The first cycle in which the slot could make a step as things are."""
        if slot.done_at < NEVER:
            return NEVER
        heads = [
            self.inputs[o.queue].ready() if o.queue in self.inputs else NEVER for o in slot.operation.inputs
        ]
        is_full = any(not self.outputs[o.queue].has_room() for o in slot.operation.outputs)
        return NEVER if is_full else max([slot.start, *heads])

    def _serve_datapath(self, now: int) -> bool:
        candidates = {n: slot for n, slot in enumerate(self.slots) if slot and self._ready(slot) <= now}
        numbers = [*candidates, *([MAIN] if self.is_busy() else [])]
        if not numbers:
            return False
        winner = min(numbers, key=lambda n: (n - self.first) % CANDIDATES)
        self.first = (winner + 1) % CANDIDATES
        if winner == MAIN:
            return False
        self._step_slot(candidates[winner], now)
        if self.is_busy():
            self._wait(max(self.wake, now) + 1 - self.wake)
        return True

    def _step_slot(self, slot: Slot, now: int) -> None:
        operation, before = slot.operation, slot.operation.done
        self.loc = operation.loc
        operation.step(self, operation.simd)
        self.steps += 1
        self.elements += operation.done - before
        if operation.is_finished():
            slot.done_at = now + 1 + self.machine.dsd.completion_cycles

    def _wait(self, cycles: int) -> None:
        self.wake += cycles
        self.busy_cycles += cycles

    def _run_main(self, now: int) -> bool:
        happened = False
        while self.is_busy() and self.wake <= now:
            if self.trying:
                if not self._start(self.trying, now):
                    return happened
            else:
                self._resume(now)
            happened = True
        return happened

    def _resume(self, now: int) -> None:
        """Runs the code from where it stopped to its next wait or its end."""
        assert self.main is not None
        try:
            request = next(self.main)
        except StopIteration:
            self.main = None
            if self.copying:
                self.copying.missing -= 1
                self.copying = None
            return
        self.wake = now
        if request is None:
            self._wait(self.gathered)
            self.gathered = 0
        else:
            self._start(request, now)

    def _start(self, request: Start, now: int) -> bool:
        number = _number(request)
        self.loc = request.operation.loc
        if self.slots[number]:
            self.trying, self.wake = request, now + 1
            return False
        for operand in request.operation.outputs:
            if operand.queue not in self.outputs:
                raise Fault("unrouted-wavelet", f"output queue {operand.queue} is not bound to a color")
        self.trying, self.wake = None, now
        self.is_waiting = request.slot is None
        self.slots[number] = Slot(
            request.operation, request.actions, now + self.machine.dsd.fabric_setup_cycles
        )
        return True

    # picking

    def _pick(self, now: int) -> bool:
        if self.main is not None:
            return False
        for k in range(1, TASKS + 1):
            id = (self.last_picked + k) % TASKS
            if self._pick_id(id, now):
                self.last_picked = id
                return True
        return False

    def _pick_id(self, id: int, now: int) -> bool:
        if id == COMMANDS and self.commands and not self.is_stream_blocked:
            self._take_command(now)
        elif id in self.local and id in self.active and id not in self.blocked:
            self.active.discard(id)
            self._begin(self.local[id].function, [], now)
        elif id in self.data and id not in self.blocked and self._data_ready(id) <= now:
            wavelet = self.pop(self._queue_of(id))
            self._begin(self.data[id].function, split(wavelet, self.data[id]), now)
        else:
            return False
        return True

    def _queue_of(self, id: int) -> int:
        """The input queue of a data task, whose id is the color on wse2 and the queue on wse3."""
        if self.program.arch != "wse2":
            return id
        return min((q for q in self.inputs if self.color_of["in", q] == id), default=-1)

    def _data_ready(self, id: int) -> int:
        queue = self.inputs.get(self._queue_of(id))
        return queue.ready() if queue else NEVER

    def _begin(self, function: int, args: list[Value], now: int) -> None:
        self.main, self.wake = self._task(function, args), now
        self._wait(self.machine.task.dispatch_cycles)

    def _task(self, function: int, args: list[Value]) -> Generator[Request, None, None]:
        yield from self.code.call(function, args, self)
        if self.gathered:
            yield None

    def _take_command(self, now: int) -> None:
        ticket = self.commands.popleft()
        command = ticket.command
        assert isinstance(command, (Launch, CopyIn, CopyOut))
        if isinstance(command, Launch):
            ticket.missing -= 1
            self.is_stream_blocked = True
            export = self.exports[command.name]
            words = zip(export.params, command.args, strict=True)
            self._begin(export.target, [argument(type, word) for type, word in words], now)
        else:
            self.move_data(command, self.exports[command.name], self.x, self.y)
            self.main, self.copying, self.wake = self._nothing(), ticket, now
            self._wait(-(-command.data.shape[2] // self.machine.host.copy_words_per_cycle))

    def _nothing(self) -> Generator[Request, None, None]:
        yield from ()

    def _next(self, now: int) -> int:
        """The next cycle in which this PE can do something unless a wavelet or a command comes."""
        times = [self.ports.next()]
        times += [slot.done_at if slot.done_at < NEVER else self._ready(slot) for slot in self.slots if slot]
        if self.main is None:
            times += [self._data_ready(id) for id in self.data if id not in self.blocked]
        elif self.is_busy() and not (self.trying and self.slots[_number(self.trying)]):
            times.append(self.wake)
        soonest = min(times, default=NEVER)
        return soonest if soonest == NEVER else max(soonest, now + 1)


def _number(request: Start) -> int:
    """The slot in which an operation runs."""
    return SYNCHRONOUS if request.slot is None else request.slot


def _inner_stride(operand: Operand) -> int:
    return values.wrapper("i16")(operand.record[DsdWord.STRIDE0])
