"""Numbers of the hardware stand in the machine files, not in the code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "openwafer"
FILES = sorted(p for layer in ("codegen", "sim", "host", "image") for p in (ROOT / layer).rglob("*.py"))

SUSPICIOUS = {
    49152: "memory.bytes_per_pe",
    850e6: "wafer.clock_hz",
    875e6: "wafer.clock_hz",
    1.1e9: "wafer.top_clock_hz",
    0x7F20: "fabric.color_config_address",
    0x7F40: "fabric.switch_config_address",
    757: "wafer.fabric_width",
    762: "wafer.fabric_width",
    996: "wafer.fabric_height",
    1172: "wafer.fabric_height",
    994: "wafer.max_height",
    1160: "wafer.max_height",
    850_000: "wafer.pes_sold",
    900_000: "wafer.pes_sold",
}


def literals(text: str) -> Iterator[tuple[int, str]]:
    """Line and fact of every number that a machine file states; 48 * 1024 is found too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            value = _product(node)
        else:
            value = _number(node)
        if value in SUSPICIOUS:
            yield getattr(node, "lineno", 0), SUSPICIOUS[value]


def _number(node: ast.AST) -> float | None:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node.value
    return None


def _product(node: ast.BinOp) -> float | None:
    left, right = _number(node.left), _number(node.right)
    return left * right if left is not None and right is not None else None


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_hardware_number_in_code(path: Path) -> None:
    for line, fact in literals(path.read_text("utf-8")):
        pytest.fail(f"{path}:{line}: use `machine.{fact}`")


@pytest.mark.parametrize("text", ["49_152", "48 * 1024", "x = 0x7f20 + c", "850e6", "f(850_000_000)"])
def test_the_search_finds_them(text: str) -> None:
    assert list(literals(text))
