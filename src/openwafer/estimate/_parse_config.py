"""From a `config.json` to a `ModelConfig`."""

from __future__ import annotations

from openwafer.diag import Source, suggest
from openwafer.estimate._config import ModelConfig
from openwafer.estimate._families import FAMILIES
from openwafer.estimate._read_config import Reader, fail
from openwafer.files import parse_json


def parse_config(name: str, text: str, path: str | None = None) -> ModelConfig:
    """The model of a config.json.

    Diagnostics: config-syntax, config-unknown-family, config-missing-field, config-bad-field.
    """
    source = Source(path or f"{name}/config.json", text)
    return _model(Reader(name, parse_json(source, "config-syntax"), source))


def _model(read: Reader) -> ModelConfig:
    family = read.document.get("model_type")
    if family is None:
        raise fail("config-missing-field", "config has no `model_type`", read.start())
    if not isinstance(family, str) or family not in FAMILIES:
        hint = suggest(str(family), FAMILIES) or f"known are {', '.join(FAMILIES)}"
        raise fail("config-unknown-family", f"no model family `{family}`", read.span("model_type"), hint)
    return FAMILIES[family](read)
