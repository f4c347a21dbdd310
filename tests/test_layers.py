"""Each package imports only itself and the packages before it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ORDER = ["diag", "files", "machine", "record", "tir", "csl", "cost", "image", "codegen", "sim", "host"]
ORDER += ["nn", "estimate", "fleet", "serve", "report", "cli"]
ROOT = Path(__file__).parents[1] / "src" / "openwafer"
FILES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT)


def imports(text: str, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import in a module of `package`, those inside functions included."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def test_every_package_has_its_place() -> None:
    packages = {path.relative_to(ROOT).parts[0] for path in FILES}
    assert packages <= set(ORDER)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_from_layers_before(path: Path) -> None:
    package = path.relative_to(ROOT).parts[:-1]
    layer = ORDER.index(package[0])
    for line, name in imports(path.read_text("utf-8"), ("openwafer", *package)):
        parts = name.split(".")
        if parts[0] == "openwafer" and len(parts) > 1 and parts[1] in ORDER:
            assert ORDER.index(parts[1]) <= layer, f"{path}:{line} imports {name}"


def test_imports_are_found_wherever_they_stand() -> None:
    text = "def f():\n    from openwafer.sim import x\n    import openwafer.host.y\n    from ..cli import z\n"
    names = {name for _, name in imports(text, ("openwafer", "csl"))}
    assert names == {"openwafer.sim.x", "openwafer.host.y", "openwafer.cli.z"}
