"""Seeded random programs on which the engines must agree.

Floats live in symbols whose name begins with their type, so that a comparison may ignore which NaN is there.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from openwafer import tir
from openwafer.image import Image
from openwafer.sim.reference._dsd import addresses, length_of, saved_base
from openwafer.tir import DSD_OPS, ELEMENT_BYTES, DsdFlag, DsdKind, DsdWord
from tir_kit import RAMP, E, Kit, N, S, W, binary, count_to, dsd_op, image, local, record, u16

TYPES = ("u16", "i16", "u32", "i32", "f16", "f32", "bool", "u8", "i64", "i11")
INTEGERS = tuple(type for type in TYPES if type[0] in "ui")
FLOATS = ("f16", "f32")
CELLS = 16
"""Elements of each array; a power of two."""
SIZES = {"bool": 2, "u8": 1, "i11": 2, "u16": 2, "i16": 2, "f16": 2, "u32": 4, "i32": 4, "f32": 4, "i64": 8}


def data_of(type: str, n: int, rng: random.Random) -> bytes:
    """n elements: integers of all sizes; moderate floats, some special ones."""
    if type in FLOATS:
        special = [0.0, -0.0, 1.0, 65504.0, 6e-8, 1e-5, float("inf")]
        numbers = [rng.choice(special) if rng.random() < 0.15 else rng.gauss(0, 20) for _ in range(n)]
        return np.array(numbers, np.float16 if type == "f16" else np.float32).tobytes()
    if type == "bool":
        return b"".join(rng.choice((b"\0\0", b"\1\0")) for _ in range(n))
    return rng.randbytes(n * SIZES[type])


class Scalars:
    """Random scalar code: expressions, stores, branches, loops, calls."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.kit = rng, Kit()
        self.arrays = {type: self._array(type) for type in TYPES}
        self.stamps = self.kit.symbol("stamps", 8 * 64)
        self.stamp_count = 0
        self.slots: list[str] = []
        self.params = 0
        self.callees: list[tir.Function] = []

    def _array(self, type: str) -> tir.Addr:
        return self.kit.symbol(f"{type}_array", data_of(type, CELLS, self.rng))

    def program(self) -> tir.Program:
        for _ in range(3):
            self.callees.append(self.function("", self.rng.choice(TYPES)))
        self.function("go", "void")
        return self.kit.build()

    def function(self, export: str, result: str) -> tir.Function:
        self.params = 0 if export else self.rng.randrange(4)
        self.slots = [*self.rng.choices(TYPES, k=8), "u16", "u16", "u16"]
        body = [*self.statements(6, 2, ()), *([] if export else [tir.Return(self.expr(result, 3))])]
        first = [tir.Set(i, self.const(t)) for i, t in enumerate(self.slots) if i >= self.params]
        index = self.kit.function(
            [*first, *body], self.slots, params=self.params, result=result, export=export
        )
        return self.kit.functions[index]

    def statements(self, n: int, depth: int, labels: tuple[int, ...]) -> list[tir.Stmt]:
        return list(itertools.chain.from_iterable(self.statement(depth, labels) for _ in range(n)))

    def statement(self, depth: int, labels: tuple[int, ...]) -> Sequence[tir.Stmt]:
        kinds: list[Callable[[], Sequence[tir.Stmt]]] = [
            self.set,
            self.set,
            self.store,
            self.call,
            self.other,
        ]
        kind = self.rng.randrange(8)
        if kind == 5 and labels:
            leave = self.rng.choice([tir.Break, tir.Continue])(self.rng.choice(labels))
            return [tir.If(self.expr("bool", 2), (leave,), ())]
        if kind >= 5 and depth:
            return self.nested(kind, depth, labels)
        return kinds[min(kind, 4)]()

    def nested(self, kind: int, depth: int, labels: tuple[int, ...]) -> Sequence[tir.Stmt]:
        if kind == 6:
            label = 10 + len(labels) + 4 * depth
            counter = 8 + depth
            body = self.statements(3, depth - 1, (*labels, label))
            return count_to(counter, self.rng.randrange(1, 6), body, label)
        then = tuple(self.statements(2, depth - 1, labels))
        return [tir.If(self.expr("bool", 3), then, tuple(self.statements(1, depth - 1, labels)))]

    def set(self) -> Sequence[tir.Stmt]:
        slot = self.rng.randrange(8)
        return [tir.Set(slot, self.expr(self.slots[slot], 4))]

    def place(self, type: str) -> tir.Expr:
        index = binary("and", self.expr("u16", 1), u16(CELLS - 1))
        return binary("add", self.arrays[type], binary("mul", index, u16(SIZES[type])))

    def store(self) -> Sequence[tir.Stmt]:
        type = self.rng.choice(TYPES)
        return [tir.Store(self.place(type), self.expr(type, 3))]

    def call(self) -> Sequence[tir.Stmt]:
        if not self.callees:
            return self.set()
        index = self.rng.randrange(len(self.callees))
        callee = self.callees[index]
        args = tuple(self.expr(type, 2) for type in callee.slots[: callee.params])
        results = [slot for slot in range(8) if self.slots[slot] == callee.result]
        return [tir.Call(index, args, self.rng.choice(results) if results else None, 0)]

    def other(self) -> Sequence[tir.Stmt]:
        kind = self.rng.randrange(4)
        words = [slot for slot in range(8) if self.slots[slot] == "u16"]
        if kind == 0 and words:
            return [tir.Random16(self.rng.choice(words))]
        if kind == 1:
            return [tir.Copy(self.arrays["u32"], self.arrays["i32"], 4 * self.rng.randrange(1, CELLS))]
        if kind == 2:
            return [tir.Yield(0)]
        place = tir.Addr(self.stamps.symbol, 8 * (self.stamp_count % 64))
        self.stamp_count += 1
        return [tir.ReadTsc(place, 0)]

    def const(self, type: str) -> tir.Const:
        if type in FLOATS:
            return tir.Const(type, self.rng.choice([0.0, 1.0, -2.5, 0.25, 1000.0]))
        bits = {"bool": 1}.get(type) or int(type[1:])
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if type[0] == "i" else (0, (1 << bits) - 1)
        return tir.Const(
            type, self.rng.choice([low, high, 0 if low == 0 else -1, 1, self.rng.randint(low, high)])
        )

    def expr(self, type: str, depth: int) -> tir.Expr:
        same = [slot for slot in range(8) if self.slots[slot] == type]
        if depth == 0 or self.rng.random() < 0.15:
            return (
                local(type, self.rng.choice(same)) if same and self.rng.random() < 0.7 else self.const(type)
            )
        return self.rng.choice([self.load, self.arithmetic, self.arithmetic, self.cast, self.select])(
            type, depth - 1
        )

    def load(self, type: str, depth: int) -> tir.Expr:
        return tir.Load(type, self.place(type))

    def cast(self, type: str, depth: int) -> tir.Expr:
        return tir.Cast(type, self.expr(self.rng.choice(TYPES), depth))

    def select(self, type: str, depth: int) -> tir.Expr:
        return tir.Select(type, self.expr("bool", depth), self.expr(type, depth), self.expr(type, depth))

    def arithmetic(self, type: str, depth: int) -> tir.Expr:
        if type == "bool":
            return self.truth(depth)
        a = self.expr(type, depth)
        if type in FLOATS:
            return self.float_arithmetic(type, a, depth)
        op = self.rng.choice(
            ["add", "sub", "mul", "div", "rem", "and", "or", "xor", "shl", "shr", "neg", "inv", "intrinsic"]
        )
        if op in ("neg", "inv"):
            return tir.Unary(op, type, a)
        if op == "intrinsic":
            return self.integer_intrinsic(type, a, depth)
        if op in ("shl", "shr"):
            b: tir.Expr = self.expr(self.rng.choice(("u16", "i16", type)), depth)
            b = b if self.rng.random() < 0.4 else u16(self.rng.randrange(20))
            return tir.Binary(op, type, a, b)
        b = self.expr(type, depth)
        return binary(op, a, binary("or", b, tir.Const(type, 1)) if op in ("div", "rem") else b)

    def integer_intrinsic(self, type: str, a: tir.Expr, depth: int) -> tir.Expr:
        name = self.rng.choice(("clz", "ctz", "popcnt", "abs", "min", "max"))
        args = (a, self.expr(type, depth)) if name in ("min", "max") else (a,)
        return tir.Intrinsic(name, type, args)

    def float_arithmetic(self, type: str, a: tir.Expr, depth: int) -> tir.Expr:
        op = self.rng.choice(("add", "sub", "mul", "div", "neg", "one", "two"))
        if op == "neg":
            return tir.Unary("neg", type, a)
        if op == "one":
            return tir.Intrinsic(
                self.rng.choice(("sqrt", "floor", "ceil", "trunc", "rint", "round", "abs")), type, (a,)
            )
        b = self.expr(type, depth)
        return (
            tir.Intrinsic(self.rng.choice(("min", "max")), type, (a, b)) if op == "two" else binary(op, a, b)
        )

    def truth(self, depth: int) -> tir.Expr:
        kind = self.rng.randrange(4)
        if kind == 0:
            return tir.Unary("not", "bool", self.expr("bool", depth))
        if kind == 1:
            return binary(
                self.rng.choice(("and", "or", "xor")), self.expr("bool", depth), self.expr("bool", depth)
            )
        type = self.rng.choice(TYPES[:6])
        op = self.rng.choice(("eq", "ne", "lt", "le", "gt", "ge"))
        return binary(op, self.expr(type, depth), self.expr(type, depth))


def random_scalars(seed: int) -> Image:
    return image([[Scalars(random.Random(seed)).program()]])


REGION = 512
"""Bytes of the memory that DSD operations of one element type work on."""


class Vectors:
    """Random memory-only DSD operations, with time stamps between them."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.kit = rng, Kit()
        self.regions = {t: self._region(t) for t in ("u16", "i16", "u32", "f16", "f32")}

    def _region(self, type: str) -> tir.Addr:
        return self.kit.symbol(f"{type}_region", data_of(type, REGION // ELEMENT_BYTES[type], self.rng))

    def program(self, n: int) -> tir.Program:
        stamps = self.kit.symbol("stamps", 8 * n)
        body: list[tir.Stmt] = []
        for i in range(n):
            body += self.operation(self.rng.choice(list(DSD_OPS)))
            body.append(tir.ReadTsc(tir.Addr(stamps.symbol, 8 * i), 0))
        self.kit.function(body, export="go")
        return self.kit.build()

    def operation(self, op: str) -> list[tir.Stmt]:
        """An operation whose operands stay in their regions; every second time from DSRs, and run twice."""
        row = DSD_OPS[op]
        types = [row.dest, row.src0, row.src][: 1 + row.sources]
        while True:
            records = [self.record(type, i == 0) for i, type in enumerate(types)]
            mixed = records[0][0] == DsdKind.POINTER and row.acc is not None
            if not mixed and self._stays(types, records):
                break
        scalar_type = "i16" if op.startswith("fscale") else row.src
        scalar = self.scalar(scalar_type) if row.scalar else None
        if self.rng.random() < 0.5 or records[0][0] == DsdKind.POINTER:
            operands = [self._operand(r, t) for r, t in zip(records, types, strict=True)]
            return [dsd_op(op, *operands, scalar=scalar)]
        return self._by_dsr(op, types, records, scalar)

    def _by_dsr(
        self, op: str, types: list[Any], records: list[list[int]], scalar: tir.Expr | None
    ) -> list[tir.Stmt]:
        out: list[tir.Stmt] = []
        operands: list[tir.Operand] = []
        moved = [list(r) for r in records]
        for i, (made, type) in enumerate(zip(records, types, strict=True)):
            if made[0] >= DsdKind.SCALAR or self.rng.random() < 0.3:
                operands.append(self._operand(made, type))
                continue
            is_saved = self.rng.random() < 0.6
            made[DsdWord.FLAGS] |= DsdFlag.SAVE_ADDRESS * is_saved
            moved[i][DsdWord.BASE] = saved_base(made) if is_saved else made[DsdWord.BASE]
            dsr = self.kit.dsr(f"x:{len(self.kit.dsrs)}")
            out.append(tir.LoadDsr(dsr.index, tir.DsdMake(tuple(map(u16, made))), 0))
            operands.append(dsr)
        run = dsd_op(op, *operands, scalar=scalar)
        return [*out, run, *([run] if self._stays(types, moved) else [])]

    def _stays(self, types: list[Any], records: list[list[int]]) -> bool:
        lengths = [length_of(r) for r in [*records[1:], records[0]]]
        n = next((length for length in lengths if length), 1)
        return all(
            self._inside(type, address)
            for type, made in zip(types, records, strict=True) if made[0] != DsdKind.SCALAR
            for address in itertools.islice(addresses(made), n)
        )  # fmt: skip

    def _inside(self, type: str, address: int) -> bool:
        start = self.kit.address(self.regions[type])
        return start <= address <= start + REGION - ELEMENT_BYTES[type]

    def scalar(self, type: str) -> tir.Const:
        if type in FLOATS:
            return tir.Const(type, self.rng.choice([0.5, -3.0, 1.0, 2.25]))
        bits = int(type[1:])
        return tir.Const(type, self.rng.randrange(1 << bits) - (1 << bits - 1) * (type[0] == "i"))

    def _operand(self, made: list[int], type: str) -> tir.Operand:
        if made[0] == DsdKind.SCALAR:
            return tir.Scalar(self.scalar(type))
        if made[0] == DsdKind.POINTER:
            return tir.Pointer(u16(made[DsdWord.BASE]))
        return tir.Dsd(tir.DsdMake(tuple(map(u16, made))))

    def record(self, type: str, is_dest: bool) -> list[int]:
        rng, size = self.rng, ELEMENT_BYTES[type]
        start, made = self.kit.address(self.regions[type]), [0] * 16
        made[0] = rng.choice([1, 1, 1, 2, 3, 8] if is_dest else [1, 1, 1, 2, 3, 7, 8])
        made[DsdWord.BASE] = start + size * rng.randrange(REGION // size)
        strides = [size * rng.choice([1, 1, 1, 0, 2, 3, -1, 8]) for _ in range(4)]
        extents = [rng.randrange(1, 5) for _ in range(4)]
        if made[0] in (DsdKind.MEM1D, DsdKind.CIRCBUF):
            extents = [rng.choice([0, 1, 7, 8, 9, 30, 64]), 0, 0, 0]
        if made[0] <= DsdKind.CIRCBUF:
            made[DsdWord.EXTENT0 : DsdWord.EXTENT0 + 4] = extents
            made[DsdWord.STRIDE0 : DsdWord.STRIDE0 + 4] = [stride & 0xFFFF for stride in strides]
        if made[0] == DsdKind.CIRCBUF:
            made[DsdWord.COLOR], made[DsdWord.END] = start + 8 * size, start + 8 * size + 16 * size
            made[DsdWord.BASE] = start + 8 * size + size * rng.randrange(16)
        return made


def random_vectors(seed: int) -> Image:
    return image([[Vectors(random.Random(seed)).program(25)]])


@dataclass
class Flow:
    """A color from one PE along a path; PEs on it may take copies, the last one does."""

    color: int
    path: list[tuple[int, int]]
    takers: list[tuple[int, int]]
    length: int
    routes: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)


BITS = {(-1, 0): W, (1, 0): E, (0, -1): N, (0, 1): S}


def random_flow(color: int, width: int, height: int, rng: random.Random) -> Flow:
    """First along x, then along y, or the other way round."""
    here, there = ((rng.randrange(width), rng.randrange(height)) for _ in range(2))
    corner = (there[0], here[1]) if rng.random() < 0.5 else (here[0], there[1])
    path = [here]
    for x, y in (corner, there):
        while path[-1] != (x, y):
            px, py = path[-1]
            path.append((px + (x > px) - (x < px), py + (y > py) - (y < py)))
    takers = [pe for pe in path[1:-1] if rng.random() < 0.3] + path[-1:]
    flow = Flow(color, path, takers, rng.choice([1, 3, 10, 40]))
    for i, pe in enumerate(path):
        rx = BITS[path[i - 1][0] - pe[0], path[i - 1][1] - pe[1]] if i else RAMP
        tx = BITS[path[i + 1][0] - pe[0], path[i + 1][1] - pe[1]] if i + 1 < len(path) else 0
        flow.routes[pe] = (rx, tx | (RAMP if pe in takers else 0))
    return flow


PRIORITIES = (int(DsdFlag.PRIORITY_LOW), int(DsdFlag.PRIORITY_HIGH))


def _number(word: tir.Expr) -> int:
    assert isinstance(word, tir.Const)
    return int(word.value)


def _is_fabric(operand: tir.Operand | None) -> bool:
    if not isinstance(operand, tir.Dsd) or not isinstance(operand.value, tir.DsdMake):
        return False
    return _number(operand.value.words[DsdWord.KIND]) in (DsdKind.FABIN, DsdKind.FABOUT)


def _loaded(op: tir.DsdOp, made: tir.DsdMake, changes: dict[str, Any], dice: random.Random) -> tir.DsdMake:
    words = list(made.words)
    flags = dice.choice([0, *PRIORITIES])
    if op.is_async and dice.random() < 0.5:
        flags, changes["is_async"] = flags | DsdFlag.ASYNC, False
    words[DsdWord.FLAGS] = u16(_number(words[DsdWord.FLAGS]) | flags)
    if dice.random() < 0.5:
        words[DsdWord.MICROTHREAD] = u16(dice.randrange(1, 9))
        changes |= {"ut": None} if dice.random() < 0.7 else {}
    if op.activate is not None and dice.random() < 0.5:
        words[DsdWord.ACTIONS], changes["activate"] = u16(_number(op.activate) + 1), None
    return tir.DsdMake(tuple(words))


class Streams:
    """Random streams over a small fabric: sends, receptions into memory, data tasks and relays."""

    def __init__(self, rng: random.Random, dsr_share: float = 0.4) -> None:
        """`dsr_share` of the fabric operands lie in DSRs; all else is the same for every share."""
        self.rng, self.dsr_share = rng, dsr_share
        self.dice = random.Random(repr(rng.getstate()))
        self.arch = rng.choice(("wse2", "wse3"))
        self.width, self.height = rng.randrange(1, 5), rng.randrange(1, 4)
        places = [(x, y) for y in range(self.height) for x in range(self.width)]
        self.kits = {place: Kit(self.arch, f"pe{place}") for place in places}
        self.data = {place: kit.symbol("data", rng.randbytes(256)) for place, kit in self.kits.items()}
        self.stamps = {place: kit.symbol("stamps", 32 * 8) for place, kit in self.kits.items()}
        self.body: dict[tuple[int, int], list[tir.Stmt]] = {place: [] for place in places}
        self.ids = {place: iter(range(8, 31)) for place in places}
        self.queues = {p: {"in": self._queues(8), "out": self._queues(6)} for p in places}
        self.flows = [random_flow(c, self.width, self.height, rng) for c in range(rng.randrange(1, 9))]

    def _queues(self, n: int) -> list[int]:
        return self.rng.sample(range(n), n)

    def image(self) -> Image:
        for flow in self.flows:
            self.send(flow)
            for place in flow.takers:
                self.take(place, flow)
        for place, statements in self.body.items():
            self.rng.shuffle(statements)
            body = [self._from_dsrs(place, s) if isinstance(s, tir.DsdOp) else s for s in statements]
            extra = [self.work(place) for _ in range(self.rng.randrange(3))]
            self.kits[place].function([*body, *extra], ["u16", "u32"], export="go")
        routes = {
            place: {f.color: f.routes[place] for f in self.flows if place in f.routes} for place in self.kits
        }
        rows = [[self.kits[x, y].build() for x in range(self.width)] for y in range(self.height)]
        return image(rows, routes)

    def queue(self, place: tuple[int, int], direction: str, color: int) -> int | None:
        free = self.queues[place][direction]
        if not free:
            return None
        self.kits[place].queue(direction, free[-1], color)
        return free.pop()

    def memory(self, place: tuple[int, int], size: int, n: int) -> tir.DsdMake:
        """n elements in the PE's data, or one place again and again."""
        fits = n * size <= 256
        base = tir.Addr(self.data[place].symbol, self.rng.randrange(0, 257 - n * size, 2) if fits else 0)
        return record(DsdKind.MEM1D, base=base, extent0=n, stride0=size if fits else 0)

    def _from_dsrs(self, place: tuple[int, int], op: tir.DsdOp) -> tir.Stmt:
        """Some fabric operands in DSRs, which take over what the operation says, or are overruled by it."""
        changes: dict[str, Any] = {}
        loads: list[tir.Stmt] = []
        for name in ("dest", "src0", "src1"):
            operand = getattr(op, name)
            if not _is_fabric(operand) or self.dice.random() >= self.dsr_share:
                continue
            dsr = self.kits[place].dsr(f"x:{len(self.kits[place].dsrs)}")
            loads.append(tir.LoadDsr(dsr.index, _loaded(op, operand.value, changes, self.dice), 0))
            changes[name] = tir.Dsr(dsr.index, self.dice.choice([None, None, 0, *PRIORITIES]))
        return tir.Block(-1, (*loads, msgspec.structs.replace(op, **changes)))

    def _options(self, place: tuple[int, int]) -> dict[str, Any]:
        """Synchronous, or on a random microthread with a task that writes the time."""
        if self.rng.random() < 0.3:
            return {}
        options: dict[str, Any] = {"is_async": True}
        if self.rng.random() < 0.7:
            options["ut"] = self.rng.randrange(8)
        if self.rng.random() < 0.8 and (id := next(self.ids[place], None)) is not None:
            self.kits[place].task(
                id, [tir.ReadTsc(tir.Addr(self.stamps[place].symbol, 8 * id), 0), self.work(place)]
            )
            options["activate"] = id
        return options

    def work(self, place: tuple[int, int]) -> tir.Stmt:
        """Some cycles of memory operation, that change the data."""
        n = self.rng.randrange(1, 60)
        dest = self.memory(place, 2, n)
        return dsd_op("add16", dest, self.memory(place, 2, n), tir.Scalar(u16(self.rng.randrange(100))))

    def fabric(self, kind: DsdKind, queue: int, flow: Flow, flags: int) -> tir.DsdMake:
        return record(kind, base=queue, extent0=flow.length, color=flow.color, flags=flags)

    def send(self, flow: Flow) -> None:
        place = flow.path[0]
        queue = self.queue(place, "out", flow.color)
        if queue is None:
            return
        op, size, flags = self.rng.choice(
            [("mov32", 4, 0), ("mov16", 2, 0), ("mov16", 2, 2), ("add16", 2, 8)]
        )
        out = self.fabric(DsdKind.FABOUT, queue, flow, flags)
        sources = [self.memory(place, size, flow.length)]
        sources += [self.memory(place, size, flow.length)] if op == "add16" else []
        index = self.rng.randrange(1 << 16) if flags == DsdFlag.WAVELET_INDEX else None
        self.body[place].append(dsd_op(op, out, *sources, index=index, **self._options(place)))

    def take(self, place: tuple[int, int], flow: Flow) -> None:
        queue = self.queue(place, "in", flow.color)
        if queue is None:
            return
        id = flow.color if self.arch == "wse2" else queue
        taken = {task.id for task in self.kits[place].tasks}
        if self.rng.random() < 0.25 and id not in taken and id not in range(8, 31):
            self.data_task(place, id)
            return
        op, size, flags = self.rng.choice(
            [("mov32", 4, 0), ("mov16", 2, 0), ("add16", 2, 8), ("reduce", 2, 0)]
        )
        incoming = self.fabric(DsdKind.FABIN, queue, flow, flags)
        options = self._options(place)
        if op == "reduce":
            target = tir.Pointer(tir.Addr(self.data[place].symbol, 8))
            statement = dsd_op("add16", target, tir.Scalar(u16(3)), incoming, **options)
        elif op == "mov32" and (relayed := self.relay(place, flow, incoming, options)):
            statement = relayed
        else:
            sources = [incoming, *([self.memory(place, size, flow.length)] if op == "add16" else [])]
            statement = dsd_op(op, self.memory(place, size, flow.length), *sources, **options)
        self.body[place].append(statement)

    def relay(
        self, place: tuple[int, int], flow: Flow, incoming: tir.DsdMake, options: dict[str, Any]
    ) -> tir.Stmt | None:
        """Sends what comes on by a new color to a neighbour, where a data task or nothing takes it."""
        color = 10 + len(self.flows)
        x = place[0] + 1
        if self.rng.random() < 0.5 or color > 20 or x >= self.width:
            return None
        out = self.queue(place, "out", color)
        if out is None:
            return None
        onward = Flow(color, [place], [], flow.length, {place: (RAMP, E), (x, place[1]): (W, RAMP)})
        self.flows.append(onward)
        self.take((x, place[1]), onward)
        return dsd_op("mov32", self.fabric(DsdKind.FABOUT, out, onward, 0), incoming, **options)

    def data_task(self, place: tuple[int, int], id: int) -> None:
        """Adds the wavelet to a sum in memory and writes the time."""
        total = tir.Addr(self.data[place].symbol, 4 * (id % 32))
        add = tir.Store(total, binary("add", tir.Load("u32", total), local("u32", 0)))
        stamp = tir.ReadTsc(tir.Addr(self.stamps[place].symbol, 8 * id), 0)
        self.kits[place].task(id, [add, stamp], ["u32"], kind="data", params=1)


def random_streams(seed: int, dsr_share: float = 0.4) -> Image:
    return Streams(random.Random(seed), dsr_share).image()
