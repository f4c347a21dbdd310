"""What a package lists in `__all__` is there, listed once."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src"
PACKAGES = sorted(
    ".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "openwafer").rglob("__init__.py")
)


@pytest.mark.parametrize("name", PACKAGES)
def test_exports(name: str) -> None:
    package = importlib.import_module(name)
    names = getattr(package, "__all__", [])
    assert len(names) == len(set(names))
    missing = [export for export in names if not hasattr(package, export)]
    assert not missing, f"{name}.__all__ lists what is not there"
