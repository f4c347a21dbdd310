"""OpenWafer: a wafer-scale AI computer in software. The names here are those of `openwafer.nn`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openwafer.nn import Wafer, compile, compile_generation, compile_training

__all__ = ["Wafer", "compile", "compile_generation", "compile_training"]


def __getattr__(name: str) -> Any:
    """Imports nothing before it is asked for: `import openwafer` costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("openwafer.nn"), name)
