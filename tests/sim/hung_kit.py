"""What programs that hang are made of: the program, what the host does with it, and why it hangs.

Each is a row of PEs; `routes` are the arguments of `@set_color_config` after the coordinates, by column.
`chain` are the kinds of the waits, from the host's command to the cause; `says` must stand in the message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from csl_kit import Sources
from openwafer.sim._engine import Command, CopyOut, Launch

IN, OUT, SECOND_IN, COLOR, BACK = 5, 6, 7, 8, 9
HEAD = f"""param memcpy_params;
param column: u16;
const sys = @import_module("<memcpy/memcpy>", memcpy_params);
const color_a = @get_color({COLOR});
const color_b = @get_color({BACK});
const iq = @get_input_queue(2);
const oq = @get_output_queue(3);
var data = @zeros([64]u32);
var data_ptr: [*]u32 = &data;
const all = @get_dsd(mem1d_dsd, .{{ .tensor_access = |i|{{40}} -> data[i] }});
const few = @get_dsd(mem1d_dsd, .{{ .tensor_access = |i|{{4}} -> data[i] }});
comptime {{
  @export_symbol(data_ptr, "data");
}}
"""
RECEIVE = "const incoming = @get_dsd(fabin_dsd, .{ .extent = 4, .input_queue = iq });\n"
SEND = "const outgoing = @get_dsd(fabout_dsd, .{ .extent = 4, .output_queue = oq });\n"


@dataclass(frozen=True)
class Hung:
    """`commands` makes those that the host submits; it waits for the last."""

    name: str
    code: tuple[str, ...]
    cause: str
    chain: tuple[str, ...]
    says: tuple[str, ...]
    commands: Callable[[], list[Command]]
    routes: tuple[tuple[int, str], ...] = ()
    exports: tuple[str, ...] = ("go",)
    where: str = ""
    repeats: bool = False
    arch: str = "wse3"

    def sources(self) -> Sources:
        width = len(self.code)
        exports = "".join(f'  @export_name("{name}", fn()void);\n' for name in self.exports)
        tiles = "".join(
            f'  @set_tile_code({x}, 0, "pe{x}.csl",'
            f" .{{ .memcpy_params = memcpy.get_params({x}), .column = {x} }});\n"
            for x in range(width)
        )
        routes = "".join(f"  @set_color_config({x}, 0, {rest});\n" for x, rest in self.routes)
        layout = (
            f'const memcpy = @import_module("<memcpy/get_params>", .{{ .width = {width}, .height = 1,'
            f" .MEMCPYH2D_1 = @get_color({IN}), .MEMCPYH2D_2 = @get_color({SECOND_IN}),"
            f" .MEMCPYD2H_1 = @get_color({OUT}) }});\n"
            f"layout {{\n  @set_rectangle({width}, 1);\n{tiles}{routes}"
            f'  @export_name("data", [*]u32, true);\n{exports}}}\n'
        )
        return Sources(
            {"layout.csl": layout} | {f"pe{x}.csl": HEAD + code for x, code in enumerate(self.code)}
        )

    def line_of(self, part: str) -> tuple[str, int]:
        """File and line (from 1) of the only place of a text in the programs."""
        places = [
            (name, number)
            for name, text in self.sources().files.items()
            for number, line in enumerate(text.split("\n"), 1)
            if part in line
        ]
        assert len(places) == 1, f"{part!r} stands at {places}"
        return places[0]


def words(n: int) -> np.ndarray:
    return np.zeros((1, 1, n), np.uint32)


def launch(*names: str) -> Callable[[], list[Command]]:
    return lambda: [Launch(name) for name in names]


def copy_after(*names: str) -> Callable[[], list[Command]]:
    return lambda: [*(Launch(name) for name in names), CopyOut("data", 0, 0, words(4), 4)]


def bind(queue: str, color: str) -> str:
    return f"  @initialize_queue({queue}, .{{ .color = {color} }});\n"


def program(body: str, *setup: str, exports: tuple[str, ...] = ("go",)) -> str:
    names = "".join(f"  @export_symbol({name});\n" for name in exports)
    return f"{body}comptime {{\n{''.join(setup)}{names}}}\n"


def go(*lines: str, unblock: bool = True) -> str:
    end = "  sys.unblock_cmd_stream();\n" if unblock else ""
    return "fn go() void {\n" + "".join(f"  {line}\n" for line in lines) + end + "}\n"


IDLE = program(go())
EAST = f"@get_color({COLOR}), .{{ .routes = .{{ .rx = .{{ RAMP }}, .tx = .{{ EAST }} }} }}"
FROM_WEST = f"@get_color({COLOR}), .{{ .routes = .{{ .rx = .{{ WEST }}, .tx = .{{ RAMP }} }} }}"
TASK = "const later = @get_local_task_id(10);\ntask wake() void {\n  sys.unblock_cmd_stream();\n}\n"
BIND = "  @bind_local_task(wake, later);\n"
TAKER = program(RECEIVE + go("@mov32(few, incoming);"), bind("iq", "color_a"))
HOST_IN = ("taker", "main", "operation")
