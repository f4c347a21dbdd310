"""Tool calls in what a model writes: as its template taught it, or as a grammar forced it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, cast

_MARKED = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|$)", re.DOTALL)
_MARK = "<tool_call>"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """`arguments` is JSON text."""

    name: str
    arguments: str


def may_be_call(text: str) -> bool:
    """Whether a text that grows may become a tool call."""
    begin = text.lstrip()
    return begin.startswith(("{", _MARK)) or _MARK.startswith(begin)


def parse_calls(text: str, known: set[str]) -> list[ToolCall]:
    """Calls of known tools: `<tool_call>{…}</tool_call>`, or a text that is one JSON object with `name` and
    `arguments` (or `parameters`). None if there is anything else."""
    begin = text.strip()
    if begin.startswith(_MARK):
        found = [_call(part, known) for part in _MARKED.findall(begin)]
    else:
        found = [_call(begin, known)]
    return [call for call in found if call is not None] if all(found) else []


def _call(text: str, known: set[str]) -> ToolCall | None:
    try:
        value: Any = json.loads(text)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    call = cast("dict[str, Any]", value)
    if call.get("name") not in known:
        return None
    arguments = call.get("arguments", call.get("parameters", {}))
    return ToolCall(str(call["name"]), arguments if isinstance(arguments, str) else json.dumps(arguments))


def call_schema(tools: list[dict[str, Any]], name: str | None) -> dict[str, Any]:
    """JSON schema of a call of one of the tools, or of the one with a name."""
    calls = [
        {
            "type": "object",
            "properties": {
                "name": {"const": tool["function"]["name"]},
                "arguments": tool["function"].get("parameters") or {"type": "object"},
            },
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in tools
        if name is None or tool["function"]["name"] == name
    ]
    return calls[0] if len(calls) == 1 else {"anyOf": calls}
