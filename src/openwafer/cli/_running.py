"""Scripts that run at the same time, all of which can be ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Generator
from threading import Lock


class Running:
    """The processes that are under way; each leads a group of its own."""

    def __init__(self) -> None:
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._is_over = False
        self._lock = Lock()

    @contextlib.contextmanager
    def noted(self, process: subprocess.Popen[bytes]) -> Generator[None]:
        """While the block runs, `end_all` ends the process and what it has started; so does its end."""
        with self._lock:
            self._processes.add(process)
            if self._is_over:
                _end(process)
        try:
            yield
        finally:
            with self._lock:
                self._processes.discard(process)
            _end(process)

    def end_all(self) -> None:
        """Ends all, and those that begin later."""
        with self._lock:
            self._is_over = True
            for process in self._processes:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
