"""The points of a sweep: every combination of the values of its axes, with models and systems resolved."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, cast

from openwafer.diag import error, suggest
from openwafer.estimate._config import ModelConfig
from openwafer.estimate._estimate import check_traffic
from openwafer.estimate._known import load_document
from openwafer.estimate._parse_config import parse_config
from openwafer.estimate.sweep._axes import TRAFFIC, Axes, Value, check_axes
from openwafer.machine.systems import System, WaferSystem, load_system, vary_system

MOST_POINTS = 10**9
MOST_VARIANTS = 10**5


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Axes, the last one varying fastest; a model for each of its combinations with `config.*` axes, and a
    system for each with `system.*` axes."""

    axes: Axes
    models: dict[tuple[Value, ...], ModelConfig]
    systems: dict[tuple[Value, ...], System]

    def __len__(self) -> int:
        return math.prod(len(values) for values in self.axes.values())

    def at(self, index: int) -> dict[str, Value]:
        """The values of one point, by axis."""
        found: dict[str, Value] = {}
        for name, values in reversed(self.axes.items()):
            index, here = divmod(index, len(values))
            found[name] = values[here]
        return dict(reversed(found.items()))

    def model(self, point: Mapping[str, Value]) -> ModelConfig:
        return self.models[tuple(point[name] for name in variants(self.axes, "model", "config."))]

    def system(self, point: Mapping[str, Value]) -> System:
        return self.systems[tuple(point[name] for name in variants(self.axes, "on", "system."))]


def variants(axes: Axes, name: str, prefix: str) -> list[str]:
    """The axes that decide a model or a system."""
    return [name, *(axis for axis in axes if axis.startswith(prefix))]


def make_grid(given: Mapping[str, Sequence[Value]]) -> Grid:
    """Resolves every model and system of a sweep, so that what is wrong is told before it begins.

    Diagnostics: those of the axes, of models, systems and traffic; sweep-too-large, sweep-unknown-field.
    """
    axes = check_axes(given)
    for name, values in axes.items():
        if name in TRAFFIC:
            for value in values:
                check_traffic(**TRAFFIC | {name: cast(float, value)})
    models = {key: _model(axes, key) for key in _combinations(axes, "model", "config.")}
    systems = {key: _system(axes, key) for key in _combinations(axes, "on", "system.")}
    grid = Grid(axes=axes, models=models, systems=systems)
    if len(grid) > MOST_POINTS:
        raise error("sweep-too-large", f"the sweep has {len(grid):.3g} points, more than {MOST_POINTS:.0g}")
    return grid


def _combinations(axes: Axes, name: str, prefix: str) -> list[tuple[Value, ...]]:
    values = [axes[axis] for axis in variants(axes, name, prefix)]
    count = math.prod(map(len, values))
    if count > MOST_VARIANTS:
        raise error("sweep-too-large", f"the sweep varies `{name}` in {count:,} ways")
    return list(itertools.product(*values))


def _model(axes: Axes, key: tuple[Value, ...]) -> ModelConfig:
    name, text, path = load_document(str(key[0]))
    fields = dict(zip(variants(axes, "model", "config.")[1:], key[1:], strict=True))
    if not fields:
        return parse_config(name, text, path)
    parse_config(name, text, path)
    document = cast(dict[str, Any], json.loads(text))
    inner = document.get("text_config")
    inner = cast(dict[str, Any], inner) if isinstance(inner, dict) else document
    for axis, value in fields.items():
        field = axis.removeprefix("config.")
        if field not in inner:
            hint = suggest(field, inner)
            raise error("sweep-unknown-field", f"the config of `{name}` has no `{field}`", help=hint)
        inner[field] = value
    return parse_config(name, json.dumps(document, indent=1), path)


def _system(axes: Axes, key: tuple[Value, ...]) -> System:
    names = variants(axes, "on", "system.")[1:]
    facts = {n.removeprefix("system."): v for n, v in zip(names, key[1:], strict=True)}
    wrong = next((name for name, value in facts.items() if isinstance(value, str)), None)
    if wrong:
        raise error("sweep-bad-value", f"`system.{wrong}` takes numbers, found `{facts[wrong]}`")
    return vary_system(load_system(str(key[0])), {n: float(cast(float, v)) for n, v in facts.items()})


@lru_cache(maxsize=2)
def unpack(packed: bytes) -> Grid:
    return cast(Grid, pickle.loads(packed))


def digest(grid: Grid) -> str:
    """Of everything that results depend on: axes, models, systems, fitted constants, error bands."""
    data = resources.files("openwafer.estimate").joinpath("data")
    parts: list[object] = [
        data.joinpath(name).read_text("utf-8") for name in ("constants.toml", "errors.json")
    ]
    parts += [list(grid.axes.items()), [repr(model) for model in grid.models.values()]]
    for system in grid.systems.values():
        parts.append([system.name, sorted((name, fact.value) for name, fact in system.by_name.items())])
        parts.append(system.machine.hash() if isinstance(system, WaferSystem) else "")
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
