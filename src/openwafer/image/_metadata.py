"""What `out.json` holds besides the layout, as far as somebody reads it."""

from __future__ import annotations

from collections.abc import Mapping

from openwafer.machine import Machine

MOST_TEXT = 1 << 16


def metadata_fault(metadata: Mapping[str, str], machine: Machine) -> str | None:
    """What is wrong with the metadata of an image; None if nothing is."""
    for name, text in metadata.items():
        if len(name) > MOST_TEXT or len(text) > MOST_TEXT:
            return f"metadata `{name[:60]}` has {len(text):,} characters"
    channels, memcpy = metadata.get("channels", "1"), metadata.get("memcpy", "false")
    if len(channels) > 4 or not channels.isdecimal() or not 1 <= int(channels) <= machine.host.max_channels:
        return f"it has {channels[:60]} channels, the machine {machine.host.max_channels}"
    return None if memcpy in ("true", "false") else f"memcpy is `{memcpy[:60]}`"
