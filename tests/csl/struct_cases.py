"""A program for every struct argument, with two values of each of its fields that must make two programs."""

from __future__ import annotations

from dataclasses import dataclass, field

from openwafer.csl.builtins import _struct_fields as structs

PRELUDE = """const c = @get_color(3);
const d = @get_color(4);
const iq = @get_input_queue(3);
const other_iq = @get_input_queue(4);
const oq = @get_output_queue(3);
const other_oq = @get_output_queue(4);
var a = @zeros([16]u16);
var b = @zeros([16]u16);
var buffer = @zeros([16]u16);
const memory = @get_dsd(mem1d_dsd, .{ .base_address = &a, .extent = 4 });
const in = @get_dsd(fabin_dsd, .{ .extent = 4, .fabric_color = c, .input_queue = iq });
const done = @get_local_task_id(9);
const late = @get_local_task_id(10);
task on_done() void {}
task on_late() void {}
comptime {
  @bind_local_task(on_done, done);
  @bind_local_task(on_late, late);
  if (@is_arch("wse3")) {
    @initialize_queue(iq, .{ .color = c });
    @initialize_queue(other_iq, .{ .color = d });
    @initialize_queue(oq, .{ .color = c });
    @initialize_queue(other_oq, .{ .color = d });
  }
}
"""
TASK = "task go() void {{ {} }}\ncomptime {{ @bind_local_task(go, @get_local_task_id(12)); }}\n"
COLOR = "comptime {{ @set_local_color_config(c, {}); }}\n"
PRIORITY = (".{ .high = true }", ".{ .low = true }")
TASKS = ("done", "late")
FLAG = ("true", "false")


@dataclass(frozen=True, slots=True)
class Case:
    """`text` has `$` where the fields go; `base` are fields that are always there. Of a field in `values`,
    a second value None is its absence; `drop` names what it replaces, `arch` where it is tried (`*`: all)."""

    text: str
    values: dict[str, tuple[str, str | None]]
    base: dict[str, str] = field(default_factory=dict[str, str])
    drop: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    arch: dict[str, str] = field(default_factory=dict[str, str])

    def program(self, given: dict[str, str | None], dropped: tuple[str, ...] = ()) -> str:
        fields = {n: v for n, v in self.base.items() if n not in dropped}
        fields |= {n: v for n, v in given.items() if v is not None}
        inside = ", ".join(f".{name} = {value}" for name, value in fields.items())
        return PRELUDE + self.text.replace("$", f".{{ {inside} }}" if fields else ".{}")


def in_task(text: str) -> str:
    return TASK.format(text)


def in_color(text: str) -> str:
    return COLOR.format(text)


def dsd(kind: str) -> str:
    return in_task(f"@mov16(@get_dsd({kind}, $), 1, .{{ .index = 1 }});")


ACCESS = {"base_address": "&a", "extent": "4"}
NUMBERS = {"base_address": ("&a", "&b"), "extent": ("4", "5"), "stride": ("1", "2"), "offset": ("0", "3")}
MEMORY = {**NUMBERS, "tensor_access": ("|i|{4} -> a[i]", "|i|{4} -> a[2 * i]"), "wavelet_index_offset": FLAG}
FABRIC = {"extent": ("4", "5"), "fabric_color": ("c", "d"), "priority": PRIORITY}
SIMD = (".{ .simd_32 = true }", ".{ .simd_64 = true }")
FABRIC_ARCH = {"fabric_color": "wse2", "priority": "wse3"}
RUN = {"activate": TASKS, "unblock": TASKS, "ut_id": ("@get_ut_id(1)", "@get_ut_id(2)"), "priority": PRIORITY}
RUN_ARCH = {"ut_id": "wse3", "priority": "wse2"}
ROUTE = {"rx": "RAMP", "tx": "EAST"}
POP = (".{ .always_pop = true }", ".{ .no_pop = true }")
COUNTS = {
    "kind": (".{ .counter = true }", ".{ .sparse_counter = true }"),
    "count_data": FLAG,
    "count_control": FLAG,
    "init_counter": ("1", "2"),
    "limit1": ("3", "4"),
    "max_counter": ("5", "6"),
    "fast_mode": FLAG,
}
ROUTED = ".routes = .{ .rx = RAMP, .tx = EAST }"
COLLECTIVES = """const params = @import_module("<collectives_2d/params>");
const ids = params.get_params(0, 0, $);
const x = @import_module("<collectives_2d/pe>", .{ .dim_params = ids.x });
const y = @import_module("<collectives_2d/pe>", .{ .dim_params = ids.y });
task go() void { x.init(); y.init(); }
comptime { @bind_local_task(go, @get_local_task_id(12)); }
"""


def ids(first: int) -> str:
    return f".{{ @get_local_task_id({first}), @get_local_task_id({first + 1}) }}"


def colors(first: int) -> str:
    return f".{{ @get_color({first}), @get_color({first + 1}) }}"


def filter_case(kind: str, values: dict[str, tuple[str, str | None]]) -> Case:
    return Case(in_color(f".{{ {ROUTED}, .filter = $ }}"), values, {"kind": f".{{ .{kind} = true }}"})


CASES: dict[str, Case] = {
    "`.tensor_access`": Case(
        in_task("@mov16(@get_dsd(mem1d_dsd, .{ .tensor_access = $ }), 1);"), NUMBERS, ACCESS
    ),
    "a mem1d_dsd": Case(dsd("mem1d_dsd"), MEMORY, ACCESS, drop={"tensor_access": ("base_address", "extent")}),
    "a mem4d_dsd": Case(
        dsd("mem4d_dsd"),
        {
            **MEMORY,
            "extent": (".{ 2, 3 }", ".{ 2, 4 }"),
            "stride": (".{ 1, 1 }", ".{ 1, 2 }"),
            "tensor_access": ("|i, j|{2, 2} -> a[2 * i + j]", "|i, j|{2, 2} -> a[3 * i + j]"),
        },
        {"base_address": "&a", "extent": ".{ 2, 3 }"},
        drop={"tensor_access": ("base_address", "extent")},
    ),
    "a circbuf_dsd": Case(
        in_task("@load_to_dsr_xdsr(@get_dsr(dsr_src1, 1), @get_xdsr(0), @get_dsd(circbuf_dsd, $));"),
        {"base_address": ("&a", "&b"), "extent": ("4", "5"), "wraparound": ("8", "9")},
        ACCESS,
    ),
    "a fabin_dsd": Case(
        in_task("@mov16(memory, @get_dsd(fabin_dsd, $), .{ .async = true });"),
        {**FABRIC, "input_queue": ("iq", "other_iq"), "simd_mode": SIMD},
        {"extent": "4", "fabric_color": "c", "input_queue": "iq"},
        arch=FABRIC_ARCH,
    ),
    "a fabout_dsd": Case(
        in_task("@mov16(@get_dsd(fabout_dsd, $), memory, .{ .async = true, .index = 1 });"),
        {
            **FABRIC,
            "output_queue": ("oq", "other_oq"),
            "simd_mode": SIMD,
            "control": FLAG,
            "wavelet_index_offset": FLAG,
        },
        {"extent": "4", "fabric_color": "c", "output_queue": "oq"},
        arch=FABRIC_ARCH,
    ),
    "a FIFO": Case(
        "const fifo = @allocate_fifo(buffer, $);\n" + in_task("@mov16(fifo, memory);"),
        {
            "activate_push": TASKS,
            "activate_pop": TASKS,
            "empty_action": (".{ .terminate = true }", ".{ .test_or_suspend = true }"),
            "full_action": (".{ .terminate = true }", ".{ .fault = true }"),
            "priority": PRIORITY,
            "simd_mode": SIMD,
        },
        arch={"full_action": "wse3", "priority": "wse3", "simd_mode": "wse2"},
    ),
    "the configuration of an operation": Case(
        in_task("@mov16(memory, in, $);"),
        {
            "async": FLAG,
            **RUN,
            "on_control": (".{ .terminate = true }", ".{ .activate = done }"),
            "index": ("1", "2"),
        },
        {"async": "true"},
        arch=RUN_ARCH,
    ),
    "`.on_control`": Case(
        in_task("@mov16(memory, in, .{ .async = true, .on_control = $ });"),
        {"terminate": FLAG, "activate": TASKS, "unblock": TASKS},
    ),
    "a DSR with a fabric DSD": Case(
        in_task("@load_to_dsr(@get_dsr(dsr_src1, 1), in, $);"),
        {"async": FLAG, **RUN, "single_step": FLAG},
        arch=RUN_ARCH,
    ),
    "a DSR with a memory DSD": Case(
        in_task("@load_to_dsr(@get_dsr(dsr_src1, 1), memory, $);"),
        {"save_address": FLAG, "single_step": FLAG},
    ),
    "an input queue": Case(
        "comptime { @initialize_queue(@get_input_queue(5), $); }\n",
        {"color": ("c", "d"), "ctrl_table_id": ("0", None)},
        {"color": "c"},
        arch={"ctrl_table_id": "wse3"},
    ),
    "an output queue": Case(
        "comptime { @initialize_queue(@get_output_queue(5), $); }\n",
        {"color": ("c", "d")},
        {"color": "c"},
        arch={"color": "wse3", "*": "wse3"},
    ),
    "a color configuration": Case(
        in_color("$"),
        {
            "routes": (".{ .rx = RAMP, .tx = EAST }", ".{ .rx = RAMP, .tx = WEST }"),
            "switches": (".{ .pos1 = .{ .tx = WEST } }", ".{ .pos1 = .{ .tx = NORTH } }"),
            "filter": (
                ".{ .kind = .{ .range = true }, .max_idx = 3 }",
                ".{ .kind = .{ .range = true }, .max_idx = 4 }",
            ),
            "teardown": FLAG,
        },
        {"routes": ".{ .rx = RAMP, .tx = EAST }"},
    ),
    "`.routes`": Case(
        in_color(".{ .routes = $ }"),
        {
            "rx": ("RAMP", "WEST"),
            "tx": ("EAST", ".{ EAST, WEST }"),
            "pop_mode": POP,
            "color_swap_x": FLAG,
            "color_swap_y": FLAG,
        },
        ROUTE,
        arch={"color_swap_x": "wse2", "color_swap_y": "wse2"},
    ),
    "`.switches`": Case(
        in_color(f".{{ {ROUTED}, .switches = $ }}"),
        {
            **{name: (".{ .tx = WEST }", ".{ .tx = NORTH }") for name in structs.POSITIONS},
            "current_switch_pos": ("0", "1"),
            "ring_mode": FLAG,
            "pop_mode": POP,
        },
        {"pos1": ".{ .tx = WEST }"},
    ),
    "a switch position": Case(
        in_color(f".{{ {ROUTED}, .switches = .{{ .pos1 = $ }} }}"),
        {"rx": ("WEST", "SOUTH"), "tx": ("WEST", "NORTH"), "invalid": ("true", None)},
        {"tx": "WEST"},
        drop={"invalid": ("tx",), "rx": ("tx",)},
    ),
    "a filter of kind `counter`": filter_case("counter", {**COUNTS, "filter_control": FLAG}),
    "a filter of kind `sparse_counter`": filter_case(
        "sparse_counter", {**COUNTS, "kind": COUNTS["kind"][::-1], "limit2": ("3", "4")}
    ),
    "a filter of kind `range`": filter_case(
        "range",
        {
            "kind": (".{ .range = true }", ".{ .counter = true }"),
            "min_idx": ("1", "2"),
            "max_idx": ("3", "4"),
            "fast_mode": FLAG,
        },
    ),
    "the ids of `<collectives_2d/params>`": Case(
        COLLECTIVES,
        {
            "x_colors": (colors(10), colors(12)),
            "y_colors": (colors(14), colors(12)),
            "x_entrypoints": (ids(20), ids(22)),
            "y_entrypoints": (ids(24), ids(22)),
        },
        {
            "x_colors": colors(10),
            "x_entrypoints": ids(20),
            "y_colors": colors(14),
            "y_entrypoints": ids(24),
        },
    ),
    "the new routes of a color": Case(
        'const config = @import_module("<tile_config>");\n'
        + in_task("config.color_config.reset_routes(c, $);"),
        {"rx": ("RAMP", "WEST"), "tx": ("EAST", "NORTH")},
        ROUTE,
    ),
}
"""By `Struct.what`."""

NO_EFFECT: dict[tuple[str, str], str] = {
    ("an input queue", "ctrl_table_id"): "0 is the default, and every other number is refused",
    **{
        (each.what, "fast_mode"): "is not documented; public programs give it"
        for each in structs.FILTERS.values()
    },
}
"""Fields that are accepted and change nothing, with the reason."""
