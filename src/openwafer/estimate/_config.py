"""From a `config.json` to a `ModelConfig`: one shape for every family of decoder-only transformers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from openwafer.diag import Diagnostic, DiagnosticError, Source, Span, suggest
from openwafer.files import MIB, parse_json

MOST_BYTES = MIB
"""Of a config.json."""
MOST_SIZE = 10**9
MOST_LAYERS = 10**4
Attention: TypeAlias = Literal["grouped", "latent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What differs from layer to layer: experts (0: a dense MLP), and the attention window (0: all)."""

    experts: int
    window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """A decoder-only transformer. `mlp_matrices` is 3 for a gated MLP, 2 for a plain one.

    `attention = "latent"` is DeepSeek's multi-head latent attention: it caches `kv_rank + rope_dim` numbers
    a token.
    """

    name: str
    family: str
    hidden: int
    vocab: int
    heads: int
    kv_heads: int
    head_dim: int
    layers: tuple[Layer, ...]
    mlp: int
    mlp_matrices: int
    tied: bool
    context: int
    expert_mlp: int = 0
    experts_per_token: int = 0
    shared_mlp: int = 0
    attention: Attention = "grouped"
    q_rank: int = 0
    kv_rank: int = 0
    rope_dim: int = 0
    value_dim: int = 0
    positions: int = 0
    qkv_bias: bool = False
    out_bias: bool = False
    mlp_bias: bool = False
    router_bias: bool = False
    head_norms: bool = False
    sinks: bool = False
    norm_weights: int = 1
    stored: str = "f16"


def parse_config(name: str, text: str, path: str | None = None) -> ModelConfig:
    """The model of a config.json.

    Diagnostics: config-syntax, config-unknown-family, config-missing-field, config-bad-field.
    """
    source = Source(path or f"{name}/config.json", text)
    return Reader(name, parse_json(source, "config-syntax"), source).model()


def _fail(id: str, message: str, span: Span | None, help: str | None = None) -> DiagnosticError:
    return DiagnosticError([Diagnostic(id, message, span, help=help)])


class Reader:
    """Reads one config; every field that is asked for is there, an integer and in range, or it is told."""

    def __init__(self, name: str, document: Mapping[str, Any], source: Source) -> None:
        self.name = name
        inner = document.get("text_config")
        self.document: Mapping[str, Any] = (
            cast(Mapping[str, Any], inner) if isinstance(inner, dict) else document
        )
        self.source = source

    def model(self) -> ModelConfig:
        from openwafer.estimate._families import FAMILIES

        family = self.document.get("model_type")
        if family is None:
            raise _fail("config-missing-field", "config has no `model_type`", self._start())
        if not isinstance(family, str) or family not in FAMILIES:
            hint = suggest(str(family), FAMILIES) or f"known are {', '.join(FAMILIES)}"
            raise _fail("config-unknown-family", f"no model family `{family}`", self.span("model_type"), hint)
        return FAMILIES[family](self)

    def whole(self, *names: str, default: int | None = None, least: int = 1, most: int = MOST_SIZE) -> int:
        """The first of the fields that is there; `default` when none is."""
        for key in names:
            value = self.document.get(key)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                text = f"`{key}` must be an integer from {least} to {most:,}, found {json.dumps(value)[:40]}"
                raise _fail("config-bad-field", text, self.span(key))
            return value
        if default is not None:
            return default
        raise _fail(
            "config-missing-field", f"config of family `{self.family}` has no `{names[0]}`", self._start()
        )

    def flag(self, name: str, default: bool) -> bool:
        value = self.document.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            text = f"`{name}` must be true or false, found {json.dumps(value)[:40]}"
            raise _fail("config-bad-field", text, self.span(name))
        return value

    def layers(self, *names: str) -> int:
        """How many layers there are."""
        return self.whole(*names, most=MOST_LAYERS)

    def indices(self, name: str) -> set[int]:
        """A list of integers; empty when it is not there."""
        value = self.document.get(name)
        if not isinstance(value, list) or not all(type(i) is int for i in cast(list[object], value)):
            text = f"`{name}` must be a list of integers, found {json.dumps(value)[:40]}"
            raise _fail("config-bad-field", text, self.span(name))
        return set(cast(list[int], value))

    def names(self, name: str) -> list[str]:
        """A list of strings or integers, as strings; empty when it is not there."""
        value = self.document.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            text = f"`{name}` must be a list, found {json.dumps(value)[:40]}"
            raise _fail("config-bad-field", text, self.span(name))
        return [str(item) for item in cast(list[object], value)]

    def require(self, right: bool, name: str, message: str) -> None:
        """Diagnoses a field that contradicts another."""
        if not right:
            raise _fail("config-bad-field", message, self.span(name))

    @property
    def family(self) -> str:
        return str(self.document.get("model_type"))

    def stored(self) -> str:
        """The format of the published weights."""
        quantization: object = self.document.get("quantization_config")
        method = ""
        if isinstance(quantization, dict):
            method = str(cast(dict[str, Any], quantization).get("quant_method", ""))
        return {"mxfp4": "fp4", "nvfp4": "fp4", "fp8": "fp8"}.get(method, "f16")

    def span(self, name: str) -> Span:
        at = self.source.text.find(json.dumps(name))
        return self._start() if at < 0 else Span(self.source, at, at + len(name) + 2)

    def _start(self) -> Span:
        return Span(self.source, 0, min(1, len(self.source.text)))
