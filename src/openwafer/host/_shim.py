"""Makes `cerebras.sdk…` importable in this process, so that a host script of the SDK runs as it is.

A finder in `sys.meta_path` answers for the names below and is asked before the file system, so an installed
`cerebras` package is neither used nor changed.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from openwafer.host import _enums, _platform, _sdk_utils
from openwafer.host._debug_util import debug_util
from openwafer.host._missing import Missing
from openwafer.host._runtime import SdkRuntime, Task

_PYBIND = "cerebras.sdk.runtime.sdkruntimepybind"
_LAYOUT_NAMES = (
    "CodeRegion", "Color", "Edge", "EdgeRouteInfo", "FP16TYPE", "PortHandle", "Route", "RoutingPosition",
    "SdkLayout", "get_edge_routing",
)  # fmt: skip


def _runtime() -> dict[str, Any]:
    built = (
        SdkRuntime,
        Task,
        _enums.MemcpyDataType,
        _enums.MemcpyOrder,
        _enums.SdkTarget,
        _platform.SimfabConfig,
        _platform.SdkExecutionPlatform,
        _platform.SdkCompileArtifacts,
        _platform.get_platform,
        _platform.get_simulator,
        _platform.get_system,
    )
    return {item.__name__: item for item in built} | _missing("sdklayout", *_LAYOUT_NAMES)


def _utils() -> dict[str, Any]:
    built = (_sdk_utils.memcpy_view, _sdk_utils.input_array_to_u32, _sdk_utils.calculate_cycles)
    return {item.__name__: item for item in built}


def _missing(id: str, *names: str) -> dict[str, Any]:
    return {name: Missing(name, id) for name in names}


def _enumerations() -> dict[str, Any]:
    return {"MemcpyDataType": _enums.MemcpyDataType, "MemcpyOrder": _enums.MemcpyOrder}


_MODULES: dict[str, Callable[[], dict[str, Any]]] = {
    _PYBIND: _runtime,
    "cerebras.sdk.sdk_utils": _utils,
    "cerebras.sdk.runtime.runtime_utils": lambda: _missing(
        "portmap", "convert_input_tensor", "prepare_output_tensor", "format_output_tensor"
    ),
    "cerebras.sdk.debug.debug_util": lambda: {"debug_util": debug_util},
    "cerebras.sdk.client": lambda: _missing(
        "appliance", "SdkCompiler", "SdkLauncher", "SdkRuntime", "sdk_utils"
    ),
    "cerebras.appliance.pb.sdk.sdk_common_pb2": _enumerations,
    "cerebras.geometry.geometry": lambda: _missing("sdklayout", "IntVector", "IntRectangle"),
}
_PACKAGES = frozenset(
    ".".join(name.split(".")[:depth]) for name in _MODULES for depth in range(1, name.count(".") + 1)
)


class Shim(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and makes the modules of the SDK."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in _PACKAGES and fullname not in _MODULES:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=fullname in _PACKAGES)

    def exec_module(self, module: ModuleType) -> None:
        """Packages have an empty search path: what is not in the table does not exist."""
        make = _MODULES.get(module.__name__)
        if make is not None:
            vars(module).update(make())


def install() -> None:
    """Installs the finder, once, and forgets what was imported of an installed `cerebras` package."""
    if any(isinstance(finder, Shim) for finder in sys.meta_path):
        return
    for name in [n for n in sys.modules if n == "cerebras" or n.startswith("cerebras.")]:
        del sys.modules[name]
    sys.meta_path.insert(0, Shim())
