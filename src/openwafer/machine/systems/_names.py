"""The systems that come with OpenWafer."""

from __future__ import annotations

SYSTEMS: tuple[str, ...] = (
    "cs2", "cs3", "cs4",
    "a100", "h100", "h200", "b200", "b300", "gb200-nvl72", "gb300-nvl72", "mi300x", "mi325x", "mi355x",
)  # fmt: skip

ALIASES: dict[str, str] = {
    "cs-2": "cs2",
    "cs-3": "cs3",
    "cs-4": "cs4",
    "dgx-a100": "a100",
    "dgx-h100": "h100",
    "dgx-h200": "h200",
    "dgx-b200": "b200",
    "dgx-b300": "b300",
    "gb200": "gb200-nvl72",
    "nvl72": "gb200-nvl72",
    "gb300": "gb300-nvl72",
}
