"""The fields that each struct argument of a builtin may have: one table, and the only check of them.

A field is carried out, or refused with the reason. `STRUCTS` is what the tests go through.
Source: “Builtins”, “Data Structure Descriptors”, “Data Structure Registers” of the SDK documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from openwafer.csl.values import _types as ty
from openwafer.csl.values._values import Value
from openwafer.diag import Span, error, suggest


@dataclass(frozen=True, slots=True)
class Struct:
    """A struct argument: how messages call it, and the names of its fields.

    `arch` names the only architecture of a field, `elsewhere` says why a field of a sister struct does not
    belong here, `unsupported` is the id of the diagnostic for what is documented and not built."""

    what: str
    fields: tuple[str, ...]
    arch: Mapping[str, str] = field(default_factory=dict[str, str])
    elsewhere: Mapping[str, str] = field(default_factory=dict[str, str])
    unsupported: Mapping[str, str] = field(default_factory=dict[str, str])

    def of(self, value: Value, arch: str, span: Span) -> dict[str, Value]:
        """The fields of a value. Diagnostics: type-mismatch, unknown-field, wrong-arch, misplaced-field."""
        fields = value.parts
        if fields is None:
            raise error("type-mismatch", f"{self.what} must be a struct, found {value.type}", span)
        check_names(fields, (*self.fields, *self.unsupported), self.what, span, self.elsewhere)
        for name in fields:
            only = self.arch.get(name, arch)
            if only != arch:
                raise error("wrong-arch", f"`.{name}` of {self.what} exists on {only} only", span)
            if name in self.unsupported and not _is_off(fields[name]):
                message = f"`.{name}` of {self.what} is not supported yet"
                raise error(self.unsupported[name], message, span)
        return fields


def _is_off(value: Value) -> bool:
    return value.type is ty.BOOL and value.is_known and value.ir is None and not value.known


def check_names(
    given: Mapping[str, Value],
    known: Sequence[str],
    what: str,
    span: Span,
    elsewhere: Mapping[str, str] | None = None,
) -> None:
    """Diagnostics: unknown-field, with a near name and all that there are; misplaced-field, with the rule."""
    for name in given:
        if name in known:
            continue
        if elsewhere and name in elsewhere:
            raise error("misplaced-field", f"{what} takes no `.{name}`", span, notes=(elsewhere[name],))
        names = ", ".join(f"`{each}`" for each in known)
        message = f"{what} has no field `{name}`"
        raise error("unknown-field", message, span, notes=(f"it has {names}",), help=suggest(name, known))


def elements_of(value: Value, what: str, span: Span) -> list[Value]:
    """A value, or those of a tuple; a struct with names is refused. Diagnostics: type-mismatch."""
    parts = value.parts
    if parts is None:
        return [value]
    for at, name in enumerate(parts):
        if name != str(at):
            raise error("type-mismatch", f"{what} is a tuple without names, found a field `{name}`", span)
    return list(parts.values())


# --- DSDs --------------------------------------------------------------------------------

ACCESS = ("base_address", "extent", "stride", "offset")
TENSOR_ACCESS = Struct("`.tensor_access`", ACCESS)
MEM1D = Struct("a mem1d_dsd", (*ACCESS, "tensor_access", "wavelet_index_offset"))
MEM4D = Struct("a mem4d_dsd", (*ACCESS, "tensor_access", "wavelet_index_offset"))
CIRCBUF = Struct("a circbuf_dsd", ("base_address", "extent", "wraparound"))
SENDS = "it says how wavelets are sent: a fabout_dsd takes it"
FABIN = Struct(
    "a fabin_dsd",
    ("extent", "fabric_color", "input_queue", "priority", "simd_mode"),
    arch={"priority": "wse3"},
    elsewhere=dict.fromkeys(("control", "wavelet_index_offset", "advance_switch", "zero"), SENDS),
    unsupported={"control_transform": "not-supported-dsd"},
)
FABOUT = Struct(
    "a fabout_dsd",
    ("extent", "fabric_color", "output_queue", "control", "wavelet_index_offset", "priority", "simd_mode"),
    arch={"priority": "wse3"},
    unsupported={
        "advance_switch": "not-supported-dsd",
        "control_transform": "not-supported-dsd",
        "zero": "not-supported-dsd",
    },
)
FIFO = Struct(
    "a FIFO",
    ("activate_push", "activate_pop", "empty_action", "full_action", "priority", "simd_mode"),
    arch={"full_action": "wse3", "priority": "wse3", "simd_mode": "wse2"},
    unsupported=dict.fromkeys(("dest", "src", "xdsr"), "not-supported-fifo-dsr"),
)

# --- operations and DSRs -----------------------------------------------------------------

OPERATION = Struct(
    "the configuration of an operation",
    ("async", "activate", "unblock", "on_control", "ut_id", "priority", "index"),
    arch={"ut_id": "wse3", "priority": "wse2"},
)
ON_CONTROL = Struct("`.on_control`", ("terminate", "activate", "unblock"))
FABRIC_ONLY = "operations on memory alone are never asynchronous: only a DSR with a fabric DSD takes it"
MEMORY_ONLY = "a DSR with a fabric DSD has no address to keep: only one with a memory DSD takes it"
FABRIC_FIELDS = ("async", "activate", "unblock", "on_control", "ut_id", "priority")
LOAD_FABRIC = Struct(
    "a DSR with a fabric DSD",
    ("async", "activate", "unblock", "ut_id", "priority", "single_step"),
    arch={"ut_id": "wse3", "priority": "wse2"},
    elsewhere={"save_address": MEMORY_ONLY},
    unsupported={"on_control": "not-supported-on-control"},
)
LOAD_MEMORY = Struct(
    "a DSR with a memory DSD",
    ("save_address", "single_step"),
    elsewhere=dict.fromkeys(FABRIC_FIELDS, FABRIC_ONLY),
)

# --- queues and colors -------------------------------------------------------------------

INPUT_QUEUE = Struct(
    "an input queue",
    ("color", "ctrl_table_id"),
    arch={"priority": "wse2", "ctrl_table_id": "wse3"},
    unsupported={"priority": "not-supported-queue"},
)
OUTPUT_QUEUE = Struct(
    "an output queue",
    ("color",),
    arch={"color": "wse3"},
    elsewhere=dict.fromkeys(("priority", "ctrl_table_id"), "only an input queue takes it"),
)
COLOR = Struct("a color configuration", ("routes", "switches", "filter", "teardown"))
SWITCHES_HAVE_IT = "it belongs to `.switches`"
POSITIONS = ("pos1", "pos2", "pos3")
ROUTES = Struct(
    "`.routes`",
    ("rx", "tx", "pop_mode", "color_swap_x", "color_swap_y"),
    elsewhere=dict.fromkeys((*POSITIONS, "ring_mode", "current_switch_pos"), SWITCHES_HAVE_IT),
)
SWITCHES = Struct("`.switches`", (*POSITIONS, "current_switch_pos", "ring_mode", "pop_mode"))
POSITION = Struct("a switch position", ("rx", "tx", "invalid"))
COUNTS = ("count_data", "count_control", "init_counter", "limit1", "max_counter")
FILTER_FIELDS = {
    "counter": (*COUNTS, "filter_control"),
    "sparse_counter": (*COUNTS, "limit2"),
    "range": ("min_idx", "max_idx"),
}


def _filter(kind: str) -> Struct:
    others = {name: f"it belongs to a filter of kind `{k}`" for k, f in FILTER_FIELDS.items() for name in f}
    return Struct(f"a filter of kind `{kind}`", ("kind", *FILTER_FIELDS[kind], "fast_mode"), elsewhere=others)


FILTERS: dict[str, Struct] = {kind: _filter(kind) for kind in FILTER_FIELDS}
"""Public programs give `.fast_mode`, which is not documented; it changes nothing here."""

# --- the library -------------------------------------------------------------------------

LIBRARY: dict[str, Struct] = {
    "collectives_2d": Struct(
        "the ids of `<collectives_2d/params>`", ("x_colors", "x_entrypoints", "y_colors", "y_entrypoints")
    ),
    "new_routes": Struct("the new routes of a color", ("rx", "tx")),
}

STRUCTS: tuple[Struct, ...] = (
    TENSOR_ACCESS, MEM1D, MEM4D, CIRCBUF, FABIN, FABOUT, FIFO, OPERATION, ON_CONTROL, LOAD_FABRIC,
    LOAD_MEMORY, INPUT_QUEUE, OUTPUT_QUEUE, COLOR, ROUTES, SWITCHES, POSITION, *FILTERS.values(),
    *LIBRARY.values(),
)  # fmt: skip
