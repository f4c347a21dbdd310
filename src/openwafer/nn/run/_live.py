"""A PyTorch model after it was compiled: weights that changed reach the wafer, other changes are told.

A program rests on the model's structure, on numbers in its modules (`training`, `eps`), and on buffers and
constants. These are compared at every call; so are the weights, by their contents, since not every write
raises PyTorch's version counter.
"""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from openwafer.diag import DiagnosticError, error

INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""By bytes: bits are compared, so that NaN equals NaN."""
TABLES = ("_parameters", "_buffers", "_modules", "_forward_hooks", "_forward_pre_hooks")
"""Of a module: what it is made of, and what runs beside it."""

SIMPLE = (bool, int, float, str, type(None), torch.dtype, torch.device)
"""Types of attributes that are the same if they are equal."""

Text = Callable[[], tuple[str, Mapping[str, torch.Tensor]]]
"""What the model as it is now would be compiled from: `Captured.text` and `Captured.stored`."""
MOST_STRUCTURES = 4
"""States of a model that are remembered, such as training and evaluation."""

TURNS = 8
"""Calls in quick succession between checks of the structure."""


@dataclass(frozen=True, slots=True)
class _Structure:
    """All modules: what their tables and attributes held. Compared at every call, so in flat lists."""

    empty: tuple[dict[str, Any], ...]
    """Tables without entries."""
    tables: tuple[tuple[dict[str, Any], tuple[int, ...]], ...]
    """Tables, and the ids of what they held."""
    attributes: tuple[tuple[dict[str, Any], tuple[int, ...], dict[str, Any]], ...]
    parameters: dict[str, torch.nn.Parameter]
    ties: tuple[tuple[str, ...], ...]
    trained: tuple[str, ...]

    @staticmethod
    def of(model: torch.nn.Module) -> _Structure:
        tables = [getattr(module, name) for module in model.modules() for name in TABLES]
        attributes = tuple((m.__dict__, _ids(m.__dict__), dict(m.__dict__)) for m in model.modules())
        named = dict(model.named_parameters(remove_duplicate=False))
        return _Structure(
            tuple(table for table in tables if not table),
            tuple((table, _ids(table)) for table in tables if table),
            attributes, named, _ties(named), _trained(named),
        )  # fmt: skip

    def is_now(self) -> bool:
        """Whether every module still has what it had."""
        return (
            not any(self.empty)
            and all(_ids(table) == ids for table, ids in self.tables)
            and all(_ids(now) == ids or _are_equal(now, then) for now, ids, then in self.attributes)
            and self.trained == _trained(self.parameters)
        )


def _ids(table: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(map(id, table.values()))


def _are_equal(now: Mapping[str, Any], then: Mapping[str, Any]) -> bool:
    return now.keys() == then.keys() and all(
        a is then[name] or (type(a) is type(then[name]) and isinstance(a, SIMPLE) and a == then[name])
        for name, a in now.items()
    )


def _ties(named: Mapping[str, torch.nn.Parameter]) -> tuple[tuple[str, ...], ...]:
    """Names of one parameter each."""
    names: dict[int, list[str]] = {}
    for name, parameter in named.items():
        names.setdefault(id(parameter), []).append(name)
    return tuple(sorted(map(tuple, names.values())))


def _trained(named: Mapping[str, torch.nn.Parameter]) -> tuple[str, ...]:
    return tuple(name for name, p in named.items() if p.requires_grad)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A parameter's memory and what is known of it, as bits. No other gets its address: it stays."""

    address: int
    stride: tuple[int, ...]
    now: torch.Tensor
    known: torch.Tensor


def _counters(parameters: Mapping[str, torch.nn.Parameter]) -> list[tuple[int, int]]:
    return [(p._version, p.data_ptr()) for p in parameters.values()]


class LiveModel:
    """The model, and what the wafer has of it."""

    def __init__(
        self, model: torch.nn.Module, text: str, stored: Mapping[str, torch.Tensor], retext: Text,
        *, is_training: bool = False,
    ) -> None:  # fmt: skip
        self._model, self._text, self._retext, self._is_training = model, text, retext, is_training
        self._structures = [_Structure.of(model)]
        self._stored = dict(stored)
        self._stored_then = {name: tensor.clone() for name, tensor in stored.items()}
        self._places = self._stored_places()
        self.forget()

    def forget(self) -> None:
        """What the model has now is what the wafer has."""
        named = self._structures[0].parameters
        copies = {id(p): p.detach().cpu().clone() for p in named.values()}
        self._known = {name: copies[id(p)] for name, p in named.items()}
        self._seen: dict[str, _Seen] = {}
        self._counted: list[tuple[int, int]] = []

    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """Whole parameters by every name they have, as f32, as the wafer has them."""
        return {name: known.to(torch.float32).numpy() for name, known in self._known.items()}

    def tensor(self, name: str) -> torch.Tensor:
        """A parameter or buffer, as it is now."""
        path, _, last = name.rpartition(".")
        module = self._model.get_submodule(path)
        found = module._parameters.get(last)  # pyright: ignore[reportPrivateUsage]
        return self._buffer(name) if found is None else found

    def _buffer(self, name: str) -> torch.Tensor:
        found = dict(self._model.named_buffers(remove_duplicate=False)).get(name)
        if found is None:
            raise _changed(f"the buffer `{name}` is gone")
        return found

    def changed(self) -> list[str]:
        """Parameters whose numbers are others than those known. Diagnostics: model-changed."""
        self.check()
        now = self._structures[0].parameters
        self._counted = _counters(now)
        return [name for name, known in self._known.items() if not self._is_known(name, now[name], known)]

    def changed_meanwhile(self, turn: int) -> list[str]:
        """`changed`, for calls that follow each other at once: contents are compared where PyTorch's counters
        say so, and of one parameter in turn; the structure now and then. Diagnostics: model-changed."""
        if turn % TURNS == 0:
            self.check()
        now = self._structures[0].parameters
        name = list(now)[turn % len(now)] if now else None
        if name is None or (
            _counters(now) == self._counted and self._is_known(name, now[name], self._known[name])
        ):
            return []
        return self.changed()

    def _is_known(self, name: str, now: torch.nn.Parameter, known: torch.Tensor) -> bool:
        seen = self._seen.get(name)
        if seen is None or (seen.address, seen.stride) != (now.data_ptr(), now.stride()):
            if now.shape != known.shape or now.dtype != known.dtype or now.device != known.device:
                return is_same(now.detach(), known)
            bits = INTEGERS[now.element_size()]
            views = (now.detach().view(bits), known.view(bits))
            seen = self._seen[name] = _Seen(now.data_ptr(), now.stride(), *views)
        return torch.equal(seen.now, seen.known)

    def take(self, names: Collection[str]) -> dict[str, np.ndarray[Any, Any]]:
        """These parameters' numbers become those known: `arrays`. Diagnostics: model-changed."""
        now = self._structures[0].parameters
        for name in names:
            known = self._known[name]
            if known.shape != now[name].shape or known.dtype != now[name].dtype:
                raise _changed(f"`{name}` is {now[name].dtype} {list(now[name].shape)}")
            known.copy_(now[name].detach())
        return self.arrays()

    def check(self) -> None:
        """Diagnostics: model-changed."""
        if not self._structures[0].is_now():
            known = next((s for s in self._structures if s.is_now()), None)
            self._structures = [known or self._accepted(), *(s for s in self._structures if s is not known)]
            del self._structures[MOST_STRUCTURES:]
            self._places = self._stored_places()
        for name, table, last, then in self._places:
            found = table.get(last)
            if not is_same(self._stored[name] if found is None else found, then):
                raise _changed(f"`{name}` has other numbers, and they are part of the program")

    def _accepted(self) -> _Structure:
        """The model is another one that amounts to the same."""
        now, then = _Structure.of(self._model), self._structures[0]
        if now.ties != then.ties:
            raise _changed(_tie_difference(then.ties, now.ties))
        if self._is_training and now.trained != then.trained:
            raise _changed("other parameters are trained (`requires_grad`)")
        text, stored = self._retext()
        if text != self._text:
            raise _changed("its modules, or numbers in them, are others")
        self._stored = dict(stored)
        return _Structure.of(self._model)  # tracing may have changed attributes

    def _stored_places(self) -> list[tuple[str, Mapping[str, Any], str, torch.Tensor]]:
        """Where each is found now: a buffer may be another tensor, a constant is what was captured."""
        modules = dict(self._model.named_modules(remove_duplicate=False))
        places: list[tuple[str, Mapping[str, Any], str, torch.Tensor]] = []
        for name, then in self._stored_then.items():
            path, _, last = name.rpartition(".")
            table = modules[path]._buffers if path in modules else {}  # pyright: ignore
            places.append((name, table, last, then))
        return places


def is_same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two tensors hold the same bits."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a is b:
        return True
    if a.is_complex():
        a, b = torch.view_as_real(a), torch.view_as_real(b)
    bits = INTEGERS[a.element_size()]
    a = a if a.device == b.device else a.to(b.device)
    return torch.equal(a.view(bits), b.view(bits))


def _changed(how: str) -> DiagnosticError:
    return error(
        "model-changed", f"the model is not what was compiled: {how}", help="compile the model again"
    )


def _tie_difference(then: tuple[tuple[str, ...], ...], now: tuple[tuple[str, ...], ...]) -> str:
    return "; ".join(_tie_lines(then, now)) or "its parameters are others"


def _tie_lines(then: tuple[tuple[str, ...], ...], now: tuple[tuple[str, ...], ...]) -> Iterator[str]:
    names_then, names_now = ({n for tie in ties for n in tie} for ties in (then, now))
    for name in sorted(names_now - names_then):
        yield f"`{name}` is new"
    for name in sorted(names_then - names_now):
        yield f"`{name}` is gone"
    if names_then == names_now:
        for tie in now:
            if tie not in then:
                yield " and ".join(f"`{n}`" for n in tie) + (
                    " are one parameter" if len(tie) > 1 else " is apart"
                )
