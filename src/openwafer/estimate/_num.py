"""A float, or an array of them: every cost formula takes both."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import numpy as np

Num: TypeAlias = Any
"""NumPy's own types cannot say that."""


def where(condition: Num, one: Num, other: Num) -> Num:
    """`np.where` for `Num`."""
    return cast(Num, np.where(condition, one, other))
