"""OpenWafer: a wafer-scale AI computer in software.

The names here are those of `openwafer.nn`, the version, and `versions`: what results depend on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openwafer._versions import versions
    from openwafer.nn import Wafer, compile, compile_generation, compile_training

    __version__: str

__all__ = ["Wafer", "__version__", "compile", "compile_generation", "compile_training", "versions"]


def __getattr__(name: str) -> Any:
    """Imports nothing before it is asked for: `import openwafer` costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    if name in ("__version__", "versions"):
        from openwafer import _versions

        return _versions.versions if name == "versions" else _versions.own_version()
    return getattr(import_module("openwafer.nn"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
