"""Programs that hang, what the host does with them, and why they hang.

Each is a row of PEs; `routes` are the arguments of `@set_color_config` after the coordinates, by column.
`chain` are the kinds of the waits, from the host's command to the cause; `says` must stand in the message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from csl_kit import Sources
from openwafer.sim._engine import Command, CopyOut, Launch, StreamIn, StreamOut

IN, OUT, COLOR, BACK = 5, 6, 8, 9
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
            f" .MEMCPYH2D_1 = @get_color({IN}), .MEMCPYD2H_1 = @get_color({OUT}) }});\n"
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


def forgotten_unblock() -> Hung:
    return Hung(
        "forgotten-unblock",
        (program(go(unblock=False)),),
        "command-stream-not-unblocked",
        ("command", "taker", "stream blocked"),
        ("unblock_cmd_stream", "`go`"),
        launch("go", "go"),
        where="fn go() void",
    )


def missing_route() -> Hung:
    """PE 1 takes from the west, but PE 0 has no route for the color."""
    return Hung(
        "missing-route",
        (IDLE, TAKER),
        "missing-route",
        ("command", "taker", "main", "operation", "wavelet", "upstream"),
        ("PE (0, 0) has no route for color 8",),
        lambda: [Launch("go"), CopyOut("data", 1, 0, words(4), 4)],
        ((1, FROM_WEST),),
        where="@mov32(few, incoming)",
    )


def nobody_sends() -> Hung:
    """The routes are there, but PE 0 has no code that sends."""
    return Hung(
        "nobody-sends",
        (IDLE, TAKER),
        "nobody-sends",
        ("command", "taker", "main", "operation", "wavelet", "upstream", "upstream", "sender"),
        ("no code of PE (0, 0) sends on color 8",),
        lambda: [Launch("go"), CopyOut("data", 1, 0, words(4), 4)],
        ((0, EAST), (1, FROM_WEST)),
        where="@mov32(few, incoming)",
    )


def blocked_task() -> Hung:
    """The task that lets the host in is active, but blocked."""
    code = program(TASK + go("@activate(later);", unblock=False), BIND, "  @block(later);\n")
    return Hung(
        "blocked-task",
        (code,),
        "task-never-unblocked",
        ("command", "taker", "stream blocked", "task"),
        ("`wake`", "no code unblocks it"),
        launch("go", "go"),
        where="task wake() void",
    )


def idle_task() -> Hung:
    """Nobody activates the task that lets the host in."""
    code = program(TASK + go(unblock=False), BIND)
    return Hung(
        "idle-task",
        (code,),
        "task-never-activated",
        ("command", "taker", "stream blocked", "task"),
        ("no code of PE (0, 0) activates task `wake`",),
        copy_after("go"),
        where="task wake() void",
    )


def same_microthread() -> Hung:
    """The second operation would send what the first waits for; both want microthread 5."""
    body = (
        RECEIVE
        + SEND
        + TASK
        + go(
            "@mov32(all, long_in, .{ .async = true, .ut_id = ut, .activate = later });",
            "@mov32(outgoing, few, .{ .async = true, .ut_id = ut });",
            unblock=False,
        )
    )
    first = (
        "const ut = @get_ut_id(5);\n"
        "const long_in = @get_dsd(fabin_dsd, .{ .extent = 40, .input_queue = iq });\n"
    )
    code = program(first + body, bind("iq", "color_b"), bind("oq", "color_a"), BIND)
    echo = (
        RECEIVE
        + SEND
        + TASK
        + go(
            "@mov32(few, incoming);",
            "@mov32(outgoing, few, .{ .async = true, .activate = later });",
            unblock=False,
        )
    )
    other = program(echo, bind("iq", "color_a"), bind("oq", "color_b"), BIND)
    west = f"@get_color({BACK}), .{{ .routes = .{{ .rx = .{{ RAMP }}, .tx = .{{ WEST }} }} }}"
    back = f"@get_color({BACK}), .{{ .routes = .{{ .rx = .{{ EAST }}, .tx = .{{ RAMP }} }} }}"
    return Hung(
        "same-microthread",
        (code, other),
        "microthread-in-use",
        ("command", "taker", "main", "microthread"),
        ("PE (0, 0)", "microthread 5"),
        copy_after("go"),
        ((0, EAST), (1, FROM_WEST), (1, west), (0, back)),
        where="@mov32(outgoing, few, .{ .async = true, .ut_id",
    )


def full_fifo() -> Hung:
    """A FIFO of 8 places gets 40 elements; nobody takes any."""
    body = (
        "var ring = @zeros([8]u32);\n"
        "const fifo = @allocate_fifo(ring, .{ .full_action = .{ .suspend = true } });\n"
        + go("@mov32(fifo, all);")
    )
    return Hung(
        "full-fifo",
        (program(body),),
        "fifo-full",
        ("command", "taker", "main", "operation", "fifo full"),
        ("FIFO 0", "`ring`", "full"),
        copy_after("go"),
        where="@mov32(fifo, all)",
    )


def host_reads_too_little() -> Hung:
    """The PE sends 40 wavelets to the host, which reads 10 and then wants to launch something."""
    out = "const outgoing = @get_dsd(fabout_dsd, .{ .extent = 40, .output_queue = oq });\n"
    code = program(out + go("@mov32(outgoing, all);"), bind("oq", "sys.MEMCPYD2H_1"))
    return Hung(
        "host-reads-too-little",
        (code,),
        "host-reads-too-little",
        ("command", "taker", "main", "operation", "full output", "host out"),
        ("asks for no more wavelets", f"color {OUT}"),
        lambda: [Launch("go"), StreamOut(OUT, 0, 0, words(10)), Launch("go")],
        where="@mov32(outgoing, all)",
    )


def host_sends_too_little() -> Hung:
    """The PE takes 40 wavelets from the host, which sends 10."""
    incoming = "const incoming = @get_dsd(fabin_dsd, .{ .extent = 40, .input_queue = iq });\n"
    code = program(incoming + go("@mov32(all, incoming);"), bind("iq", "sys.MEMCPYH2D_1"))
    return Hung(
        "host-sends-too-little",
        (code,),
        "host-sends-too-little",
        ("command", "taker", "main", "operation", "wavelet", "from host"),
        (f"color {IN}", "more is wanted"),
        lambda: [Launch("go"), StreamIn(IN, 0, 0, words(10)), CopyOut("data", 0, 0, words(4), 4)],
        where="@mov32(all, incoming)",
    )


def host_writes_before_it_reads() -> Hung:
    """The PE hands on what comes; 60 wavelets do not fit on the way, and the host reads only then."""
    body = (
        "const incoming = @get_dsd(fabin_dsd, .{ .extent = 60, .input_queue = iq });\n"
        "const outgoing = @get_dsd(fabout_dsd, .{ .extent = 60, .output_queue = oq });\n"
        + go("@mov32(outgoing, incoming, .{ .async = true });")
    )
    code = program(body, bind("iq", "sys.MEMCPYH2D_1"), bind("oq", "sys.MEMCPYD2H_1"))
    return Hung(
        "host-writes-before-it-reads",
        (code,),
        "host-reads-too-little",
        ("command", "host in", "full input", "operation", "full output", "host out"),
        ("has not asked for any",),
        lambda: [Launch("go"), StreamIn(IN, 0, 0, words(60))],
        where="@mov32(outgoing, incoming",
    )


def host_waits_for_itself() -> Hung:
    """The same, the host waiting for what it reads: the stream out cannot begin before the one in is done."""
    hung = host_writes_before_it_reads()
    return Hung(
        "host-waits-for-itself",
        hung.code,
        "host-order",
        ("command", "command", "host in", "full input", "operation", "full output", "host out"),
        ("the stream from color 6 comes after the stream to color 5",),
        lambda: [Launch("go"), StreamIn(IN, 0, 0, words(60)), StreamOut(OUT, 0, 0, words(60))],
        repeats=True,
    )


def full_queues() -> Hung:
    """PE 1 has a queue for what PE 0 sends, and never takes it."""
    out = "const outgoing = @get_dsd(fabout_dsd, .{ .extent = 40, .output_queue = oq });\n"
    sender = program(out + go("@mov32(outgoing, all);"), bind("oq", "color_a"))
    other = program(go(), bind("iq", "color_a"))
    return Hung(
        "full-queues",
        (sender, other),
        "queue-not-drained",
        ("command", "taker", "main", "operation", "full output", "channel", "channel", "full input"),
        ("PE (1, 0)", "input queue 2"),
        copy_after("go"),
        ((0, EAST), (1, FROM_WEST)),
        where="@mov32(outgoing, all)",
    )


def no_input_queue() -> Hung:
    """The route of PE 1 goes to its PE, where no queue is bound to the color."""
    hung = full_queues()
    return Hung(
        "no-input-queue",
        (hung.code[0], IDLE),
        "no-input-queue",
        ("command", "taker", "main", "operation", "full output", "channel", "channel"),
        ("PE (1, 0)", "no input queue"),
        hung.commands,
        hung.routes,
        where="@mov32(outgoing, all)",
    )


def wrong_switch() -> Hung:
    """Only switch position 1 of PE 1 gives the color to the PE, and nobody advances it."""
    switched = (
        f"@get_color({COLOR}), .{{ .routes = .{{ .rx = .{{ EAST }}, .tx = .{{ RAMP }} }},"
        " .switches = .{ .pos1 = .{ .rx = WEST } } }"
    )
    sender = program(SEND + go("@mov32(outgoing, few);"), bind("oq", "color_a"))
    return Hung(
        "wrong-switch",
        (sender, TAKER),
        "switch-position",
        ("command", "taker", "main", "operation", "wavelet", "upstream"),
        ("port WEST of PE (1, 0)", "switch"),
        lambda: [Launch("go"), CopyOut("data", 1, 0, words(4), 4)],
        ((0, EAST), (1, switched)),
        where="@mov32(few, incoming)",
    )


def both_receive_first() -> Hung:
    """Each PE receives before it sends."""

    def code(into: str, out: str) -> str:
        body = RECEIVE + SEND + go("@mov32(few, incoming);", "@mov32(outgoing, few);")
        return program(body, bind("iq", into), bind("oq", out))

    west = f"@get_color({BACK}), .{{ .routes = .{{ .rx = .{{ RAMP }}, .tx = .{{ WEST }} }} }}"
    back = f"@get_color({BACK}), .{{ .routes = .{{ .rx = .{{ EAST }}, .tx = .{{ RAMP }} }} }}"
    around = ("main", "operation", "wavelet", "upstream", "upstream", "sender")
    return Hung(
        "both-receive-first",
        (code("color_b", "color_a"), code("color_a", "color_b")),
        "wait-cycle",
        ("command", "taker", *around, *around),
        ("PE (0, 0), PE (1, 0)",),
        copy_after("go"),
        ((0, EAST), (1, FROM_WEST), (1, west), (0, back)),
        repeats=True,
    )


def data_task_without_wavelets() -> Hung:
    """The data task that lets the host in gets no wavelet: PE 0 sends only when launched with `send`."""
    task = "task wake(word: u32) void {\n  sys.unblock_cmd_stream();\n}\n"
    bound = "  @bind_data_task(wake, @get_data_task_id(iq));\n"
    other = program(task + go(unblock=False), bind("iq", "color_a"), bound)
    send = SEND + go() + "fn send() void {\n  @mov32(outgoing, few);\n  sys.unblock_cmd_stream();\n}\n"
    sender = program(send, bind("oq", "color_a"), exports=("go", "send"))
    return Hung(
        "data-task-without-wavelets",
        (sender, other),
        "sends-too-little",
        ("command", "taker", "stream blocked", "task", "wavelet", "upstream", "upstream", "sender"),
        ("PE (0, 0)", "color 8"),
        lambda: [Launch("go"), CopyOut("data", 1, 0, words(4), 4)],
        ((0, EAST), (1, FROM_WEST)),
        exports=("go", "send"),
        where="@mov32(outgoing, few)",
    )


HUNG = [
    make()
    for make in (
        forgotten_unblock,
        missing_route,
        nobody_sends,
        blocked_task,
        idle_task,
        same_microthread,
        full_fifo,
        host_reads_too_little,
        host_sends_too_little,
        host_writes_before_it_reads,
        host_waits_for_itself,
        full_queues,
        no_input_queue,
        wrong_switch,
        both_receive_first,
        data_task_without_wavelets,
    )
]
