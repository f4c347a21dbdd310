"""Ctrl-C that lets the work come to a good end."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether the user has asked to stop."""

    is_asked = False


@contextmanager
def deferred_interrupt() -> Generator[Interrupt]:
    """The first Ctrl-C is noted, a second one interrupts at once."""
    interrupt = Interrupt()

    def note(number: int, frame: FrameType | None) -> None:
        if interrupt.is_asked:
            signal.signal(signal.SIGINT, before)
            signal.raise_signal(signal.SIGINT)
        interrupt.is_asked = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
