"""PEs that hang by themselves: routes, queues, tasks, microthreads."""

from __future__ import annotations

from hung_kit import (
    BACK,
    BIND,
    COLOR,
    EAST,
    FROM_WEST,
    IDLE,
    RECEIVE,
    SEND,
    TAKER,
    TASK,
    Hung,
    bind,
    copy_after,
    go,
    launch,
    program,
    words,
)

from openwafer.sim._engine import CopyOut, Launch


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


def swapped_color() -> Hung:
    """PE 1 takes color 8 from what comes on color 9, on which PE 0 does not send."""
    routes = ".{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP }, .color_swap_x = true } }"
    east = f"@get_color({BACK}), .{{ .routes = .{{ .rx = .{{ RAMP }}, .tx = .{{ EAST }} }} }}"
    return Hung(
        "swapped-color",
        (IDLE, TAKER),
        "nobody-sends",
        ("command", "taker", "main", "operation", "wavelet", "upstream", "upstream", "sender"),
        ("no code of PE (0, 0) sends on color 9",),
        lambda: [Launch("go"), CopyOut("data", 1, 0, words(4), 4)],
        ((0, east), (1, f"@get_color({COLOR}), {routes}"), (1, f"@get_color({BACK}), {routes}")),
        where="@mov32(few, incoming)",
        arch="wse2",
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
        full_queues,
        no_input_queue,
        wrong_switch,
        swapped_color,
        both_receive_first,
        data_task_without_wavelets,
    )
]
