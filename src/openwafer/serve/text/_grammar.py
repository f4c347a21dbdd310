"""Grammars: an answer that must be JSON of a schema."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openwafer.diag import error
from openwafer.serve.text._codec import Codec

_OPTIONS: Any = {"whitespace_flexible": False}
"""Small models would write blanks for ever."""


class Grammar:
    """Which tokens may come next. Made anew for each answer; `schema` is JSON schema.

    Diagnostics: schema-invalid, serve-missing."""

    def __init__(self, codec: Codec, schema: dict[str, Any]) -> None:
        try:
            from llguidance import LLMatcher
        except ImportError:
            text = "`llguidance` is not installed"
            raise error("serve-missing", text, help="pip install 'openwafer[serve]'") from None
        try:
            grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema), defaults=_OPTIONS)
        except ValueError as reason:
            raise error("schema-invalid", f"{reason}") from None
        self._matcher = LLMatcher(codec.grammar_tokenizer(), grammar, log_level=0)
        if self._matcher.is_error():
            raise error("schema-invalid", str(self._matcher.get_error()).splitlines()[0])

    def allowed(self) -> NDArray[np.bool_]:
        """By token."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        return np.unpackbits(bits, bitorder="little").astype(bool)

    def take(self, token: int) -> bool:
        """The next token; whether the text is complete and can have no other."""
        self._matcher.consume_token(token)
        return self._matcher.is_stopped()
