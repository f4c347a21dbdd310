"""What a compiled model is called with, held against what it was compiled for."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree

from openwafer.diag import error


def example_of(inputs: Any) -> tuple[Any, ...]:
    """The example's inputs as a tuple. Diagnostics: input-type."""
    if isinstance(inputs, torch.Tensor):
        return (inputs,)
    if not isinstance(inputs, tuple | list):
        what = f"`example_inputs` is a tuple of inputs, not {_kind(inputs)}"
        raise error("input-type", what, help=_help(inputs, "(inputs,)"))
    for i, leaf in enumerate(_pytree.tree_leaves(tuple(inputs))):
        _check_type(i, leaf)
    return tuple(inputs)


class Arguments:
    """The structure of the example's inputs, and those that are no tensors."""

    def __init__(self, example: tuple[Any, ...]) -> None:
        leaves, self._structure = _pytree.tree_flatten(example)
        self._dtypes = [x.dtype if isinstance(x, torch.Tensor) else None for x in leaves]
        self._known = [None if isinstance(x, torch.Tensor) else x for x in leaves]

    def tensors(self, args: tuple[Any, ...], named: Mapping[str, Any]) -> list[torch.Tensor]:
        """The tensors among the arguments, in order.

        Diagnostics: input-count, input-type, input-dtype, unsupported-dtype, no-gradient."""
        if named:
            raise error(
                "input-type", f"`{next(iter(named))}` is given by name", help="give inputs by position"
            )
        leaves, structure = _pytree.tree_flatten(args)
        if structure != self._structure:
            self._check_count(args, len(leaves))
            raise error("input-type", f"compiled for inputs {self._structure}, found {structure}")
        if torch.is_autocast_enabled("cpu"):
            raise error(
                "unsupported-dtype", "under autocast PyTorch rounds to half precision, the wafer does not"
            )
        for i, leaf in enumerate(leaves):
            self._check(i, leaf)
        return [x for x in leaves if isinstance(x, torch.Tensor)]

    def _check_count(self, args: tuple[Any, ...], leaves: int) -> None:
        if leaves != len(self._dtypes) or len(args) != self._structure.num_children:
            wanted, found = self._structure.num_children, len(args)
            raise error("input-count", f"compiled for {wanted} inputs, found {found}")

    def _check(self, place: int, leaf: Any) -> None:
        wanted = self._dtypes[place]
        if wanted is None:
            self._check_known(place, leaf)
            return
        _check_type(place, leaf)
        if not isinstance(leaf, torch.Tensor):
            raise error("input-type", f"input {place + 1} is {_kind(leaf)}, compiled for a tensor")
        if leaf.dtype != wanted and not (_is_whole(leaf.dtype) and _is_whole(wanted)):
            help = f"`input.to({wanted})`"
            raise error("input-dtype", f"input {place + 1} is {leaf.dtype}, compiled for {wanted}", help=help)
        if leaf.requires_grad and torch.is_grad_enabled():
            raise error(
                "no-gradient", f"input {place + 1} wants a gradient, the results of the wafer have none",
                help="call it under `torch.no_grad()`, or give `input.detach()`",
            )  # fmt: skip

    def _check_known(self, place: int, leaf: Any) -> None:
        known = self._known[place]
        if type(leaf) is not type(known) or leaf != known:
            raise error(
                "input-constant", f"input {place + 1} is {_kind(leaf)}, compiled for {_kind(known)}",
                help="what is no tensor is part of the program: compile again for another value",
            )  # fmt: skip


def _is_whole(dtype: torch.dtype) -> bool:
    return not dtype.is_floating_point and not dtype.is_complex


def _check_type(place: int, leaf: Any) -> None:
    """Diagnostics: input-type."""
    if isinstance(leaf, np.ndarray | np.generic):
        help = "`torch.from_numpy(array)`"
        raise error("input-type", f"input {place + 1} is {_kind(leaf)}", help=help)
    if isinstance(leaf, torch.Tensor) and (leaf.layout != torch.strided or leaf.is_quantized or leaf.is_meta):
        raise error("input-type", f"input {place + 1} is no dense tensor: {leaf.layout} on {leaf.device}")


def _kind(x: Any) -> str:
    if x is None or isinstance(x, bool | int | float | str):
        return f"`{x!r}`"
    name = type(x).__name__
    return f"an array of NumPy of {x.dtype}" if isinstance(x, np.ndarray) else f"of type `{name}`"


def _help(inputs: Any, otherwise: str) -> str:
    return "`(torch.from_numpy(array),)`" if isinstance(inputs, np.ndarray) else f"`{otherwise}`"
