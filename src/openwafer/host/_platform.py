"""Where a program runs. Here that is always the simulator; the SDK's scripts say so in these terms."""

from __future__ import annotations

import os
from dataclasses import dataclass

from openwafer.diag import DiagnosticError, environment
from openwafer.host._enums import SdkTarget
from openwafer.host._missing import not_supported


@dataclass(frozen=True, slots=True)
class SimfabConfig:
    """Options of the simulator. Only `num_threads` has an effect."""

    num_threads: int = 1
    suppress_trace: bool = False
    dump_core: bool = False
    core_path: str | os.PathLike[str] | None = None


@dataclass(frozen=True, slots=True)
class SdkExecutionPlatform:
    """A simulator of `target`."""

    config: SimfabConfig
    target: SdkTarget

    def is_simulation(self) -> bool:
        return True

    def is_system(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class SdkCompileArtifacts:
    """The directory that a compilation made."""

    artifacts_path: str


def get_simulator(
    config: SimfabConfig | None = None, target: SdkTarget = SdkTarget.WSE3
) -> SdkExecutionPlatform:
    return SdkExecutionPlatform(config or SimfabConfig(), target)


def get_platform(
    cmaddr: str | None = None, config: SimfabConfig | None = None, target: SdkTarget = SdkTarget.WSE3
) -> SdkExecutionPlatform:
    """The simulator. Diagnostics: not-supported-hardware, with an address."""
    if cmaddr:
        raise hardware(cmaddr)
    return get_simulator(config, target)


def get_system(cmaddr: str) -> SdkExecutionPlatform:
    raise hardware(cmaddr)


def hardware(cmaddr: str) -> DiagnosticError:
    return not_supported(
        f"running on the system at `{cmaddr}`",
        "hardware",
        help="leave `cmaddr` empty: OpenWafer runs programs on its simulator",
    )


def thread_count(asked: int | None) -> int:
    """`OPENWAFER_THREADS`, else what the script asks for, but at most one a core; else 1.

    Diagnostics: bad-variable."""
    return environment.THREADS.get() or max(1, min(asked or 1, os.cpu_count() or 1))
