"""Options and tokens that a user gives, checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

import numpy as np

from openwafer.diag import error
from openwafer.nn.kernels._kernel import Storage
from openwafer.nn.run._device import EngineName


def check_options(engine: Any, threads: Any, dtype: Any = None) -> None:
    """Diagnostics: host-argument."""
    if engine not in get_args(EngineName):
        names = ", ".join(f"`{name}`" for name in get_args(EngineName))
        raise error("host-argument", f"there is no engine `{engine}`", help=f"there are {names}")
    if not isinstance(threads, int) or threads < 1:
        raise error("host-argument", f"`threads` is a whole number from 1, not `{threads!r}`")
    if dtype is not None and dtype not in get_args(Storage):
        names = ", ".join(f'`"{name}"`' for name in get_args(Storage))
        raise error("host-argument", f"weights are not stored as `{dtype}`", help=f"as {names}")


def check_whole(name: str, number: Any, *, least: int) -> None:
    """Diagnostics: host-argument."""
    if isinstance(number, bool) or not isinstance(number, int) or number < least:
        raise error("host-argument", f"`{name}` is a whole number from {least}, not {number!r}")


def tokens_of(tokens: Any) -> list[int]:
    """Ids as whole numbers: of a list, a tensor or an array of one dimension. Diagnostics: input-type."""
    is_array = hasattr(tokens, "tolist")
    ids: Any = tokens.tolist() if is_array else tokens
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise error("input-type", f"tokens are a list of ids, not {tokens!r}", help="the tokenizer makes ids")
    ids = [*ids]
    wrong = [i for i in ids if isinstance(i, bool) or not isinstance(i, int | np.integer)]
    if wrong:
        raise error("input-type", f"a token is a whole number, not {wrong[0]!r}")
    return [int(i) for i in ids]
