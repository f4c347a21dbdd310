"""How long a test waits for another process. Only one that hangs takes so long, on the busiest machine."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 1200.0


def until(is_so: Callable[[], object]) -> bool:
    """Waits for something that must come; False if it does not."""
    end = time.monotonic() + PATIENCE_S
    while not is_so() and time.monotonic() < end:
        time.sleep(0.02)
    return bool(is_so())
