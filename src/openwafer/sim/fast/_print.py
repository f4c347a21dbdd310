"""Printing in the fast engine: compiled code calls back for each piece that a PE prints."""

from __future__ import annotations

import ctypes

from openwafer.codegen import Req
from openwafer.sim._print import PrintLog, value_text
from openwafer.sim.fast import _state as st
from openwafer.sim.fast._load import LoadedWafer

PRINT_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)
"""The type behind `World.PRINT`."""


def note_print(world: LoadedWafer, log: PrintLog, pe_address: int) -> int:
    """Adds to the log what the PE at an address has put into its request area; returns 0."""
    index = (pe_address - int(world.pes.ctypes.data)) // st.PE_BYTES
    y, x = divmod(index, world.width)
    request, cycle = int(world.pes[index, st.Pe.FRAME // 8]), int(world.pes[index, st.Pe.SEEN // 8])
    number = ctypes.c_uint32.from_address(request + Req.A0).value
    piece = world.programs[int(world.layout.program_of[y, x])].compiled.pieces[number]
    bits = ctypes.c_uint64.from_address(request + Req.VALUE).value
    log.add(cycle, x, y, value_text(piece.format, piece.type, bits) if piece.type else piece.text)
    return 0
