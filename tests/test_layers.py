"""Each package imports only itself and the packages before it."""

import ast
import graphlib
from collections import Counter
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


def test_no_package_imports_a_private_module_of_another() -> None:
    wrong = [
        f"{path}:{line} imports {name}"
        for path in FILES
        for line, name in imports(path.read_text("utf-8"), ("openwafer", *path.relative_to(ROOT).parts[:-1]))
        if is_private_elsewhere(name, path.relative_to(ROOT).parts[0])
    ]
    assert not wrong


def is_private_elsewhere(name: str, package: str) -> bool:
    parts = name.split(".")
    is_other = parts[0] == "openwafer" and len(parts) > 2 and parts[1] in ORDER and parts[1] != package
    return is_other and any(part.startswith("_") for part in parts[2:-1])


def test_no_circle_of_files() -> None:
    """A file that needs another one directly or through others is not needed by it."""
    order = graphlib.TopologicalSorter(file_imports())
    order.prepare()  # raises CycleError, which names the files


def file_imports() -> dict[str, set[str]]:
    """The modules that each module imports, inside functions too, but for those for type checkers."""
    names = {module_name(path): path for path in ROOT.rglob("*.py")}
    graph: dict[str, set[str]] = {}
    for module, path in names.items():
        tree = ast.parse(path.read_text("utf-8"))
        typing_only = {id(n) for block in ast.walk(tree) if is_for_types(block) for n in ast.walk(block)}
        found = {
            f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in names else str(node.module)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and id(node) not in typing_only
            for alias in node.names
        }
        graph[module] = {name for name in found if name in names}
    return graph


def module_name(path: Path) -> str:
    dotted = ".".join(("openwafer", *path.relative_to(ROOT).with_suffix("").parts))
    return dotted.removesuffix(".__init__")


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def test_folders_have_at_most_some_thirty_files() -> None:
    """Commands are one file each, so that their folder may have more."""
    counts = Counter(path.parent for path in FILES)
    large = {str(folder.relative_to(ROOT)): count for folder, count in counts.items() if count > 30}
    assert set(large) <= {"cli"}
