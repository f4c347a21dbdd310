"""Where the fast engine keeps what: records of 64-bit words at addresses. Offsets are in bytes.

Records are made of lines of 64 bytes, what is used together in one line. All state lies in NumPy arrays
owned by `_fast_load.World`; compiled code sees only addresses, beginning with that of the world record
`w`. There is no Python object a PE.
"""

from __future__ import annotations

from openwafer.tir import MOST_LANES

WORD = 8
LINE = 64
NEVER = 1 << 62
"""A cycle that does not come."""


def _fields(count: int) -> range:
    return range(0, WORD * count, WORD)


# World: addresses of the arrays, facts of the machine, sums.
(
    W_PES, W_ROUTERS, W_SLOTS, W_SLOT_STRIDE, W_PROGRAMS, W_COMMANDS, W_COMMAND_COUNT, W_CTX, W_PE_RING,
    W_ROUTER_RING, W_TIME, W_NOW, W_WIDTH, W_COLORS, W_HOP, W_RAMP_UP, W_RAMP_DOWN,
    W_FABRIC_SETUP, W_COMPLETION, W_DISPATCH,
    W_COPY_RATE, W_MICROTHREADS, W_PORT_BYTES, W_CHANNEL_BYTES, W_STEPS, W_HOPS, W_ELEMENTS, W_BUSY,
    W_FAULT, W_FAULT_PE, W_FAULT_LOC, W_FAULT_DETAIL, W_FAULT_CYCLE, W_PE_COUNT,
    W_RELEASED, W_OPEN, W_OPEN_STREAMS, W_HOST_RATE, W_PORT_RECORD_BYTES, W_STREAM_START,
    W_PARTS, W_PART_COUNT, W_PART_ITEMS, W_FIRST, W_BEHIND, W_INNER_FIRST, W_INNER_BEHIND,
    W_TEAM, W_HELPERS, W_HAPPENED, W_ASIDE, W_ITEMS, W_WIDE_ITEMS, W_WIDE, W_CONFIGS, W_PRINT,
    W_PROFILE, W_PROFILE_STRIDE, W_TEARDOWN_TASK, W_REGISTERS, W_SWAPS_SENT, W_LOST, W_LOST_COUNT, W_END,
) = _fields(64)  # fmt: skip
WORLD_BYTES = -(-(W_END + WORD) // LINE) * LINE
"""TIME is the next cycle to simulate, NOW is 1 + the last cycle in which something happened. Commands from
RELEASED on wait for one before them; OPEN of the released ones are not done, OPEN_STREAMS of these are
streams. The wafer is cut into PART_COUNT parts of PART_ITEMS PEs, each a band of rows with a record of its
own: PARTS has their addresses, FIRST to BEHIND are the PEs of this one, INNER_FIRST to INNER_BEHIND those
whose routers have no neighbour in another part. The records differ in these, in rings, context and sums; the
first is the leader's, who keeps time. HELPERS are the threads besides the leader, HAPPENED and ASIDE what a
part's router phase leaves for the leader, ITEMS and WIDE_ITEMS what a round served, in all and in phases with
at least WIDE items. PRINT is the address of `i32 f(i8* pe)`, which notes what a PE asks to have printed.
PROFILE is that of the PEs' counters (0: no profile), PROFILE_STRIDE the bytes of one PE (`_fast_profile`).
TEARDOWN_TASK is the id that a teardown activates + 1 (0: none), REGISTERS has the first addresses of the
blocks of registers: of colors, of switches, second ones, of pending teardowns, time stamp, performance
counter control (-1: none). SWAPS_SENT says whether a router swaps the colors of what its PE sends. LOST_COUNT
wavelets left the rectangle, LOST is the least of 1 + (PE << 8 | color << 3 | port)."""

# PE.
(
    P_STATE, P_WAKE, P_ACTION, P_FIRST, P_SEEN, P_USED, P_NEXT, P_INDEX,
    P_WHEEL, P_FAR, P_PROGRAM, P_QUEUES, P_OUT_WAIT, P_MEMORY, P_FRAME, P_STATUS,
    P_ACTIVE, P_BLOCKED, P_PICKED, P_ENTRY, P_ARGUMENT, P_COMMAND, P_TAKEN, P_STREAM,
    P_PARAMS, P_LFSR, P_X, P_Y, P_WANTED, P_PORTS, P_FIFOS, P_CONTROLS,
    P_TORN, P_TSC_BASE, P_PERF, _P_35, _P_36, _P_37, _P_38, _P_39,
) = _fields(40)  # fmt: skip
PE_BYTES = _P_39 + WORD
"""FIRST is the datapath's pointer, SEEN the last cycle stepped, PICKED the last id picked, COMMAND the
next command to look at, TAKEN the one under way (a launch's arguments, a copy), USED a mask of slots in
use, NEXT when the PE is to be stepped, STREAM whether the command stream is blocked, OUT_WAIT a mask of
output queues whose room a slot waits for, WANTED the slot that the main thread tries to start on, PORTS
its host ports (0: none), FIFOS its FIFOs (0: none), CONTROLS how many control wavelets its input queues
hold, TORN a mask of colors that went into teardown mode, TSC_BASE the cycle in which the counter of its time
stamp register was 0, PERF its performance counter control. WHEEL and FAR belong to the schedule."""

IDLE, BUSY, WAITING, HALTED = 0, 1, 2, 3
"""P_STATE; HALTED after a fault."""
RUN, END, REQUEST, TRY, COPY_END = 0, 1, 2, 3, 4
"""P_ACTION: what the main thread does at WAKE."""

# Router.
R_COLORS_WAITING, R_FIRST, R_WHEEL, R_FAR, R_CHANNELS, R_COLORS, R_OUT, R_PE = _fields(8)
ROUTER_BYTES = 8 * WORD
"""COLORS_WAITING is a mask of colors with a wavelet in some queue, OUT a mask of output queues that are not
empty, COLORS a mask of colors with a channel record, in whose order the records lie at CHANNELS."""

# Channel: one color at one router; then its four queues W E N S.
C_ROUTE, C_PORTS, C_CONFIG, C_NEXT, _C_E, _C_N, _C_S, C_INPUT = _fields(8)
CHANNEL_HEAD_BYTES = 8 * WORD
"""ROUTE is rx | tx << 8, live; PORTS a mask of queues that are not empty; CONFIG is 8 · the row of the
table of switches + CONFIG_TEARDOWN in teardown mode + the current position; NEXT + 8·d the queue in which a
wavelet sent to port d arrives (0: none), + SWAPPED if that is one of the other color of the pair; INPUT the
input queue of the PE (0: none). In teardown mode ROUTE is 0."""
CONFIG_TEARDOWN, CONFIG_SHIFT = 4, 3
SWAPPED = 1

# Switch: a row of the table at W_CONFIGS.
(
    X_ROUTES, _X_1, _X_2, _X_3, X_RING, X_POP_MODE, X_FILTER, X_COUNTS,
    X_COUNTER, X_LIMIT1, X_LIMIT2, X_MAXIMUM, X_CHANGES, _X_C2, _X_C3, X_REJECTED,
) = _fields(16)  # fmt: skip
SWITCH_BYTES = 16 * WORD
POSITIONS = 4
"""ROUTES has the ROUTE of each position, -1 for an invalid one, CHANGES what positions 1–3 say, each
rx + 1 | (tx + 1) << 8 (0: as before). FILTER is the kind of the filter, COUNTS its flags. A row that changes
(that of a channel with a filter, or of a PE whose code writes registers) belongs to one channel."""
COUNTS_DATA, COUNTS_CONTROL, ONLY_CONTROL, SWAP_SHIFT = 1, 2, 4, 3
"""COUNTS; the bits above them are the swap of the color."""
FILTERED_BIT = 1 << 7
"""In the tx of a ROUTE: there is a filter."""
RAMP = 4
RAMP_BIT = 1 << RAMP

# Queue: STATE is count | head << 16 | depth << 32, POPPED the last cycle in which a place
# was freed, then entries.
Q_STATE, Q_POPPED, Q_ENTRIES = _fields(3)
ENTRY_BYTES = 2 * WORD
"""Data (control bit at bit 32), then the cycle from which it may move."""
CONTROL_BIT, COLOR_SHIFT, COLOR_MASK, ADVANCE_BIT = 1 << 32, 33, 31, 1 << 38
"""In an output queue the color stands above the control bit, and above it that the switch advances then."""
COUNT_MASK, DEPTH_SHIFT = 0xFFFF, 32

# Program. Offsets of queues are within the PE's queue block; -1: not bound.
TASK_IDS, QUEUE_IDS, COLOR_IDS, CONTROL_IDS = 32, MOST_LANES, 32, 64
G_LOCAL, G_DATA, G_MEMORY_BYTES, G_NUMBER, G_DSRS, G_ENTRY = _fields(6)
G_TASK_QUEUE = G_ENTRY + WORD * TASK_IDS
G_INPUT = G_TASK_QUEUE + WORD * TASK_IDS
G_OUTPUT = G_INPUT + WORD * QUEUE_IDS
G_OUTPUT_COLOR = G_OUTPUT + WORD * QUEUE_IDS
G_OUTPUTS_OF = G_OUTPUT_COLOR + WORD * QUEUE_IDS
G_PORT_COUNT = G_OUTPUTS_OF + WORD * COLOR_IDS
G_HOST_OUT = G_PORT_COUNT + WORD
G_PLACES = G_HOST_OUT + WORD
G_HIGH = G_PLACES + WORD
G_MAIN_CLASS = G_HIGH + WORD
G_CONTROL_ENTRY = G_MAIN_CLASS + WORD
G_TASK_ROWS = G_CONTROL_ENTRY + WORD * CONTROL_IDS
G_TASK_COUNT = G_TASK_ROWS + WORD
G_COPY_ROW = G_TASK_COUNT + WORD
G_FIFO_COUNT = G_COPY_ROW + WORD
PROGRAM_BYTES = G_FIFO_COUNT + WORD
"""NUMBER is 8 · the number of the program; LOCAL and DATA are masks of task ids, ENTRY their code,
TASK_QUEUE the queue whose wavelets are picked at the place of an id, PLACES a mask of ids with one,
OUTPUTS_OF masks by color, OUTPUT_COLOR the color of a queue (-1: several), HOST_OUT a mask of colors, HIGH
one of task ids, MAIN_CLASS the main thread's priority, CONTROL_ENTRY the code of control tasks (0: not
bound). For a profile: TASK_ROWS is the address of TASK_COUNT pairs of an entry and the row of its function,
COPY_ROW the row of copies. FIFO_COUNT is how many FIFOs each of its PEs has."""
COMMAND_ID = 31
"""The id by which the command stream takes part in the picking of tasks."""

# Slot: an operation under way; slots of one number lie together, so that unused ones cost no memory.
SLOTS = 9
SYNCHRONOUS = 8
MAIN = 9
CANDIDATES = 10
(
    S_STATE, S_OP, S_LEFT, S_START, S_DONE_AT, S_FLAGS, S_IN0, S_IN1,
    S_OUT, S_OUT_ID, S_SCALAR, S_TOTAL, S_LOC, S_INDEX, S_ACTIVATE, S_UNBLOCK,
    S_SAVED, _S_SAVED1, _S_SAVED2, S_ON_CONTROL, S_LAST, S_FIFO_IN0, S_FIFO_IN1, S_FIFO_OUT, S_WALKERS,
) = _fields(25)  # fmt: skip
SLOT_BYTES = S_WALKERS + 3 * 8 * WORD
FREE, STEPPING, FINISHING = 0, 1, 2
OUT_COLOR_SHIFT, OUT_ID_MASK = 8, 255
"""S_OUT_ID: the output queue, and the color of what goes into it."""
ENDLESS = -1
UNBOUND = -1
REDUCES0, REDUCES1, PACKED, SENDS_CONTROL, SENDS_INDEX, ONCE, ASYNCHRONOUS = 1, 2, 4, 8, 16, 32, 64
ENDS_BY_CONTROL, USES_FIFO, ADVANCES, CLASS_SHIFT = 128, 256, 512, 16
"""S_FLAGS; the bits above them are the priority class. ONCE: the pointer destination is written at the end
only. SAVED holds, for each operand, address of a DSR record << 16 | its new base (0: none). ON_CONTROL is a
task id + 1 to activate | one to unblock << 32. FIFO_… are addresses of FIFOs, 0 for none."""

# FIFO of a PE.
(
    F_FRONT, F_COUNT, F_READ, F_WRITE, F_HIT_EMPTY, F_HIT_FULL, F_ELEMENTS, F_ELEMENT_BYTES,
    F_PLACE, F_PUSH, F_POP, F_EMPTY, F_FULL, _F_13, _F_14, _F_15,
) = _fields(16)  # fmt: skip
FIFO_BYTES = 16 * WORD
TEST_OR_SUSPEND, TERMINATE, SUSPEND, FIFO_FAULT = range(4)
"""READ and WRITE are the lengths; PLACE the byte address of element 0; PUSH and POP a task id + 1 (0: none);
EMPTY and FULL what a miss does."""

# Command.
(
    K_KIND,
    K_X0,
    K_Y0,
    K_X1,
    K_Y1,
    K_LEFT,
    K_WORDS,
    K_ELEMENT_BYTES,
    K_DATA,
    K_STRIDE_Y,
    K_STRIDE_X,
    K_STRIDE_I,
) = _fields(12)
K_TABLE, K_ARGUMENTS, K_ARGUMENT_COUNT, K_SHARED, K_CHANNELS = range(12 * WORD, 17 * WORD, WORD)
COMMAND_BYTES = 24 * WORD
LAUNCH, COPY_IN, COPY_OUT, STREAM_IN, STREAM_OUT = range(5)
BY_PE, BY_ROW, BY_COLUMN = range(3)
"""K_SHARED: what passes the host's link once."""
"""LEFT counts the PEs that have yet to do it. TABLE has one word a program: the entry of a launch, or the
address of the data's symbol << 1 | is a pointer, plus PRESENT, or 1 + the number of a stream's host port; 0
where the name is not exported. CHANNELS is those of a stream."""
PRESENT = 1 << 40

# Host port: one color of one PE; then its host queue.
(
    H_IS_OUT, H_TARGET, H_COMMAND, H_DATA, H_LEFT, H_DONE, H_START, H_PLACE, H_COUNT, H_RATE, H_COLOR, _H_1,
    _H_2, _H_3, _H_4, _H_5, H_QUEUE,
) = _fields(17)  # fmt: skip
"""TARGET is the PE's input queue, or a mask of its output queues. Of the stream under way: COMMAND is its
number, DATA the place of the next wavelet, LEFT and DONE count wavelets, number i is due at
START + (i · COUNT + PLACE) // RATE."""

# Ring: the schedule of all PEs or all routers.
(
    T_OCCUPIED, T_COUNTS, T_LISTS, T_ITEMS, T_RECORDS, T_RECORD_BYTES, T_WHEEL, T_HEAP, T_HEAP_LENGTH,
    T_HEAP_CAPACITY, T_END,
) = _fields(11)  # fmt: skip
RING_BYTES = T_END
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
