"""The public names of each package are those of `public_names.toml`, and can be had."""

import importlib
import tomllib
from pathlib import Path

import pytest

PUBLIC = tomllib.loads(Path(__file__).with_name("public_names.toml").read_text("utf-8"))


@pytest.mark.parametrize("package", PUBLIC)
def test_public_names(package: str) -> None:
    module = importlib.import_module(package)
    names = PUBLIC[package]["names"]
    assert sorted(module.__all__) == sorted(names)
    assert set(names) <= set(dir(module))


def test_every_package_with_public_names_is_listed() -> None:
    """But for `tir`, whose names are its nodes, and for rooms of one package only."""
    root = Path(importlib.import_module("openwafer").__path__[0])
    packages = {f"openwafer.{path.parent.name}" for path in root.glob("*/__init__.py")}
    assert packages - {"openwafer.tir"} <= set(PUBLIC)
