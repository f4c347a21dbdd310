"""PEs that hang behind others: FIFOs, joins, relays, multicasts, control wavelets."""

from __future__ import annotations

from dataclasses import replace

from hung_kit import (
    BACK,
    BIND,
    COLOR,
    EAST,
    FROM_WEST,
    IDLE,
    RECEIVE,
    SEND,
    TASK,
    Hung,
    bind,
    copy_after,
    go,
    program,
    words,
)

from openwafer.sim._engine import CopyOut, Launch

FIFO = (
    "var ring = @zeros([8]u32);\nconst wait = .{ .suspend = true };\n"
    "const fifo = @allocate_fifo(ring, .{ .empty_action = wait, .full_action = wait });\n"
)
LONG_OUT = "const outgoing = @get_dsd(fabout_dsd, .{ .extent = 40, .output_queue = oq });\n"
LONG_IN = "const incoming = @get_dsd(fabin_dsd, .{ .extent = 40, .input_queue = iq });\n"
SENDER = program(LONG_OUT + go("@mov32(outgoing, all);"), bind("oq", "color_a"))
RELAYED = f"@get_color({BACK}), .{{ .routes = .{{ .rx = .{{ RAMP }}, .tx = .{{ EAST }} }} }}"
RELAY_IN = f"@get_color({BACK}), .{{ .routes = .{{ .rx = .{{ WEST }}, .tx = .{{ RAMP }} }} }}"
ON_THE_WAY = ("operation", "full output", "channel", "channel", "full input")


def empty_fifo() -> Hung:
    """A FIFO that the code only empties."""
    return Hung(
        "empty-fifo",
        (program(FIFO + go("@mov32(few, fifo);")),),
        "fifo-empty",
        ("command", "taker", "main", "operation", "fifo empty"),
        ("no code of PE (0, 0) fills FIFO 0", "`ring`"),
        copy_after("go"),
        where="@mov32(few, fifo)",
    )


def fifo_filled_afterwards() -> Hung:
    """What would fill the FIFO comes after what empties it, in one function."""
    return Hung(
        "fifo-filled-afterwards",
        (program(FIFO + go("@mov32(few, fifo);", "@mov32(fifo, few);")),),
        "wait-cycle",
        ("command", "taker", "main", "operation", "fifo empty"),
        ("PE (0, 0)",),
        copy_after("go"),
        repeats=True,
    )


def fifo_behind_a_full_queue() -> Hung:
    """The FIFO is full because what empties it cannot send, because PE 1 takes nothing."""
    body = FIFO + LONG_OUT + go("@mov32(outgoing, fifo, .{ .async = true });", "@mov32(fifo, all);")
    return Hung(
        "fifo-behind-a-full-queue",
        (program(body, bind("oq", "color_a")), program(go(), bind("iq", "color_a"))),
        "queue-not-drained",
        ("command", "taker", "main", "operation", "fifo full", *ON_THE_WAY),
        ("PE (1, 0)", "input queue 2"),
        copy_after("go"),
        ((0, EAST), (1, FROM_WEST)),
    )


def relay() -> Hung:
    """PE 1 hands on what PE 0 sends, and PE 2 takes nothing: the whole way is full."""
    body = LONG_IN + LONG_OUT + go("@mov32(outgoing, incoming, .{ .async = true });")
    middle = program(body, bind("iq", "color_a"), bind("oq", "color_b"))
    return Hung(
        "relay",
        (SENDER, middle, program(go(), bind("iq", "color_b"))),
        "queue-not-drained",
        ("command", "taker", "main", *ON_THE_WAY, *ON_THE_WAY),
        ("PE (2, 0)", "color 9"),
        copy_after("go"),
        ((0, EAST), (1, FROM_WEST), (1, RELAYED), (2, RELAY_IN)),
    )


def multicast() -> Hung:
    """Of two PEs that get the same wavelets, one does not take them."""
    both = f"@get_color({COLOR}), .{{ .routes = .{{ .rx = .{{ WEST }}, .tx = .{{ RAMP, EAST }} }} }}"
    taker = program(LONG_IN + go("@mov32(all, incoming);"), bind("iq", "color_a"))
    return Hung(
        "multicast",
        (SENDER, taker, program(go(), bind("iq", "color_a"))),
        "queue-not-drained",
        (
            "command",
            "taker",
            "main",
            "operation",
            "full output",
            "channel",
            "channel",
            "channel",
            "full input",
        ),
        ("PE (2, 0)", "color 8"),
        copy_after("go"),
        ((0, EAST), (1, both), (2, FROM_WEST)),
    )


def half_a_join() -> Hung:
    """Two operations activate and unblock a task; the second waits for what nobody sends."""
    body = TASK + RECEIVE + go(
        "@activate(later);",
        "@mov32(few, incoming, .{ .async = true, .unblock = later });",
        unblock=False,
    )  # fmt: skip
    return Hung(
        "half-a-join",
        (IDLE, program(body, bind("iq", "color_a"), BIND, "  @block(later);\n")),
        "nobody-sends",
        (
            "command",
            "taker",
            "stream blocked",
            "task",
            "operation",
            "wavelet",
            "upstream",
            "upstream",
            "sender",
        ),
        ("no code of PE (0, 0) sends on color 8",),
        lambda: [Launch("go"), CopyOut("data", 1, 0, words(4), 4)],
        ((0, EAST), (1, FROM_WEST)),
        where="@mov32(few, incoming",
    )


def sent_too_little() -> Hung:
    """PE 0 sends 3 wavelets, PE 1 wants 4."""
    out = "const three = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{3} -> data[i] });\n"
    sender = program(out + SEND + go("@mov32(outgoing, three);"), bind("oq", "color_a"))
    taker = program(RECEIVE + go("@mov32(few, incoming);"), bind("iq", "color_a"))
    return Hung(
        "sent-too-little",
        (sender, taker),
        "sends-too-little",
        ("command", "taker", "main", "operation", "wavelet", "upstream", "upstream", "sender"),
        ("what PE (0, 0) sends on color 8 has been sent, and more is wanted",),
        lambda: [Launch("go"), CopyOut("data", 1, 0, words(4), 4)],
        ((0, EAST), (1, FROM_WEST)),
        where="@mov32(outgoing, three)",
    )


def data_task_blocks_itself() -> Hung:
    """A data task blocks itself at its first wavelet, and nobody unblocks it."""
    task = (
        "const id = @get_data_task_id(iq);\nvar left: u16 = 40;\n"
        "task take(word: u32) void {\n  @block(id);\n  left -= 1;\n"
        "  if (left == 0) sys.unblock_cmd_stream();\n}\n"
    )
    taker = program(task + go(unblock=False), bind("iq", "color_a"), "  @bind_data_task(take, id);\n")
    return Hung(
        "data-task-blocks-itself",
        (SENDER, taker),
        "task-never-unblocked",
        ("command", "taker", "main", *ON_THE_WAY, "task"),
        ("task `take` of PE (1, 0) is blocked, and no code unblocks it",),
        copy_after("go"),
        ((0, EAST), (1, FROM_WEST)),
        where="task take(word: u32) void",
    )


def forgotten_sentinel() -> Hung:
    """PE 1 takes wavelets until a control wavelet comes; PE 0 sends none of those."""
    body = (
        TASK
        + "const endless = @get_dsd(fabin_dsd, .{ .extent = 0x7fff, .input_queue = iq });\n"
        + "const sink = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{0x7fff} -> data[0] });\n"
        + go(
            "@mov32(sink, endless, .{ .async = true, .on_control = .{ .activate = later } });",
            unblock=False,
        )
    )
    return Hung(
        "forgotten-sentinel",
        (SENDER, program(body, bind("iq", "color_a"), BIND)),
        "sends-too-little",
        (
            "command",
            "taker",
            "stream blocked",
            "task",
            "operation",
            "wavelet",
            "upstream",
            "upstream",
            "sender",
        ),
        ("PE (0, 0)", "color 8"),
        lambda: [Launch("go"), CopyOut("data", 1, 0, words(4), 4)],
        ((0, EAST), (1, FROM_WEST)),
    )


def control_task_without_wavelets() -> Hung:
    """The control task that lets the host in is bound; nobody sends a control wavelet."""
    task = "task stop() void {\n  sys.unblock_cmd_stream();\n}\n"
    code = program(
        task + go(unblock=False), bind("iq", "color_a"),
        "  @bind_control_task(stop, @get_control_task_id(40));\n",
    )  # fmt: skip
    return Hung(
        "control-task-without-wavelets",
        (IDLE, code),
        "no-control-wavelet",
        ("command", "taker", "stream blocked", "task"),
        ("no control wavelet for task `stop` comes to PE (1, 0)",),
        lambda: [Launch("go"), CopyOut("data", 1, 0, words(4), 4)],
        ((0, EAST), (1, FROM_WEST)),
        where="task stop() void",
    )


def ring() -> Hung:
    """PE 0 waits for PE 1, PE 1 for PE 2, PE 2 for PE 0."""

    def code(into: str, out: str) -> str:
        body = RECEIVE + SEND + go("@mov32(few, incoming);", "@mov32(outgoing, few);")
        return program(body, bind("iq", into), bind("oq", out))

    def route(color: int, rx: str, tx: str) -> str:
        return f"@get_color({color}), .{{ .routes = .{{ .rx = .{{ {rx} }}, .tx = .{{ {tx} }} }} }}"

    third = 10
    pes = (code("@get_color(10)", "color_a"), code("color_a", "color_b"), code("color_b", "@get_color(10)"))
    near, far = ("main", "operation", "wavelet", "upstream", "upstream", "sender"), ("upstream",)
    wrap = ("main", "operation", "wavelet", "upstream", *far, "upstream", "sender")
    return Hung(
        "ring",
        pes,
        "wait-cycle",
        ("command", "taker", *wrap, *near, *near),
        ("PE (0, 0), PE (1, 0), PE (2, 0)",),
        copy_after("go"),
        (
            (0, EAST), (1, FROM_WEST), (1, RELAYED), (2, RELAY_IN),
            (2, route(third, "RAMP", "WEST")), (1, route(third, "EAST", "WEST")),
            (0, route(third, "EAST", "RAMP")),
        ),
        repeats=True,
    )  # fmt: skip


def unbound_queue() -> Hung:
    """On WSE-2 a queue belongs to the color of its DSD; this one is of another color than the route's."""
    hung = sent_too_little()
    taker = program(
        "const incoming = @get_dsd(fabin_dsd, .{ .extent = 4, .input_queue = iq,"
        " .fabric_color = color_b });\n" + go("@mov32(few, incoming);")
    )
    sender = program(
        "const outgoing = @get_dsd(fabout_dsd, .{ .extent = 4, .output_queue = oq,"
        " .fabric_color = color_a });\n" + go("@mov32(outgoing, few, .{ .async = true });")
    )
    return replace(
        hung,
        name="other-color",
        arch="wse2",
        code=(sender, taker),
        cause="missing-route",
        chain=("command", "taker", "main", "operation", "wavelet"),
        says=("PE (1, 0) has no route for color 9",),
        where="@mov32(few, incoming)",
    )


HUNG = [
    make()
    for make in (
        empty_fifo,
        fifo_filled_afterwards,
        fifo_behind_a_full_queue,
        relay,
        multicast,
        half_a_join,
        sent_too_little,
        data_task_blocks_itself,
        forgotten_sentinel,
        control_task_without_wavelets,
        ring,
        unbound_queue,
    )
]
