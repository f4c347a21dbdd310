"""Printed values and lines."""

from __future__ import annotations

import numpy as np
import pytest

from openwafer.sim._print import Line, PrintLog, value_text


@pytest.mark.parametrize(
    ("format", "type", "bits", "text"),
    [
        ("d", "u16", 42, "42"),
        ("d", "u32", 4294967295, "4294967295"),
        ("d", "i16", 0xFFFF, "-1"),
        ("X", "u16", 42, "002A"),
        ("X", "u32", 0xBEEF, "0000BEEF"),
        ("b", "u16", 42, "0000000000101010"),
        ("f", "f16", int(np.float16(42).view(np.uint16)), "42.0"),
        ("f", "f32", int(np.float32(0.1).view(np.uint32)), "0.1"),
        ("f", "f32", int(np.float32(-np.inf).view(np.uint32)), "-inf"),
        ("f", "f16", 0x7E00, "nan"),
    ],
)
def test_values_as_text(format: str, type: str, bits: int, text: str) -> None:
    assert value_text(format, type, bits) == text


def test_a_newline_ends_a_line_and_the_rest_waits() -> None:
    log = PrintLog()
    log.add(5, 1, 0, "a = ")
    log.add(9, 0, 0, "first\nsecond\n")
    log.add(9, 1, 0, "7\nrest")
    log.add(3, 0, 1, "early\n")
    expected = [
        Line(3, 0, 1, "early"),
        Line(9, 0, 0, "first"),
        Line(9, 0, 0, "second"),
        Line(9, 1, 0, "a = 7"),
    ]
    assert log.lines() == expected


def test_an_empty_line_is_a_line() -> None:
    log = PrintLog()
    log.add(1, 0, 0, "\n\n")
    assert [line.text for line in log.lines()] == ["", ""]
