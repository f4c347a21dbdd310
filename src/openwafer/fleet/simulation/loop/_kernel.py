# pyright: basic
"""The decorator of functions that only compiled code calls: no reference counts, no exceptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

kernel: Callable[..., Any] = numba.njit(nogil=True, error_model="numpy", _nrt=False, no_cpython_wrapper=True)  # type: ignore[call-overload]
