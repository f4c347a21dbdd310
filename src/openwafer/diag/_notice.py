"""What takes long is said while it is under way."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from threading import Timer


@contextmanager
def notice(text: str, after_s: float = 2.0) -> Generator[None]:
    """Writes `text` to stderr, if that is a terminal, when the block is not done after `after_s` seconds."""
    timer = Timer(after_s, lambda: print(text, file=sys.stderr, flush=True))
    timer.daemon = True
    if sys.stderr.isatty():
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
