"""One PE: its main thread, the tasks and commands that it picks, and what happens in a cycle."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator

from openwafer.sim import _control as control
from openwafer.sim._engine import CopyIn, CopyOut, Launch
from openwafer.sim._print import PrintLog
from openwafer.sim.reference._code import Code
from openwafer.sim.reference._config import Registers
from openwafer.sim.reference._datapath import SYNCHRONOUS, Datapath, Slot
from openwafer.sim.reference._dsd import Fault
from openwafer.sim.reference._fabric import NEVER, Router, Schedule
from openwafer.sim.reference._memory import Ticket
from openwafer.sim.reference._ports import HostPorts
from openwafer.sim.reference._run import Request, Start, argument, split
from openwafer.sim.reference._values import Value
from openwafer.tir import MOST_INIT_CYCLES
from openwafer.tir import lfsr as lfsr

TASKS = 32
COMMANDS = 31
"""The id by which the command stream takes part in the picking of tasks."""
LOW_HALF = 0xFFFF


class Pe(Datapath):
    """A PE with code. `main` is idle (None) or the running task."""

    def __init__(
        self, router: Router, cells: list[int], code: Code, schedule: Schedule, log: PrintLog
    ) -> None:
        program, machine = code.program, code.machine
        Datapath.__init__(self, router, program, machine, schedule)
        self.cells, self.code, self.x, self.y = cells, code, router.x, router.y
        self.ports = HostPorts(program, self, router.facts.depth, router.facts.ramp_down)
        self.tasks = {(task.kind, task.id): task for task in program.tasks}
        queues = [q.color if program.arch == "wse2" else q.id for q in program.queues if q.direction == "in"]
        self.places = {COMMANDS, *queues, *(id for kind, id in self.tasks if kind == "local")}
        self.commands: deque[Ticket] = deque()
        self.is_stream_blocked = False
        self.exports = {export.name: export for export in program.exports}
        self.running = self.launched = ""
        self.copying: Ticket | None = None
        self.seen, self.last_picked = -1, TASKS - 1
        self.random = lfsr.INITIAL_STATE
        self.log = log
        self.registers = Registers(router, machine)

    def load(self) -> None:
        """Runs the program's `init`, whose cycles do not count."""
        spent = 0
        if self.program.init is not None:
            for request in self.code.call(self.program.init, [], self):
                if request is not None:
                    raise Fault("unsupported", "a fabric operation before the first cycle")
                spent, self.gathered = spent + self.gathered, 0
                if spent > MOST_INIT_CYCLES:
                    message = f"what runs before the first cycle takes more than {MOST_INIT_CYCLES:,} cycles"
                    raise Fault("init-too-long", message)
        self.gathered = 0
        self.counts.clear()
        self.schedule(self, 0)

    # what code does to its PE

    def unblock_commands(self) -> None:
        self.is_stream_blocked = False

    def read_config(self, address: int) -> int:
        return self.registers.read(address)

    def write_config(self, address: int, value: int) -> None:
        self.registers.write(address, value)
        self.schedule(self.registers.router, self.now + 1)

    def tear_down(self, color: int) -> None:
        """A color went into teardown mode."""
        self.registers.pending |= 1 << color
        if self.machine.task.teardown_id is not None:
            self.activate(self.machine.task.teardown_id)

    def print(self, piece: str) -> None:
        self.log.add(self.now, self.x, self.y, piece)

    def random16(self) -> int:
        value = lfsr.value(self.random)
        self.random = lfsr.advance(self.random)
        return value

    def seed_random(self, state: int) -> None:
        self.random = state & 0xFFFFFFFF

    # a cycle

    def step(self, now: int, schedule: Schedule) -> bool:
        """One cycle; returns whether something happened."""
        if self.is_busy() and now > self.seen + 1:
            self.first = 0
        if self.trying:
            self.wake = min(self.wake, now)
        self.seen = self.now = now
        happened = [self.ports.step(now), self.retire(now), self.miss(now), self.serve(now)]
        happened += [self._run_main(now), self._pick(now)]
        schedule(self, self._next(now))
        return any(happened)

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
            self.counts.end_task(now)
            if self.copying:
                self.copying.missing -= 1
                self.copying = None
            return
        self.wake = now
        if request is None:
            self.wait(self.gathered)
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
        start = now + self.machine.dsd.fabric_setup_cycles
        slot = Slot(request.operation, request.actions, request.on_control, start, request.slot is not None)
        self.slots[number] = slot
        self.counts.begin_operation(slot, self.machine.dsd.fabric_setup_cycles)
        if self.is_waiting:
            self.counts.wait(now)
        return True

    # picking

    def _pick(self, now: int) -> bool:
        if self.main is not None:
            return False
        ready = [id for id in self.places if self._ready_at(id) <= now]
        if not ready:
            return False
        ready = [id for id in ready if id in self.program.high] or ready
        id = min(ready, key=lambda id: (id - self.last_picked - 1) % TASKS)
        self.last_picked = id
        self._take(id, now)
        return True

    def _ready_at(self, id: int) -> int:
        """When a task, or a command, can be picked at the place of `id` as things are."""
        if id == COMMANDS and self.commands and not self.is_stream_blocked:
            return 0
        if id in self.blocked:
            return NEVER
        return 0 if ("local", id) in self.tasks and id in self.active else self._wavelet_ready(id)

    def _wavelet_ready(self, id: int) -> int:
        """When a wavelet can be picked at the place of `id` as things are."""
        number = self._queue_of(id)
        queue = self.inputs.get(number)
        if queue is None or not queue.items:
            return NEVER
        is_taken = self.is_served(number) if queue.items[0].control else ("data", id) not in self.tasks
        return NEVER if is_taken else queue.ready()

    def _queue_of(self, id: int) -> int:
        """The input queue whose wavelets are picked at the place of an id: on wse2 that of a color."""
        if self.program.arch != "wse2":
            return id
        return min((q for q in self.inputs if self.color_of["in", q] == id), default=-1)

    def _take(self, id: int, now: int) -> None:
        if id == COMMANDS and self.commands and not self.is_stream_blocked:
            self._take_command(now)
        elif ("local", id) in self.tasks and id in self.active and id not in self.blocked:
            self.active.discard(id)
            self._begin(self.tasks["local", id].function, [], now)
        elif self.inputs[self._queue_of(id)].items[0].control:
            self._take_control(self.pop(self._queue_of(id)), now)
        else:
            task = self.tasks["data", id]
            self._begin(task.function, split(self.pop(self._queue_of(id)), task), now)

    def _take_control(self, word: int, now: int) -> None:
        id = control.task_id(word)
        task = self.tasks.get(("control", id))
        if task is not None:
            self._begin(task.function, [argument(type, word & LOW_HALF) for type in task.params], now)
        elif id != control.NO_TASK:
            raise Fault("control-task-not-bound", f"a control wavelet for task {id}, which is not bound")

    def _begin(self, function: int, args: list[Value], now: int) -> None:
        self.running = self.program.functions[function].name
        self.counts.begin_task(function, now)
        self.main, self.wake = self._task(function, args), now
        self.wait(self.machine.task.dispatch_cycles)

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
            self.is_stream_blocked, self.launched = True, command.name
            export = self.exports[command.name]
            words = zip(export.params, command.args, strict=True)
            self._begin(export.target, [argument(type, word) for type, word in words], now)
        else:
            self.move_data(command, self.exports[command.name], self.x, self.y)
            self.running = ""
            self.counts.begin_task(-1, now)
            self.main, self.copying, self.wake = self._nothing(), ticket, now
            self.wait(-(-command.data.shape[2] // self.machine.host.copy_words_per_cycle))

    def _nothing(self) -> Generator[Request, None, None]:
        yield from ()

    def _next(self, now: int) -> int:
        """The next cycle in which this PE can do something unless a wavelet or a command comes."""
        times = [self.ports.next(), *(self.next_step(slot) for slot in self.slots if slot)]
        if self.main is None:
            times += [self._ready_at(id) for id in self.places]
        elif self.is_busy() and not (self.trying and self.slots[_number(self.trying)]):
            times.append(self.wake)
        soonest = min(times)
        return soonest if soonest == NEVER else max(soonest, now + 1)


def _number(request: Start) -> int:
    """The slot in which an operation runs."""
    return SYNCHRONOUS if request.slot is None else request.slot
