"""From a `config.json` to a `ModelConfig`: one shape for every family of decoder-only transformers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from openwafer.diag import Diagnostic, DiagnosticError, Source, Span
from openwafer.files import MIB

MOST_BYTES = MIB
"""Of a config.json."""
MOST_SIZE = 10**9
MOST_LAYERS = 10**4


def fail(id: str, message: str, span: Span | None, help: str | None = None) -> DiagnosticError:
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

    def whole(self, *names: str, default: int | None = None, least: int = 1, most: int = MOST_SIZE) -> int:
        """The first of the fields that is there; `default` when none is."""
        for key in names:
            value = self.document.get(key)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                text = f"`{key}` must be an integer from {least} to {most:,}, found {json.dumps(value)[:40]}"
                raise fail("config-bad-field", text, self.span(key))
            return value
        if default is not None:
            return default
        raise fail(
            "config-missing-field", f"config of family `{self.family}` has no `{names[0]}`", self.start()
        )

    def flag(self, name: str, default: bool) -> bool:
        value = self.document.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            text = f"`{name}` must be true or false, found {json.dumps(value)[:40]}"
            raise fail("config-bad-field", text, self.span(name))
        return value

    def layers(self, *names: str) -> int:
        """How many layers there are."""
        return self.whole(*names, most=MOST_LAYERS)

    def indices(self, name: str) -> set[int]:
        """A list of integers; empty when it is not there."""
        value = self.document.get(name)
        if not isinstance(value, list) or not all(type(i) is int for i in cast(list[object], value)):
            text = f"`{name}` must be a list of integers, found {json.dumps(value)[:40]}"
            raise fail("config-bad-field", text, self.span(name))
        return set(cast(list[int], value))

    def names(self, name: str) -> list[str]:
        """A list of strings or integers, as strings; empty when it is not there."""
        value = self.document.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            text = f"`{name}` must be a list, found {json.dumps(value)[:40]}"
            raise fail("config-bad-field", text, self.span(name))
        return [str(item) for item in cast(list[object], value)]

    def require(self, right: bool, name: str, message: str) -> None:
        """Diagnoses a field that contradicts another."""
        if not right:
            raise fail("config-bad-field", message, self.span(name))

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
        return self.start() if at < 0 else Span(self.source, at, at + len(name) + 2)

    def start(self) -> Span:
        return Span(self.source, 0, min(1, len(self.source.text)))
