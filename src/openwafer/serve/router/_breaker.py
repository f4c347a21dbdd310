"""A circuit breaker: a backend that fails is left alone for a while."""

from __future__ import annotations

import math


class Breaker:
    """Closed while all is well; open for a while behind `failures` failures in a row, or for as long as
    the backend
    asked for; then one request is let through, which closes or opens it again. Works with a single
    backend: its requests wait or are refused meanwhile."""

    __slots__ = ("_failures", "_in_row", "_open_s", "_trial", "attempts", "failed", "open_until_s")

    def __init__(self, failures: int, open_s: float) -> None:
        self._failures, self._open_s = failures, open_s
        self._in_row, self._trial = 0, False
        self.open_until_s = -math.inf
        self.attempts = self.failed = 0
        """In all."""

    def refuses(self, now_s: float) -> bool:
        return now_s < self.open_until_s or self._trial

    def started(self) -> None:
        self.attempts += 1
        self._trial = self._in_row >= self._failures

    def succeeded(self) -> None:
        self._in_row, self._trial = 0, False

    def let_go(self) -> None:
        """A request ended without telling anything about the backend."""
        self._trial = False

    def fail(self, now_s: float, retry_after_s: float | None) -> None:
        self.failed += 1
        self._in_row += 1
        self._trial = False
        if retry_after_s is not None:
            self.open_until_s = max(self.open_until_s, now_s + retry_after_s)
        elif self._in_row >= self._failures:
            self.open_until_s = now_s + self._open_s
