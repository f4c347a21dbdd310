"""The contract between machine code of PE programs and the fast engine.

Every task and every launchable function is an entry `i32 entry(i8* ctx)`. It runs until it ends or must let
time
pass, and returns a `Status`. Called again it goes on where it stopped: its state lies in the PE's *frame*.

`ctx` points to `CTX_WORDS` 64-bit words, filled by the engine before the call (one `ctx` a thread, not a PE).
The frame is a block of bytes of the PE, outside its 48 KB: first the request area (`Req`), then the DSR
records (32 bytes each, at `DSR_OFFSET`), then the frames of resumable functions; all zero at the start.
"""

from __future__ import annotations

import enum


class Ctx(enum.IntEnum):
    """Index of each 64-bit word of the context."""

    MEMORY = 0  # address of byte 0 of the PE's memory
    FRAME = 1  # address of the PE's frame
    CYCLES = 2  # gathered cycles, set by the code before it returns; 0 on entry
    NOW = 3  # simulated cycle at which this call happens
    PARAMS = 4  # address of the PE's parameter cells, one u32 each
    X = 5
    Y = 6
    MEMORY_BYTES = 7  # size of the PE's allocated memory: accesses at or past it fault
    YIELD_LIMIT = 8
    FAULT_LOC = 9  # `loc` of the statement that faulted
    FAULT_DETAIL = 10  # e.g. the address
    LFSR = 11  # address of the PE's u32 random state
    RESERVED = 12
    TIMING_OPS = 13  # address of the table of DSD operations' timing (`_timing.TimingTables.ops`)
    TIMING_FACTS = 14  # address of the facts that all of them share
    ELEMENTS = 15  # sum of the elements of memory-only DSD operations
    ARGS = 16  # 16 words: arguments of a data task (word 0: the wavelet) or of a launched function
    INDEX = 32  # `index` of the memory-only operation that is called next, 0 otherwise
    PROFILE = 33  # address of the PE's rows of counters (`Counter`), by `loc`; 0: no profile


CTX_WORDS = 40


class Status(enum.IntEnum):
    """What an entry returns. For all but DONE and FAULT the engine lets `CYCLES` pass, does what the
    status asks for (operands in the request area), then calls the entry again."""

    DONE = 0
    WAIT = 1  # only let time pass
    ACTIVATE = 2  # request A0: task id
    BLOCK = 3
    UNBLOCK = 4
    DSD_OP = 5  # the request area describes the operation
    UNBLOCK_COMMANDS = 6
    FAULT = 7  # A0: Fault
    SET_FIFO_LENGTH = 8  # A0: 2 · the FIFO's number + whether it is the write length; INDEX: the length
    PRINT = 9  # A0: number of the piece; VALUE: the bits of its value
    READ_CONFIG = 10  # A0: word address of a configuration register; its value goes to INDEX
    WRITE_CONFIG = 11  # A0: word address; INDEX: the value


class Fault(enum.IntEnum):
    MEMORY = 1  # detail: address
    ASSERT = 2  # detail: index of the message
    DIVIDE_BY_ZERO = 3
    UNSUPPORTED = 4


class Req(enum.IntEnum):
    """Byte offsets in the request area at the start of the frame. Fields are 32 bits, records 32 bytes.

    ACTIVATE, UNBLOCK, UT, the DSR and the CONTROL fields hold the value plus 1, or 0 for none; ON_CONTROL
    says whether a control wavelet ends the operation. For DSD operations whose operand is a DSR, the engine
    updates the record at DSR index (SAVE_ADDRESS) when the operation ends. VALUE has 64 bits."""

    A0 = 0
    LOC = 4
    OP = 8
    IS_ASYNC = 12
    ACTIVATE = 16
    UNBLOCK = 20
    UT = 24
    SCALAR = 28
    DEST = 32
    SRC0 = 64
    SRC1 = 96
    RESULT = 128
    DEST_DSR = 132
    SRC0_DSR = 136
    SRC1_DSR = 140
    INDEX = 144
    ON_CONTROL = 148
    CONTROL_ACTIVATE = 152
    CONTROL_UNBLOCK = 156
    VALUE = 160


REQUEST_BYTES = 176
DSR_OFFSET = REQUEST_BYTES
DSD_BYTES = 32

MEMORY_OP_SYMBOL = "openwafer_memory_op"
"""`i64 f(i8* ctx, i32 op, i8* dest, i8* src0, i8* src1, i32 scalar, i32 setup, i32 loc)`: does a
memory-only DSD
operation at once, writes back SAVE_ADDRESS bases into the records it is given, and returns its cycles;
-1 after a fault (FAULT_LOC and FAULT_DETAIL set, the code returns FAULT)."""
