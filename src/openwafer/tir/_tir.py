"""The typed intermediate representation of one PE program.

What the front-end makes and both engines run. Expressions are pure trees; everything that has an effect or
can wait is a statement. Every node is a tagged `msgspec.Struct`, so a program is stored as MessagePack and
checked when it is read.

Types are strings: `i16 u16 i32 u32 …` (any width up to 64), `f16 f32 bool dsd void`. Pointers, colors,
queues and task ids are `u16`; pointers are byte addresses in the PE's memory. A `dsd` is a record of 16
16-bit words (`DsdWord`). Integers wrap; division truncates towards zero; shifts by the width or more give 0
(or the sign for `>>` of a signed value); float to integer truncates and saturates, NaN gives 0; f16 and f32
round once, to nearest even, after every operation.
"""

from __future__ import annotations

import enum
from typing import TypeAlias

import msgspec


class DsdKind(enum.IntEnum):
    """Word 0 of a DSD record."""

    NONE = 0
    MEM1D = 1
    MEM4D = 2
    CIRCBUF = 3
    FABIN = 4
    FABOUT = 5
    FIFO = 6
    SCALAR = 7
    POINTER = 8


class DsdWord(enum.IntEnum):
    """What each word of a DSD record holds; unused words are 0. Strides are signed, in bytes.

    MEM4D: word EXTENT0/STRIDE0 is the innermost dimension; unused dimensions have extent 1; an outer stride
    is what the address changes by when that dimension advances and the inner ones reset (as documented).
    SCALAR: BASE is the low and EXTENT0 the high half of the value. POINTER: BASE is the address.
    FABIN/FABOUT: BASE is the queue, COLOR the color. FIFO: BASE is the FIFO's number in the program.
    CIRCBUF: COLOR is the start address and END the exclusive end address. MICROTHREAD, in a DSR:
    the id + 1 of the microthread of operations that name none themselves, 0 for none.
    """

    KIND = 0
    BASE = 1
    EXTENT0 = 2
    EXTENT1 = 3
    EXTENT2 = 4
    EXTENT3 = 5
    STRIDE0 = 6
    STRIDE1 = 7
    STRIDE2 = 8
    STRIDE3 = 9
    COLOR = 10
    END = 11
    ELEMENT_BYTES = 12
    FLAGS = 13
    ACTIONS = 14
    MICROTHREAD = 15


MEDIUM = 3
"""The priority class of what has none of its own."""


class DsdFlag(enum.IntFlag):
    """Bits of `DsdWord.FLAGS`. `ACTIONS` holds activate id + 1 (low byte) and unblock id + 1 (high byte)."""

    CONTROL = 1
    WAVELET_INDEX = 2
    ADVANCE_SWITCH = 4
    SIMD_32 = 8
    SIMD_64 = 16
    ZERO_FIRST = 32
    ZERO_SECOND = 64
    CONTROL_TRANSFORM = 128
    PRIORITY_LOW = 256
    PRIORITY_HIGH = 512
    SAVE_ADDRESS = 1024
    SINGLE_STEP = 2048
    ASYNC = 4096


class Base(msgspec.Struct, frozen=True, tag=True, tag_field="node", array_like=True):
    """Base of all nodes."""


# --- expressions -----------------------------------------------------------


class Const(Base, frozen=True):
    """`value` is an int, a bool as 0/1, or a float that the type holds exactly."""

    type: str
    value: int | float


class Param(Base, frozen=True):
    """The value of parameter cell `index` of this PE; costs nothing (a constant of the PE's own program)."""

    type: str
    index: int


class Coord(Base, frozen=True):
    """Column (axis 0) or row (axis 1) of the PE in its rectangle; type u16; costs nothing."""

    axis: int
    type: str = "u16"


class Addr(Base, frozen=True):
    """Byte address of `symbol` (index into `Program.symbols`) plus `offset` bytes; type u16."""

    symbol: int
    offset: int = 0
    type: str = "u16"


class Local(Base, frozen=True):
    """Current value of a local slot of the function."""

    type: str
    slot: int


class Load(Base, frozen=True):
    type: str
    addr: Expr


class Unary(Base, frozen=True):
    """`op` is `neg` (integers wrap, floats flip the sign bit), `inv` (bitwise) or `not` (bool)."""

    op: str
    type: str
    a: Expr


class Binary(Base, frozen=True):
    """`add sub mul div rem and or xor shl shr` on equal types (the shift amount may be any integer type),
    and the comparisons `eq ne lt le gt ge`, of result type `bool`; compare as the operands' type says."""

    op: str
    type: str
    a: Expr
    b: Expr


class Cast(Base, frozen=True):
    """Numeric conversion of value; to bool it is `!= 0` (NaN gives true)."""

    type: str
    a: Expr


class Bitcast(Base, frozen=True):
    type: str
    a: Expr


class Select(Base, frozen=True):
    """`a` if `cond` else `b`, both evaluated."""

    type: str
    cond: Expr
    a: Expr
    b: Expr


class Intrinsic(Base, frozen=True):
    """`sqrt floor ceil …` of f16/f32, each correctly rounded; `clz ctz popcnt` of integers."""

    name: str
    type: str
    args: tuple[Expr, ...]


class DsdMake(Base, frozen=True):
    """A DSD record from 16 expressions of type u16 or i16."""

    words: tuple[Expr, ...]
    type: str = "dsd"


class DsdWith(Base, frozen=True):
    """`base` with one word replaced."""

    base: Expr
    word: int
    value: Expr
    type: str = "dsd"


class DsdGet(Base, frozen=True):
    """One word of a DSD record; type u16."""

    base: Expr
    word: int
    type: str = "u16"


Expr: TypeAlias = (
    Const | Param | Coord | Addr | Local | Load | Unary | Binary | Cast | Bitcast | Select | Intrinsic
    | DsdMake | DsdWith | DsdGet
)  # fmt: skip

# --- operands of DSD operations --------------------------------------------


class Dsd(Base, frozen=True):
    """A DSD value as an operand: the compiler loads it into registers, which costs set-up cycles."""

    value: Expr


class Dsr(Base, frozen=True):
    """An explicit DSR; `index` is its place in `Program.dsrs`. Set up beforehand by `LoadDsr`.

    `priority`: `DsdFlag`s that stand for those of its fabric DSD in this operation; None: its own."""

    index: int
    priority: int | None = None


class Scalar(Base, frozen=True):
    value: Expr


class Pointer(Base, frozen=True):
    """Pointer to a scalar: as destination it receives the last value, or the reduction where a scalar
    source accumulates (`@fadds(&acc, acc, dsd)`)."""

    addr: Expr


Operand: TypeAlias = Dsd | Dsr | Scalar | Pointer

# --- statements ------------------------------------------------------------
# `loc` is an index into Program.locations; where it has a default, -1 is the line of the statement before.


class Set(Base, frozen=True):
    slot: int
    value: Expr
    loc: int = -1


class Store(Base, frozen=True):
    addr: Expr
    value: Expr
    loc: int = -1


class Copy(Base, frozen=True):
    """Copies `size` bytes between non-overlapping places of the PE's memory (an array by value)."""

    dest: Expr
    source: Expr
    size: int
    loc: int = -1


class If(Base, frozen=True):
    cond: Expr
    then: tuple[Stmt, ...]
    otherwise: tuple[Stmt, ...]


class Loop(Base, frozen=True):
    """Repeats `body` then `step` until a `Break`; `Continue` goes to `step`.

    `bounded` says that the trip count is known to be finite (a `for` over a range). `cycles` is what a trip
    costs besides its body: the exit test at the top of the body and the step (None: as a scalar loop)."""

    label: int
    body: tuple[Stmt, ...]
    step: tuple[Stmt, ...]
    bounded: bool
    cycles: int | None = None


class Block(Base, frozen=True):
    """Runs `body`; `Break(label)` leaves it. With label -1 its statements cost nothing: they are part of what
    the loop around it costs (the element reads of `@map`)."""

    label: int
    body: tuple[Stmt, ...]


class Break(Base, frozen=True):
    label: int


class Continue(Base, frozen=True):
    label: int


class Return(Base, frozen=True):
    value: Expr | None


class Call(Base, frozen=True):
    """Calls `Program.functions[function]`; the result, if wanted, goes to slot `result`."""

    function: int
    args: tuple[Expr, ...]
    result: int | None
    loc: int


class DsdOp(Base, frozen=True):
    """A DSD operation. Synchronous ones end before the next statement.

    `scalar` is the last operand of fmac and fscale. `activate` and `unblock` are task ids (u16). `ut` is
    the microthread id, None for the default: the output queue's id, else that of the first input queue.
    `cycles` overrides the set-up cycles (used by `@map`, whose steps cost differently); None: by class.
    `result` is a slot that receives whether the operation ran to its end (FIFOs). `on_control` is what a
    control
    wavelet on a fabric source does to an asynchronous operation: None is nothing (the wavelet is an element),
    else the operation ends and the task ids in `ControlAction` are activated or unblocked."""

    op: str
    dest: Operand
    src0: Operand
    src1: Operand | None
    scalar: Expr | None
    is_async: bool
    activate: Expr | None
    unblock: Expr | None
    ut: Expr | None
    index: Expr | None
    result: int | None
    cycles: int | None
    loc: int
    on_control: ControlAction | None = None


class ControlAction(Base, frozen=True):
    """What follows when a control wavelet ends an operation; both None: only the end."""

    activate: Expr | None
    unblock: Expr | None


class SetFifoLength(Base, frozen=True):
    """Sets the read or write length of FIFO `fifo` (index into `Program.fifos`) in elements (u16)."""

    fifo: int
    is_write: bool
    length: Expr
    loc: int


class Print(Base, frozen=True):
    """Appends to the PE's print buffer: `text`, or `value` as `format` says (`d` decimal, `X` hexadecimal
    upper case
    padded to the width of the type, `b` binary padded, `f` float). A newline in `text` prints the line
    to the simulator's log as `@<cycle> line`."""

    text: str
    value: Expr | None
    format: str
    loc: int


class LoadDsr(Base, frozen=True):
    """Puts a DSD record into DSR `index` (flags and actions are in the record)."""

    index: int
    value: Expr
    loc: int


class SetDsr(Base, frozen=True):
    """Replaces word `word` (a DsdWord) of the record in DSR `index`."""

    index: int
    word: int
    value: Expr
    loc: int


class Activate(Base, frozen=True):
    id: Expr
    loc: int


class SetBlocked(Base, frozen=True):
    """`@block` (`blocked` true) and `@unblock` of a task id."""

    id: Expr
    blocked: bool
    loc: int


class ReadTsc(Base, frozen=True):
    """Writes the 48-bit time stamp as three u16, lowest first, at `addr`."""

    addr: Expr
    loc: int


class UnblockCommands(Base, frozen=True):
    """Lets the next host command in: `unblock_cmd_stream()`."""

    loc: int


class Random16(Base, frozen=True):
    """Next 16-bit value of the PE's LFSR into `slot`."""

    slot: int


class SeedRandom(Base, frozen=True):
    """Sets the state of the PE's LFSR (u32)."""

    value: Expr


class Assert(Base, frozen=True):
    cond: Expr
    message: str
    loc: int


class ReadConfig(Base, frozen=True):
    """Configuration register at word address `addr` into `slot` (u16)."""

    slot: int
    addr: Expr
    loc: int


class WriteConfig(Base, frozen=True):
    addr: Expr
    value: Expr
    loc: int


class Line(Base, frozen=True):
    """What follows belongs to another source line. Means nothing to an engine; the cost pass takes it out."""

    loc: int


class Tick(Base, frozen=True):
    """`cycles` of scalar work; put in by the cost pass, never by the front-end."""

    cycles: int


class Count(Base, frozen=True):
    """For the profile: statements of line `loc` have begun `runs` times and taken `cycles` of scalar work,
    which a `Tick` lets pass. Put in by the cost pass when profiling."""

    loc: int
    runs: int
    cycles: int


class Yield(Base, frozen=True):
    """A point where time may catch up: suspends if more than the engine's limit of cycles has gathered.

    Put at the end of unbounded loops by the cost pass."""

    loc: int


Stmt: TypeAlias = (
    Set | Store | Copy | If | Loop | Block | Break | Continue | Return | Call | DsdOp | LoadDsr | SetDsr
    | Activate | SetBlocked | SetFifoLength | Print | ReadTsc | UnblockCommands | Random16 | SeedRandom
    | Assert | ReadConfig | WriteConfig | Line | Tick | Count
    | Yield
)  # fmt: skip

# --- program ---------------------------------------------------------------


class Function(msgspec.Struct, frozen=True):
    """`params` are the slots 0 … n-1; `slots` are the types of all slots."""

    name: str
    params: int
    slots: tuple[str, ...]
    result: str
    body: tuple[Stmt, ...]
    loc: int


class Symbol(msgspec.Struct, frozen=True):
    """A piece of the PE's memory. `init` is the initial content, b"" for zeros; `address` is assigned by
    the image (byte address), 0 before that. `type` is for people: `[4]f32`."""

    name: str
    size: int
    align: int
    init: bytes
    type: str
    address: int = 0


class Task(msgspec.Struct, frozen=True):
    """`kind` is `local`, `data` or `control`; data tasks receive the wavelet split evenly over `params`."""

    id: int
    kind: str
    function: int
    params: tuple[str, ...]


class Export(msgspec.Struct, frozen=True):
    """What the host can name. `kind` is `func` (`target` is a function) or `var` (`target` is a symbol;
    `type` a scalar) or `ptr` (`target` is the symbol of a pointer variable whose value is the address)."""

    name: str
    kind: str
    target: int
    type: str
    params: tuple[str, ...]
    param_names: tuple[str, ...] = ()
    mutable: bool = True
    element_bytes: int = 4


class Queue(msgspec.Struct, frozen=True):
    """A queue bound to a color; `direction` is `in` or `out`."""

    direction: str
    id: int
    color: int


class Fifo(msgspec.Struct, frozen=True):
    """A FIFO in the memory of `symbol`: `elements` of `element_bytes`. `activate_push` and `activate_pop`
    are task ids.

    `empty` and `full` are actions: `test_or_suspend`, `terminate`, `suspend`, `fault`."""

    symbol: int
    elements: int
    element_bytes: int
    activate_push: int | None = None
    activate_pop: int | None = None
    empty: str = "test_or_suspend"
    full: str = "test_or_suspend"


INHERITED = -1
"""A mask of a switch position that is that of the valid position before it."""


class FilterKind(enum.IntEnum):
    NONE = 0
    COUNTER = 1
    SPARSE_COUNTER = 2
    RANGE = 3


class Filter(msgspec.Struct, frozen=True):
    """Which wavelets of a color the PE gets. `RANGE`: those whose index is in `limit1` … `maximum`; else by a
    counter that goes from `counter` to `limit1` (of a sparse counter then once more, to `limit2`; None: not
    given) and starts again at 0: those that come while it is ≤ `maximum`."""

    kind: FilterKind
    count_data: bool = False
    count_control: bool = False
    filter_control: bool = False
    counter: int = 0
    limit1: int | None = None
    limit2: int | None = None
    maximum: int = 0


SWAP_X, SWAP_Y = 1, 2


class ColorConfig(msgspec.Struct, frozen=True):
    """Routes of one color: four switch positions of (rx mask, tx mask), bits W E N S RAMP = 1 2 4 8 16.

    `positions[0]` is the initial one; further ones None when invalid, or with masks INHERITED. `teardown`:
    the color begins in teardown mode. `swap`: SWAP_X or SWAP_Y if the color takes what comes from that
    direction on the other color of its pair, 0 if not."""

    color: int
    positions: tuple[tuple[int, int] | None, ...]
    current: int = 0
    ring: bool = False
    pop_mode: int = 0
    teardown: bool = False
    filter: Filter | None = None
    swap: int = 0


class Program(msgspec.Struct, frozen=True):
    """One compiled PE program.

    `params` are the types of the parameter cells, `init` is a function run before the first cycle that
    fills what depends on parameter cells and loads DSRs (None: there is nothing to do). `dsrs` names the
    DSRs in use (`dest:0`). `locations` maps `loc` to (file, line).
    `blocked` are task ids blocked at the start; `colors` routes from `@set_local_color_config`.
    `host_in` and `host_out` are the colors of memcpy streams from and to the host. `high` are task ids of
    high priority; `main_priority` is the class of the main thread (a microthread's: low 1, medium 3, high
    5)."""

    name: str
    arch: str
    functions: tuple[Function, ...]
    symbols: tuple[Symbol, ...]
    tasks: tuple[Task, ...]
    exports: tuple[Export, ...]
    queues: tuple[Queue, ...]
    params: tuple[str, ...]
    init: int | None
    dsrs: tuple[str, ...]
    blocked: tuple[int, ...]
    activated: tuple[int, ...]
    colors: tuple[ColorConfig, ...]
    locations: tuple[tuple[str, int], ...]
    fifos: tuple[Fifo, ...] = ()
    host_in: tuple[int, ...] = ()
    host_out: tuple[int, ...] = ()
    high: tuple[int, ...] = ()
    main_priority: int = MEDIUM
