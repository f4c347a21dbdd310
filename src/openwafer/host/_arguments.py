"""Arguments of a launch as 32-bit words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np

from openwafer.diag import DiagnosticError, error
from openwafer.host._missing import not_supported
from openwafer.host._symbols import index
from openwafer.tir import Export

_DTYPES: dict[str, np.dtype[Any]] = {
    "bool": np.dtype(np.bool_),
    "i8": np.dtype(np.int8),
    "u8": np.dtype(np.uint8),
    "i16": np.dtype(np.int16),
    "u16": np.dtype(np.uint16),
    "f16": np.dtype(np.float16),
    "i32": np.dtype(np.int32),
    "u32": np.dtype(np.uint32),
    "f32": np.dtype(np.float32),
}
_WORD = 1 << 32


def typed_words(function: Export, args: Sequence[Any]) -> tuple[int, ...]:
    """One word for each argument: narrow integers in the low bits with zeros above, floats as their bits.

    NumPy scalars must have the parameter's type; Python numbers must fit it.
    Diagnostics: launch-arguments, not-supported-argument-type."""
    _check_count(function, len(args))
    return tuple(_word(function, i, value) for i, value in enumerate(args))


def raw_words(function: Export, args: Iterable[Any]) -> tuple[int, ...]:
    """The words themselves. Diagnostics: launch-arguments."""
    words = tuple(index("call argument", value) for value in args)
    _check_count(function, len(words))
    for word in words:
        if not 0 <= word < _WORD:
            raise error("launch-arguments", f"{word} is not a 32-bit word")
    return words


def signature(function: Export) -> str:
    """The function as CSL declares it."""
    names = function.param_names or tuple(f"arg{i}" for i in range(len(function.params)))
    params = ", ".join(f"{n}: {t}" for n, t in zip(names, function.params, strict=False))
    return f"fn {function.name}({params}) void"


def _check_count(function: Export, given: int) -> None:
    wanted = len(function.params)
    if given != wanted:
        plural = "" if wanted == 1 else "s"
        raise _wrong(function, f"`{function.name}` takes {wanted} argument{plural}, given {given}")


def _word(function: Export, position: int, value: Any) -> int:
    type = function.params[position]
    dtype = _DTYPES.get(type)
    if dtype is None:
        raise not_supported(f"an argument of type `{type}` for `{function.name}`", "argument-type")
    try:
        scalar = _scalar(dtype, value)
    except (OverflowError, ValueError) as reason:
        raise _wrong(function, f"argument {position + 1} of `{function.name}`: {reason}") from None
    return int.from_bytes(scalar.tobytes(), "little")


def _scalar(dtype: np.dtype[Any], value: Any) -> Any:
    if isinstance(value, np.generic):
        scalar = cast("np.generic[Any]", value)
        if scalar.dtype != dtype:
            raise ValueError(f"expected {dtype}, found {scalar.dtype}")
        return scalar
    if isinstance(value, bool) and dtype.kind != "b":
        raise ValueError(f"expected {dtype}, found bool")
    if isinstance(value, int | float) and not (isinstance(value, float) and dtype.kind != "f"):
        return _convert(dtype, value)
    raise ValueError(f"expected {dtype}, found {type(value).__name__}")


def _convert(dtype: np.dtype[Any], value: float) -> Any:
    if dtype.kind in "iu" and not np.iinfo(dtype).min <= value <= np.iinfo(dtype).max:
        raise OverflowError(f"{value} does not fit {dtype}")
    if dtype.kind == "b" and not isinstance(value, bool):
        raise ValueError(f"expected bool, found {type(value).__name__}")
    with np.errstate(over="ignore"):
        return dtype.type(value)


def _wrong(function: Export, message: str) -> DiagnosticError:
    return error("launch-arguments", message, notes=(f"declared as `{signature(function)}`",))
