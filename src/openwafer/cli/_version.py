"""`openwafer --version`."""

from __future__ import annotations

from openwafer._versions import ALWAYS, IF_IMPORTED, own_version, processor, version_of

SPELLED = {"numpy": "NumPy", "torch": "PyTorch"}


def version_lines() -> list[str]:
    """The version, and what else results and cycles depend on: libraries that are installed, and machines."""
    import platform

    from openwafer.machine import BUILT_IN

    found = [(SPELLED.get(name, name), version_of(name)) for name in (*ALWAYS, *IF_IMPORTED)]
    libraries = [f"{name} {version}" for name, version in found if version]
    return [
        f"openwafer {own_version()}",
        ", ".join([f"Python {platform.python_version()}", *libraries]),
        f"machines {', '.join(BUILT_IN)}",
        f"processor {processor()}",
    ]
