"""NumPy arrays ↔ wafer: the host interface of the SDK, and the shim that lets its scripts run."""

from openwafer.host._debug_util import debug_util
from openwafer.host._enums import MemcpyDataType, MemcpyOrder, SdkTarget
from openwafer.host._platform import (
    SdkCompileArtifacts,
    SdkExecutionPlatform,
    SimfabConfig,
    get_platform,
    get_simulator,
    get_system,
)
from openwafer.host._runtime import SdkRuntime, Task
from openwafer.host._sdk_utils import calculate_cycles, input_array_to_u32, memcpy_view
from openwafer.host._shim import install

__all__ = [
    "MemcpyDataType",
    "MemcpyOrder",
    "SdkCompileArtifacts",
    "SdkExecutionPlatform",
    "SdkRuntime",
    "SdkTarget",
    "SimfabConfig",
    "Task",
    "calculate_cycles",
    "debug_util",
    "get_platform",
    "get_simulator",
    "get_system",
    "input_array_to_u32",
    "install",
    "memcpy_view",
]
