"""The base of our types of options: `click.ParamType`, which is generic from click 8.5 on only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import click

T = TypeVar("T")

if TYPE_CHECKING:

    class ValueType(click.ParamType[T], Generic[T]):
        """A type of options whose values become `T`."""

else:

    class ValueType(click.ParamType, Generic[T]):
        """A type of options whose values become `T`."""
