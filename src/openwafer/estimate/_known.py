"""Models by name or by path."""

from __future__ import annotations

import json
import os
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from openwafer.diag import error, suggest
from openwafer.estimate._config import ModelConfig
from openwafer.estimate._parse_config import parse_config
from openwafer.estimate._read_config import MOST_BYTES
from openwafer.files import inside, read_text

_DROPPED = ("-instruct", "-chat", "-it", "-hf", "-base", "-fp8", "-nvfp4", "-2507", "-0528")


@cache
def _configs() -> dict[str, dict[str, Any]]:
    text = resources.files("openwafer.estimate").joinpath("data/models.json").read_text("utf-8")
    return json.loads(text)


def known_models() -> tuple[str, ...]:
    """The models whose configs come with OpenWafer."""
    return tuple(_configs())


def load_model(name_or_path: str) -> ModelConfig:
    """A known model by name, a `config.json`, or a directory that has one.

    Diagnostics: model-not-found, model-unreadable, and those of `parse_config`.
    """
    name, text, path = load_document(name_or_path)
    return _known(name) if path is None else parse_config(name, text, path)


def load_document(name_or_path: str) -> tuple[str, str, str | None]:
    """Name and text of a model's config, and its path where it is a file.

    Diagnostics: model-not-found, model-unreadable.
    """
    path = Path(name_or_path)
    if path.is_dir():
        path = inside(path, "config.json", "model-unreadable")
    if path.suffix == ".json" and os.path.lexists(path):
        name = path.stem if path.stem != "config" else path.absolute().parent.name
        return name, read_text(path, "model", "model-unreadable", MOST_BYTES), str(path)
    found = canonical(name_or_path)
    if found is None and Path(name_or_path).is_dir():
        raise error("model-not-found", f"no `config.json` in `{name_or_path}`")
    if found is None:
        hint = suggest(_short(name_or_path), _configs()) or "name a config.json, or one of the known models"
        notes = [f"known are {', '.join(_configs())}"]
        raise error("model-not-found", f"no model and no file `{name_or_path}`", help=hint, notes=notes)
    config = _configs()[found]
    return found, json.dumps(_configs()[config["same_as"]] if "same_as" in config else config), None


@cache
def _known(name: str) -> ModelConfig:
    return parse_config(name, load_document(name)[1])


def canonical(name: str) -> str | None:
    """The name of a known model: case, organisation and suffixes like `-Instruct` do not matter."""
    short = _short(name)
    return next((n for n in (short, _stripped(short)) if n in _configs()), None)


def _short(name: str) -> str:
    short = name.rsplit("/", 1)[-1].lower().replace("_", "-").replace(" ", "-")
    return short.replace("meta-llama", "llama").replace("llama3", "llama-3").replace("llama2", "llama-2")


def _stripped(name: str) -> str:
    changed = True
    while changed:
        stripped = name
        for suffix in _DROPPED:
            stripped = stripped.removesuffix(suffix)
        changed, name = stripped != name, stripped
    return name
