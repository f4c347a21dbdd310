"""The code of one random PE: scalar code, operations on memory, FIFOs, tasks, registers, prints.

`random_wafers` puts such PEs on a wafer and joins them. What is drawn here needs no other PE.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from engine_cases import machine_of
from random_programs import REGION, TYPES, Scalars, Vectors

from openwafer import tir
from openwafer.machine import Fabric
from openwafer.tir import DSD_OPS, ELEMENT_BYTES, DsdFlag, DsdKind, DsdWord
from tir_kit import Kit, binary, const, count_to, delay, dsd_op, local, mem1d, record, u16

LINES = tuple((file, line) for file in ("layout.csl", "pe.csl") for line in range(1, 12))
REGION_TYPES = ("u16", "i16", "u32", "f16", "f32")
PRIORITIES = (0, 0, 0, int(DsdFlag.PRIORITY_LOW), int(DsdFlag.PRIORITY_HIGH))
ACTIONS = ("test_or_suspend", "terminate", "suspend")
SLOTS = 11
"""Slots that `Scalars` uses; those behind are for what is drawn here."""
BOOL_SLOT, WORD_SLOT, INDEX_SLOT = SLOTS, SLOTS + 1, SLOTS + 2
Statements = Sequence[tir.Stmt]


class Tile(Scalars, Vectors):
    """One PE. `groups` are pieces of the launched function; `finish` puts them in some order."""

    def __init__(self, rng: random.Random, arch: str, name: str, arguments: int) -> None:
        self.rng, self.kit, self.arch = rng, Kit(arch, name), arch
        self.arrays = {type: self._array(type) for type in TYPES}
        self.regions = {type: self._region(type) for type in REGION_TYPES}
        self.data = self.kit.symbol("data", rng.randbytes(256), export="u32")
        self.stamps, self.stamp_count = self.kit.symbol("stamps", 8 * 64), 0
        self.callees: list[tir.Function] = []
        for _ in range(rng.randrange(3)):
            self.callees.append(self.function("", rng.choice(TYPES)))
        self.arguments = [rng.choice(["u16", "i16", "u32", "f32", "bool"]) for _ in range(arguments)]
        self.params = 0
        self.slots = [*self.arguments, *rng.choices(TYPES, k=8)][:8] + ["u16"] * 3
        self.ids = iter(range(24, 31) if arch == "wse2" else range(8, 31))
        self.bound: list[int] = []
        self.queues = {"in": rng.sample(range(8), 8), "out": rng.sample(range(6), 6)}
        self.groups: list[Statements] = []
        self.fabric: Fabric = machine_of(arch).fabric
        self.colors: list[int] = []
        """Colors with a route here: those of which registers can be read and written."""

    # --- the program as a whole -------------------------------------------------------------

    def finish(self) -> tir.Program:
        """The program: some callees, `init`, the launched function, and what holds for the whole PE."""
        rng = self.rng
        self._cells()
        groups = [*self.groups, *(self.piece() for _ in range(rng.randrange(6)))]
        if rng.random() < 0.02:
            groups.append(self.fault())
        rng.shuffle(groups)
        body = [statement for group in groups for statement in group]
        ends = [tir.UnblockCommands(0)] if rng.random() < 0.8 else []
        self.code([*body, *ends], len(self.arguments), export="go")
        if rng.random() < 0.3 and (id := self.task_id()) is not None:
            self.kit.activated.append(id)
        if rng.random() < 0.2 and self.bound:
            self.kit.blocked.append(rng.choice(self.bound))
        program = msgspec.structs.replace(self.kit.build(), locations=LINES)
        high = tuple(id for id in self.bound if rng.random() < 0.2)
        priority = rng.choice([1, 3, 3, 3, 5])
        relocated = tuple(relocate(f, rng) for f in program.functions)
        return msgspec.structs.replace(program, functions=relocated, high=high, main_priority=priority)

    def _cells(self) -> None:
        if self.rng.random() < 0.5:
            self.kit.params = ["u32", "i16"]
            start = self.kit.symbol("start", 8)
            body = [tir.Store(start, tir.Param("u32", 0)), tir.SeedRandom(tir.Param("u32", 0))]
            self.kit.init = self.kit.function(body)

    def code(self, body: Statements, params: int = 0, export: str = "") -> int:
        """A function with the slots that all pieces of this PE use; the first may be parameters."""
        slots = [*self.slots, "bool", "u16", "u16"]
        first = [tir.Set(i, tir.Const(type, 0)) for i, type in enumerate(slots) if i >= params]
        return self.kit.function([*first, *body], slots, params=params, export=export)

    def task_id(self) -> int | None:
        """The id of a new local task with some code; None if all ids are taken."""
        id = next(self.ids, None)
        if id is None:
            return None
        self.bound.append(id)
        body = [*self.stamp(), *(self.piece(is_task=True) if self.rng.random() < 0.6 else [])]
        function = self.code(body)
        self.kit.tasks.append(tir.Task(id, "local", function, ()))
        return id

    def expr(self, type: str, depth: int) -> tir.Expr:
        return super().expr(type, min(depth, 2))

    # --- pieces -----------------------------------------------------------------------------

    def piece(self, *, is_task: bool = False) -> Statements:
        """Some statements that need no other PE; in tasks, none that make tasks without end."""
        kinds: list[Callable[[], Statements]] = [
            self.scalars, self.scalars, self.vectors, self.vectors, self.print, self.stamp, self.pause,
            self.set_register, self.random, self.repeat, self.map, self.check, self.dsr, self.block,
        ]  # fmt: skip
        if not is_task:
            kinds += [self.activate, self.buffer, self.actions, self.buffer]
        return self.rng.choice(kinds)()

    def scalars(self) -> Statements:
        return self.statements(self.rng.randrange(1, 4), 1, ())

    def vectors(self) -> Statements:
        return self.operation(self.rng.choice(list(DSD_OPS)))

    def stamp(self) -> Statements:
        place = tir.Addr(self.stamps.symbol, 8 * (self.stamp_count % 64))
        self.stamp_count += 1
        return [tir.ReadTsc(place, 0)]

    def pause(self) -> Statements:
        return [delay(self.rng.choice([1, 2, 7, 30, 150]))]

    def print(self) -> Statements:
        rng, lines = self.rng, list[tir.Stmt]()
        for _ in range(rng.randrange(1, 4)):
            type, format = rng.choice([("u16", "d"), ("i16", "d"), ("u32", "X"), ("u16", "b"), ("f32", "f")])
            lines.append(tir.Print("", self.load(type, 1), format, 0))
            lines.append(tir.Print(rng.choice(["\n", " = ", "a\nb"]), None, "", 0))
        return lines

    def random(self) -> Statements:
        seed = [tir.SeedRandom(const("u32", self.rng.randrange(1 << 32)))] if self.rng.random() < 0.3 else []
        return [*seed, tir.Random16(WORD_SLOT), tir.Store(self.data, local("u16", WORD_SLOT))]

    def check(self) -> Statements:
        return [tir.Assert(binary("lt", u16(1), u16(2)), "never", 0)]

    def fault(self) -> Statements:
        """Something that ends the run, now or once some data are as they must not be."""
        zero = binary("and", tir.Load("u16", self.data), u16(self.rng.choice([0, 1])))
        outside = mem1d(u16(49100), 60, 2)
        wrong: list[Statements] = [
            [tir.Assert(binary("ne", zero, u16(0)), "data are even", 0)],
            [tir.Store(self.data, tir.Binary("div", "u16", u16(7), zero))],
            [tir.Store(binary("add", self.data, u16(49000)), zero)],
            [dsd_op("mov16", mem1d(self.regions["u16"], 60, 2), outside)],
            [tir.ReadConfig(WORD_SLOT, u16(3), 0)],
        ]
        return self.rng.choice(wrong)

    def activate(self) -> Statements:
        id = self.rng.choice(self.bound) if self.bound and self.rng.random() < 0.5 else self.task_id()
        return [] if id is None else [tir.Activate(u16(id), 0)]

    def block(self) -> Statements:
        if not self.bound:
            return []
        id = u16(self.rng.choice(self.bound))
        return [tir.SetBlocked(id, True, 0), *self.pause(), tir.SetBlocked(id, False, 0)]

    def repeat(self) -> Statements:
        """A loop, bounded or not, around operations; the unbounded one may yield."""
        counter, loop = count_to(INDEX_SLOT, self.rng.randrange(1, 5), [*self.vectors(), *self.pause()])
        is_bounded = self.rng.random() < 0.5
        return [counter, msgspec.structs.replace(loop, bounded=is_bounded)]

    def map(self) -> Statements:
        """What `@map` becomes: a loop of fixed cycles, with its steps covered by them."""
        place = binary("add", self.data, binary("mul", local("u16", INDEX_SLOT), u16(2)))
        add = tir.Store(place, binary("add", tir.Load("u16", place), u16(self.rng.randrange(99))))
        counter, loop = count_to(INDEX_SLOT, self.rng.randrange(1, 9), [add])
        assert isinstance(loop, tir.Loop)
        step = (tir.Block(-1, loop.step),)
        return [counter, msgspec.structs.replace(loop, step=step, cycles=self.rng.randrange(1, 6))]

    def actions(self) -> Statements:
        """An operation on memory that activates and unblocks."""
        id = self.task_id()
        unblock = self.rng.choice(self.bound) if self.bound and self.rng.random() < 0.4 else None
        n = self.rng.randrange(1, 40)
        dest, source = self.memory("u16", n), self.memory("u16", n)
        is_async = self.rng.random() < 0.5
        return [
            dsd_op("add16", dest, source, tir.Scalar(u16(3)), activate=id, unblock=unblock, is_async=is_async)
        ]

    def dsr(self) -> Statements:
        """An operation whose operands lie in DSRs, of which one word is changed in between."""
        n, rng = self.rng.randrange(1, 20), self.rng
        flags = rng.choice([0, int(DsdFlag.SAVE_ADDRESS)])
        dest, source = (self.kit.dsr(f"x:{len(self.kit.dsrs)}") for _ in range(2))
        loads = [
            tir.LoadDsr(dest.index, mem1d(self.regions["u16"], n, 2, flags=flags), 0),
            tir.LoadDsr(source.index, mem1d(self.regions["i16"], n, 2, flags=flags), 0),
        ]
        change = tir.SetDsr(
            source.index, rng.choice([DsdWord.EXTENT0, DsdWord.BASE]), u16(rng.randrange(1, 60)), 0
        )
        run = dsd_op(rng.choice(["mov16", "popcnt"]), dest, source)
        return [*loads, run, *([change] if rng.random() < 0.5 else []), run]

    def set_register(self) -> Statements:
        """Reads a configuration register, or writes one of a color with a route here."""
        rng, fabric = self.rng, self.fabric
        if not self.colors:
            return []
        color = rng.choice(self.colors)
        first = rng.choice([fabric.color_config_address, fabric.switch_config_address])
        address = u16((first or 0) + color)
        read = tir.ReadConfig(WORD_SLOT, address, 0)
        keep = tir.Store(self.data, local("u16", WORD_SLOT))
        if rng.random() < 0.7 or first != fabric.switch_config_address:
            return [read, keep, tir.WriteConfig(address, local("u16", WORD_SLOT), 0)]
        return [read, keep, tir.WriteConfig(address, u16(rng.randrange(1 << 15)), 0)]

    # --- FIFOs ------------------------------------------------------------------------------

    def fifo(self, size: int) -> tuple[tir.DsdMake, int]:
        """A new FIFO, and its number."""
        rng, places = self.rng, self.rng.randint(1, 9)
        ids = {name: self.task_id() for name in ("activate_push", "activate_pop") if rng.random() < 0.3}
        actions = {name: rng.choice(ACTIONS) for name in ("empty", "full")}
        ring = self.kit.symbol(f"ring{len(self.kit.fifos)}", size * places)
        made = self.kit.fifo(ring, places, size, **ids, **actions)
        flags = rng.choice(PRIORITIES)
        words = list(made.words)
        words[DsdWord.FLAGS] = u16(flags)
        return tir.DsdMake(tuple(words)), len(self.kit.fifos) - 1

    def length(self, fifo: int, n: int, *, write: bool) -> tir.Stmt:
        return tir.SetFifoLength(fifo, write, u16(n), 0)

    def buffer(self) -> Statements:
        """Elements into a FIFO and out of it again."""
        size = self.rng.choice([2, 4])
        type, op = ("u16", "mov16") if size == 2 else ("u32", "mov32")
        fifo, number = self.fifo(size)
        give, take = self.rng.randrange(1, 9), self.rng.randrange(1, 9)
        ok = tir.Store(self.data, tir.Cast("u16", local("bool", BOOL_SLOT)))
        source, dest = self.memory(type, give), self.memory(type, take)
        return [
            self.length(number, give, write=True),
            dsd_op(op, fifo, source, result=BOOL_SLOT, **self.task_options(0.5)), ok,
            self.length(number, take, write=False),
            dsd_op(op, dest, fifo, result=BOOL_SLOT, **self.task_options(0.5)), ok,
        ]  # fmt: skip

    def task_options(self, chance: float) -> dict[str, Any]:
        """Synchronous, or with some chance on a microthread, with or without a task at its end."""
        if self.rng.random() > chance:
            return {}
        options: dict[str, Any] = {"is_async": True}
        if self.rng.random() < 0.7:
            options["ut"] = self.rng.randrange(8)
        if self.rng.random() < 0.7:
            options["activate"] = self.task_id()
        if self.bound and self.rng.random() < 0.2:
            options["unblock"] = self.rng.choice(self.bound)
        return options

    # --- operands ---------------------------------------------------------------------------

    def memory(self, type: str, n: int, **words: Any) -> tir.DsdMake:
        """n elements of the region of a type: in a row, in four dimensions, around a ring, or one place."""
        size, base = ELEMENT_BYTES[type], self.regions[type]
        if n * size > REGION:
            return mem1d(base, n, 0, **words)
        start = tir.Addr(base.symbol, size * self.rng.randrange((REGION - n * size) // size + 1))
        kind = self.rng.randrange(5)
        if kind == 0:
            return self._ring(base, n, size, words)
        if kind == 1:
            inner = self.rng.choice([k for k in range(1, n + 1) if n % k == 0])
            extents = {"extent0": inner, "extent1": n // inner, "extent2": 1, "extent3": 1}
            return record(DsdKind.MEM4D, base=start, **extents, stride0=size, stride1=size, **words)
        return mem1d(start, n, self.rng.choice([size, size, 0]), **words)

    def _ring(self, base: tir.Addr, n: int, size: int, words: dict[str, Any]) -> tir.DsdMake:
        ends = {"color": base, "end": tir.Addr(base.symbol, size * self.rng.randrange(2, REGION // size))}
        return record(DsdKind.CIRCBUF, base=base, extent0=n, stride0=size, **ends, **words)

    def queue(self, direction: str, color: int) -> int | None:
        """A queue bound to a color; None if there is no more."""
        free = self.queues[direction]
        if not free:
            return None
        self.kit.queue(direction, free[-1], color)
        return free.pop()


def relocate(node: Any, rng: random.Random) -> Any:
    """The same code with each statement on some line."""
    if isinstance(node, tuple):
        return tuple(relocate(part, rng) for part in node)
    if not isinstance(node, msgspec.Struct):
        return node
    names = [f for f in node.__struct_fields__ if isinstance(getattr(node, f), tuple)]
    changes = {
        name: relocate(getattr(node, name), rng)
        for name in names
        if name in ("body", "step", "then", "otherwise")
    }
    if "loc" in node.__struct_fields__:
        changes["loc"] = rng.randrange(len(LINES))
    return msgspec.structs.replace(node, **changes) if changes else node
