"""The part of a PE that carries out DSD operations: slots, who gets the datapath, FIFOs, DSRs."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from openwafer.cost import memory_beats, other_bank, timing_tables
from openwafer.machine import Machine
from openwafer.sim.reference import _values as values
from openwafer.sim.reference._dsd import Actions, Fault, Operand, Operation, saved_base
from openwafer.sim.reference._fabric import NEVER, Router, Schedule
from openwafer.sim.reference._fifo import Fifo
from openwafer.sim.reference._memory import Memory
from openwafer.sim.reference._profile import Counts
from openwafer.sim.reference._queues import Queues
from openwafer.sim.reference._run import Request, Start, apply_actions
from openwafer.sim.reference._values import Value
from openwafer.tir import MOST_ELEMENTS, DsdFlag, DsdKind, DsdWord, Program

SYNCHRONOUS = 8
MAIN = 9
CANDIDATES = 10


@dataclass(slots=True)
class Slot:
    """An operation under way: no step before `start`; `done_at` is set after the last one."""

    operation: Operation
    actions: Actions
    on_control: Actions | None
    start: int
    is_async: bool
    done_at: int = NEVER
    last: int = 0
    """The cycle of the last step, for the profile."""


class Datapath(Memory, Queues):
    """`wake` holds while the main thread is busy: it has a task and does not wait for slot 8."""

    def __init__(self, router: Router, program: Program, machine: Machine, schedule: Schedule) -> None:
        Memory.__init__(self, program, machine.memory.bytes_per_pe)
        Queues.__init__(self, router, program, machine, schedule)
        self.machine = machine
        self.counts = Counts(program)
        self.timing = timing_tables(machine)
        self.dsrs: list[tuple[int, ...]] = [(0,) * values.DSD_WORDS for _ in program.dsrs]
        self.fifos = [Fifo(fifo, program.symbols[fifo.symbol].address) for fifo in program.fifos]
        self.active: set[int] = set(program.activated)
        self.blocked: set[int] = set(program.blocked)
        self.slots: list[Slot | None] = [None] * (SYNCHRONOUS + 1)
        self.first = 0
        self.main: Generator[Request, None, Value | None] | None = None
        self.is_waiting, self.loc, self.paused_at = False, -1, 0
        self.trying: Start | None = None
        self.gathered, self.wake, self.busy_cycles = 0, 0, 0
        self.steps, self.elements = 0, 0

    def is_busy(self) -> bool:
        return self.main is not None and not self.is_waiting

    def wait(self, cycles: int) -> None:
        """The main thread goes on so much later."""
        self.wake += cycles
        self.busy_cycles += cycles

    def activate(self, id: int) -> None:
        self.active.add(id)

    def set_blocked(self, id: int, blocked: bool) -> None:
        (self.blocked.add if blocked else self.blocked.discard)(id)

    def pop_fifo(self, fifo: Fifo) -> int:
        bits, activated = fifo.pop(self)
        if activated is not None:
            self.activate(activated)
        return bits

    def push_fifo(self, fifo: Fifo, bits: int) -> None:
        activated = fifo.push(self, bits)
        if activated is not None:
            self.activate(activated)

    # operations on memory alone

    def run_at_once(self, operation: Operation, setup: int) -> None:
        """A memory-only operation: done now, its cycles gathered."""
        assert operation.length is not None
        if operation.length > MOST_ELEMENTS:
            raise Fault("unsupported", f"{operation.length:,} elements of `{operation.row.name}`")
        beats, apart = self._beats(operation, operation.length)
        self.gathered += setup + beats
        operation.step(self, operation.length)
        self.elements += operation.length
        self.counts.at_once(operation.loc, operation.length, setup + apart, beats - apart)
        self._save_addresses(operation)

    def _beats(self, operation: Operation, length: int) -> tuple[int, int]:
        """Cycles of the elements, and what they would be without conflicts of banks."""
        facts: list[int] = []
        for operand in operation.sources:
            facts += [operand.kind, operand.moved()[DsdWord.BASE], _inner_stride(operand)]
        facts += [DsdKind.NONE, 0, 0] * (2 - len(operation.sources))
        dest = (operation.dest.kind, _inner_stride(operation.dest))
        apart = [*facts[:4], other_bank(self.timing.facts, facts[1]), facts[5]]
        beats, best = (
            int(memory_beats(*self.timing, operation.row.number, length, *dest, *sources))
            for sources in (facts, apart)
        )
        return beats, best

    def _save_addresses(self, operation: Operation) -> None:
        for operand in operation.operands:
            if operand.dsr is not None and operand.has(DsdFlag.SAVE_ADDRESS):
                kind, _, *rest = self.dsrs[operand.dsr]
                self.dsrs[operand.dsr] = (kind, saved_base(operand.record), *rest)

    # operations in slots

    def retire(self, now: int) -> bool:
        done = [(n, slot) for n, slot in enumerate(self.slots) if slot and slot.done_at <= now]
        for number, slot in done:
            self.slots[number] = None
            self._save_addresses(slot.operation)
            apply_actions(self, slot.actions)
            if number == SYNCHRONOUS:
                self.is_waiting, self.wake = False, now
                self.counts.resume(now)
        return bool(done)

    def ready(self, slot: Slot) -> int:
        """The first cycle in which the slot could make a step as things are."""
        if (control := self._control(slot)) < NEVER:
            return max(control, slot.start)
        return NEVER if slot.operation.lacking() else self._fabric_ready(slot)

    def next_step(self, slot: Slot) -> int:
        """As `ready`, or when the slot misses an element or a place for the first time."""
        if slot.done_at < NEVER:
            return slot.done_at
        is_new = any(
            not fifo.is_marked(is_source=source) or self._ends(slot, fifo.action(is_source=source))
            for fifo, source in slot.operation.lacking()
        )
        return min(self._fabric_ready(slot), self.ready(slot)) if is_new else self.ready(slot)

    def is_served(self, queue: int) -> bool:
        """Whether an operation under way takes what comes in an input queue."""
        return any(o.queue == queue for slot in self.slots if slot for o in slot.operation.inputs)

    def _control(self, slot: Slot) -> int:
        """When a control wavelet can end the operation: NEVER if none is at the head of its queues."""
        if slot.on_control is None or slot.done_at < NEVER:
            return NEVER
        return min((self._control_at(o.queue) for o in slot.operation.inputs), default=NEVER)

    def _control_at(self, id: int) -> int:
        """When a control wavelet at the head of an input queue is ready."""
        queue = self.inputs.get(id)
        return queue.ready() if queue and queue.items and queue.items[0].control else NEVER

    def _fabric_ready(self, slot: Slot) -> int:
        if slot.done_at < NEVER:
            return NEVER
        inputs = [o.queue for o in slot.operation.inputs]
        heads = [self.inputs[queue].ready() if queue in self.inputs else NEVER for queue in inputs]
        is_full = any(not self.outputs[o.queue].has_room() for o in slot.operation.outputs)
        return NEVER if is_full else max([slot.start, *heads])

    def miss(self, now: int) -> bool:
        """Operations that lack nothing but FIFO elements or places; returns whether one ended."""
        return any([self._miss(slot, now) for slot in self.slots if slot and slot.operation.fifos])

    def _miss(self, slot: Slot, now: int) -> bool:
        if self._control(slot) <= now or self._fabric_ready(slot) > now:
            return False
        actions = [fifo.mark(is_source=source) for fifo, source in slot.operation.lacking()]
        self.loc = slot.operation.loc if actions else self.loc
        for action in actions:
            if action == "fault":
                raise Fault("fifo-fault", "a FIFO is empty or full, and its action is `fault`")
            if self._ends(slot, action):
                slot.operation.result = action == "terminate"
                slot.operation.stop_at_miss()
                self._count(slot, 0, now)
                self._finish(slot, now)
                return True
        return False

    def _ends(self, slot: Slot, action: str) -> bool:
        """Whether a miss ends the run or the operation, rather than making it wait."""
        return action in ("terminate", "fault") or (action == "test_or_suspend" and not slot.is_async)

    def serve(self, now: int) -> bool:
        """The datapath of one cycle; returns whether a slot made a step."""
        candidates = {n: slot for n, slot in enumerate(self.slots) if slot and self.ready(slot) <= now}
        classes = {n: slot.operation.priority() for n, slot in candidates.items()}
        if self.is_busy():
            most = max(classes.values(), default=NEVER) if self.trying else NEVER
            classes[MAIN] = min(self.program.main_priority, most)
        if not classes:
            return False
        highest = max(classes.values())
        numbers = [n for n, priority in classes.items() if priority == highest]
        winner = min(numbers, key=lambda n: (n - self.first) % CANDIDATES)
        self.first = (winner + 1) % CANDIDATES
        if winner == MAIN:
            return False
        self._step(candidates[winner], now)
        if self.is_busy():
            self.wake = max(self.wake, now)
            self.wait(1)
        return True

    def _step(self, slot: Slot, now: int) -> None:
        operation, before = slot.operation, slot.operation.done
        self.loc = operation.loc
        self.steps += 1
        is_end = self._control(slot) <= now
        self._count(slot, 0 if is_end else operation.next_count(), now)
        if is_end:
            self._end_by_control(slot, now)
        else:
            operation.step(self, operation.simd)
        self.elements += operation.done - before
        if operation.is_finished() or slot.actions is slot.on_control:
            self._finish(slot, now)

    def _finish(self, slot: Slot, now: int) -> None:
        slot.done_at = now + 1 + self.machine.dsd.completion_cycles
        self.counts.end_operation(slot, self.machine.dsd.completion_cycles)

    def _count(self, slot: Slot, elements: int, now: int) -> None:
        inputs = [self.inputs[o.queue] for o in slot.operation.inputs if o.queue in self.inputs]
        outputs = [self.outputs[o.queue] for o in slot.operation.outputs]
        self.counts.step(slot, inputs, outputs, elements, now)

    def _end_by_control(self, slot: Slot, now: int) -> None:
        assert slot.on_control is not None
        self.pop(next(o.queue for o in slot.operation.inputs if self._control_at(o.queue) <= now))
        slot.actions = slot.on_control
        slot.operation.write_once(self)


def _inner_stride(operand: Operand) -> int:
    return values.wrapper("i16")(operand.record[DsdWord.STRIDE0])
