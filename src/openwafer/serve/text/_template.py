"""Chat templates: a model says in Jinja how messages and tools become a text."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from openwafer.diag import Source, error
from openwafer.files import MIB, inside, parse_json, read_text

_ID = "chat-template"
_BUILT_IN = (
    "{% for m in messages %}<|role|>{{ m.role }}\n{{ m.content or '' }}"
    "{% if m.tool_calls %}{{ m.tool_calls | tojson }}{% endif %}<|end|>{% endfor %}"
    "{% if tools %}<|role|>tools\n{{ tools | tojson }}<|end|>{% endif %}"
    "{% if add_generation_prompt %}<|role|>assistant\n{% endif %}"
)


class TemplateRefused(Exception):
    """The template refuses these messages, and says why."""


class Template:
    """A compiled template; `words` are the names that it may use, such as `bos_token`."""

    def __init__(self, text: str, words: dict[str, str]) -> None:
        self._words = words
        environment = _environment()
        try:
            self._template = environment.from_string(text)
        except Exception as reason:
            raise error(_ID, f"the chat template cannot be compiled: {reason}") from None

    def render(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None) -> str:
        """The text behind which the assistant's answer begins. Raises `TemplateRefused`."""
        from jinja2 import TemplateError

        try:
            return self._template.render(
                messages=messages, tools=tools or None, add_generation_prompt=True, **self._words
            )
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as reason:
            raise TemplateRefused(str(reason)) from None


def _environment() -> Any:
    """As models expect it (that of `transformers`): blocks are trimmed, loops can be broken, `tojson` keeps
    characters as they are."""
    from jinja2.exceptions import TemplateError
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, **more: Any) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **more)

    environment: Any = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(str(form))
    return environment


def built_in_template() -> Template:
    """For tokens that are bytes."""
    return Template(_BUILT_IN, {})


def read_template(directory: Path, path: str | None, tokenizer: Any) -> Template | None:
    """The template of a file, or of a model's directory; None where it has none.

    Diagnostics: chat-template."""
    config = _json(directory, "tokenizer_config.json")
    words = {name: text for name in ("bos_token", "eos_token", "unk_token", "pad_token")
             if (text := _token(config.get(name)))}  # fmt: skip
    if path is not None:
        return Template(read_text(Path(path), "chat template", _ID, MIB), words)
    file = inside(directory, "chat_template.jinja", _ID)
    if file.exists():
        return Template(read_text(file, "chat template", _ID, MIB), words)
    found = config.get("chat_template") or _json(directory, "chat_template.json").get("chat_template")
    if isinstance(found, list):
        named = {entry.get("name"): entry.get("template") for entry in found if isinstance(entry, dict)}
        found = named.get("tool_use") or named.get("default")
    return Template(found, words) if isinstance(found, str) else None


def _json(directory: Path, name: str) -> dict[str, Any]:
    path = inside(directory, name, _ID)
    if not path.exists():
        return {}
    found = parse_json(Source(str(path), read_text(path, name, _ID, 16 * MIB)), _ID)
    return found if isinstance(found, dict) else {}


def _token(value: Any) -> str | None:
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else None
