"""Wrong machine files: each a diagnostic at the right line and column."""

from pathlib import Path

import pytest

from openwafer.diag import Diagnostic, DiagnosticError
from openwafer.machine import load_machine

GOOD = 'unit = "B", source = "mine", status = "assumed" }'

# name: (text, id, part of the message, the marked text, line)
CASES: dict[str, tuple[str, str, str, str, int]] = {
    "syntax": ('base = "wse3"\n[memory]\nbanks = = 3\n', "machine-syntax", "invalid value", "=", 3),
    "syntax at the end": ('base = "wse3"\n[memory', "machine-syntax", "expected", "", 2),
    "unknown table": ('base = "wse3"\n\n[memroy]\n', "machine-unknown-table", "`memroy`", "[memroy]", 3),
    "unknown top key": ('base = "wse3"\nclock = 3\n', "machine-unknown-table", "`clock`", "clock", 2),
    "unknown fact": (
        f'base = "wse3"\n[memory]\n# c\nbytes_per_p = {{ value = 64, {GOOD}\n',
        "machine-unknown-fact",
        "`memory.bytes_per_p`",
        "bytes_per_p",
        4,
    ),
    "unknown builtin": (
        'base = "wse3"\n[dsd.simd_width]\nfmacz = { value = 1 }\n',
        "machine-unknown-fact",
        "`dsd.simd_width.fmacz`",
        "fmacz",
        3,
    ),
    "unknown field": (
        f'base = "wse3"\n[memory]\nbytes_per_pe = {{ valeu = 1, value = 64, {GOOD}\n',
        "machine-unknown-field",
        "`valeu`",
        "valeu",
        3,
    ),
    "missing unit": (
        'base = "wse3"\n[memory]\nbytes_per_pe = { value = 64, source = "s", status = "assumed" }\n',
        "machine-missing-field",
        "has no `unit`",
        "bytes_per_pe",
        3,
    ),
    "missing source": (
        'base = "wse3"\n[published]\nx = { value = 64, unit = "B", status = "assumed" }\n',
        "machine-missing-field",
        "has no `source`",
        "x",
        3,
    ),
    "missing value": (
        f'base = "wse3"\n[memory]\nbytes_per_pe = {{ {GOOD}\n',
        "machine-missing-field",
        "has no `value`",
        "bytes_per_pe",
        3,
    ),
    "empty source": (
        'base = "wse3"\n[published]\nx = { value = 64, unit = "B", source = " ", status = "assumed" }\n',
        "machine-missing-field",
        "empty `source`",
        '" "',
        3,
    ),
    "missing facts": (
        'arch = "wse3"\n[wafer]\n'
        'fabric_width = { value = 3, unit = "PEs", source = "s", status = "assumed" }\n',
        "machine-missing-fact",
        "`[wafer]` has no `fabric_height`, ",
        "[wafer]",
        2,
    ),
    "missing arch": ("# nothing\n", "machine-missing-fact", "no `arch`", "", 2),
    "a string for a number": (
        f'base = "wse3"\n[memory]\nbytes_per_pe = {{ value = "64", {GOOD}\n',
        "machine-wrong-type",
        "expected an integer for `memory.bytes_per_pe`, found a string",
        '"64"',
        3,
    ),
    "a float for an integer": (
        f'base = "wse3"\n[memory]\nbytes_per_pe = {{ value = 64.5, {GOOD}\n',
        "machine-wrong-type",
        "found a float",
        "64.5",
        3,
    ),
    "a boolean": (
        f'base = "wse3"\n[memory]\nbytes_per_pe = {{ value = true, {GOOD}\n',
        "machine-wrong-type",
        "found a boolean",
        "true",
        3,
    ),
    "a number for a list": (
        'base = "wse3"\n[queues]\ninput_depth.value = 3\n'
        'input_depth.unit = "wavelets"\ninput_depth.source = "s"\ninput_depth.status = "assumed"\n',
        "machine-wrong-type",
        "expected a list of integers",
        "3",
        3,
    ),
    "a bare number": (
        'base = "wse3"\n[memory]\nbanks = 8\n',
        "machine-wrong-type",
        "expected a table for `memory.banks`, found an integer",
        "8",
        3,
    ),
    "a table that is a number": (
        'base = "wse3"\nmemory = 8\n',
        "machine-wrong-type",
        "expected a table for `memory`",
        "8",
        2,
    ),
    "base of a wrong type": ("base = 3\n", "machine-wrong-type", "expected a string for `base`", "3", 1),
    "unit of a wrong type": (
        'base = "wse3"\n[memory]\n'
        'bytes_per_pe = { value = 64, unit = 3, source = "s", status = "assumed" }\n',
        "machine-wrong-type",
        "expected a string for `unit`",
        "3",
        3,
    ),
    "wrong unit": (
        'base = "wse3"\n[memory.bytes_per_pe]\nvalue = 64\nunit = "KB"\nsource = "s"\nstatus = "assumed"\n',
        "machine-wrong-unit",
        "expected the unit `B` for `memory.bytes_per_pe`, found `KB`",
        '"KB"',
        4,
    ),
    "out of range": (
        f'base = "wse3"\n[memory]\nbytes_per_pe = {{ value = 65_537, {GOOD}\n',
        "machine-out-of-range",
        "`memory.bytes_per_pe` must be 64 to 65,536, found 65,537",
        "65_537",
        3,
    ),
    "infinite": (
        'base = "wse3"\n[published]\nx = { value = inf, unit = "s", source = "s", status = "assumed" }\n',
        "machine-out-of-range",
        "found inf",
        "inf",
        3,
    ),
    "too many queues": (
        'base = "wse3"\n[queues]\n"input_depth" = { value = [\n  1, 1, 1, 1, 1,\n  1, 1, 1, 1 ], '
        'unit = "wavelets", source = "s", status = "assumed" }\n',
        "machine-out-of-range",
        "must have 1 to 8 elements, found 9",
        "[\n  1, 1, 1, 1, 1,\n  1, 1, 1, 1 ]",
        3,
    ),
    "bad status": (
        'base = "wse3"\n[memory]\n'
        'bytes_per_pe = { value = 64, unit = "B", source = "s", status = "asumed" }\n',
        "machine-bad-status",
        "no status `asumed`",
        '"asumed"',
        3,
    ),
    "unknown base": ('name = "x"\nbase = "wse4"\n', "machine-unknown-base", "`wse4`", '"wse4"', 2),
    "unknown arch": ('base = "wse3"\narch = "wes3"\n', "machine-bad-arch", "`wes3`", '"wes3"', 2),
    "rectangle larger than the wafer": (
        'base = "wse3"\n[wafer]\n'
        'fabric_width = { value = 100, unit = "PEs", source = "s", status = "assumed" }\n',
        "machine-inconsistent",
        "`wafer.max_width` = 750 is more than `wafer.fabric_width` = 100",
        "100",
        3,
    ),
    "odd banks": (
        'base = "wse3"\n[memory]\nbanks = { value = 6, unit = "banks", source = "s", status = "assumed" }\n',
        "machine-inconsistent",
        "not a power of two",
        "6",
        3,
    ),
    "color beyond the last": (
        'base = "wse3"\n[fabric]\n'
        'colors = { value = 12, unit = "colors", source = "s", status = "assumed" }\n',
        "machine-inconsistent",
        "`fabric.colors` = 12",
        "12",
        3,
    ),
}


def failures(folder: Path, text: str | bytes) -> tuple[Diagnostic, ...]:
    path = folder / "mine.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DiagnosticError) as caught:
        load_machine(str(path))
    return caught.value.diagnostics


@pytest.mark.parametrize("case", CASES)
def test_each_error_points_at_its_place(case: str, tmp_path: Path) -> None:
    text, id, message, marked, line = CASES[case]
    first = failures(tmp_path, text)[0]
    assert first.id == id and message in first.message
    assert first.span is not None
    assert first.span.source.position(first.span.start)[0] == line
    assert first.span.source.text[first.span.start : first.span.end] == marked


@pytest.mark.parametrize(
    ("case", "help"),
    [
        ("unknown table", "did you mean `memory`?"),
        ("unknown fact", "did you mean `bytes_per_pe`?"),
        ("unknown builtin", "did you mean `fmach`?"),
        ("unknown field", "did you mean `value`?"),
        ("bad status", "did you mean `assumed`?"),
        ("unknown base", "did you mean `wse2`?"),
        ("unknown arch", "did you mean `wse3`?"),
    ],
)
def test_did_you_mean(case: str, help: str, tmp_path: Path) -> None:
    assert failures(tmp_path, CASES[case][0])[0].help == help


def test_all_errors_are_told_at_once(tmp_path: Path) -> None:
    text = 'base = "wse3"\n[memory]\nbytes_per_pe = { value = "a", source = "s", status = "sure" }\n[wafr]\n'
    found = [(d.id, d.span.source.position(d.span.start)[0]) for d in failures(tmp_path, text) if d.span]
    assert found == [
        ("machine-missing-field", 3),
        ("machine-bad-status", 3),
        ("machine-wrong-type", 3),
        ("machine-unknown-table", 4),
    ]


def test_no_such_machine() -> None:
    with pytest.raises(DiagnosticError) as caught:
        load_machine("wse33")
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.id, diagnostic.help) == ("machine-not-found", "did you mean `wse3`?")


def test_a_folder_is_not_a_machine(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError, match="machine-unreadable"):
        load_machine(str(tmp_path))


@pytest.mark.parametrize("text", [b"\xff\xfe", b"x\x00", b"x = " + b"[" * 5000, b"x = " + b"1" * 5000])
def test_garbage_is_a_diagnostic(text: bytes, tmp_path: Path) -> None:
    assert failures(tmp_path, text)[0].id in ("machine-unreadable", "machine-syntax")


def test_a_number_beyond_float_is_out_of_range(tmp_path: Path) -> None:
    entry = f'value = {"9" * 400}, unit = "Hz", source = "s", status = "assumed"'
    text = f'base = "wse3"\n[wafer]\nclock_hz = {{ {entry} }}\n'
    assert failures(tmp_path, text)[0].id == "machine-out-of-range"
