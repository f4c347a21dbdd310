"""Two directories change places in one step, where the operating system can do that."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
"""Source: renameat2(2), Linux ≥ 3.15."""


def exchange(a: Path, b: Path) -> bool:
    """Whether `a` and `b` have changed places. If not (another system or file system), nothing happened."""
    try:
        renameat2: Any = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    return renameat2(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE) == 0
