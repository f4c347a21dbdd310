"""Where the fast engine keeps what: records of 64-bit words at addresses. Offsets are in bytes.

Each record is an IntEnum of byte offsets. Records consist of lines of 64 bytes; fields that are used together
share a line. All state lies in NumPy arrays of `_load.LoadedWafer`. Compiled code sees only addresses,
beginning with that of the world record `w`. There is no Python object a PE.
"""

from __future__ import annotations

import enum

WORD = 8
LINE = 64
NEVER = 1 << 62
"""A cycle that does not come."""


class World(enum.IntEnum):
    """World: addresses of the arrays, facts of the machine, sums."""

    PES = 0  # address of the PE records
    ROUTERS = 8  # address of the router records
    SLOTS = 16  # address of slot 0 of PE 0
    SLOT_STRIDE = 24  # bytes from one slot number to the next
    PROGRAMS = 32  # address of the program records
    COMMANDS = 40  # address of the table of command addresses
    COMMAND_COUNT = 48  # commands so far
    CTX = 56  # address of the context of machine code, one a part
    PE_RING = 64  # address of the schedule of PEs
    ROUTER_RING = 72  # address of the schedule of routers
    TIME = 80  # next cycle to simulate
    NOW = 88  # 1 + the last cycle in which something happened
    WIDTH = 96  # PEs in a row
    COLORS = 104  # colors of the fabric
    HOP = 112  # cycles from router to router
    RAMP_UP = 120  # cycles from PE to router
    RAMP_DOWN = 128  # cycles from router to PE
    FABRIC_SETUP = 136  # cycles before the first step of a fabric operation
    COMPLETION = 144  # cycles from the last step of an operation to its end
    DISPATCH = 152  # cycles from the pick of a task to its first statement
    COPY_RATE = 160  # words a cycle of host copies
    MICROTHREADS = 168  # microthreads of a PE
    PORT_BYTES = 176  # bytes of a channel's queue
    CHANNEL_BYTES = 184  # bytes of a channel record
    STEPS = 192  # sum of steps of operations
    HOPS = 200  # sum of hops of wavelets
    ELEMENTS = 208  # sum of elements of operations
    BUSY = 216  # sum of cycles in which datapaths work
    FAULT = 224  # fault that stopped the simulation, 0 for none
    FAULT_PE = 232  # PE with the fault
    FAULT_LOC = 240  # location of the faulty statement
    FAULT_DETAIL = 248  # address, color or number that belongs to the fault
    FAULT_CYCLE = 256  # cycle of the fault
    PE_COUNT = 264  # PEs of the rectangle
    RELEASED = 272  # first command that waits for one before it
    OPEN = 280  # released commands that are not done
    OPEN_STREAMS = 288  # streams among them
    HOST_RATE = 296  # words a cycle of the host's link
    PORT_RECORD_BYTES = 304  # bytes of a host port record
    STREAM_START = 312  # cycles from a stream's turn to its first word
    # address of the addresses of all parts' world records; the first is the leader's, who keeps time
    PARTS = 320
    PART_COUNT = 328  # parts; each is a band of rows with a world record of its own
    PART_ITEMS = 336  # PEs of a part
    FIRST = 344  # first PE of this part
    BEHIND = 352  # PE behind the last of this part
    INNER_FIRST = 360  # first PE whose router has no neighbour in another part
    INNER_BEHIND = 368  # PE behind the last such
    TEAM = 376  # address of the team record
    HELPERS = 384  # threads besides the leader
    HAPPENED = 392  # whether this part's router phase moved a wavelet; for the leader
    ASIDE = 400  # edge routers that this part's router phase leaves for the leader
    ITEMS = 408  # items that a round served
    WIDE_ITEMS = 416  # items served in phases of at least WIDE items
    WIDE = 424  # items from which a phase is given to all threads
    CONFIGS = 432  # address of the table of switches
    PRINT = 440  # address of `i32 f(i8* pe)`, which notes what a PE asks to have printed
    PROFILE = 448  # address of the PEs' counters, 0 for no profile
    PROFILE_STRIDE = 456  # bytes of the counters of one PE
    TEARDOWN_TASK = 464  # id that a teardown activates + 1, 0 for none
    # address of the first addresses of the blocks of registers: of colors, of switches, second ones, of
    # pending teardowns (-1: none)
    REGISTERS = 472
    END = 480  # end of the fields


WORLD_BYTES = -(-(World.END + WORD) // LINE) * LINE


class Pe(enum.IntEnum):
    """A PE."""

    STATE = 0  # IDLE, BUSY, WAITING, HALTED
    WAKE = 8  # cycle in which the main thread acts
    ACTION = 16  # RUN, END, REQUEST, TRY, COPY_END: what it does then
    FIRST = 24  # slot at which the datapath begins to look
    SEEN = 32  # last cycle stepped
    USED = 40  # mask of slots in use
    NEXT = 48  # cycle in which the PE is to be stepped
    INDEX = 56  # number of the PE, row by row
    WHEEL = 64  # place in the schedule
    FAR = 72  # place in the schedule's heap
    PROGRAM = 80  # address of the program record
    QUEUES = 88  # address of the queue block
    OUT_WAIT = 96  # mask of output queues whose room a slot waits for
    MEMORY = 104  # address of byte 0 of its memory
    FRAME = 112  # address of its frame
    STATUS = 120  # what its code returned last
    ACTIVE = 128  # mask of active tasks
    BLOCKED = 136  # mask of blocked tasks
    PICKED = 144  # last id picked
    ENTRY = 152  # machine code to call next
    ARGUMENT = 160  # wavelet of the data task that runs
    COMMAND = 168  # next command to look at
    TAKEN = 176  # command under way (a launch's arguments, a copy), -1 for none
    STREAM = 184  # whether the command stream is blocked
    PARAMS = 192  # address of its parameter cells
    LFSR = 200  # state of its random numbers
    X = 208  # column
    Y = 216  # row
    WANTED = 224  # slot that the main thread tries to start on
    PORTS = 232  # address of its host ports, 0 for none
    FIFOS = 240  # address of its FIFOs, 0 for none
    CONTROLS = 248  # control wavelets in its input queues
    TORN = 256  # mask of colors that went into teardown mode


PE_BYTES = 40 * WORD
IDLE, BUSY, WAITING, HALTED = 0, 1, 2, 3
"""`Pe.STATE`; HALTED after a fault."""
RUN, END, REQUEST, TRY, COPY_END = 0, 1, 2, 3, 4
"""`Pe.ACTION`: what the main thread does at WAKE."""


class Router(enum.IntEnum):
    """A router."""

    COLORS_WAITING = 0  # mask of colors with a wavelet in some queue
    FIRST = 8  # port at which the turns begin
    WHEEL = 16  # place in the schedule
    FAR = 24  # place in the schedule's heap
    CHANNELS = 32  # address of the channel records, in the order of COLORS
    COLORS = 40  # mask of colors with a channel record
    OUT = 48  # mask of output queues that are not empty
    PE = 56  # address of the PE record


ROUTER_BYTES = 8 * WORD


class Channel(enum.IntEnum):
    """A channel: one color at one router. Its four queues, W E N S, follow."""

    ROUTE = 0  # rx | tx << 8 as it is now; 0 in teardown mode
    PORTS = 8  # mask of queues that are not empty
    CONFIG = 16  # row of the table of switches << CONFIG_SHIFT | CONFIG_TEARDOWN | current position
    # for each port d, at NEXT + 8 d, the queue in which a wavelet sent to d arrives (0: none) | SWAPPED
    NEXT = 24
    INPUT = 56  # input queue of the PE, 0 for none


CHANNEL_HEAD_BYTES = 8 * WORD
CONFIG_TEARDOWN, CONFIG_SHIFT = 4, 3
SWAPPED = 1


class Switch(enum.IntEnum):
    """A switch: a row of the table at `World.CONFIGS`. A row that changes (that of a channel with a
    filter, or of a PE whose code writes registers) belongs to one channel."""

    ROUTES = 0  # ROUTE of each position, -1 for an invalid one
    RING = 32  # whether the last position is followed by the first
    POP_MODE = 40  # which commands a control wavelet loses here
    FILTER = 48  # kind of the filter
    COUNTS = 56  # COUNTS_DATA, COUNTS_CONTROL, ONLY_CONTROL, the swap of the color from SWAP_SHIFT on
    COUNTER = 64  # counter of the filter
    LIMIT1 = 72  # first limit of the filter
    LIMIT2 = 80  # second limit of the filter
    MAXIMUM = 88  # value after which the counter begins anew
    CHANGES = 96  # what positions 1 to 3 say, each rx + 1 | (tx + 1) << 8; 0: as before
    REJECTED = 120  # wavelets that the filter kept from the PE


SWITCH_BYTES = 16 * WORD
POSITIONS = 4
COUNTS_DATA, COUNTS_CONTROL, ONLY_CONTROL, SWAP_SHIFT = 1, 2, 4, 3
"""Bits of `Switch.COUNTS`; those above them are the swap of the color."""
FILTERED_BIT = 1 << 7
"""In the tx of a ROUTE: there is a filter."""
RAMP = 4
RAMP_BIT = 1 << RAMP


class Queue(enum.IntEnum):
    """A queue of wavelets."""

    STATE = 0  # count | head << 16 | depth << DEPTH_SHIFT
    POPPED = 8  # last cycle in which a place became free
    ENTRIES = 16  # the entries


ENTRY_BYTES = 2 * WORD
"""Data (control bit at bit 32), then the cycle from which it may move."""
CONTROL_BIT, COLOR_SHIFT, COLOR_MASK = 1 << 32, 33, 31
"""In an output queue the color stands above the control bit."""
COUNT_MASK, DEPTH_SHIFT = 0xFFFF, 32

TASK_IDS, QUEUE_IDS, COLOR_IDS, CONTROL_IDS = 32, 8, 32, 64


class Program(enum.IntEnum):
    """A program. Places of queues are within the queue block of the PE."""

    LOCAL = 0  # mask of local tasks
    DATA = 8  # mask of data tasks
    MEMORY_BYTES = 16  # bytes of memory of each PE
    NUMBER = 24  # WORD times the number of the program
    DSRS = 32  # place of the DSR records in the frame
    ENTRY = 40  # code of each task id
    TASK_QUEUE = 296  # queue whose wavelets are picked at the place of each id
    INPUT = 552  # place of each input queue in the queue block, -1 if not bound
    OUTPUT = 616  # place of each output queue in the queue block, -1 if not bound
    OUTPUT_COLOR = 680  # color of each output queue, -1 for several
    OUTPUTS_OF = 744  # mask of output queues of each color
    PORT_COUNT = 1000  # host ports of each PE
    HOST_OUT = 1008  # mask of colors to the host
    PLACES = 1016  # mask of ids with a queue
    HIGH = 1024  # mask of task ids of high priority
    MAIN_CLASS = 1032  # priority class of the main thread
    CONTROL_ENTRY = 1040  # code of each control task, 0 if not bound
    TASK_ROWS = 1552  # address of TASK_COUNT pairs of an entry and the row of its function in a profile
    TASK_COUNT = 1560  # pairs at TASK_ROWS
    COPY_ROW = 1568  # row of host copies in a profile
    FIFO_COUNT = 1576  # FIFOs of each PE


PROGRAM_BYTES = Program.FIFO_COUNT + WORD
COMMAND_ID = 31
"""The id by which the command stream takes part in the picking of tasks."""

SLOTS = 9
SYNCHRONOUS = 8
MAIN = 9
CANDIDATES = 10


class Slot(enum.IntEnum):
    """An operation under way. Slots of one number lie together, so that unused ones cost no memory."""

    STATE = 0  # FREE, STEPPING, FINISHING
    OP = 8  # DSD operation
    LEFT = 16  # elements left, ENDLESS if a control wavelet ends it
    START = 24  # first cycle in which it may step
    DONE_AT = 32  # cycle of its end, NEVER before it is known
    FLAGS = 40  # REDUCES0 to USES_FIFO, the priority class from CLASS_SHIFT on
    IN0 = 48  # input queue of operand 0, 0 for none
    IN1 = 56  # input queue of operand 1, 0 for none
    OUT = 64  # output queue, 0 for none
    OUT_ID = 72  # id of the output queue | color of what goes into it << OUT_COLOR_SHIFT
    SCALAR = 80  # scalar operand
    TOTAL = 88  # result so far of a destination that is written once
    LOC = 96  # location of the statement
    INDEX = 104  # index of an operation that sends it or moves its operands by it
    ACTIVATE = 112  # task to activate at the end + 1, 0 for none
    UNBLOCK = 120  # task to unblock at the end + 1, 0 for none
    SAVED = 128  # for each operand, address of a DSR record << 16 | its new base; 0 for none
    ON_CONTROL = 152  # what a control wavelet does: task to activate + 1 | task to unblock + 1 << 32
    LAST = 160  # last cycle counted in a profile
    FIFO_IN0 = 168  # FIFO of operand 0, 0 for none
    FIFO_IN1 = 176  # FIFO of operand 1, 0 for none
    FIFO_OUT = 184  # FIFO of the destination, 0 for none
    WALKERS = 192  # walkers of destination, operand 0, operand 1


SLOT_BYTES = Slot.WALKERS + 3 * 8 * WORD
FREE, STEPPING, FINISHING = 0, 1, 2
OUT_COLOR_SHIFT, OUT_ID_MASK = 8, 255
"""Of `Slot.OUT_ID`."""
ENDLESS = -1
UNBOUND = -1
REDUCES0, REDUCES1, PACKED, SENDS_CONTROL, SENDS_INDEX, ONCE, ASYNCHRONOUS = 1, 2, 4, 8, 16, 32, 64
ENDS_BY_CONTROL, USES_FIFO, CLASS_SHIFT = 128, 256, 16
"""Bits of `Slot.FLAGS`. ONCE: the pointer destination is written at the end only."""


class Fifo(enum.IntEnum):
    """A FIFO of a PE."""

    FRONT = 0  # index of the first element
    COUNT = 8  # elements that it holds
    READ = 16  # read length
    WRITE = 24  # write length
    HIT_EMPTY = 32  # whether an operation found too few elements
    HIT_FULL = 40  # whether an operation found too few places
    ELEMENTS = 48  # elements that it can hold
    ELEMENT_BYTES = 56  # bytes of an element
    PLACE = 64  # byte address of element 0
    PUSH = 72  # task + 1 that a push after HIT_EMPTY activates, 0 for none
    POP = 80  # task + 1 that a pop after HIT_FULL activates, 0 for none
    EMPTY = 88  # what too few elements do: TEST_OR_SUSPEND, TERMINATE, SUSPEND, FIFO_FAULT
    FULL = 96  # what too few places do


FIFO_BYTES = 16 * WORD
TEST_OR_SUSPEND, TERMINATE, SUSPEND, FIFO_FAULT = range(4)
"""`Fifo.EMPTY`, `Fifo.FULL`."""


class Command(enum.IntEnum):
    """A command of the host."""

    KIND = 0  # LAUNCH, COPY_IN, COPY_OUT, STREAM_IN, STREAM_OUT
    X0 = 8  # first column
    Y0 = 16  # first row
    X1 = 24  # column behind the last
    Y1 = 32  # row behind the last
    LEFT = 40  # PEs that have yet to do it
    WORDS = 48  # words a PE
    ELEMENT_BYTES = 56  # bytes of an element
    DATA = 64  # address of the host's array
    STRIDE_Y = 72  # bytes from row to row
    STRIDE_X = 80  # bytes from PE to PE
    STRIDE_I = 88  # bytes from word to word
    # address of a word a program, 0 where it does not export the name: entry of a launch; symbol << 1 |
    # is a pointer | PRESENT; 1 + number of a host port
    TABLE = 96
    ARGUMENTS = 104  # address of a launch's arguments
    ARGUMENT_COUNT = 112  # arguments of a launch
    SHARED = 120  # BY_PE, BY_ROW, BY_COLUMN: what passes the host's link once
    CHANNELS = 128  # channels of a stream


COMMAND_BYTES = 24 * WORD
LAUNCH, COPY_IN, COPY_OUT, STREAM_IN, STREAM_OUT = range(5)
BY_PE, BY_ROW, BY_COLUMN = range(3)
"""`Command.SHARED`."""
PRESENT = 1 << 40


class Port(enum.IntEnum):
    """A host port: one color of one PE."""

    IS_OUT = 0  # whether it leads to the host
    TARGET = 8  # input queue of the PE, or mask of its output queues
    COMMAND = 16  # number of the stream under way
    DATA = 24  # address of the next word
    LEFT = 32  # wavelets left
    DONE = 40  # wavelets moved
    START = 48  # wavelet i is due at START + (i COUNT + PLACE) // RATE
    PLACE = 56  # place of the PE among those that share the link
    COUNT = 64  # PEs that share the link
    RATE = 72  # words a cycle of the link
    COLOR = 80  # color of the port
    QUEUE = 128  # queue between host and PE


class Ring(enum.IntEnum):
    """The schedule of all PEs or all routers."""

    OCCUPIED = 0  # mask of buckets that are not empty
    COUNTS = 8  # address of the number of items of each bucket
    LISTS = 16  # address of the items of each bucket
    ITEMS = 24  # most items of a bucket
    RECORDS = 32  # address of the records of the items
    RECORD_BYTES = 40  # bytes of such a record
    WHEEL = 48  # place of the schedule's two words in such a record
    HEAP = 56  # address of pairs of a cycle and an item that lie beyond the wheel
    HEAP_LENGTH = 64  # pairs in the heap
    HEAP_CAPACITY = 72  # room in the heap
    END = 80  # end of the fields


RING_BYTES = Ring.END
WHEEL_CYCLES = 64

# Faults beyond those of `codegen._abi.Fault`.
FAULT_UNROUTED = 100
FAULT_UNBOUND_OUTPUT = 101
FAULT_NO_OWN_ROUTE = 102
FAULT_FIFO = 103
FAULT_CONTROL_UNBOUND = 104
FAULT_NO_REGISTER = 105
FAULT_LONG_INIT = 106

# What the loop says when it stops.
QUIET, LIMIT, DONE, FAULTED, MORE = 0, 1, 2, 3, 4
