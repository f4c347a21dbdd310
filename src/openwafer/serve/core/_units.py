"""Units."""

from __future__ import annotations

JOULES_PER_KWH = 3.6e6
SECONDS_PER_HOUR = 3600.0
