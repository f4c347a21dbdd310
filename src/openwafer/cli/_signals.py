"""Ctrl-C and SIGTERM: the work is unwound, the process ends with 130 or 143."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SHOW_CURSOR = "\x1b[?25h"
_NUMBERS = (signal.SIGINT, signal.SIGTERM)
_Handler = Callable[[int, FrameType | None], Any]


class End:
    """The exit code that a signal has asked for, if one has come."""

    code: int | None = None


@contextmanager
def caught() -> Generator[End]:
    """Signals raise KeyboardInterrupt or SystemExit, and are noted: what lies between here and there may turn
    one exception into another. A second SIGTERM ends the process at once."""
    end, process = End(), os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:  # a child that was forked
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        end.code = 128 + number
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        signal.signal(number, signal.SIG_DFL)
        raise SystemExit(end.code)

    with _handled_by(stop):
        yield end


def end_at_once() -> None:
    """From now on signals end the process without a traceback: while Python imports, and behind the work."""
    for number in _mine(_NUMBERS):
        signal.signal(number, lambda number, _: os._exit(128 + number))


@contextmanager
def as_in_python() -> Generator[None]:
    """A user's script finds the handler of Ctrl-C that it expects."""
    with _handled_by(signal.default_int_handler, (signal.SIGINT,)):
        yield


@contextmanager
def _handled_by(handler: _Handler, numbers: tuple[int, ...] = _NUMBERS) -> Generator[None]:
    before = {number: signal.signal(number, handler) for number in _mine(numbers)}
    try:
        yield
    finally:
        for number, other in before.items():
            signal.signal(number, other)


def _mine(numbers: tuple[int, ...]) -> list[int]:
    """Signals that are ignored, as a shell has it for what runs in the background, stay so."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]


def show_cursor() -> None:
    """Progress that was interrupted may have left the cursor of the terminal hidden."""
    for stream in (sys.stderr, sys.stdout):
        try:
            if stream.isatty():
                stream.write(SHOW_CURSOR)
                stream.flush()
        except (AttributeError, OSError, ValueError):
            continue
