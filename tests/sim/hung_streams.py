"""Programs that hang with the host: streams of a wrong length, or in a wrong order."""

from __future__ import annotations

from hung_kit import COLOR, IN, OUT, SECOND_IN, Hung, bind, go, program, words

from openwafer.sim._engine import CopyOut, Launch, StreamIn, StreamOut


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


def streams_in_the_wrong_order() -> Hung:
    """A PE that hands the second stream to itself, and takes it from there only after the first stream has
    come; the host sends the second one first, more than fits between. (The shape of a matrix-vector product
    to which the host streams `b` before `x`.)"""
    body = (
        "const first = @get_data_task_id(@get_input_queue(4));\n"
        "const second = @get_data_task_id(iq);\n"
        "const later = @get_local_task_id(10);\n"
        "const sum_in = @get_dsd(fabin_dsd, .{ .extent = 40, .input_queue = @get_input_queue(5) });\n"
        "const one = @get_dsd(fabout_dsd, .{ .extent = 1, .output_queue = oq });\n"
        "const held = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{1} -> data[63] });\n"
        "task take_first(word: u32) void {\n  @activate(later);\n}\n"
        "task reduce() void {\n  @mov32(all, sum_in, .{ .async = true });\n}\n"
        "task take_second(word: u32) void {\n"
        "  @block(second);\n  data[63] = word;\n"
        "  @mov32(one, held, .{ .async = true, .unblock = second });\n}\n"
    ) + go()
    code = program(
        body, bind("@get_input_queue(4)", "sys.MEMCPYH2D_1"), bind("iq", "sys.MEMCPYH2D_2"),
        bind("@get_input_queue(5)", "color_a"), bind("oq", "color_a"),
        "  @bind_data_task(take_first, first);\n  @bind_data_task(take_second, second);\n",
        "  @bind_local_task(reduce, later);\n",
    )  # fmt: skip
    loop = f"@get_color({COLOR}), .{{ .routes = .{{ .rx = .{{ RAMP }}, .tx = .{{ RAMP }} }} }}"
    full = ("full input", "task", "operation", "full output", "channel", "full input")
    return Hung(
        "streams-in-the-wrong-order",
        (code,),
        "host-sends-nothing",
        ("command", "host in", *full, "task", "task", "wavelet", "from host"),
        (f"the host has sent nothing on color {IN} to PE (0, 0), which waits for it",),
        lambda: [StreamIn(SECOND_IN, 0, 0, words(40))],
        ((0, loop),),
        where="task take_first(word: u32) void",
    )


HUNG = [
    make()
    for make in (
        host_reads_too_little,
        host_sends_too_little,
        host_writes_before_it_reads,
        host_waits_for_itself,
        streams_in_the_wrong_order,
    )
]
